"""Word confidences become probabilities that the word is right: Platt scaling (Platt 1999), fitted on dev transcripts.

A CTC model is nearly always surer of its words than it should be. The calibration lies in the model folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from goama.errors import GoamaError
from goama.files import write_beside
from goama.transcript import Segment, Transcript

CALIBRATION_FILE = "confidence.json"
FEWEST_WORDS = 100
"""Recognised words that a fit needs: with fewer the calibration would follow chance."""

_BINS = 10
_FOLDS = 5
_CERTAIN = 1e-4  # confidences are rounded to four digits: 0 and 1 have no logit
_STEPS = 50  # of Newton's method, which needs about eight


@dataclass(frozen=True)
class Calibration:
    """Probability that a word is right = sigmoid(slope · logit(confidence) + intercept).

    words:         recognised words that it was fitted on
    right:         share of them that were right
    error_before:  expected calibration error of the model's own confidences on them
    error_after:   the same after calibration, each clip by a fit without it (5-fold cross-validation)
    """

    slope: float
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

    def __call__(self, confidence: float) -> float:
        """The probability that a word of this confidence is right, rounded to four digits."""
        return round(float(_probabilities(np.array([confidence]), (self.slope, self.intercept))[0]), 4)

    def applied(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """The segments with calibrated word confidences; those of characters stay."""
        return tuple(
            Segment(tuple(replace(word, confidence=self(word.confidence)) for word in segment.words))
            for segment in segments
        )


def fit_calibration(transcripts: Sequence[Transcript], references: Sequence[str]) -> Calibration | None:
    """The calibration that fits transcripts of dev clips, not calibrated yet, and their normalised texts.

    None where nothing can be learnt: fewer than 100 words, all of them right or wrong, or a calibration that does not
    lower the error of the clips it was not fitted on.
    """
    clips = [
        (np.array([word.confidence for word in transcript.words]), np.array(right_words(transcript, reference), bool))
        for transcript, reference in zip(transcripts, references, strict=True)
    ]
    confidences, right, fold = _joined(clips)
    if len(right) < FEWEST_WORDS or right.all() or not right.any():
        return None
    held_out = np.empty(len(right))
    for number in range(_FOLDS):
        inside = fold == number
        held_out[inside] = _probabilities(confidences[inside], _fit(confidences[~inside], right[~inside]))
    before, after = expected_calibration_error(confidences, right), expected_calibration_error(held_out, right)
    slope, intercept = _fit(confidences, right)
    if after >= before or slope <= 0:
        return None
    return Calibration(
        slope=round(slope, 4),
        intercept=round(intercept, 4),
        words=len(right),
        right=round(float(right.mean()), 4),
        error_before=round(before, 4),
        error_after=round(after, 4),
    )


def right_words(transcript: Transcript, reference: str) -> list[bool]:
    """For each word of a transcript, whether the alignment with the fewest errors finds it in the reference."""
    words = [word.text for word in transcript.words]
    right = [True] * len(words)
    for edit, _, place in Levenshtein.editops(reference.split(), words).as_list():
        if edit != "delete":
            right[place] = False
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
        return {method: Calibration(**fields) for method, fields in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise GoamaError(
            f"{file}: not the calibration of confidences ({error}); delete it, or make it anew with `goama tune`"
        ) from error


def _joined(clips: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(confidences, right, fold) of all words; the words of a clip share a fold."""
    confidences = np.concatenate([confidences for confidences, _ in clips] or [np.zeros(0)])
    right = np.concatenate([right for _, right in clips] or [np.zeros(0, bool)])
    fold = np.repeat(np.arange(len(clips)) % _FOLDS, [len(right) for _, right in clips])
    return confidences, right, fold


def _logit(confidences: np.ndarray) -> np.ndarray:
    inside = np.clip(confidences, _CERTAIN, 1 - _CERTAIN)
    return np.log(inside / (1 - inside))


def _probabilities(confidences: np.ndarray, weights: tuple[float, float]) -> np.ndarray:
    return 1 / (1 + np.exp(-(weights[0] * _logit(confidences) + weights[1])))


def _fit(confidences: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the likeliest sigmoid, by Newton's method.

    The targets are Platt's, a little away from 0 and 1, which keeps the weights finite when words separate.
    """
    hits = right.sum()
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))
    inputs = np.stack([_logit(confidences), np.ones(len(right))], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        probabilities = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (probabilities - targets)
        curvature = inputs.T @ (inputs * (probabilities * (1 - probabilities))[:, None]) + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - np.clip(step, -2, 2)
        if abs(step).max() < 1e-8:
            break
    return float(weights[0]), float(weights[1])
