"""Confusions are counted once each, and errors that leave the letters right are told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.evaluation.alignment import align_words
from goama.evaluation.confusions import SPACE, TOGETHER, confusions, kind_of_slight_error, slight_errors
from goama.evaluation.scores import score_clip

words = st.text(alphabet="abcé", min_size=1, max_size=4)
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "kind"),
    [
        ("Awa", "awa", "case"),
        ("één", "een", "marks"),
        ("m yʋʋr", "m yʋ̃ʋr", "marks"),
        ("zo'n", "zon", "punctuation"),
        ("als of", "alsof", "spaces"),
        ("Als óf", "alsof", TOGETHER),
        ("שָׁלוֹם", "שלום", "marks"),
        ("कि", "क", None),  # a vowel sign is a letter
        ("ปู", "ป", None),
        ("een", "eens", None),
        ("een", "", None),
        ("'", "-", None),
    ],
)
def test_a_slight_error_is_named(reference, hypothesis, kind):
    assert kind_of_slight_error(reference, hypothesis) == kind


def test_words_written_together_are_one_slight_error_of_two_words():
    found = slight_errors(align_words("hij denkt alsof dat het kan", "hij denkt als of dat hetkan"))
    assert found == [("spaces", "alsof", "als of", 2), ("spaces", "het kan", "hetkan", 2)]


def test_what_is_confused_missing_and_added_is_counted():
    found = confusions([score_clip("a", "de vis", "te vis ja"), score_clip("b", "de pan", "te")])
    assert found.words == {("de", "te"): 2, (None, "ja"): 1, ("pan", None): 1}
    assert found.characters[("d", "t")] == 2
    assert found.characters[(None, SPACE)] == 1 and found.characters[(SPACE, None)] == 1
    assert found.occurrences["d"] == 2 and found.occurrences[SPACE] == 2


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_counts_add_up_to_the_errors(pairs):
    clips = [score_clip(str(number), *pair) for number, pair in enumerate(pairs)]
    found = confusions(clips)
    assert sum(found.words.values()) == sum(clip.word_errors for clip in clips)
    assert sum(found.characters.values()) == sum(clip.character_errors for clip in clips)
    assert found.slight_word_errors <= sum(clip.word_errors for clip in clips)
