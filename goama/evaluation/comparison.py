"""Two evaluations of the same clips: is the difference real, and which clips changed.

Both models are resampled together (paired bootstrap, Bisani and Ney 2004), over clips, and over speakers (Liu and Peng
2020): clips of one speaker rise and fall together, and only the second interval speaks of other speakers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goama.errors import GoamaError
from goama.evaluation.evaluate import Evaluation
from goama.evaluation.scores import (
    BOOTSTRAP_SAMPLES,
    FEWEST_SPEAKERS,
    ClipScore,
    bootstrap_sums,
    by_speaker,
    score,
    score_clip,
)


@dataclass(frozen=True)
class Difference:
    """An error rate of B minus that of A, as a fraction: below 0 B makes fewer errors.

    interval:  95 %
    b_better:  share of the resamples in which B makes fewer errors
    units:     how many clips or speakers were resampled
    """

    value: float
    interval: tuple[float, float]
    b_better: float
    units: int

    @property
    def is_real(self) -> bool:
        """Whether the interval does not contain 0."""
        low, high = self.interval
        return low > 0 or high < 0


@dataclass(frozen=True)
class Changed:
    """A clip as both models recognised it."""

    a: ClipScore
    b: ClipScore

    @property
    def change(self) -> int:
        """Character errors of B minus those of A."""
        return self.b.character_errors - self.a.character_errors


@dataclass(frozen=True)
class Comparison:
    """Two models on the same clips. `left_out`: (id, reason) of clips that only one has, or whose references differ.

    by_clip, by_speaker:  differences of `wer` and `cer`; by_speaker is None with fewer than five speakers
    renormalised:         whether the references differed, so that all texts were normalised alike
    """

    a: Evaluation
    b: Evaluation
    clips: tuple[Changed, ...]
    by_clip: dict[str, Difference]
    by_speaker: dict[str, Difference] | None
    left_out: tuple[tuple[str, str], ...]
    renormalised: bool

    @property
    def better(self) -> str | None:
        """`a` or `b` where both error rates tell, or one tells and the other does not deny it; None: no difference."""
        told = {("b" if found.value < 0 else "a") for found in self.by_clip.values() if found.is_real}
        return told.pop() if len(told) == 1 else None

    @property
    def holds_for_other_speakers(self) -> bool | None:
        """Whether resampling speakers tells the same; None with fewer than five speakers."""
        if self.by_speaker is None:
            return None
        return any(self.by_speaker[rate].is_real and self.by_clip[rate].is_real for rate in ("wer", "cer"))


def compare(a: Evaluation, b: Evaluation, normalise: Callable[[str], str]) -> Comparison:
    """The comparison of two evaluations of a split.

    Where the two models have different spelling rules, so that a clip's references differ, all texts of both are
    normalised with `normalise`. Raises `GoamaError` if the evaluations share no clip.
    """
    of_a, of_b = ({clip.id: clip for clip in evaluation.clips} for evaluation in (a, b))
    shared = [(of_a[id], of_b[id]) for id in of_a if id in of_b]
    left_out = [(id, f"only {a.model} was evaluated on it") for id in of_a if id not in of_b]
    left_out += [(id, f"only {b.model} was evaluated on it") for id in of_b if id not in of_a]
    if not shared:
        raise GoamaError(f"{a.model} and {b.model}: they were evaluated on different clips; evaluate both on one split")
    renormalised = any(first.reference != second.reference for first, second in shared)
    if renormalised:
        shared = [(_normalised(first, normalise), _normalised(second, normalise)) for first, second in shared]
        left_out += [(first.id, "its references differ") for first, second in shared if not _same(first, second)]
        shared = [pair for pair in shared if _same(*pair)]
    clips = tuple(Changed(first, second) for first, second in shared)
    if not any(changed.a.words for changed in clips):
        raise GoamaError(f"{a.model} and {b.model}: no clip has the same reference in both; nothing can be compared")
    speakers = {changed.a.speaker for changed in clips if changed.a.speaker}
    return Comparison(
        _with_clips(a, [changed.a for changed in clips]),
        _with_clips(b, [changed.b for changed in clips]),
        clips,
        difference_of(clips),
        difference_of(clips, speakers=True) if len(speakers) >= FEWEST_SPEAKERS else None,
        tuple(left_out),
        renormalised,
    )


def _same(first: ClipScore, second: ClipScore) -> bool:
    return first.reference == second.reference


def _normalised(clip: ClipScore, normalise: Callable[[str], str]) -> ClipScore:
    reference, hypothesis = normalise(clip.reference), normalise(clip.hypothesis)
    again = score_clip(clip.id, reference, hypothesis, seconds=clip.seconds, speaker=clip.speaker)
    return replace(again, loss=clip.loss, labels=clip.labels)


def _with_clips(evaluation: Evaluation, clips: Sequence[ClipScore]) -> Evaluation:
    return replace(evaluation, clips=tuple(clips), score=score(clips))


def difference_of(
    clips: Sequence[Changed], *, speakers: bool = False, samples: int = BOOTSTRAP_SAMPLES
) -> dict[str, Difference]:
    """The differences of `wer` and `cer` over some clips, resampled over clips or over speakers."""
    counts = np.array(
        [
            (c.a.word_errors, c.b.word_errors, c.a.words, c.a.character_errors, c.b.character_errors, c.a.characters)
            for c in clips
        ]
    )
    rows = by_speaker([changed.a for changed in clips], counts) if speakers else counts
    sums = bootstrap_sums(rows, samples=samples)
    return {"wer": _difference(rows, sums, 0), "cer": _difference(rows, sums, 3)}


def _difference(rows: np.ndarray, sums: np.ndarray, first: int) -> Difference:
    def rate(totals: np.ndarray) -> np.ndarray:
        return (totals[..., first + 1] - totals[..., first]) / np.maximum(1, totals[..., first + 2])

    resampled = rate(sums)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Difference(float(rate(rows.sum(0))), (float(low), float(high)), float((resampled < 0).mean()), len(rows))
