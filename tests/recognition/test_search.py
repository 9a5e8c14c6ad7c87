"""Keyword search finds words by the posteriors, also where the transcript misspells them."""

import numpy as np
import pytest
import torch

from goama.errors import GoamaError
from goama.recognition.search import Hit, KeywordSearch
from goama.text import Vocabulary
from goama.text.normaliser import Normaliser

VOCABULARY = Vocabulary.from_texts(["abcdr"], min_count=1)[0]
FRAME_SHIFT_S = 0.02
BLANK, DELIMITER = VOCABULARY.blank_id, VOCABULARY.delimiter_id


def emission(text: str, *, heard: dict[int, tuple[str, float]] | None = None) -> torch.Tensor:
    """Two frames a character of the text, then a blank; `.` is a second of silence.

    heard:  at a place in the text another character, with a probability: the text's own has the rest
    """
    rows = []
    for place, character in enumerate(text):
        if character == ".":
            rows += [probabilities({BLANK: 1.0})] * 50
            continue
        unit = DELIMITER if character == " " else VOCABULARY.tokens.index(character)
        shares = {unit: 1.0}
        if heard and place in heard:
            other, share = heard[place]
            shares = {unit: 1 - share, VOCABULARY.tokens.index(other): share}
        rows += [probabilities(shares)] * 2 + [probabilities({BLANK: 1.0})]
    return torch.tensor(np.array(rows), dtype=torch.float32).log()


def probabilities(shares: dict[int, float]) -> np.ndarray:
    row = np.full(len(VOCABULARY), 1e-4)
    for unit, share in shares.items():
        row[unit] += share
    return row / row.sum()


def search(emission: torch.Tensor, *keywords: str, pieces: int = 1) -> list[Hit]:
    keyword_search = KeywordSearch(keywords, VOCABULARY, Normaliser.for_language(None), FRAME_SHIFT_S)
    return keyword_search.hits(torch.tensor_split(emission, pieces))


def test_a_word_is_found_wherever_it_is_said_with_its_times():
    hits = search(emission("abc bad abc."), "bad", "abc")
    assert [hit.keyword for hit in hits] == ["bad", "abc", "abc"] and min(hit.score for hit in hits) > 0.98
    assert (hits[0].start, hits[0].end) == (0.24, 0.4)  # of its first unit, and of its last
    assert sorted((hit.start, hit.end) for hit in hits[1:]) == [(0.0, 0.16), (0.48, 0.64)]


def test_a_misheard_word_is_found_with_the_mean_probability_of_its_letters():
    (hit,) = search(emission("abc bad.", heard={5: ("c", 0.8)}), "bad")
    assert hit.score == pytest.approx((0.2**2) ** (1 / 3), abs=1e-2)  # two frames of 0.2 in three letters


def test_the_best_hit_comes_first():
    hits = search(emission("bad abc bad", heard={1: ("c", 0.6)}), "bad")
    assert [hit.start for hit in hits] == [0.48, 0.0]


def test_a_part_of_a_word_is_no_hit():
    assert search(emission("abcd dabc"), "abc") == []


def test_a_pause_ends_a_word_as_a_delimiter_does():
    (hit,) = search(emission("a.bad.c"), "bad")
    assert (hit.start, hit.end) == (1.06, 1.22)


def test_a_phrase_is_found_across_its_spaces():
    (hit,) = search(emission("abc bad dab"), "bad dab")
    assert hit.score > 0.98 and hit.start == 0.24


def test_double_letters_need_the_blank_between_them():
    assert [hit.score > 0.98 for hit in search(emission("abba"), "abba")] == [True]
    assert all(hit.score < 0.3 for hit in search(emission("aba"), "abba"))


@pytest.mark.parametrize("pieces", [2, 7, 40])
def test_the_hits_do_not_depend_on_the_pieces(pieces):
    whole = emission("abc bad.abc dad bad.", heard={5: ("c", 0.6)})
    assert search(whole, "bad", "abc", pieces=pieces) == search(whole, "bad", "abc")


def test_keywords_are_normalised_and_keep_their_spelling_in_the_hits():
    assert [hit.keyword for hit in search(emission("bad"), "Bad!")] == ["Bad!"]


@pytest.mark.parametrize(
    "keywords, sentence",
    [(["zebra"], r"keyword 'zebra': this model does not know z e;"), (["!"], "no letter"), ([], "no keyword")],
)
def test_a_keyword_that_the_model_cannot_write_is_named(keywords, sentence):
    with pytest.raises(GoamaError, match=sentence):
        search(emission("bad"), *keywords)


def test_one_word_in_place_of_a_list_is_refused():
    with pytest.raises(GoamaError, match=r"a list of keywords is needed, \['bread'\]"):
        KeywordSearch("bread", VOCABULARY, Normaliser.for_language(None), 0.02)
