"""A line that cannot be read costs its own clip: it is left out by name, and the others are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from goama.errors import GoamaError
from goama.sources.clip import SourceClip
from goama.sources.source import read_source
from goama.sources.text_lines import CUT_OFF_FAULT

NAMES = ["clip0", "clip1", "clip2", "clip3"]
TEXTS = ["een", "twee", "één huis", "drie"]


def _json(name: str, text: str, sound: str = "file_name") -> str:
    return json.dumps({sound: f"{name}.wav", "text": text, "duration": 0.5}, ensure_ascii=False)


LINES: dict[str, tuple[str, list[str]]] = {
    "jsonl": ("t.jsonl", [_json(*row) for row in zip(NAMES, TEXTS, strict=True)]),
    "nemo": ("manifest.json", [_json(*row, "audio_filepath") for row in zip(NAMES, TEXTS, strict=True)]),
    "csv": ("t.csv", ["file_name,text", *(f"{n}.wav,{t}" for n, t in zip(NAMES, TEXTS, strict=True))]),
    "tsv": ("t.tsv", ["file_name\ttext", *(f"{n}.wav\t{t}" for n, t in zip(NAMES, TEXTS, strict=True))]),
    "no header": ("line_index.tsv", [f"{n}\t{t}" for n, t in zip(NAMES, TEXTS, strict=True)]),
    "ljspeech": ("metadata.csv", [f"{n}|{t}" for n, t in zip(NAMES, TEXTS, strict=True)]),
    "common voice": (
        "validated.tsv",
        ["client_id\tpath\tsentence", *(f"s\t{n}\t{t}" for n, t in zip(NAMES, TEXTS, strict=True))],
    ),
    "kaldi": ("text", [f"{n} {t}" for n, t in zip(NAMES, TEXTS, strict=True)]),
}  # fmt: skip
FORMATS = list(LINES)
Write = Callable[[str, bytes], list[SourceClip]]


@pytest.fixture
def read(tmp_path: Path) -> Write:
    """`read(format, content)`: the clips of a source whose table has this content; all sound files are there."""
    for sub in (".", "wavs", "clips"):
        (tmp_path / sub).mkdir(exist_ok=True)
        for name in NAMES:
            soundfile.write(tmp_path / sub / f"{name}.wav", np.zeros(8_000), 16_000)
    for name in NAMES:
        (tmp_path / "clips" / f"{name}.wav").rename(tmp_path / "clips" / f"{name}.mp3")  # read by its content

    def write(kind: str, content: bytes) -> list[SourceClip]:
        table = tmp_path / LINES[kind][0]
        table.write_bytes(content)
        if kind == "kaldi":
            (tmp_path / "wav.scp").write_text("".join(f"{name} {name}.wav\n" for name in NAMES))
        folder = kind in ("ljspeech", "kaldi")
        return list(read_source(str(tmp_path if folder else table)))

    return write


def content(kind: str, lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def good(clips: list[SourceClip]) -> list[str]:
    return [clip.text for clip in clips if clip.fault is None]


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_lines_are_all_read_with_and_without_a_last_line_end(read: Write, kind: str) -> None:
    whole = content(kind, LINES[kind][1])
    assert good(read(kind, whole)) == good(read(kind, whole.rstrip(b"\n"))) == TEXTS


DAMAGE = {
    "jsonl": '{"file_name": "clip9.wav", "te',
    "nemo": '{"audio_filepath": "clip9.wav", "text": "a"}{"audio_filepath": "clip8.wav", "text": "b"}',
    "csv": 'clip9.wav,"hij zei "nee" en ging',
    "tsv": "clip9.wav\teen\ttwee",
    "no header": "clip9",
    "ljspeech": "clip9",
    "common voice": "s\tclip9\tja\tja",
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("place", [1, 3], ids=["early", "late"])
def test_a_damaged_line_costs_its_own_clip(read: Write, kind: str, place: int) -> None:
    lines = list(LINES[kind][1])
    lines.insert(place + 1, DAMAGE[kind])
    clips = read(kind, content(kind, lines))
    assert good(clips) == TEXTS
    (faulty,) = [clip for clip in clips if clip.fault]
    assert faulty.where.endswith(f":{place + 2}")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("damage", ["within a letter", "filled with NUL", "at a block of the disk"])
def test_a_last_line_that_was_not_written_to_its_end_is_left_out(read: Write, kind: str, damage: str) -> None:
    lines = LINES[kind][1]
    whole = content(kind, lines)
    if damage == "within a letter":
        whole = content(kind, [line for line in lines if TEXTS[3] not in line])
        whole = whole[: whole.rindex("é".encode()) + 1]  # the first byte of two
    elif damage == "filled with NUL":
        whole = whole[:-3] + bytes(517)
    else:
        before, last = content(kind, lines[:-1]), lines[-1][:-2].encode()
        whole = before + b"\n" * (4_096 - len(before + last)) + last
    clips = read(kind, whole)
    expected = TEXTS[:2] if damage == "within a letter" else TEXTS[:3]
    assert good(clips) == expected
    (cut, *_) = [clip for clip in clips if clip.fault]
    assert CUT_OFF_FAULT in str(cut.fault)


def test_a_quote_that_is_never_closed_costs_one_clip_and_not_those_below(read: Write) -> None:
    lines = ["file_name,text", 'clip0.wav,"een', "clip1.wav,twee", 'clip2.wav,"één, huis"', 'clip3.wav,hij zei "drie"']
    clips = read("csv", content("csv", lines))
    assert good(clips) == ["twee", "één, huis", 'hij zei "drie"']
    assert clips[0].where.endswith("t.csv:2") and "quote" in str(clips[0].fault)


def test_a_text_of_several_lines_in_quotes_is_one_clip(read: Write) -> None:
    assert good(read("csv", b'file_name,text\nclip0.wav,"een,\ntwee, ja\n\ndrie"\nclip1.wav,vier\n')) == [
        "een,\ntwee, ja\n\ndrie",
        "vier",
    ]


def test_a_line_cut_off_in_kaldi_s_other_files_costs_its_clips_too(tmp_path: Path) -> None:
    for name in NAMES:
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(8_000), 16_000)
    (tmp_path / "text").write_text("a een\nb twee\nc drie\n")
    (tmp_path / "wav.scp").write_bytes(b"r clip0.wav\ns")
    (tmp_path / "segments").write_bytes(b"a r 0.0 0.2\nb s 0.0 0.2\nc r 0.2 0." + bytes(20))
    first, second, third = read_source(str(tmp_path))
    assert first.fault is None
    assert "wav.scp names no sound file for 's'" in str(second.fault) and third.fault == CUT_OFF_FAULT


def test_a_file_of_damaged_lines_alone_is_refused(read: Write) -> None:
    with pytest.raises(GoamaError, match=r"t\.jsonl:1: not a JSON object"):
        read("jsonl", b'{"file_name": "clip0.wav", "te\n{"file_name": "clip1.wav"\n')


def test_a_cut_first_line_does_not_make_the_rest_a_document(read: Write) -> None:
    lines = ['{"file_name": "clip0.wav", "text":', *LINES["jsonl"][1][1:]]
    assert good(read("jsonl", content("jsonl", lines))) == TEXTS[1:]


def test_utf_16_that_breaks_off_within_a_letter_loses_its_last_line_alone(read: Write) -> None:
    whole = "\n".join(LINES["tsv"][1]).encode("utf-16")
    clips = read("tsv", whole[:-1])
    assert good(clips) == TEXTS[:3] and clips[3].fault == CUT_OFF_FAULT
