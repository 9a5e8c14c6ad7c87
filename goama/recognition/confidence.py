"""Word confidences become probabilities that the word is right, by a logistic regression on dev transcripts.

A CTC model is nearly always surer of its words than it should be, most of all of long ones. The calibration lies in
the model folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from goama.errors import GoamaError
from goama.files import write_beside
from goama.recognition.options import is_number
from goama.transcript import Segment, Transcript, Word

CALIBRATION_FILE = "confidence.json"
FEWEST_WORDS = 100
"""Recognised words that a fit needs: with fewer the calibration would follow chance."""

_BINS = 10
_FOLDS = 5
_LEAST = 1e-4  # confidences are rounded to four digits, and 0 has no logarithm
_LARGEST_LOGIT = 30.0
_STEPS, _SMALLEST_STEP, _LARGEST_STEP = 50, 1e-8, 3.0  # of Newton's method, which needs about ten
_RIDGE = 1e-3  # where all words have one length, the weights of length and of 1 are not determined


@dataclass(frozen=True)
class Calibration:
    """Probability that a word is right = sigmoid(confidence_weight · log(confidence) + length_weight · n + intercept).

    n is the word's number of characters. On Dutch test clips this was better calibrated than the logit of Platt
    scaling, and told right words from wrong ones better than confidence alone (benchmarks/confidence.py).

    words:         recognised words that it was fitted on
    right:         share of them that were right
    error_before:  expected calibration error of the model's own confidences on them
    error_after:   the same after calibration, each clip by a fit without it (5-fold cross-validation)
    """

    confidence_weight: float
    length_weight: float
    intercept: float
    words: int
    right: float
    error_before: float
    error_after: float

    @property
    def sentence(self) -> str:
        """What it achieves, for the screen and the model card."""
        return (
            f"confidences: expected calibration error {100 * self.error_before:.1f} % before, "
            f"{100 * self.error_after:.1f} % after calibration ({self.words} words, {100 * self.right:.0f} % right)"
        )

    def __call__(self, word: Word) -> float:
        """The probability that a word with the model's own confidence is right, rounded to four digits."""
        weights = np.array([self.confidence_weight, self.length_weight, self.intercept])
        return round(float(_probabilities(_inputs([word]), weights)[0]), 4)

    def applied(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """The segments with calibrated word confidences; those of characters stay."""
        return tuple(
            Segment(tuple(replace(word, confidence=self(word)) for word in segment.words)) for segment in segments
        )


def fit_calibration(transcripts: Sequence[Transcript], references: Sequence[str]) -> Calibration | None:
    """The calibration that fits transcripts of dev clips, not calibrated yet, and their normalised texts.

    None where nothing can be learnt: fewer than 100 words, all of them right or wrong, or a calibration that does not
    lower the error of the clips it was not fitted on.
    """
    words = [word for transcript in transcripts for word in transcript.words]
    right = np.array(
        [good for pair in zip(transcripts, references, strict=True) for good in right_words(*pair)], dtype=bool
    )
    if len(words) < FEWEST_WORDS or right.all() or not right.any():
        return None
    inputs, confidences = _inputs(words), np.array([word.confidence for word in words])
    held_out = np.empty(len(words))
    fold = np.repeat(np.arange(len(transcripts)) % _FOLDS, [len(transcript.words) for transcript in transcripts])
    for number in range(_FOLDS):
        inside = fold == number
        held_out[inside] = _probabilities(inputs[inside], _fit(inputs[~inside], right[~inside]))
    before, after = expected_calibration_error(confidences, right), expected_calibration_error(held_out, right)
    confidence_weight, length_weight, intercept = (round(float(weight), 4) for weight in _fit(inputs, right))
    if after >= before or confidence_weight <= 0:
        return None
    share = round(float(right.mean()), 4)
    return Calibration(
        confidence_weight, length_weight, intercept, len(words), share, round(before, 4), round(after, 4)
    )


def right_words(transcript: Transcript, reference: str) -> list[bool]:
    """For each word of a transcript, whether the alignment with the fewest errors finds it in the reference."""
    words = [word.text for word in transcript.words]
    right = [True] * len(words)
    for edit in Levenshtein.editops(reference.split(), words):
        if edit.tag != "delete":
            right[edit.dest_pos] = False
    return right


def expected_calibration_error(confidences: np.ndarray, right: np.ndarray) -> float:
    """Mean distance between confidence (N,) and share of right words (N,) in ten bins of equal width (Guo et al. 2017).

    Each bin counts by its number of words.
    """
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    gaps = [abs((right[bins == number] - confidences[bins == number]).sum()) for number in range(_BINS)]
    return float(sum(gaps) / max(1, len(right)))


def save_calibrations(folder: Path, calibrations: Mapping[str, Calibration]) -> None:
    """Writes `confidence.json` of a model folder: a calibration for each decoding method that has one."""
    content = {method: asdict(calibration) for method, calibration in calibrations.items()}
    write_beside(folder / CALIBRATION_FILE, json.dumps(content, indent=2) + "\n")


def load_calibrations(folder: Path) -> dict[str, Calibration]:
    """The calibrations of a model folder, by decoding method; empty where there are none.

    Raises `GoamaError` when `confidence.json` is damaged.
    """
    file = folder / CALIBRATION_FILE
    if not file.is_file():
        return {}
    try:
        content: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        calibrations = {method: Calibration(**fields) for method, fields in content.items()}
        for calibration in calibrations.values():
            for name, value in vars(calibration).items():
                if not is_number(value):
                    raise ValueError(f"{name} {value!r}")
        return calibrations
    except (ValueError, TypeError, AttributeError) as error:
        raise GoamaError(
            f"{file}: not the calibration of confidences ({error}); delete it, and run `goama tune` again"
        ) from error


def _inputs(words: Sequence[Word]) -> np.ndarray:
    """What the probabilities (N,) are computed of (N, 3): log confidence, number of characters, 1."""
    return np.array(
        [(math.log(max(word.confidence, _LEAST)), len(word.characters) or len(word.text), 1.0) for word in words]
    )


def _probabilities(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(inputs @ weights, -_LARGEST_LOGIT, _LARGEST_LOGIT)))


def _fit(inputs: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The likeliest weights (3,), by Newton's method.

    The targets are a little away from 0 and 1, which keeps the weights finite where words separate (Platt 1999).
    """
    hits = right.sum()
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))
    weights = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        probabilities = _probabilities(inputs, weights)
        gradient = inputs.T @ (probabilities - targets) + _RIDGE * weights
        curvature = inputs.T @ (inputs * (probabilities * (1 - probabilities))[:, None])
        step = np.linalg.solve(curvature + _RIDGE * np.eye(len(weights)), gradient)
        weights = weights - np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
        if abs(step).max() < _SMALLEST_STEP:
            break
    return weights
