"""The likeliest path of known words through the frames of an emission, by Viterbi over CTC states.

The states of a text are gap, unit, blank, unit, …, unit, gap, unit, …: as in CTC (Graves et al. 2006), but what lies
between two words is a gap, which takes silence, a word delimiter, or, at a price for each frame, any other sound. A
path may also pass over words that are not in the sound, at a price for each of their units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLANK, GAP = 0, 1
"""The first two columns of the scores that `word_path` takes; the others are units."""

BAND = 4096
"""States that are compared in one frame where there are more: about 2000 letters, three minutes of speech."""

_MOST_CELLS = 64_000_000  # back pointers of one byte in memory at once
_IMPOSSIBLE = np.float32(-1e30)
_STAY, _NEXT, _JUMP, _SKIP = range(4)


@dataclass(frozen=True)
class Prices:
    """What a path pays, in nats below the likeliest path through the same frames without a text.

    sound:      for each frame of sound in a gap; a cheaper silence or delimiter costs what it is
    blank:      for each frame of blank within a word, which else might span a pause
    passage:    for passing over one or several words that follow each other,
    unit:       and for each of their units
    """

    sound: float
    blank: float
    passage: float
    unit: float


def word_path(
    scores: np.ndarray, words: Sequence[Sequence[int]], prices: Prices, guide: np.ndarray | None = None
) -> np.ndarray:
    """(T,) int32, the unit of each frame, counted over all words from 0; -1 in a gap, -2 in a blank within a word.

    scores:  (T, 2 + C) float32, log-probabilities minus the best of their frame, with the prices of a frame of blank
             and of sound; columns `BLANK`, `GAP`, units
    words:   the columns of each word's units; no word is empty
    guide:   (T,) where in the text each frame probably is, 0 to 1: the middle of the band where the states are more
             than `BAND`. None: the text is spread evenly

    The units of a word that is passed over are missing. Every frame of the sound has a state.
    """
    states = _States(words, prices)
    width = min(states.count, BAND)
    low = _band(len(scores), states.count, width, guide)
    block = max(1, _MOST_CELLS // width)
    starts = range(0, len(scores), block)
    trellis = _Trellis(scores, states, low, width)
    entry = [trellis.entry()]
    for start in starts[:-1]:
        entry.append(trellis.forward(entry[-1], start, start + block, None))
    path = np.empty(len(scores), np.int32)
    state = -1
    for start, before in zip(reversed(starts), reversed(entry), strict=True):
        end = min(start + block, len(scores))
        pointers = _Pointers(np.zeros((end - start, width), np.uint8), [])
        after = trellis.forward(before, start, end, pointers)
        if state < 0:
            state = trellis.last_state(after)
        state = trellis.trace(path, state, start, end, pointers)
    unit = path >> 1
    return np.where(path & 1, unit, np.where(states.is_gap[path], -1, -2)).astype(np.int32)


class _States:
    """The states of a text: column of the scores, where a jump over the state before is allowed, gaps and prices."""

    def __init__(self, words: Sequence[Sequence[int]], prices: Prices):
        lengths = np.array([len(word) for word in words])
        units = np.concatenate([np.asarray(word, np.int64) for word in words])
        self.count = 2 * len(units) + 1
        self.gaps = np.concatenate([[0], 2 * np.cumsum(lengths)])
        self.is_gap = np.zeros(self.count, bool)
        self.is_gap[self.gaps] = True
        self.column = np.where(self.is_gap, GAP, BLANK)
        self.column[1::2] = units
        self.jump = np.full(self.count, _IMPOSSIBLE, np.float32)
        self.jump[3::2] = np.where(units[1:] != units[:-1], 0, _IMPOSSIBLE)
        self.passage = np.float32(prices.passage)
        self.passed = (prices.unit * np.concatenate([[0], np.cumsum(lengths)])).astype(np.float32)


@dataclass(frozen=True)
class _Pointers:
    """Of a block of frames: how each state was reached, and of those reached by passing over words, from which gap."""

    kind: np.ndarray
    """(frames, width) uint8."""
    passed_from: list[np.ndarray]
    """For each frame, the number of the gap that each gap in the band is best reached from."""


@dataclass(frozen=True)
class _Trellis:
    """Scores, states and the first state of the band in each frame."""

    scores: np.ndarray
    states: _States
    low: np.ndarray
    width: int

    def entry(self) -> np.ndarray:
        """(2 + width,) the scores before the first frame: in the first gap. Two cells stand before the band."""
        entry = np.full(self.width + 2, _IMPOSSIBLE, np.float32)
        entry[2] = 0
        return entry

    def forward(self, before: np.ndarray, start: int, end: int, pointers: _Pointers | None) -> np.ndarray:
        """(2 + width,) the scores after the frames from `start` to `end`, minus their maximum; fills `pointers`."""
        states, width = self.states, self.width
        last, now = before.copy(), np.empty_like(before)
        stay, other = np.empty(width, np.float32), np.empty(width, np.float32)
        for frame in range(start, end):
            low = self.low[frame]
            shift = low - self.low[max(0, frame - 1)]
            gaps, passing, origin = self._passing(last, frame, pointers is not None)
            if shift:
                last[: max(0, len(last) - shift)] = last[shift:].copy()
                last[max(0, len(last) - shift) :] = _IMPOSSIBLE
            np.maximum(last[2:], last[1:-1], out=stay)
            np.add(last[:-2], states.jump[low : low + width], out=other)
            reached = now[2:]
            np.maximum(stay, other, out=reached)
            at = states.gaps[gaps] - low
            by_passing = passing > reached[at]
            if pointers is not None:
                kind = pointers.kind[frame - start]
                np.greater(last[1:-1], last[2:], out=kind.view(bool))
                kind[other > stay] = _JUMP
                kind[at[by_passing]] = _SKIP
                pointers.passed_from.append(origin)
            reached[at] = np.maximum(reached[at], passing)
            np.take(self.scores[frame], states.column[low : low + width], out=other)
            reached += other
            now[:2] = _IMPOSSIBLE
            last, now = now, last
        return last - last.max()

    def _passing(self, last: np.ndarray, frame: int, with_origin: bool) -> tuple[slice, np.ndarray, np.ndarray]:
        """The gaps in the frame's band, their best scores by passing over words, and from which gaps."""
        states, low = self.states, self.low[frame]
        low_before = self.low[max(0, frame - 1)]
        first, end = np.searchsorted(states.gaps, (low_before, low_before + self.width))
        shifted = low != low_before
        gaps = slice(*np.searchsorted(states.gaps, (low, low + self.width))) if shifted else slice(first, end)
        scores = np.full(gaps.stop - gaps.start, _IMPOSSIBLE, np.float32)
        origin = np.zeros(gaps.stop - gaps.start if with_origin else 0, np.int32)
        if end > first:
            there = last[states.gaps[first:end] - low_before + 2] + states.passed[first:end]
            best = np.maximum.accumulate(there)
            source = np.minimum(np.arange(gaps.start, gaps.stop) - 1, end - 1) - first
            known = max(0, first + 1 - gaps.start)
            scores[known:] = best[source[known:]] - states.passed[gaps][known:] - states.passage
            if with_origin:
                index = np.maximum.accumulate(np.where(there == best, np.arange(first, end), 0))
                origin[known:] = index[source[known:]]
        return gaps, scores, origin

    def last_state(self, after: np.ndarray) -> int:
        """The best state of the last frame, for words that are not reached are passed over."""
        states, low = self.states, self.low[-1]
        first = int(np.searchsorted(states.gaps, low))
        gaps = states.gaps[first:]
        left = states.passed[-1] - states.passed[first:] + np.where(gaps < states.count - 1, states.passage, 0)
        at_gaps = after[gaps - low + 2] - left
        best = int(at_gaps.argmax())
        last_unit = states.count - 2 - low + 2
        return states.count - 2 if after[last_unit] > at_gaps[best] else int(gaps[best])

    def trace(self, path: np.ndarray, state: int, start: int, end: int, pointers: _Pointers) -> int:
        """Fills `path` from `end` back to `start`; the state before `start`."""
        for frame in range(end - 1, start - 1, -1):
            path[frame] = state
            low = self.low[frame]
            kind = pointers.kind[frame - start, state - low]
            if kind == _SKIP:
                first = int(np.searchsorted(self.states.gaps, low))
                number = int(np.searchsorted(self.states.gaps, state))
                state = int(self.states.gaps[pointers.passed_from[frame - start][number - first]])
            else:
                state -= int(kind)
        return state


def _band(frames: int, states: int, width: int, guide: np.ndarray | None) -> np.ndarray:
    """(T,) the first state of the band in each frame; the first frame has the first state, the last the last."""
    share = np.linspace(0, 1, frames) if guide is None else guide
    low = np.clip(np.round(share * (states - 1) - width / 2), 0, states - width).astype(np.int64)
    low = np.maximum.accumulate(low)
    low[0], low[-1] = 0, states - width
    return low
