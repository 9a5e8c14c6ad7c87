"""Greedy decoding is CTC's collapse; times are the frames'."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from goama.recognition.greedy import GreedyDecoder, greedy_text
from goama.recognition.units import segments_of
from goama.text import Vocabulary
from goama.transcript import Segment

VOCABULARY = Vocabulary.from_texts(["abc"], min_count=1)[0]  # [PAD] | [UNK] a b c
BLANK, DELIMITER, UNKNOWN, A, B, C = range(6)


def emission(path: list[int], probabilities: list[float] | None = None) -> torch.Tensor:
    """Log-probabilities whose best path is `path`, 0.9 each frame."""
    scores = torch.full((len(path), len(VOCABULARY)), 0.02)
    scores[range(len(path)), path] = torch.tensor(probabilities or [0.9] * len(path))
    return scores.log()


def segments(emission: torch.Tensor, frame_shift_s: float = 0.02) -> tuple[Segment, ...]:
    return segments_of(GreedyDecoder(VOCABULARY).units([emission]), VOCABULARY, frame_shift_s)


def test_repeats_are_joined_and_a_blank_parts_two_equal_letters():
    assert greedy_text(emission([A, A, BLANK, A, B, B, DELIMITER, DELIMITER, C]), VOCABULARY) == "aab c"


def test_a_word_reaches_from_its_first_frame_to_its_last():
    (segment,) = segments(emission([BLANK, A, B, BLANK, DELIMITER, BLANK, C, C]), 0.04)
    first, second = segment.words
    assert (first.text, first.start, first.end) == ("ab", 0.04, 0.12)
    assert (second.text, second.start, second.end) == ("c", 0.24, 0.32)
    assert first.confidence == pytest.approx(0.9, abs=1e-3)
    assert [(unit.text, unit.start, unit.end) for unit in first.characters] == [("a", 0.04, 0.08), ("b", 0.08, 0.12)]


def test_a_pause_starts_a_new_segment():
    path = [A, DELIMITER, *[BLANK] * 30, B, DELIMITER, C]
    assert [segment.text for segment in segments(emission(path), 0.04)] == ["a", "b c"]


def test_a_words_confidence_weighs_its_units_alike_however_long_each_is_held():
    path, probabilities = [A, BLANK, B, B, B, B], [0.5, 0.3, 0.8, 0.8, 0.8, 0.8]
    ((word,),) = (segment.words for segment in segments(emission(path, probabilities)))
    assert word.confidence == pytest.approx((0.5 * 0.8) ** 0.5, abs=1e-4)


def test_an_emission_in_pieces_has_the_best_path_of_the_whole():
    whole = emission([A, A, BLANK, B, DELIMITER, C])
    units = GreedyDecoder(VOCABULARY).units([whole[:1], whole[1:4], whole[4:]])
    assert segments_of(units, VOCABULARY, 0.02) == segments(whole)


def test_nothing_said_gives_no_segment():
    assert segments(emission([BLANK, DELIMITER, UNKNOWN, BLANK])) == ()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_segments_and_text_agree_on_every_path(path):
    assert " ".join(segment.text for segment in segments(emission(path))) == greedy_text(emission(path), VOCABULARY)
