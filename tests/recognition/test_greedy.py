"""Greedy decoding is CTC's collapse; times are the frames'."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from goama.recognition.greedy import greedy_segments, greedy_text
from goama.text import Vocabulary

VOCABULARY = Vocabulary.from_texts(["abc"], min_count=1)[0]  # [PAD] | [UNK] a b c
BLANK, DELIMITER, UNKNOWN, A, B, C = range(6)


def emission(path: list[int]) -> torch.Tensor:
    """Log-probabilities whose best path is `path`, 0.9 each frame."""
    scores = torch.full((len(path), len(VOCABULARY)), 0.02)
    scores[range(len(path)), path] = 0.9
    return scores.log()


def test_repeats_are_joined_and_a_blank_parts_two_equal_letters():
    assert greedy_text(emission([A, A, BLANK, A, B, B, DELIMITER, DELIMITER, C]), VOCABULARY) == "aab c"


def test_a_word_reaches_from_its_first_frame_to_its_last():
    (segment,) = greedy_segments(emission([BLANK, A, B, BLANK, DELIMITER, BLANK, C, C]), VOCABULARY, 0.04)
    first, second = segment.words
    assert (first.text, first.start, first.end) == ("ab", 0.04, 0.12)
    assert (second.text, second.start, second.end) == ("c", 0.24, 0.32)
    assert first.confidence == pytest.approx(0.9, abs=1e-3)


def test_a_pause_starts_a_new_segment():
    path = [A, DELIMITER, *[BLANK] * 30, B, DELIMITER, C]
    assert [s.text for s in greedy_segments(emission(path), VOCABULARY, 0.04)] == ["a", "b c"]


def test_nothing_said_gives_no_segment():
    assert greedy_segments(emission([BLANK, DELIMITER, UNKNOWN, BLANK]), VOCABULARY, 0.02) == ()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_segments_and_text_agree_on_every_path(path):
    segments = greedy_segments(emission(path), VOCABULARY, 0.02)
    assert " ".join(segment.text for segment in segments) == greedy_text(emission(path), VOCABULARY)
