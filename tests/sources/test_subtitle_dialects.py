"""Subtitles as sites, programs and people write them: nothing that is spoken is lost, nothing is taken twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from goama.errors import GoamaError
from goama.sources.annotation_file import Annotation, AnnotationFile
from goama.sources.subtitles import read_subtitles


def read(folder: Path, content: str, name: str = "x.srt", labels: str | None = None) -> AnnotationFile:
    (folder / name).write_text(content, encoding="utf-8")
    return read_subtitles(folder / name, labels)


def cues(file: AnnotationFile) -> list[Annotation]:
    return list(file.tiers[0].annotations)


def texts(file: AnnotationFile) -> list[str]:
    return [cue.text.replace("\n", " ") for cue in cues(file)]


def times(first: float, last: float) -> str:
    return f"00:00:{first:06.3f} --> 00:00:{last:06.3f}"


# --- empty lines


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.srt", f"1\n{times(1, 2)}\neen\n\ntwee\n\n2\n{times(3, 4)}\ndrie\n"),
        ("x.srt", f"{times(1, 2)}\neen\n\n\ntwee\n\n{times(3, 4)}\ndrie\n"),  # without numbers
        ("x.vtt", f"WEBVTT\n\n{times(1, 2)}\n\neen\ntwee\n\n{times(3, 4)}\ndrie\n"),  # empty after the times
        ("x.vtt", f"WEBVTT\n\nintro\n{times(1, 2)}\neen\n\ntwee\n\nsecond cue\n{times(3, 4)}\ndrie\n"),  # with names
        (
            "x.srt",
            f"1\n\n{times(1, 2)}\n\neen\n\ntwee\n\n2\n\n{times(3, 4)}\n\ndrie\n",
        ),  # after each line
        ("x.vtt", f"WEBVTT\n{times(1, 2)}\neen\n\ntwee\n\n{times(3, 4)}\ndrie\n"),  # none after the header
    ],
    ids=range(6),
)
def test_text_after_an_empty_line_belongs_to_its_cue_and_is_reported(tmp_path: Path, name: str, content: str) -> None:
    file = read(tmp_path, content, name)
    assert texts(file) == ["een twee", "drie"]
    assert any("an empty line inside" in note for note in file.notes)


def test_comments_and_style_sheets_are_not_spoken_even_after_a_cue(tmp_path: Path) -> None:
    content = (
        f"WEBVTT\nKind: captions\n\nSTYLE\n::cue {{}}\n\n{times(1, 2)}\neen\n\nNOTE of the typist\nmore of it\n\n"
        f"stray\n\n{times(3, 4)}\ndrie\n"
    )
    file = read(tmp_path, content, "x.vtt")
    assert texts(file) == ["een", "drie"]
    assert file.notes == ("x.vtt: text that belongs to no cue is not read (line 13)",)


def test_a_number_that_is_spoken_stays_where_the_next_cue_has_a_number_of_its_own(tmp_path: Path) -> None:
    file = read(tmp_path, f"1\n{times(1, 2)}\n1984\n\n2\n{times(3, 4)}\ndrie\n")
    assert texts(file) == ["1984", "drie"]
    assert not file.notes


@pytest.mark.parametrize(
    "arrow", ["00:00:01,000 -> 00:00:02,000", "00: 00: 01, 000 --> 00: 00: 02, 000", "00:00:01,000 —> 00:00:02,000"]
)
def test_times_that_a_translator_or_a_word_processor_changed_are_times(tmp_path: Path, arrow: str) -> None:
    (cue,) = cues(read(tmp_path, f"1\n{arrow}\nja\n"))
    assert (cue.start, cue.end, cue.text) == (1.0, 2.0, "ja")


def test_an_arrow_that_is_no_time_is_text(tmp_path: Path) -> None:
    assert texts(read(tmp_path, f"1\n{times(1, 2)}\nhier --> daar\n")) == ["hier --> daar"]
    with pytest.raises(GoamaError, match="is not a time"):
        read(tmp_path, f"1\n{times(1, 2)}\nja\n\n00:xx:03 --> 00:00:04\nnee\n")


# --- captions that roll, grow or repeat

LINES = ["zullen wij iets gaan", "eten in het dorp", "of blijven we liever", "nog even hier zitten"]


def rolling_as_a_video_site_writes_them() -> str:
    blocks = []
    for number, line in enumerate(LINES):
        above = LINES[number - 1] if number else " "
        first, _, rest = line.partition(" ")
        blocks.append(
            f"{times(2 * number, 2 * number + 1.99)} align:start position:0%\n{above}\n"
            f"{first}<00:00:00.500><c> {rest}</c>\n"
        )
        blocks.append(f"{times(2 * number + 1.99, 2 * number + 2)} align:start position:0%\n{line}\n \n")
    return "WEBVTT\nKind: captions\nLanguage: nl\n\n" + "\n".join(blocks)


def rolling_as_converters_write_them() -> str:
    """Two lines in each cue, which stays until the line above it is gone: the times overlap."""
    shown = [("\n".join(LINES[max(0, n - 1) : n + 1]), 2 * n, 2 * n + 4) for n in range(len(LINES))]
    return "".join(f"{n}\n{times(start, end)}\n{text}\n\n" for n, (text, start, end) in enumerate(shown, start=1))


def growing() -> str:
    """Live captions show a sentence again with each word that was understood."""
    blocks, at = [], 0.0
    for line in LINES:
        words = line.split()
        for count in range(1, len(words) + 1):
            blocks.append(f"{times(at, at + 0.5)}\n{' '.join(words[:count])}\n")
            at += 0.5
        at += 3
    return "\n".join(blocks)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.vtt", rolling_as_a_video_site_writes_them()),
        ("x.srt", rolling_as_converters_write_them()),
        ("x.srt", growing()),
    ],
    ids=["video site", "converter", "live"],
)
def test_of_captions_that_roll_each_word_is_taken_once_and_they_are_recognised(
    tmp_path: Path, name: str, content: str
) -> None:
    file = read(tmp_path, content, name)
    assert " ".join(texts(file)).split() == " ".join(LINES).split()
    assert any("these captions roll" in note for note in file.notes)
    spans = [(cue.start, cue.end) for cue in cues(file)]
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_each_line_of_rolling_captions_has_the_time_at_which_it_appeared(tmp_path: Path) -> None:
    file = read(tmp_path, rolling_as_a_video_site_writes_them(), "x.vtt")
    assert texts(file) == LINES
    assert [cue.start for cue in cues(file)] == [0, 2, 4, 6]


def test_people_who_repeat_themselves_do_not_roll(tmp_path: Path) -> None:
    said = ["ja", "ja", "nee", "ja", "ja hoor", "ga weg", "weg is hij", "goed"]
    file = read(tmp_path, "\n".join(f"{times(n, n + 0.9)}\n{text}\n" for n, text in enumerate(said)))
    assert texts(file) == said and not file.notes


def test_a_text_of_which_one_word_after_the_other_is_marked_is_one_cue(tmp_path: Path) -> None:
    marked = ["<u>Dat</u> is mooi", "Dat <u>is</u> mooi", "Dat is <u>mooi</u>", "<u>Ja</u>"]
    file = read(tmp_path, "\n".join(f"{times(n, n + 1)}\n{text}\n" for n, text in enumerate(marked)))
    assert texts(file) == ["Dat is mooi", "Ja"]
    assert (cues(file)[0].start, cues(file)[0].end) == (0.0, 3.0)
    assert "another word marked" in file.notes[0]


def test_copies_of_a_cue_for_its_shadow_are_taken_once(tmp_path: Path) -> None:
    file = read(tmp_path, f"{times(1, 2)}\nja\n\n{times(1, 2)}\nja\n\n{times(3, 4)}\nnee\n")
    assert texts(file) == ["ja", "nee"]
    assert "copies of the cue before them" in file.notes[0]


# --- names before a colon


@pytest.mark.parametrize(
    ("line", "speaker"),
    [
        ("[SPEAKER_00]: dag", "SPEAKER_00"),
        ("[SPEAKER_00] dag", "SPEAKER_00"),
        ("SPEAKER_01: dag", "SPEAKER_01"),
        ("Speaker 2: dag", "Speaker 2"),
        ("JOHN: dag", "JOHN"),
        (">> MARY ANN: dag", "MARY ANN"),
        ("(Awa): dag", "Awa"),
        ("[Man 1]: dag", "Man 1"),
        ("ÉMILE : dag", "ÉMILE"),
        ("ИВАН: dag", "ИВАН"),
        ("JOHN:\ndag", "JOHN"),
    ],
)
def test_a_name_before_a_colon_is_the_speaker(tmp_path: Path, line: str, speaker: str) -> None:
    file = read(tmp_path, f"{times(1, 2)}\n{line}\n")
    assert [(cue.text, cue.speaker) for cue in cues(file)] == [("dag", speaker)]
    assert "taken as speakers" in file.notes[0] and "--speaker-labels keep" in file.notes[0]
    assert texts(read(tmp_path, f"{times(1, 2)}\n{line}\n", labels="keep")) == [line.replace("\n", " ")]


def test_what_may_be_a_name_stays_text_and_is_reported_with_the_option_that_takes_it(tmp_path: Path) -> None:
    content = f"{times(1, 2)}\nLet op: glad\n\n{times(3, 4)}\nom 10:30 uur: ja\n\n{times(5, 6)}\nnee\n"
    file = read(tmp_path, content)
    assert texts(file) == ["Let op: glad", "om 10:30 uur: ja", "nee"]
    assert "--speaker-labels take" in file.notes[0] and "'Let op' 1" in file.notes[0]
    assert [cue.speaker for cue in cues(read(tmp_path, content, labels="take"))] == ["Let op", None, None]


def test_names_in_front_of_most_cues_are_speakers_without_capitals_too(tmp_path: Path) -> None:
    said = [("Anna", "dag"), ("Ben", "hallo"), ("Anna", "hoe gaat het"), ("Ben", "goed")]
    file = read(tmp_path, "\n".join(f"{times(n, n + 1)}\n{name}: {text}\n" for n, (name, text) in enumerate(said)))
    assert [(cue.speaker, cue.text) for cue in cues(file)] == said


def test_a_cue_of_two_speakers_has_none_of_them_and_none_of_their_names(tmp_path: Path) -> None:
    file = read(tmp_path, f"{times(1, 2)}\nJOHN: dag\nMARY: hallo\n")
    assert [(cue.text, cue.speaker) for cue in cues(file)] == [("dag\nhallo", None)]
    assert any("several speakers" in note for note in file.notes)
