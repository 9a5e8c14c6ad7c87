"""Clips whose text probably does not match their sound, by the CTC score of a trained model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goama.audit.findings import ClipFacts, Finding, of
from goama.model.ctc import ctc_loss
from goama.recognition.emission import emissions
from goama.recognition.greedy import greedy_text
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE

BATCH_S = 60.0

FAR_DEVIATIONS = 4.0
"""Robust standard deviations above the median score of the corpus."""

FALSE_TEXT_QUANTILE = 0.05
"""A clip must also score as badly as 95 % of the clips with their text reversed: false, with the same letters."""

FEWEST_CLIPS = 20

TELLS_APART = 0.95
"""Share of clips whose text must score better than the reversed text; below it the model cannot judge."""


@dataclass(frozen=True)
class TextScore:
    """Negative log-likelihood of a clip's text minus that of its best path, in nats per label; 0: the texts agree.

    `backwards`: the same for the text written backwards.
    """

    clip_id: str
    nats_per_label: float
    backwards: float
    hypothesis: str


class TextScorer:
    """Collects clips and scores them in batches of 60 s; keeps no sound longer than that."""

    def __init__(self, recogniser: Recogniser):
        self._recogniser = recogniser
        self._waiting: list[tuple[str, np.ndarray, str]] = []
        self.scores: list[TextScore] = []

    def add(self, clip_id: str, waveform: np.ndarray, text: str) -> None:
        """`waveform` (N,) float32 at 16 kHz, `text` as people wrote it."""
        self._waiting.append((clip_id, waveform, self._recogniser.normaliser(text)))
        if sum(len(waveform) for _, waveform, _ in self._waiting) >= BATCH_S * SAMPLE_RATE:
            self.finish()

    def finish(self) -> None:
        """Score what is left."""
        batch, self._waiting = [entry for entry in self._waiting if entry[2]], []
        if batch:
            self.scores += _scores(self._recogniser, batch)


def _scores(recogniser: Recogniser, batch: Sequence[tuple[str, np.ndarray, str]]) -> Iterator[TextScore]:
    vocabulary = recogniser.vocabulary
    recognised = emissions(recogniser.network, recogniser.front_end, [waveform for _, waveform, _ in batch])
    for (clip_id, _, text), emission in zip(batch, recognised, strict=True):
        labels = vocabulary.encode(text)
        best = -float(emission.max(-1).values.sum())
        forwards, backwards = (
            (negative_log_likelihood(emission, ids, vocabulary.blank_id) - best) / max(1, len(labels))
            for ids in (labels, labels[::-1])
        )
        yield TextScore(clip_id, forwards, backwards, greedy_text(emission, vocabulary))


def negative_log_likelihood(emission: torch.Tensor, labels: Sequence[int], blank_id: int) -> float:
    """Of the labels given an emission (T, V) of log-probabilities, in nats; infinite where they do not fit."""
    return ctc_loss(emission, labels, blank_id) if labels else float("inf")


def check_mismatch(scores: Sequence[TextScore], clips: Sequence[ClipFacts], model: str) -> list[Finding]:
    """At most one finding: clips that score like a false text, worst first; or that the model cannot judge."""
    finite = [score for score in scores if np.isfinite(score.nats_per_label)]
    if len(finite) < FEWEST_CLIPS:
        return []
    forwards = np.array([score.nats_per_label for score in finite])
    backwards = np.array([score.backwards for score in finite])
    better = float((forwards < backwards).mean())
    if better < TELLS_APART:
        return [
            Finding(
                "model-cannot-judge",
                "info",
                (),
                f"{model} finds a text likelier than the same text backwards in {100 * better:.0f} % of the clips "
                "only: it cannot tell which texts do not match",
                "Its scores would name good clips.",
                "Train a better model first, on these clips or on others.",
            )
        ]
    usual = float(np.median(forwards))
    deviation = 1.4826 * float(np.median(np.abs(forwards - usual)))
    limit = max(usual + FAR_DEVIATIONS * deviation, float(np.quantile(backwards, FALSE_TEXT_QUANTILE)))
    bad = sorted((score for score in finite if score.nats_per_label > limit), key=lambda s: -s.nats_per_label)
    if not bad:
        return []
    text_of = {clip.id: clip.normalised for clip in clips}
    return [
        Finding(
            "pair-text-mismatch",
            "warning",
            tuple(score.clip_id for score in bad),
            f"{of(len(bad), len(scores))} whose text is probably not what is said: to the model it is no likelier "
            "than letters at random",
            "A false text teaches false letters, and in the test it counts as errors that the model did not make.",
            "Listen to these clips, the first ones first, and correct or remove them.",
            {
                score.clip_id: f"text: {text_of.get(score.clip_id, '')[:60]} / "
                f"heard: {score.hypothesis[:60] or '(nothing)'}"
                for score in bad
            },
        )
    ]
