"""Clips of one recording that overlap in time, in one tier or table or in those of two speakers.

They are left out, trimmed or kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from goama.sound.repairs import clock_time
from goama.sources import remarks
from goama.sources.clip import Remark, Source, SourceClip
from goama.sources.judge import OVERLAPPING

_TOUCHING_S = 0.05  # annotations that overlap by less are neighbours whose border was drawn twice
_MOST_TRIMMED = 0.5  # of an annotation
_TAKES_IT = "--overlaps trim cuts both at the middle where that can be, --overlaps keep takes both as they are"


@dataclass(slots=True)
class Span:
    """The time of an annotation (s) in the tier of that index; `overlap`: the sentence on the one that it overlaps.

    `trimmed`: whether all its overlaps were cut away, each at its middle.
    """

    start: float
    end: float
    tier: int
    overlap: str = ""
    trimmed: bool = False

    def fault(self, choice: str | None) -> str | None:
        """Why its clip is left out: it overlaps, and `choice` neither keeps nor has cut it; None where it is taken."""
        return f"{self.overlap}; {_TAKES_IT}" if self.overlap and choice != "keep" and not self.trimmed else None

    def remark(self) -> Remark:
        """What is said of a clip that is taken although it overlaps."""
        return Remark(remarks.TRIMMED if self.trimmed else remarks.KEPT, self.overlap)


def apart(source: Source, choice: str | None) -> Source:
    """The source of rows with its clips counted, and what `choice` says done to those of one recording that overlap.

    The source is read once for it.
    """
    count = 0
    spans: dict[Path, dict[int, Span]] = defaultdict(dict)
    for clip in source:
        if isinstance(clip.audio, Path) and clip.offset is not None and clip.duration and not clip.fault:
            spans[clip.audio][count] = Span(clip.offset, clip.offset + clip.duration, 0)
        count += 1
    overlapping: dict[int, Span] = {}
    for of_recording in spans.values():
        mark_overlaps(list(of_recording.values()), ("",), trim=choice == "trim", noun="clip")
        overlapping.update({place: span for place, span in of_recording.items() if span.overlap})

    def clips() -> Iterator[SourceClip]:
        for place, clip in enumerate(source.read()):
            span = overlapping.get(place)
            yield _treated(clip, span, choice) if span else clip

    return replace(source, read=clips if overlapping else source.read, count=count)


def _treated(clip: SourceClip, span: Span, choice: str | None) -> SourceClip:
    fault = span.fault(choice)
    if fault:
        return replace(clip, fault=fault, fault_kind=OVERLAPPING)
    cut = replace(clip, offset=span.start, duration=span.end - span.start) if span.trimmed else clip
    return replace(cut, remarks=(*clip.remarks, span.remark()))


def mark_overlaps(spans: Sequence[Span], tier_names: Sequence[str], trim: bool, noun: str = "annotation") -> None:
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
                    f"overlaps the {noun} from {' to '.join(map(clock_time, stored[id(other)]))} "
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
