"""Where each unit begins and ends: CTC marks it by a peak of a frame or two, and the blanks around go to the units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LATENESS_S = 0.02
"""Peaks come late: a unit begins this long before the frame at which it becomes likelier than the unit before."""

_LONGEST_BLANK_S = 0.4  # between two units without silence; what is longer is a pause
_RISE_S = 0.1  # a unit after a pause begins at most this long before its peak,
_RISES_DB = 15.0  # from where the sound is this much softer;
_BEFORE_S = 0.04  # where the pause is not soft, it begins this long before its peak
_RELEASE_S = 0.15  # a unit before a pause ends at most this long after its peak,
_FADES_DB = 6.0  # and where the sound is this much softer: rooms reverberate 15 dB below the sound for 0.3 s


@dataclass(frozen=True)
class Peak:
    """A unit on the path: its column in the scores, and its frames, `end` excluded."""

    column: int
    start: int
    end: int


def spread(
    peaks: Sequence[Peak], scores: np.ndarray, levels: np.ndarray, frame_shift_s: float
) -> list[tuple[int, int]]:
    """The first frame of each unit and the one after its last, for peaks in the order of time.

    scores:  (T, C) float32, log-probabilities of all columns, or those minus the best of their frame
    levels:  (T,) dB, the energy of the sound with treble raised, in which consonants are as loud as vowels

    Between two units that follow each other is no gap: the boundary is where the second becomes likelier than the
    first, `LATENESS_S` earlier. At a pause the first ends as the sound fades, and the second begins just before its
    peak.
    """
    if not peaks:
        return []
    late, longest = (round(seconds / frame_shift_s) for seconds in (LATENESS_S, _LONGEST_BLANK_S))
    starts, ends = [_rise(peaks[0], 0, levels, frame_shift_s)], []
    for one, other in pairwise(peaks):
        if other.start - one.end > longest:
            ends.append(_fade(one, other.start, levels, frame_shift_s))
            starts.append(_rise(other, ends[-1], levels, frame_shift_s))
        else:
            boundary = max(_crossing(one, other, scores) - late, starts[-1] + 1)
            ends.append(boundary)
            starts.append(boundary)
    ends.append(_fade(peaks[-1], len(scores), levels, frame_shift_s))
    return list(zip(starts, ends, strict=True))


def _crossing(one: Peak, other: Peak, scores: np.ndarray) -> int:
    """The frame between two peaks at which the second unit becomes likelier than the first."""
    if one.end >= other.start:
        return other.start
    blank = slice(one.end, other.start)
    gain = np.cumsum(scores[blank, one.column] - scores[blank, other.column])
    best = int(gain.argmax())
    return one.end + (best + 1 if gain[best] > 0 else 0)


def _fade(peak: Peak, end: int, levels: np.ndarray, frame_shift_s: float) -> int:
    """The frame after a peak, and before `end`, at which its sound has faded."""
    after = levels[peak.end : min(end, peak.end + round(_RELEASE_S / frame_shift_s))]
    soft = np.flatnonzero(after < levels[peak.start : peak.end].max() - _FADES_DB)
    return peak.end + (int(soft[0]) if len(soft) else len(after))


def _rise(peak: Peak, start: int, levels: np.ndarray, frame_shift_s: float) -> int:
    """The frame before a peak, and from `start` on, at which its sound begins."""
    first = max(start, peak.start - round(_RISE_S / frame_shift_s))
    soft = np.flatnonzero(levels[first : peak.start] < levels[peak.start : peak.end].max() - _RISES_DB)
    return first + int(soft[-1]) + 1 if len(soft) else max(start, peak.start - round(_BEFORE_S / frame_shift_s))
