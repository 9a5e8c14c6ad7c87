"""An epoch gives small languages more than their hours, and is the same whenever it is drawn."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lhotse.testing.dummies import dummy_cut, dummy_supervision

from goama.data.balance import UNNAMED, draw, language_of, repeats


def clips(counts: dict[str, int]) -> list:
    """So many clips of a second in each language."""
    made = []
    for language, count in counts.items():
        for number in range(count):
            cut = dummy_cut(number, duration=1.0, supervisions=[dummy_supervision(number)])
            cut = cut.with_id(f"{language}-{number}")
            cut.supervisions[0].language = language
            made.append(cut)
    return made


HOURS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.001, 1e4), min_size=1)


@given(HOURS, st.floats(0, 1))
def test_shares_are_proportional_to_hours_to_the_power_of_balance_and_the_epoch_keeps_its_length(hours, balance):
    rates = repeats(hours, balance)
    heard = {language: hours[language] * rates[language] for language in hours}
    assert sum(heard.values()) == pytest.approx(sum(hours.values()))
    first = next(iter(hours))
    for language in hours:
        assert heard[language] / heard[first] == pytest.approx((hours[language] / hours[first]) ** balance)


def test_each_language_is_sampled_at_its_rate():
    drawn = Counter(map(language_of, draw(clips({"en": 2000, "da": 100}), {"en": 0.5, "da": 3.4}, seed=0, epoch=0)))
    assert 900 < drawn["en"] < 1100
    assert 310 < drawn["da"] < 370


def test_the_sample_depends_on_seed_and_epoch():
    cuts = clips({"en": 300, "da": 50})

    def ids(seed=1, epoch=2):
        return [c.id for c in draw(cuts, {"en": 0.5, "da": 2.5}, seed=seed, epoch=epoch)]

    assert ids() == ids()
    assert sorted(ids()) != sorted(ids(epoch=3))
    assert sorted(ids()) != sorted(ids(seed=2))


def test_over_many_epochs_every_clip_is_used():
    cuts = clips({"en": 100})
    heard = Counter(c.id for epoch in range(40) for c in draw(cuts, {"en": 0.5}, seed=0, epoch=epoch))
    assert len(heard) == 100
    assert min(heard.values()) >= 7 and max(heard.values()) <= 33


def test_clips_without_a_language_are_one_language():
    cut = dummy_cut(0, supervisions=[dummy_supervision(0)])
    cut.supervisions[0].language = None
    assert language_of(cut) == UNNAMED
