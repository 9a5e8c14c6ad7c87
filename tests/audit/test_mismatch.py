"""A model's opinion of texts, and when it has none."""

from __future__ import annotations

from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
import torch

from goama.audit.mismatch import TextScore, TextScorer, check_mismatch, negative_log_likelihood
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import read_audio


def test_the_score_is_that_of_all_paths_that_write_the_text() -> None:
    emission = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    paths = [
        sum(float(emission[frame, unit]) for frame, unit in enumerate(path))
        for path in product(range(3), repeat=5)
        if [unit for unit, _ in groupby(path) if unit] == [1, 2, 1]
    ]
    expected = -float(torch.tensor(paths, dtype=torch.float64).exp().sum().log())
    assert negative_log_likelihood(emission, [1, 2, 1], blank_id=0) == pytest.approx(expected, abs=1e-4)


def test_clips_that_score_like_false_texts_are_named_worst_first() -> None:
    generator = np.random.default_rng(0)
    good = [
        TextScore(f"good{n}", float(generator.gamma(2, 0.1)), float(generator.normal(5, 1)), "") for n in range(200)
    ]
    bad = [TextScore("bad", 4.5, 5.0, "iets anders"), TextScore("worse", 6.0, 5.0, "heel iets anders")]
    (finding,) = check_mismatch([*good, *bad], [], "run/best")
    assert finding.name == "pair-text-mismatch" and finding.clips == ("worse", "bad")
    assert "heard: heel iets anders" in finding.details["worse"]


def test_a_model_that_has_learnt_nothing_is_not_believed(tiny_model: Path, speech: Path) -> None:
    scorer = TextScorer(Recogniser.load(tiny_model))
    for number, file in enumerate(sorted((speech / "audio").glob("*.ogg"))):
        scorer.add(str(number), read_audio(file).samples, f"een zin met het nummer {number * 'x'}")
    scorer.finish()
    assert len(scorer.scores) == 24
    assert [finding.name for finding in check_mismatch(scorer.scores, [], "tiny")] == ["model-cannot-judge"]
