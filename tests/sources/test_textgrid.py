"""TextGrids as praatio and Praat write them, and as strangers may make them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid
from praatio.utilities.constants import Interval, Point

from goama.errors import GoamaError
from goama.sources.source import Choices, read_source
from goama.sources.textgrid import read_textgrid

from .conftest import Tape, is_piece


def written(tape: Tape, path: Path, layout: Literal["short_textgrid", "long_textgrid"], encoding: str) -> Path:
    """Sentences, words, a translation and tones of one speaker, with the gaps filled as Praat wants them."""
    grid = textgrid.Textgrid()
    end = tape.seconds
    words = []
    for piece in tape.pieces:
        each = (piece.end - piece.start) / len(piece.text.split())
        words += [
            Interval(piece.start + n * each, piece.start + (n + 1) * each, word)
            for n, word in enumerate(piece.text.split())
        ]
    sentences = [Interval(piece.start, piece.end, piece.text) for piece in tape.pieces]
    translation = [Interval(piece.start, piece.end, f'"{piece.text}" he said') for piece in tape.pieces]
    for name, intervals in (("words", words), ("sentence", sentences), ("free translation", translation)):
        grid.addTier(textgrid.IntervalTier(name, intervals, 0, end))
    grid.addTier(textgrid.PointTier("tones", [Point(1.0, "H*"), Point(2.0, "L%")], 0, end))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(str(path), layout, includeBlankSpaces=True)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    return path


@pytest.mark.parametrize("layout", ["short_textgrid", "long_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"])
def test_each_interval_of_the_sentences_is_a_clip_in_every_encoding_that_praat_writes(
    tape: Tape, tmp_path: Path, layout: Any, encoding: str
) -> None:
    tape.copy_to(tmp_path, "tape.WAV")
    source = read_source(str(written(tape, tmp_path / "tape.TextGrid", layout, encoding)))
    assert source.taken == (
        "Praat TextGrid: 1 file; tier 'sentence': 12 annotations, 13 without text (silence) are no clips"
    )
    assert all(is_piece(clip, piece) for clip, piece in zip(source, tape.pieces, strict=True))
    assert "'words'" in source.notes[0] and "'free translation' (12)" in source.notes[0]


def test_a_tier_that_is_named_is_taken_and_its_quotes_are_single_again(tape: Tape, tmp_path: Path) -> None:
    path = written(tape, tmp_path / "tape.TextGrid", "long_textgrid", "utf-8")
    clips = list(read_source(str(path), choices=Choices(tiers=("free translation",))))
    assert [clip.text for clip in clips] == [f'"{piece.text}" he said' for piece in tape.pieces]


def test_a_tier_of_points_is_refused(tape: Tape, tmp_path: Path) -> None:
    path = written(tape, tmp_path / "tape.TextGrid", "long_textgrid", "utf-8")
    with pytest.raises(GoamaError, match="the tier 'tones' marks points, and clips need intervals"):
        read_source(str(path), choices=Choices(tiers=("tones",)))


def test_a_folder_of_textgrids_is_read_recording_by_recording(tape: Tape, tmp_path: Path) -> None:
    for name in ("one", "two"):
        tape.copy_to(tmp_path, f"{name}.wav")
        written(tape, tmp_path / f"{name}.TextGrid", "long_textgrid", "utf-16")
    clips = list(read_source(str(tmp_path)))
    assert [clip.audio for clip in clips] == [tmp_path / "one.wav"] * 12 + [tmp_path / "two.wav"] * 12
    assert clips[0].id == f"one__{tape.pieces[0].start:.2f}"


@settings(max_examples=30)
@given(texts=st.lists(st.text('ab "!<>\n1é', max_size=12), min_size=1, max_size=6), layout=st.booleans())
def test_what_praatio_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], layout: bool
) -> None:
    path = tmp_path_factory.mktemp("grid") / "x.TextGrid"
    grid = textgrid.Textgrid()
    intervals = [Interval(float(n), n + 1.0, text) for n, text in enumerate(texts)]
    grid.addTier(textgrid.IntervalTier('a "tier"', intervals, 0, len(texts)))
    grid.save(str(path), "short_textgrid" if layout else "long_textgrid", includeBlankSpaces=True)
    (tier,) = read_textgrid(path).tiers
    assert tier.name == 'a "tier"'
    assert [a.text.strip() for a in tier.annotations] == [text.strip() for text in texts]  # praatio strips them
    assert [(a.start, a.end) for a in tier.annotations] == [(n, n + 1) for n in range(len(texts))]


HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n9\n<exists>\n'
TIER = '"IntervalTier"\n"x"\n0\n9\n'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (HEAD + "99999999999999\n" + TIER + '1\n0\n9\n"ja"\n', "breaks off where the class of a tier should be"),
        (HEAD + "1\n" + TIER + '999999999\n0\n9\n"ja"\n', "999999999 intervals are more than a recording of days has"),
        (HEAD + "1\n" + TIER + '900000\n0\n9\n"ja"\n', "breaks off where the start of an interval"),
        (HEAD + "1\n" + TIER + '1e400\n0\n9\n"ja"\n', "inf is not the number of intervals"),
        (HEAD + "1\n" + TIER + '-1\n0\n9\n"ja"\n', "-1.0 is not the number of intervals"),
        (HEAD + "1\n" + TIER + '1\n0\n9\n"ja\n', "a text in quotes does not end"),
        (HEAD + "1\n" + TIER + '1\n0\n9\n"' + "ja\n" * 100_000, "a text in quotes does not end"),
        (HEAD + "1\n" + TIER + '1\n0\n"ja"\n9\n', "'ja' where the end of an interval should be"),
        (HEAD + "1\n" + TIER + '1\n0\n9..9\n"ja"\n', "'9..9' is not a number"),
        (HEAD + "1\n" + TIER + "1\n0\n9\n" + "x" * 2_000_000, "this line is longer than"),
        ("ooBinaryFile\x08TextGrid\0\0\0", "breaks off|not a TextGrid"),
        ("", "breaks off"),
        (HEAD + "1\n" + TIER + '1\n0\n9\n"één"\n', "neither UTF-8 nor UTF-16"),
        (HEAD + "0\n", "no tier holds text with times"),
        (HEAD + "1\n" + TIER + '1\n0\n9\n" "\n', "no tier holds text with times"),
    ],
    ids=range(15),
)
def test_a_textgrid_that_is_damaged_or_hostile_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_bytes(content.encode("latin-1" if "UTF-8" in sentence else "utf-8"))
    started = time.process_time()
    with pytest.raises(GoamaError, match=sentence) as refused:
        read_source(str(path))
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)
    assert time.process_time() - started < 5
