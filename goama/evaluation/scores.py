"""Error rates of hypotheses against references, with 95 % confidence intervals.

Error counts equal jiwer's; the intervals are percentile bootstraps over clips (Bisani and Ney 2004).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

BOOTSTRAP_SAMPLES = 10_000
_MAX_CELLS = 20_000_000  # drawn at once: limits the memory of the bootstrap


@dataclass(frozen=True)
class ClipScore:
    """Word and character errors of one clip."""

    id: str
    reference: str
    hypothesis: str
    seconds: float
    speaker: str | None
    words: int
    word_errors: int
    characters: int
    character_errors: int
    loss: float | None = None
    """CTC loss in nats, summed over the labels; infinite if the labels need more frames than the clip has."""
    labels: int = 0

    @property
    def wer(self) -> float:
        """Word error rate, as a fraction."""
        return self.word_errors / max(1, self.words)

    @property
    def cer(self) -> float:
        """Character error rate, as a fraction."""
        return self.character_errors / max(1, self.characters)


@dataclass(frozen=True)
class ErrorRates:
    """Error rates over clips, as fractions, without intervals; used during training."""

    wer: float
    cer: float
    clips: int
    loss: float | None = None
    """CTC loss in nats per label, over the clips whose loss is finite; None if there are none."""


@dataclass(frozen=True)
class Score:
    """Error rates over clips, as fractions, with their 95 % confidence intervals.

    `substitutions`, `deletions` and `insertions` count words.
    """

    wer: float
    cer: float
    wer_interval: tuple[float, float]
    cer_interval: tuple[float, float]
    clips: int
    seconds: float
    words: int
    characters: int
    substitutions: int
    deletions: int
    insertions: int

    def lines(self) -> list[str]:
        """WER and CER with their intervals, as lines for the screen."""
        return [
            f"{name} {100 * rate:5.1f} %  (95 % interval {100 * low:.1f} to {100 * high:.1f})"
            for name, rate, (low, high) in (
                ("WER", self.wer, self.wer_interval),
                ("CER", self.cer, self.cer_interval),
            )
        ]


def score_clip(
    clip_id: str,
    reference: str,
    hypothesis: str,
    *,
    seconds: float = 0.0,
    speaker: str | None = None,
    loss: float | None = None,
    labels: int = 0,
) -> ClipScore:
    """The errors of a hypothesis against its reference; both texts are normalised already."""
    reference_words, hypothesis_words = reference.split(), hypothesis.split()
    return ClipScore(
        id=clip_id,
        reference=reference,
        hypothesis=hypothesis,
        seconds=seconds,
        speaker=speaker,
        words=len(reference_words),
        word_errors=Levenshtein.distance(reference_words, hypothesis_words),
        characters=len(reference),
        character_errors=Levenshtein.distance(reference, hypothesis),
        loss=loss,
        labels=labels,
    )


def error_rates(clips: Iterable[ClipScore]) -> ErrorRates:
    """Error rates over all clips, which are read once and not kept."""
    word_errors = words = character_errors = characters = count = labels = 0
    loss = 0.0
    for clip in clips:
        word_errors, words = word_errors + clip.word_errors, words + clip.words
        character_errors, characters = character_errors + clip.character_errors, characters + clip.characters
        count += 1
        if clip.loss is not None and math.isfinite(clip.loss):
            loss, labels = loss + clip.loss, labels + clip.labels
    return ErrorRates(
        word_errors / max(1, words), character_errors / max(1, characters), count, loss / labels if labels else None
    )


def most_errors_first(clips: Iterable[ClipScore]) -> list[ClipScore]:
    """The clips by falling number of character errors."""
    return sorted(clips, key=lambda clip: (-clip.character_errors, clip.id))


def score(clips: Sequence[ClipScore], *, seed: int = 0) -> Score:
    """The score over all clips. Raises `ValueError` if the references contain no word."""
    word_counts = np.array([(clip.word_errors, clip.words) for clip in clips], dtype=np.int64).reshape(-1, 2)
    character_counts = np.array([(c.character_errors, c.characters) for c in clips], dtype=np.int64).reshape(-1, 2)
    if not word_counts[:, 1].sum():
        raise ValueError("no reference words to score against")
    tags = [
        tag
        for clip in clips
        for tag, *_ in Levenshtein.editops(clip.reference.split(), clip.hypothesis.split()).as_list()
    ]
    return Score(
        wer=_rate(word_counts),
        cer=_rate(character_counts),
        wer_interval=bootstrap_interval(word_counts, seed=seed),
        cer_interval=bootstrap_interval(character_counts, seed=seed),
        clips=len(clips),
        seconds=round(sum(clip.seconds for clip in clips), 2),
        words=int(word_counts[:, 1].sum()),
        characters=int(character_counts[:, 1].sum()),
        substitutions=tags.count("replace"),
        deletions=tags.count("delete"),
        insertions=tags.count("insert"),
    )


def _rate(counts: np.ndarray) -> float:
    errors, total = counts.sum(0)
    return float(errors / total)


def bootstrap_interval(counts: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the error rate: low and high percentiles of a bootstrap over clips.

    counts (clips, 2): errors and reference length of each clip.
    """
    generator = np.random.default_rng(seed)
    clips = len(counts)
    samples_at_once = max(1, _MAX_CELLS // clips)
    rates: list[np.ndarray] = []
    for done in range(0, BOOTSTRAP_SAMPLES, samples_at_once):
        samples = min(samples_at_once, BOOTSTRAP_SAMPLES - done)
        drawn = counts[generator.integers(0, clips, size=(samples, clips))].sum(1)
        rates.append(drawn[:, 0] / np.maximum(1, drawn[:, 1]))
    low, high = np.percentile(np.concatenate(rates), [2.5, 97.5])
    return float(low), float(high)


def bootstrap_difference(counts: np.ndarray, against: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the difference of two error rates on the same clips, by a bootstrap over the clips.

    counts, against (clips, 2): errors and reference length of each clip; below 0 where `counts` has fewer errors.
    """
    generator = np.random.default_rng(seed)
    clips = len(counts)
    both = np.concatenate([counts, against], axis=1)
    drawn = np.stack([both[generator.integers(0, clips, clips)].sum(0) for _ in range(BOOTSTRAP_SAMPLES)])
    differences = drawn[:, 0] / np.maximum(1, drawn[:, 1]) - drawn[:, 2] / np.maximum(1, drawn[:, 3])
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)
