"""Tables, manifests and annotations written in ways that were first seen late: nothing goes wrong in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goama.errors import GoamaError
from goama.sources import remarks
from goama.sources.judge import OVERLAPPING
from goama.sources.source import Choices, Source, SourceClip, read_source

TEXTS = ["een twee", "drie vier", "vijf zes", "zeven acht"]
ROWS = [{"file_name": f"clip{n}.wav", "text": text} for n, text in enumerate(TEXTS)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with four sound files of 8 s."""
    for number in range(len(TEXTS)):
        soundfile.write(tmp_path / f"clip{number}.wav", np.zeros(8 * 8_000), 8_000)
    return tmp_path


def opened(path: Path, content: str | None = None, **choices: Any) -> Source:
    if content is not None:
        path.write_text(content, encoding="utf-8")
    return read_source(str(path), choices=Choices(**choices))


def good(source: Source) -> list[SourceClip]:
    return [clip for clip in source if not clip.fault]


def texts(source: Source) -> list[str]:
    return [clip.text for clip in good(source)]


# --- JSON


def test_a_json_object_of_splits_gives_clips_with_their_splits(folder: Path) -> None:
    for first in (1, 2):  # lists of other and of equal lengths
        document = {"train": ROWS[:first], "validation": ROWS[first:]}
        clips = good(opened(folder / "t.json", json.dumps(document)))
        assert [clip.text for clip in clips] == TEXTS
        assert [clip.split for clip in clips] == ["train"] * first + ["dev"] * (4 - first)


def test_the_split_orientation_of_pandas_is_a_table(folder: Path) -> None:
    document = {"columns": ["file_name", "text"], "index": [0, 1], "data": [list(row.values()) for row in ROWS[:2]]}
    assert texts(opened(folder / "t.json", json.dumps(document))) == TEXTS[:2]


def test_a_comma_at_the_end_of_a_json_line_does_no_harm(folder: Path) -> None:
    assert texts(opened(folder / "t.jsonl", ",\n".join(map(json.dumps, ROWS)) + "\n")) == TEXTS


# --- tables


def test_a_first_row_that_names_a_sound_file_is_a_clip_even_if_a_word_of_it_is_a_usual_column(folder: Path) -> None:
    assert texts(opened(folder / "t.tsv", "clip0.wav\ttext\nclip1.wav\tde tweede zin\n")) == ["text", "de tweede zin"]
    assert texts(opened(folder / "t.csv", "file,text\nclip0.wav,een\n")) == ["een"]


def test_a_headerless_table_with_commas_in_its_texts_is_refused_and_not_cut(folder: Path) -> None:
    with pytest.raises(GoamaError, match="in quotes; 2 of 3 rows cannot be read"):
        opened(folder / "t.csv", "clip0.wav,een, twee, drie\nclip1.wav,vier\nclip2.wav,vijf, zes\n")


def test_a_text_of_several_lines_before_its_file_name_is_one_row(folder: Path) -> None:
    content = 'text,file\n"een\ntwee",clip0.wav\n"drie, vier\n",clip1.wav\n'
    assert texts(opened(folder / "t.csv", content)) == ["een\ntwee", "drie, vier\n"]


def test_a_quote_that_ends_many_rows_later_does_not_make_one_text_of_them(folder: Path) -> None:
    content = 'file,text\nclip0.wav,"een\nclip1.wav,twee\nclip2.wav,hij zei "drie"\n'
    assert texts(opened(folder / "t.csv", content)) == ["twee", 'hij zei "drie"']


@pytest.mark.parametrize(("name", "words"), [("invalidated", "rejected"), ("other", "not been judged")])
def test_tables_of_common_voice_that_nobody_confirmed_are_named_as_such(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.mp3", np.zeros(8_000), 16_000)
    source = opened(tmp_path / f"{name}.tsv", "client_id\tpath\tsentence\nx\ta.mp3\teen\n")
    assert any(words in note for note in source.notes)


# --- parts of one recording that overlap


PARTS = [("a", 1.0, 2.0, "Awa"), ("b", 2.6, 2.0, "Kofi"), ("c", 4.6, 1.0, "Awa"), ("d", 6.0, 1.0, "Awa")]


def _overlapping(folder: Path, kind: str, **choices: Any) -> Source:
    if kind == "kaldi":
        (folder / "wav.scp").write_text("r clip0.wav\n")
        (folder / "text").write_text("".join(f"{name} ja\n" for name, *_ in PARTS))
        (folder / "segments").write_text(
            "".join(f"{name} r {start} {start + length}\n" for name, start, length, _ in PARTS)
        )
        return opened(folder, **choices)
    if kind == "csv":
        rows = "".join(f"clip0.wav,ja {name},{start},{start + length},{who}\n" for name, start, length, who in PARTS)
        return opened(folder / "t.csv", "file,text,start,end,speaker\n" + rows, **choices)
    rows = "".join(
        json.dumps({"audio_filepath": "clip0.wav", "text": f"ja {name}", "offset": start, "duration": length}) + "\n"
        for name, start, length, _ in PARTS
    )
    return opened(folder / "t.json", rows, **choices)


@pytest.mark.parametrize("kind", ["nemo", "csv", "kaldi"])
def test_parts_of_a_recording_that_overlap_are_left_out_by_name(folder: Path, kind: str) -> None:
    first, second, third, fourth = _overlapping(folder, kind)
    assert {first.fault_kind, second.fault_kind} == {OVERLAPPING}
    assert "overlaps the clip from 0:00:02.600 to 0:00:04.600" in str(first.fault)
    assert third.fault is None and fourth.fault is None
    assert not third.remarks


@pytest.mark.parametrize("kind", ["nemo", "csv", "kaldi"])
def test_they_can_be_trimmed_or_kept(folder: Path, kind: str) -> None:
    first, second, *_ = good(_overlapping(folder, kind, overlaps="trim"))
    assert (first.offset, second.offset) == (1.0, 2.8)
    assert (first.duration, second.duration) == pytest.approx((1.8, 1.8))
    kept = good(_overlapping(folder, kind, overlaps="keep"))
    assert len(kept) == 4 and [remark.kind for remark in kept[0].remarks] == [remarks.KEPT]


# --- other annotations


@pytest.mark.parametrize(("name", "words"), [("t.ass", "save them as .srt"), ("t.cha", "import it in ELAN")])
def test_annotations_of_other_programs_say_how_to_convert_them(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(GoamaError, match=words):
        opened(tmp_path / name, "x,y\n1,2\n")


def test_the_short_textgrids_of_old_praat_are_read(folder: Path) -> None:
    content = (
        'File type = "ooTextFile short"\n"TextGrid"\n\n0\n8\n<exists>\n1\n"IntervalTier"\n"utt"\n0\n8\n1\n0\n8\n"ja"\n'
    )
    assert texts(opened(folder / "clip0.TextGrid", content)) == ["ja"]


@pytest.mark.parametrize("label", ["Спикер 1", "Mluvčí 2", "المتحدث 3", "화자 4"])
def test_numbered_speakers_are_recognised_in_other_languages(folder: Path, label: str) -> None:
    (clip,) = opened(folder / "clip0.srt", f"1\n00:00:01,000 --> 00:00:02,000\n{label}: ja\n")
    assert (clip.text, clip.speaker) == ("ja", label)
