"""Counts are jiwer's; intervals hold the truth and shrink with more speech."""

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.evaluation.scores import bootstrap_interval, score, score_clip

words = st.text(alphabet="aɛ̃bé", min_size=1, max_size=4)
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
def test_rates_equal_jiwers(pairs):
    references, hypotheses = [r for r, _ in pairs], [h for _, h in pairs]
    ours = score([score_clip(str(i), r, h) for i, (r, h) in enumerate(pairs)])
    theirs = jiwer.process_words(references, hypotheses)
    assert ours.wer == pytest.approx(theirs.wer)
    assert ours.cer == pytest.approx(jiwer.cer(references, hypotheses))
    edits = ours.substitutions + ours.deletions + ours.insertions
    assert edits == theirs.substitutions + theirs.deletions + theirs.insertions


def test_an_empty_hypothesis_is_all_deletions():
    result = score([score_clip("a", "een twee drie", "")])
    assert (result.wer, result.cer, result.deletions) == (1.0, 1.0, 3)


def test_the_interval_contains_the_rate_and_shrinks_with_more_clips():
    generator = np.random.default_rng(0)

    def interval(clips: int) -> tuple[float, float]:
        totals = generator.integers(3, 12, clips)
        return bootstrap_interval(np.stack([generator.binomial(totals, 0.2), totals], axis=1))

    (low, high), (lower, higher) = interval(30), interval(3000)
    assert low < 0.2 < high
    assert lower < 0.2 < higher
    assert higher - lower < (high - low) / 5


def test_95_percent_intervals_contain_the_true_rate_about_95_percent_of_the_time():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        totals = generator.integers(3, 12, 100)
        low, high = bootstrap_interval(np.stack([generator.binomial(totals, 0.3), totals], axis=1))
        covered += low <= 0.3 <= high
    assert covered >= 52


def test_the_same_clips_give_the_same_interval():
    clips = [score_clip(str(i), "een twee drie", "een twee vier") for i in range(20)]
    assert score(clips) == score(clips)


def test_clips_without_any_reference_word_are_an_error():
    with pytest.raises(ValueError, match="no reference words"):
        score([])
