"""Several corpora are one to the trainer, and an epoch gives small languages more than their hours."""

from collections import Counter

import pytest
from lhotse.testing.dummies import dummy_cut, dummy_supervision

from goama.corpus.mixture import Mixture, draw, hours_by_language, repeats
from goama.errors import GoamaError


def languages(hours: dict[str, int]) -> list:
    """So many clips of a second in each language."""
    return [
        dummy_cut(number, duration=1.0, supervisions=[dummy_supervision(number)]).with_id(f"{language}-{number}")
        for language, count in hours.items()
        for number in range(count)
    ]


def with_language(cuts: list) -> list:
    for cut in cuts:
        cut.supervisions[0].language = cut.id.partition("-")[0]
    return cuts


def test_one_corpus_is_a_mixture_of_one(corpus):
    alone = Mixture((corpus,))
    assert [c.id for c in alone.cuts("train")] == [c.id for c in corpus.cuts("train")]
    assert alone.fingerprint() == corpus.fingerprint()
    assert (alone.language, alone.normaliser) == ("nl", corpus.normaliser)
    assert str(alone) == str(corpus.folder)


def test_two_corpora_give_the_clips_of_both_under_names_that_cannot_clash(corpus, frisian):
    both = Mixture.open([corpus.folder, frisian.folder])
    for split in ("train", "dev"):
        ids = [c.id for c in both.cuts(split)]
        assert len(set(ids)) == len(ids) == both.clips(split) == corpus.clips(split) + frisian.clips(split)
    assert both.seconds("train") == pytest.approx(corpus.seconds("train") + frisian.seconds("train"))
    assert both.languages == ("fy", "nl") and both.language is None
    assert {c.supervisions[0].language for c in both.cuts("train")} == {"fy", "nl"}
    assert set(both.fingerprints().values()) == {corpus.fingerprint(), frisian.fingerprint()}


def test_a_split_that_only_one_corpus_has_comes_from_that_one(corpus, frisian):
    both = Mixture((corpus, frisian))
    assert sum(1 for _ in both.cuts("test")) == corpus.clips("test") > 0 == frisian.clips("test")


def test_a_split_that_none_has_is_refused(frisian, corpus):
    with pytest.raises(GoamaError, match="'test' is empty"):
        Mixture((frisian,)).cuts("test")


def test_the_same_corpus_twice_is_refused(corpus):
    with pytest.raises(GoamaError, match="give each corpus once"):
        Mixture.open([corpus.folder, corpus.folder])


def test_an_epoch_shares_as_hours_to_the_power_of_balance_and_keeps_its_length():
    hours = {"en": 5.6, "ru": 2.2, "da": 0.1}
    for balance in (0.0, 0.5, 1.0):
        rates = repeats(hours, balance)
        heard = {language: hours[language] * rates[language] for language in hours}
        assert sum(heard.values()) == pytest.approx(sum(hours.values()))
        assert heard["en"] / heard["da"] == pytest.approx((hours["en"] / hours["da"]) ** balance)


def test_hours_are_counted_by_language():
    assert hours_by_language(with_language(languages({"en": 360, "da": 36}))) == pytest.approx({"en": 0.1, "da": 0.01})


def test_a_draw_gives_each_language_its_rate():
    cuts = with_language(languages({"en": 2000, "da": 100}))
    drawn = Counter(c.id.partition("-")[0] for c in draw(cuts, {"en": 0.5, "da": 3.4}, seed=0, epoch=0))
    assert 900 < drawn["en"] < 1100
    assert 310 < drawn["da"] < 370


def test_a_draw_depends_on_seed_and_epoch_and_on_nothing_else():
    cuts = with_language(languages({"en": 300, "da": 50}))
    rates = {"en": 0.5, "da": 2.5}

    def ids(clips, seed=1, epoch=2):
        return [c.id for c in draw(clips, rates, seed=seed, epoch=epoch)]

    assert ids(cuts) == ids(list(reversed(cuts)))
    assert ids(cuts) != ids(cuts, epoch=3)
    assert ids(cuts) != ids(cuts, seed=2)


def test_over_many_epochs_every_clip_is_heard():
    cuts = with_language(languages({"en": 100}))
    heard = Counter(c.id for epoch in range(40) for c in draw(cuts, {"en": 0.5}, seed=0, epoch=epoch))
    assert len(heard) == 100
    assert min(heard.values()) >= 8 and max(heard.values()) <= 33
