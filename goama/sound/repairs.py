"""What reading a recording mended: sound that was lost, gaps in its clock, samples at another scale or not finite."""

from __future__ import annotations

from dataclasses import dataclass, field

DAMAGED = "damaged"
CUT_OFF = "cut-off"
NOT_FINITE = "not-finite"
SCALED = "scaled"
GAP = "gap"
JUMP = "jump"
RUBBISH = "rubbish"

LOSES_SOUND = frozenset({DAMAGED, CUT_OFF, NOT_FINITE})
"""Repairs after which a clip may lack words that its text has."""

_MOST_PLACES = 1000
_NAMED_PLACES = 3


@dataclass(frozen=True)
class Repair:
    """One kind of repair, with a sentence for people; `seconds`: of sound that was replaced by silence."""

    kind: str
    sentence: str
    seconds: float = 0.0


@dataclass
class Repairs:
    """The repairs of a recording, filled while it is decoded.

    spans: (kind, start, seconds) of silence in place of sound, in the recording's time.
    """

    spans: list[tuple[str, float, float]] = field(default_factory=list)
    of_whole: list[Repair] = field(default_factory=list)
    """Repairs that concern the recording and not a place in it."""

    def silence(self, kind: str, start: float, seconds: float) -> None:
        """Note silence in place of sound; neighbouring spans of one kind are joined."""
        if self.spans:
            last_kind, last_start, last_seconds = self.spans[-1]
            if last_kind == kind and (start - last_start - last_seconds < 0.1 or len(self.spans) >= _MOST_PLACES):
                self.spans[-1] = kind, last_start, last_seconds + seconds
                return
        self.spans.append((kind, start, seconds))

    def within(self, start: float, end: float) -> tuple[Repair, ...]:
        """The repairs between two times of the recording (s), times given from `start`, and those of the whole."""
        found = list(self.of_whole)
        for kind, what in ((DAMAGED, "could not be decoded"), (GAP, "are missing in its clock"), (NOT_FINITE, "")):
            inside = [
                (max(at, start) - start, min(at + seconds, end) - max(at, start))
                for of_kind, at, seconds in self.spans
                if of_kind == kind and at < end and at + seconds > start
            ]
            if not inside:
                continue
            total = sum(seconds for _, seconds in inside)
            if kind == NOT_FINITE:
                sentence = f"samples that are not finite numbers at {_places(inside)}"
            else:
                sentence = f"{total:.2f} s {what}, at {_places(inside)}"
            found.append(Repair(kind, f"{sentence}; silence stands in their place", total))
        return tuple(found)


def loss(repairs: tuple[Repair, ...]) -> Repair | None:
    """The first repair after which words may be missing, or None."""
    return next((repair for repair in repairs if repair.kind in LOSES_SOUND), None)


def clock_time(seconds: float) -> str:
    """ "0:01:02.500": hours, minutes, seconds, as annotation programs show them."""
    ms = round(1000 * seconds)
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _places(inside: list[tuple[float, float]]) -> str:
    named = ", ".join(clock_time(at) for at, _ in inside[:_NAMED_PLACES])
    return named + (f" and {len(inside) - _NAMED_PLACES} more places" if len(inside) > _NAMED_PLACES else "")
