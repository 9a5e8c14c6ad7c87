"""A comparison finds what is real, over clips and over speakers, and says which clips it leaves out."""

import numpy as np
import pytest

from goama.errors import GoamaError
from goama.evaluation.comparison import compare
from goama.evaluation.evaluate import Evaluation
from goama.evaluation.scores import score, score_clip

WORDS = ["een", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen", "tien"]


def evaluation(name: str, errors: list[int], *, speakers: int = 1, reference: str = " ".join(WORDS)) -> Evaluation:
    """Ten words a clip, of which `errors` are wrong."""
    clips = tuple(
        score_clip(
            f"clip-{n:03}",
            reference,
            " ".join(["x"] * wrong + WORDS[wrong:]),
            seconds=4.0,
            speaker=f"speaker {n % speakers}",
        )
        for n, wrong in enumerate(errors)
    )
    return Evaluation(name, "corpus", "test", score(clips), clips)


def test_a_model_does_not_differ_from_itself():
    errors = list(np.random.default_rng(0).binomial(10, 0.3, 60))
    found = compare(evaluation("a", errors), evaluation("b", errors), str)
    assert found.better is None
    assert found.by_clip["wer"].interval == (0.0, 0.0) == found.by_clip["cer"].interval


def test_a_small_difference_that_is_there_in_every_clip_is_real():
    """Not paired, the intervals of both rates would overlap: clips differ far more than the models do."""
    errors = list(np.random.default_rng(0).integers(1, 9, 60))
    a, b = evaluation("a", errors), evaluation("b", [wrong - (n % 2) for n, wrong in enumerate(errors)])
    found = compare(a, b, str)
    assert a.score.wer_interval[0] < b.score.wer_interval[1]
    assert found.better == "b" and found.by_clip["wer"].is_real
    assert found.by_clip["wer"].value == pytest.approx(b.score.wer - a.score.wer)
    assert found.by_clip["wer"].b_better == 1.0


def test_what_two_speakers_bring_about_is_not_told_of_others():
    """Of ten speakers one is recognised better by far, the others a little worse."""
    errors = [5] * 100
    changed = [0 if n % 10 == 0 else 5 for n in range(100)]
    found = compare(evaluation("a", errors, speakers=10), evaluation("b", changed, speakers=10), str)
    assert found.better == "b"
    assert found.by_speaker is not None and found.by_speaker["wer"].units == 10
    assert not found.by_speaker["wer"].is_real and found.holds_for_other_speakers is False


def test_with_few_speakers_nothing_is_said_of_others():
    found = compare(evaluation("a", [5] * 20, speakers=4), evaluation("b", [1] * 20, speakers=4), str)
    assert found.by_speaker is None and found.holds_for_other_speakers is None


def test_models_with_other_spelling_rules_are_compared_alike():
    cased = evaluation("b", [2] * 10, reference=" ".join(WORDS).title())
    found = compare(evaluation("a", [2] * 10), cased, str.lower)
    assert found.renormalised and found.better is None
    assert found.b.score.wer == pytest.approx(0.2) and not found.left_out


def test_clips_that_only_one_has_are_named():
    found = compare(evaluation("a", [1] * 5), evaluation("b", [1] * 4), str)
    assert found.left_out == (("clip-004", "only a was evaluated on it"),)
    assert len(found.clips) == 4


def test_evaluations_of_other_clips_are_refused():
    with pytest.raises(GoamaError, match="different clips"):
        empty = Evaluation("b", "corpus", "test", evaluation("b", [1]).score, ())
        compare(evaluation("a", [1]), empty, str)


def test_95_percent_intervals_contain_a_true_difference_of_none_about_95_percent_of_the_time():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(40):
        a, b = (list(generator.binomial(10, 0.3, 50)) for _ in range(2))
        covered += not compare(evaluation("a", a), evaluation("b", b), str).by_clip["wer"].is_real
    assert covered >= 34
