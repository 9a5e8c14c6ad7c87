"""Anchors: places between two words where what was recognised and the text surely are the same."""

import random

import pytest

from goama.recognition.anchors import find_anchors
from goama.recognition.units import Unit

LETTERS = 30
DELIMITER = 1


@pytest.fixture(scope="module")
def words() -> list[tuple[int, ...]]:
    draw = random.Random(5)
    return [tuple(draw.randint(2, LETTERS) for _ in range(draw.randint(2, 8))) for _ in range(300)]


def heard(words: list[tuple[int, ...]], error_rate: float = 0.0) -> tuple[list[Unit], dict[int, int]]:
    """The words' units, four frames each, some of them wrong, and for each delimiter's frame the words before it."""
    draw = random.Random(6)
    units, words_before = [], {}
    for number, word in enumerate(words):
        for unit in (DELIMITER, *word):
            frame = 4 * len(units)
            if unit == DELIMITER:
                words_before[frame + 1] = number
            wrong = draw.random() < error_rate
            units.append(Unit(draw.randint(2, LETTERS) if wrong else unit, frame, frame + 2, 0.0))
    return units, words_before


@pytest.mark.parametrize("error_rate", [0.0, 0.1])
def test_anchors_lie_between_the_right_words(words, error_rate):
    units, words_before = heard(words, error_rate)
    anchors = find_anchors(units, words, DELIMITER, 0.02)
    assert len(anchors) > 3
    assert all(words_before[anchor.frame] == anchor.words for anchor in anchors)


def test_anchors_survive_a_chapter_that_only_one_of_the_two_has(words):
    units, words_before = heard(words[:100] + words[200:])
    anchors = find_anchors(units, words, DELIMITER, 0.02)
    right = [words_before[a.frame] + (100 if words_before[a.frame] >= 100 else 0) for a in anchors]
    assert [anchor.words for anchor in anchors] == right
    assert {anchor.words < 100 for anchor in anchors} == {True, False}


def test_another_text_has_no_anchors(words):
    units, _ = heard([tuple(reversed(word)) for word in reversed(words)])
    assert find_anchors(units, words, DELIMITER, 0.02) == []
