"""The dev clips on a run's page: which are shown, where hypotheses differ, and error rates by speaker or corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from goama.evaluation.scores import ClipScore, ErrorRates, Score, error_rates, score
from goama.run.dev_clips import DevClips
from goama.run.files import RunFiles
from goama.text.vocabulary import segment

WORST_CLIPS, MIDDLE_CLIPS, BEST_CLIPS = 10, 4, 8
GROUPS_SHOWN = 30
_FEW_CLIPS = 5  # groups with fewer clips are counted together: their error rates are unreliable
_STAGES = 12  # evaluations whose hypotheses are shown for a clip
_SHORT, _ENOUGH = 10, 30  # clips of fewer characters are left out where there are so many others
_MOST_RESAMPLED = 300  # clips; with more the interval is narrow, and computing it would take a second

Pieces = tuple[tuple[str, bool], ...]
"""A text in pieces: (piece, whether it differs)."""


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


def marked(clip: ClipScore) -> tuple[Pieces, Pieces]:
    """Reference and hypothesis in pieces, those marked that the other lacks; combining marks stay on their letters."""
    reference, hypothesis = segment(clip.reference), segment(clip.hypothesis)
    missed: list[tuple[str, bool]] = []
    wrong: list[tuple[str, bool]] = []
    for edit in Levenshtein.opcodes(reference, hypothesis):
        differs = edit.tag != "equal"
        missed.append(("".join(reference[edit.src_start : edit.src_end]), differs))
        wrong.append(("".join(hypothesis[edit.dest_start : edit.dest_end]), differs))
    return _joined(missed), _joined(wrong)


def _joined(pieces: Sequence[tuple[str, bool]]) -> Pieces:
    joined: list[tuple[str, bool]] = []
    for text, differs in pieces:
        if not text:
            continue
        if joined and joined[-1][1] == differs:
            joined[-1] = (joined[-1][0] + text, differs)
        else:
            joined.append((text, differs))
    return tuple(joined)


@dataclass(frozen=True)
class Group:
    """Dev clips that share a speaker, a corpus or a language; rates are fractions."""

    name: str
    clips: int
    seconds: float
    cer: float
    wer: float


def groups(clips: Sequence[ClipScore], name: Callable[[ClipScore], str | None]) -> list[Group]:
    """The groups of clips with the same name, worst first; empty with fewer than two groups.

    Groups of fewer than five clips are put together at the end, where there are several of each kind.
    """
    members: dict[str, list[ClipScore]] = defaultdict(list)
    for clip in clips:
        if (group := name(clip)) is not None:
            members[group].append(clip)
    if len(members) < 2:
        return []
    small = [group for group, inside in members.items() if len(inside) < _FEW_CLIPS]
    others = []
    if len(small) > 1 and len(members) - len(small) > 1:
        together = [clip for group in small for clip in members.pop(group)]
        others.append(_group(f"{len(small)} others, with fewer than {_FEW_CLIPS} clips each", together))
    named = [_group(group, inside) for group, inside in members.items()]
    return sorted(named, key=lambda group: (-group.cer, group.name)) + others


def _group(name: str, clips: Sequence[ClipScore]) -> Group:
    rates = error_rates(clips)
    return Group(name, rates.clips, sum(clip.seconds for clip in clips), rates.cer, rates.wer)


def corpus_value(files: RunFiles, key: str) -> Callable[[ClipScore], str | None]:
    """A function from a clip to what run.json says under `key` of its corpus; None where the run has one corpus.

    With several corpora a clip's id begins with the name of its corpus.
    """
    corpora = {str(about.get("name")): about.get(key) for about in files.facts["corpora"]}
    return lambda clip: corpora.get(clip.id.partition("/")[0]) if len(corpora) > 1 else None
