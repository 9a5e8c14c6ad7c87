"""Annotations that overlap in time, in one tier or in those of two speakers: left out, trimmed or kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goama.sound.repairs import clock_time

_TOUCHING_S = 0.05  # annotations that overlap by less are neighbours whose border was drawn twice
_MOST_TRIMMED = 0.5  # of an annotation


@dataclass
class Span:
    """The time of an annotation (s) in the tier of that index; `overlap`: the sentence on the one that it overlaps.

    `trimmed`: whether all its overlaps were cut away, each at its middle.
    """

    start: float
    end: float
    tier: int
    overlap: str = ""
    trimmed: bool = False


def mark_overlaps(spans: Sequence[Span], tier_names: Sequence[str], trim: bool) -> None:
    """Set `overlap` of all spans that share more than 0.05 s with another; with `trim`, cut those that can be cut.

    A span inside another one cannot be cut, nor can one that would lose more than half of its time.
    """
    stored = {id(span): (span.start, span.end) for span in spans}
    last: Span | None = None  # the span with the latest end so far
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if last and last.end - span.start > _TOUCHING_S:
            cut = trim and _can_be_cut(last, span)
            for one, other in ((span, last), (last, span)):
                one.trimmed = cut and (one.trimmed or not one.overlap)
                one.overlap = one.overlap or (
                    f"overlaps the annotation from {' to '.join(map(clock_time, stored[id(other)]))} "
                    f"{_place(one, other, tier_names)}"
                )
            if cut:
                last.end = span.start = (span.start + last.end) / 2
        if last is None or span.end > last.end:
            last = span


def _can_be_cut(first: Span, second: Span) -> bool:
    shortest = min(first.end - first.start, second.end - second.start)
    return second.end > first.end and first.end - second.start <= _MOST_TRIMMED * shortest


def _place(one: Span, other: Span, tier_names: Sequence[str]) -> str:
    if one.tier != other.tier:
        return f"in the tier {tier_names[other.tier]!r}"
    return "in the same tier" if tier_names[one.tier] else "in the same file"
