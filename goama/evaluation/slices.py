"""Error rates by what clips have in common: a speaker, a range of lengths, the value of a column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from goama.evaluation.scores import ClipScore, bootstrap_interval, error_rates

FEW_CLIPS = 5  # groups with fewer clips have unreliable rates: no intervals, and by name they are counted together
MOST_GROUPS = 30
_RANGES = 4
_SAMPLES = 2_000

Interval = tuple[float, float]
Group = tuple[str, Sequence[ClipScore]]
"""A name, and the clips that share it."""


@dataclass(frozen=True)
class Slice:
    """Error rates, as fractions, of the clips of a group; intervals are None with few clips or if not asked for."""

    name: str
    clips: int
    seconds: float
    wer: float
    cer: float
    wer_interval: Interval | None = None
    cer_interval: Interval | None = None


def named_groups(clips: Sequence[ClipScore], name: Callable[[ClipScore], str | None]) -> list[Group]:
    """The groups of clips with the same name, the highest CER first; empty with fewer than two names.

    Names of fewer than five clips are put together at the end, where there are several of each kind.
    """
    members: dict[str, list[ClipScore]] = defaultdict(list)
    for clip in clips:
        if (group := name(clip)) is not None:
            members[group].append(clip)
    if len(members) < 2:
        return []
    small = [group for group, inside in members.items() if len(inside) < FEW_CLIPS]
    others: list[Group] = []
    if len(small) > 1 and len(members) - len(small) > 1:
        together = [clip for group in small for clip in members.pop(group)]
        others.append((f"{len(small)} others, with fewer than {FEW_CLIPS} clips each", together))
    return sorted(members.items(), key=lambda group: (-error_rates(group[1]).cer, group[0])) + others


def numbered_groups(
    clips: Sequence[ClipScore], numbers: Mapping[str, float], unit: str, *, edges: Sequence[float] = ()
) -> list[Group]:
    """The groups of clips by ranges of a number, from the lowest; empty with fewer than two ranges.

    numbers: of each clip id; clips without one are left out
    edges:   where ranges meet; without, about four ranges of as many clips each, at round numbers
    """
    known = [clip for clip in clips if clip.id in numbers]
    values = np.array([numbers[clip.id] for clip in known])
    if not len(values):
        return []
    inner = [edge for edge in edges or _round_edges(values) if values.min() < edge <= values.max()]
    groups: list[Group] = []
    for low, high in pairwise([-np.inf, *inner, np.inf]):
        inside = [clip for clip, value in zip(known, values, strict=True) if low <= value < high]
        if inside:
            groups.append((_range_name(low, high, unit), inside))
    return groups if len(groups) > 1 else []


def column_groups(clips: Sequence[ClipScore], values: Mapping[str, str]) -> list[Group]:
    """The groups of clips by the values (of each clip id) of a column; numbers become ranges.

    Empty for a column that has a value of its own for most clips, such as a sentence.
    """
    present = {clip.id: values[clip.id] for clip in clips if clip.id in values}
    different = len(set(present.values()))
    numbers = _numbers(present)
    if numbers is not None and different > 2 * _RANGES:
        return numbered_groups(clips, numbers, "")
    if different > max(2, len(present) // 2):
        return []
    return named_groups(clips, lambda clip: present.get(clip.id))


def slice_of(group: Group, *, intervals: bool = False) -> Slice:
    """The error rates of a group, with their 95 % intervals over clips if they are asked for and there are enough."""
    name, clips = group
    rates = error_rates(clips)
    seconds = sum(clip.seconds for clip in clips)
    if not intervals or len(clips) < FEW_CLIPS:
        return Slice(name, rates.clips, seconds, rates.wer, rates.cer)
    words = np.array([(clip.word_errors, clip.words) for clip in clips])
    characters = np.array([(clip.character_errors, clip.characters) for clip in clips])
    both = [bootstrap_interval(counts, samples=_SAMPLES) for counts in (words, characters)]
    return Slice(name, rates.clips, seconds, rates.wer, rates.cer, *both)


def _round_edges(values: np.ndarray) -> list[float]:
    """Quartiles of (N,) values, rounded to about a tenth of their spread, so that ranges read well."""
    spread = float(values.max() - values.min())
    if not spread:
        return []
    step = 10.0 ** np.floor(np.log10(spread / 10))
    quartiles = np.quantile(values, [n / _RANGES for n in range(1, _RANGES)])
    return sorted({float(np.round(quartile / step) * step) for quartile in quartiles})


def _range_name(low: float, high: float, unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if np.isinf(low):
        return f"below {high:g}{unit}".replace("-", "−")
    if np.isinf(high):
        return f"{low:g}{unit} and more".replace("-", "−")
    return f"{low:g} to {high:g}{unit}".replace("-", "−")


def _numbers(values: Mapping[str, str]) -> dict[str, float] | None:
    try:
        numbers = {id: float(value) for id, value in values.items()}
    except ValueError:
        return None
    return numbers if np.isfinite(list(numbers.values())).all() else None
