"""The dev clips on a run's page: which are shown, where hypotheses differ, and error rates by speaker or corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from goama.evaluation.scores import ClipScore, ErrorRates, Score, error_rates, score
from goama.run.dev_clips import DevClips
from goama.run.files import RunFiles

WORST_CLIPS, MIDDLE_CLIPS, BEST_CLIPS = 10, 4, 8
_STAGES = 12  # evaluations whose hypotheses are shown for a clip
_SHORT, _ENOUGH = 10, 30  # clips of fewer characters are left out where there are so many others
_MOST_RESAMPLED = 300  # clips; with more the interval is narrow, and computing it would take a second


@dataclass(frozen=True)
class ShownClips:
    """Dev clips under a heading of the page."""

    title: str
    hint: str
    clips: tuple[ClipScore, ...]


@dataclass(frozen=True)
class DevResults:
    """How the best model recognised the dev clips; all rates are over all `count` clips."""

    count: int
    rates: ErrorRates
    shown: tuple[ShownClips, ...]
    intervals: Score | None
    """None without clips, or with so many that the intervals are narrow."""


def dev_results(dev: DevClips) -> DevResults:
    """The error rates of the dev clips, and the worst, some in the middle and the best of them to be shown."""
    long = [clip for clip in dev.clips if clip.characters >= _SHORT]
    ranked = sorted(
        long if len(long) >= _ENOUGH else dev.clips, key=lambda clip: (-clip.cer, -clip.characters, clip.id)
    )
    worst, rest = ranked[:WORST_CLIPS], ranked[WORST_CLIPS:]
    best = sorted(rest, key=lambda clip: (clip.cer, -clip.characters, clip.id))[:BEST_CLIPS]
    rest = rest[: len(rest) - len(best)]
    start = max(0, (len(rest) - MIDDLE_CLIPS) // 2)
    middle = rest[start : start + MIDDLE_CLIPS]
    parts = (
        ShownClips("Worst", "Listen whether the reference is what is said; the clip may be wrong.", tuple(worst)),
        ShownClips("In the middle", "Half of the dev clips are recognised better than these.", tuple(middle)),
        ShownClips("Best", "", tuple(best)),
    )
    shown = tuple(part for part in parts if part.clips)
    return DevResults(len(dev.clips), error_rates(dev.clips), shown, _with_intervals(dev.clips))


@lru_cache(maxsize=1)  # computed once for every new best model, not for every page
def _with_intervals(clips: tuple[ClipScore, ...]) -> Score | None:
    has_words = any(clip.words for clip in clips)
    return score(clips) if has_words and len(clips) <= _MOST_RESAMPLED else None


def earlier_hypotheses(hypotheses: dict[int, dict[str, str]], clip: ClipScore) -> list[tuple[int, str]]:
    """(step, hypothesis) of a clip from the first evaluation on; up to twelve, evenly spaced."""
    texts = [(step, texts[clip.id]) for step, texts in hypotheses.items() if clip.id in texts]
    every = -(-len(texts) // _STAGES)
    return texts[:: max(1, every)]


def corpus_value(files: RunFiles, key: str) -> Callable[[ClipScore], str | None]:
    """A function from a clip to what run.json says under `key` of its corpus; None where the run has one corpus.

    With several corpora a clip's id begins with the name of its corpus.
    """
    corpora = {str(about.get("name")): about.get(key) for about in files.facts["corpora"]}
    return lambda clip: corpora.get(clip.id.partition("/")[0]) if len(corpora) > 1 else None
