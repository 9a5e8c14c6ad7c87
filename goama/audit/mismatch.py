"""With a trained model at hand: clips whose text probably does not match their sound, by their CTC score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goama.acoustics.audio import SAMPLE_RATE
from goama.audit.findings import ClipFacts, Finding, of
from goama.recognition.emission import emissions
from goama.recognition.greedy import greedy_text
from goama.recognition.recogniser import Recogniser

BATCH_S = 60.0

FAR_DEVIATIONS = 4.0
"""Robust standard deviations above the median score of the corpus."""

MISMATCH_QUANTILE = 0.05
"""…and as bad as 95 % of clips that were given another clip's text on purpose."""

FEWEST_CLIPS = 20

TELLS_APART = 0.95
"""Share of clips whose own text must score better than another clip's, or the model cannot judge."""


@dataclass(frozen=True)
class TextScore:
    """Nats by which a clip's best path beats its text, per label: 0 where the model writes the very text.

    `of_other_text`: the same with the text of another clip of about its length.
    """

    clip_id: str
    nats_per_label: float
    of_other_text: float
    heard: str


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
    texts = [text for _, _, text in batch]
    others = _swapped(texts)
    recognised = emissions(recogniser.network, recogniser.log_mel, [waveform for _, waveform, _ in batch])
    for (clip_id, _, text), other, emission in zip(batch, others, recognised, strict=True):
        best = -float(emission.max(-1).values.sum())
        own, swapped = (
            negative_log_likelihood(emission, vocabulary.encode(t), vocabulary.blank_id) for t in (text, other)
        )
        yield TextScore(
            clip_id,
            (own - best) / max(1, len(vocabulary.encode(text))),
            (swapped - best) / max(1, len(vocabulary.encode(other))),
            greedy_text(emission, vocabulary),
        )


def _swapped(texts: Sequence[str]) -> list[str]:
    """For each text another of the batch, of the nearest length that is not the same."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    swapped = list(texts)
    for place, index in enumerate(order):
        near = order[max(0, place - 2) : place] + order[place + 1 : place + 3]
        swapped[index] = next((texts[other] for other in near if texts[other] != texts[index]), texts[index][::-1])
    return swapped


def negative_log_likelihood(emission: torch.Tensor, labels: Sequence[int], blank_id: int) -> float:
    """Of the labels given an emission (T, V) of log-probabilities, in nats; infinite where they do not fit."""
    if not labels:
        return float("inf")
    return float(
        torch.nn.functional.ctc_loss(
            emission[:, None],
            torch.tensor([list(labels)]),
            torch.tensor([len(emission)]),
            torch.tensor([len(labels)]),
            blank=blank_id,
            reduction="sum",
        )
    )


def check_mismatch(scores: Sequence[TextScore], clips: Sequence[ClipFacts], model: str) -> list[Finding]:
    """One finding: the clips that score like clips with a false text, worst first; or that the model cannot judge."""
    finite = [score for score in scores if np.isfinite(score.nats_per_label)]
    if len(finite) < FEWEST_CLIPS:
        return []
    own = np.array([score.nats_per_label for score in finite])
    other = np.array([score.of_other_text for score in finite if np.isfinite(score.of_other_text)])
    better = np.mean([score.nats_per_label < score.of_other_text for score in finite])
    if better < TELLS_APART:
        return [
            Finding(
                "model-cannot-judge",
                "info",
                (),
                f"{model} finds the right text of a clip likelier than another clip's in {100 * better:.0f} % of the "
                "clips only: it cannot tell which texts do not match",
                "Its scores would name good clips.",
                "Train a better model first, on these clips or on others.",
            )
        ]
    usual = float(np.median(own))
    deviation = 1.4826 * float(np.median(np.abs(own - usual)))
    limit = max(usual + FAR_DEVIATIONS * deviation, float(np.quantile(other, MISMATCH_QUANTILE)))
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
            "than the text of another clip",
            "A false text teaches false letters, and in the test it counts as errors that the model did not make.",
            "Listen to these clips, the first ones first, and correct or remove them.",
            {
                score.clip_id: f"text: {text_of[score.clip_id][:60]} / heard: {score.heard[:60] or '(nothing)'}"
                for score in bad
            },
        )
    ]
