"""SRT and VTT with a recording of the same name: cues become clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE, read_audio
from goama.sources.source import Choices, read_source

from .conftest import Tape, is_piece


def clock(seconds: float, comma: str) -> str:
    ms = round(1000 * seconds)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{comma}{ms % 1000:03d}"


def srt(tape: Tape, newline: str = "\n") -> str:
    cues = (
        f"{n}\n{clock(piece.start, ',')} --> {clock(piece.end, ',')}\n<i>{piece.text}</i>\n\n"
        for n, piece in enumerate(tape.pieces, start=1)
    )
    return "".join(cues).replace("\n", newline)


def vtt(tape: Tape) -> str:
    cues = (
        f"{clock(piece.start, '.')[3:]} --> {clock(piece.end, '.')} align:start\n"
        f"<v {piece.speaker}>{piece.text}</v>\n\n"
        for piece in tape.pieces
    )
    return "WEBVTT Dutch\n\nSTYLE\n::cue { color: red }\n\nNOTE from 00:01 --> to the end\n\n" + "".join(cues)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["tape.srt", "tape.nl.srt"])
def test_each_cue_of_an_srt_is_a_clip(tape: Tape, tmp_path: Path, newline: str, encoding: str, name: str) -> None:
    tape.copy_to(tmp_path)
    (tmp_path / name).write_bytes(srt(tape, newline).encode(encoding))
    source = read_source(str(tmp_path))
    assert source.taken == "SubRip subtitles: 1 file; 12 annotations"
    assert all(is_piece(clip, piece) for clip, piece in zip(source, tape.pieces, strict=True))


def test_a_voice_of_webvtt_is_the_speaker(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    (tmp_path / "tape.vtt").write_text(vtt(tape), encoding="utf-8")
    clips = list(read_source(str(tmp_path / "tape.vtt")))
    assert all(is_piece(clip, piece) for clip, piece in zip(clips, tape.pieces, strict=True))
    assert [clip.speaker for clip in clips] == [piece.speaker for piece in tape.pieces]


def test_entities_and_formatting_are_not_spoken(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    (tmp_path / "tape.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<c.loud>Ja</c> &amp; <00:01.500>nee\n")
    (tmp_path / "tape.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<font color=red>1 < 2 &amp; 3 &lt; 4\n"
    )
    assert [clip.text for clip in read_source(str(tmp_path / "tape.vtt"))] == ["Ja & nee"]
    assert [clip.text for clip in read_source(str(tmp_path / "tape.srt"))] == ["1 < 2 & 3 < 4"]


@pytest.mark.parametrize("name", ["tape.srt", "tape.vtt"])
def test_codes_of_ass_subtitles_are_not_spoken(tape: Tape, tmp_path: Path, name: str) -> None:
    tape.copy_to(tmp_path)
    cue = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}{\\i1}ja\\Nnee\\hwel{\\i0}\n"
    (tmp_path / name).write_text(cue, encoding="utf-8")
    assert [clip.text for clip in read_source(str(tmp_path))] == ["ja\nnee wel"]


def test_cues_without_blank_lines_between_them_stay_apart(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    times = [(f"00:00:0{n},000", f"00:00:0{n},900") for n in (1, 2)]
    (tmp_path / "tape.srt").write_text(
        "".join(f"{n}\n{a} --> {b}\nzin {n}\n" for n, (a, b) in enumerate(times)), encoding="utf-8"
    )
    assert [clip.text for clip in read_source(str(tmp_path))] == ["zin 0", "zin 1"]


def test_reversed_empty_and_overlapping_cues_are_faults_of_their_clips(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    times = [
        ("05,000", "04,000"),
        ("06,000", "06,000"),
        ("07,000", "09,000"),
        ("08,000", "09,500"),
        ("10,000", "11,000"),
    ]
    (tmp_path / "tape.srt").write_text("".join(f"00:00:{a} --> 00:00:{b}\nja\n\n" for a, b in times))
    faults = [clip.fault and clip.fault.partition(";")[0] for clip in read_source(str(tmp_path))]
    assert faults == [
        "this annotation ends (4.00 s) before it starts (5.00 s)",
        "this annotation lasts 0 s",
        "overlaps the annotation from 0:00:08.000 to 0:00:09.500 in the same file",
        "overlaps the annotation from 0:00:07.000 to 0:00:09.000 in the same file",
        None,
    ]


def test_with_elan_files_beside_them_the_subtitles_wait_to_be_chosen(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    for name in ("tape.srt", "tape.vtt"):
        (tmp_path / name).write_text(srt(tape) if name.endswith("srt") else vtt(tape), encoding="utf-8")
    source = read_source(str(tmp_path))
    assert source.taken.startswith("SubRip")
    assert source.notes == ("the folder could also be read as vtt (1 files): --format vtt",)
    assert read_source(str(tmp_path), choices=Choices(format="vtt")).taken.startswith("WebVTT")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("1\nsoon --> later\nja\n", r"x\.srt:2: 'soon --> later' is not a time"),
        ("1\n00:00:01 --> 00:00:02\nja\n", "is not a time"),
        ("ja\n" * 10, "no subtitles in it"),
        ("", "no subtitles in it"),
        ("a" * 1_000_000, r"x\.srt:1: longer than subtitles are"),
        ("00:00:01,0 --> 00:00:02,0\n\n" * 100_002, "longer than subtitles are"),
    ],
    ids=range(6),
)
def test_what_are_no_subtitles_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "x.srt").write_text(content)
    with pytest.raises(GoamaError, match=sentence):
        read_source(str(tmp_path / "x.srt"))


def test_only_the_piece_is_decoded(tape: Tape, tmp_path: Path) -> None:
    """The sound behind a cue may be damaged: it is not touched."""
    wav = tape.copy_to(tmp_path)
    (tmp_path / "tape.srt").write_text(srt(tape), encoding="utf-8")
    wav.write_bytes(wav.read_bytes()[: round(2 * SAMPLE_RATE * (tape.pieces[0].end + 0.1))])
    first = next(iter(read_source(str(tmp_path))))
    assert len(read_audio(first.audio, offset=first.offset or 0, duration=first.duration).samples) == len(
        tape.pieces[0].samples
    )
