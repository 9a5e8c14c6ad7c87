"""The path of words through an emission: the best of all paths, in any band and block, over words that are missing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.recognition import word_path as module
from goama.recognition.word_path import Prices, word_path

PRICES = Prices(sound=0.5, blank=0.0, passage=2.0, unit=1.0)


def emission(frames: int, units: int, seed: int) -> np.ndarray:
    """Random scores with the columns blank, gap and some units."""
    scores = np.random.default_rng(seed).gumbel(size=(frames, 2 + units)).astype(np.float32)
    scores -= scores.max(1, keepdims=True)
    scores[:, 1] = np.maximum(scores[:, :2].max(1), -PRICES.sound)
    return scores


def score_of(path: np.ndarray, scores: np.ndarray, words: list[list[int]]) -> float:
    """What a path costs, by the definition; minus infinity where it is not allowed."""
    flat = [unit for word in words for unit in word]
    word_of = [number for number, word in enumerate(words) for _ in word]
    column = [1 if unit == -1 else 0 if unit == -2 else flat[unit] for unit in path]
    total = sum(float(scores[frame, place]) for frame, place in enumerate(column))
    seen = [unit for unit, _ in itertools.groupby(path)]
    spoken = [unit for unit in seen if unit >= 0]
    if len(set(spoken)) != len(spoken):
        return -np.inf
    whole = sorted({word_of[unit] for unit in spoken})
    if spoken != [unit for unit, number in enumerate(word_of) if number in whole]:
        return -np.inf
    for left, right in itertools.pairwise([None, *seen, None]):
        if (left == -2 and (right is None or right < 0)) or (right == -2 and (left is None or left < 0)):
            return -np.inf
        follow = left is not None and right is not None and min(left, right) >= 0
        if follow and (flat[left] == flat[right] or right != left + 1):  # the same unit, or words that are passed over
            return -np.inf
    for index, place in enumerate(seen):
        if place == -2 and word_of[seen[index - 1]] != word_of[seen[index + 1]]:
            return -np.inf
        if place == -1 and 0 < index < len(seen) - 1 and word_of[seen[index - 1]] == word_of[seen[index + 1]]:
            return -np.inf
    if (0 not in whole and path[0] != -1) or (len(words) - 1 not in whole and path[-1] != -1):
        return -np.inf  # words are passed over in a gap
    passages = [len(list(run)) for gone, run in itertools.groupby(n not in whole for n in range(len(words))) if gone]
    passed = sum(len(word) for number, word in enumerate(words) if number not in whole)
    return total - PRICES.passage * len(passages) - PRICES.unit * passed


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.lists(st.integers(2, 3), min_size=1, max_size=2), min_size=1, max_size=2))
def test_no_other_path_is_better(seed, words):
    scores = emission(4, 2, seed)
    units = sum(map(len, words))
    best = max(score_of(path, scores, words) for path in itertools.product(range(-2, units), repeat=4))
    found = word_path(scores, words, PRICES)
    assert score_of(tuple(found), scores, words) == pytest.approx(best, abs=1e-4)


def speech(words: list[list[int]], spoken: list[int], units: int = 30, frames_a_unit: int = 4) -> np.ndarray:
    """Scores in which the words of these numbers are clearly recognised, one after the other."""
    columns = []
    for number in spoken:
        for unit in words[number]:
            columns += [unit] + [0] * (frames_a_unit - 1)
        columns += [1, 1]
    scores = np.full((len(columns), 2 + units), -8, np.float32)
    scores[np.arange(len(columns)), columns] = 0
    scores[:, 1] = np.where(scores[:, 0] == 0, 0, np.maximum(scores[:, 1], -PRICES.sound))
    return scores


@pytest.fixture(scope="module")
def words() -> list[list[int]]:
    draw = np.random.default_rng(3)
    return [draw.integers(2, 32, draw.integers(2, 9)).tolist() for _ in range(120)]


def spoken_words(path: np.ndarray, words: list[list[int]]) -> list[int]:
    word_of = np.repeat(np.arange(len(words)), [len(word) for word in words])
    return np.unique(word_of[path[path >= 0]]).tolist()


def test_words_that_are_not_in_the_sound_are_passed_over(words):
    spoken = [*range(0, 20), *range(22, 60), *range(90, 120)]
    assert spoken_words(word_path(speech(words, spoken), words, PRICES), words) == spoken


def test_sound_that_is_not_in_the_text_is_a_gap(words):
    text = [word for number, word in enumerate(words) if not 30 <= number < 60]
    path = word_path(speech(words, list(range(120))), text, PRICES)
    assert spoken_words(path, text) == list(range(90))


def test_blocks_of_frames_give_the_same_path(words, monkeypatch):
    scores = speech(words, [*range(0, 30), *range(50, 120)])
    whole = word_path(scores, words, PRICES)
    monkeypatch.setattr(module, "_MOST_CELLS", 4 * 601)
    assert (word_path(scores, words, PRICES) == whole).all()


def test_a_band_of_a_tenth_of_the_states_gives_the_same_path_where_the_guide_is_right(words, monkeypatch):
    scores = speech(words, list(range(120)))
    whole = word_path(scores, words, PRICES)
    monkeypatch.setattr(module, "BAND", 150)
    assert (word_path(scores, words, PRICES) == whole).all()


def test_text_without_any_sound_is_passed_over(words):
    silence = np.full((3, 32), -8, np.float32)
    silence[:, :2] = 0
    assert (word_path(silence, words, PRICES) == -1).all()
