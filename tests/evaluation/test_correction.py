"""The time to correct: that of listening where nothing is wrong, hardly more than typing where everything is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.evaluation.correction import SECONDS_PER_CHARACTER, SECONDS_PER_PLACE, correction_time, work_of
from goama.evaluation.scores import score_clip

texts = st.lists(st.text(alphabet="abc", min_size=1, max_size=5), min_size=1, max_size=8).map(" ".join)


def test_a_wrong_word_costs_its_place_and_its_letters():
    work = work_of(score_clip("a", "de lamp brandt nu al heel lang", "de lump brandt nu al heel lang uit", seconds=2.0))
    assert (work.places, work.keystrokes) == (2, len("lamp") + 1)
    assert work.correcting_s == pytest.approx(2.0 + 2 * SECONDS_PER_PLACE + 5 * SECONDS_PER_CHARACTER)


def test_without_errors_only_listening_is_left():
    time = correction_time([score_clip(str(n), "een twee drie", "een twee drie", seconds=3.0) for n in range(5)])
    assert time is not None and time.correcting_min == pytest.approx(60)
    assert time.saves_time and time.quicker == 5


def test_with_nothing_right_it_saves_nothing():
    time = correction_time([score_clip(str(n), "een twee drie", "x y z", seconds=3.0) for n in range(5)])
    assert time is not None and not time.saves_time and time.quicker == 0


@given(texts, texts)
def test_correcting_never_costs_more_than_typing_and_one_look(reference, hypothesis):
    work = work_of(score_clip("a", reference, hypothesis, seconds=1.0))
    assert work.correcting_s <= work.typing_s + SECONDS_PER_PLACE + 1e-9


def test_clips_without_length_give_no_estimate():
    assert correction_time([score_clip("a", "een", "een")]) is None
