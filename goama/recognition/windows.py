"""Sound of any length becomes windows that a network takes at once, cut at pauses, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from goama.sound.activity import FRAME_SAMPLES, frame_levels, speech_frames
from goama.sound.audio import SAMPLE_RATE

WINDOW_S = 30.0
"""The longest piece a network gets at once: the memory of attention grows with the square of the length."""

SHORTEST_S = 2.0
LONGEST_S = 12.0
"""Lengths of the windows of a longer recording. Networks are trained on clips of some seconds, and recognise several
utterances in one window worse: Dutch dev, see docs/hours.md."""

CONTEXT_S = 1.5
"""Where speech has no pause, neighbouring windows overlap by twice this, and frames at their edges are not used."""

_PAUSE_CONTEXT_S = 0.1  # all of it in the pause: networks without padding have no frame at the very edge
_SMOOTHED = 11  # frames of 20 ms over which the quietest place is sought


@dataclass(frozen=True)
class Window:
    """A piece of a recording, and which of its frames are used."""

    samples: np.ndarray
    """(N,) float32 at 16 kHz."""
    first_frame: int
    """The first frame that is used; those before it are context."""
    frames: int | None
    """How many frames are used; None in a recording's last window: all that follow."""


def cut_windows(blocks: Iterable[np.ndarray], frame_shift: int, window_s: float = WINDOW_S) -> Iterator[Window]:
    """Windows over the blocks (N,) float32 of one recording, in their order; at least one.

    A recording of at most `window_s` is one window. A longer one is cut in the first pause after `SHORTEST_S`; where
    there is none up to `LONGEST_S`, at the quietest place. Windows begin at whole frames, `frame_shift` samples each,
    so that the used frames of all windows in a row are the frames of the recording. They do not depend on the blocks.
    At most `window_s` of sound and one block are in memory.
    """
    ahead = int(window_s * SAMPLE_RATE) // frame_shift * frame_shift
    pending: list[np.ndarray] = []
    length, before = 0, 0  # samples pending, of them context of the window that begins
    is_whole = True
    for block in blocks:
        pending.append(block)
        length += len(block)
        while length > before + ahead:
            samples = _joined(pending)
            cut = _cut(samples[before : before + ahead], frame_shift)
            assert cut is not None
            yield Window(samples[: before + cut.at + cut.context], before // frame_shift, cut.at // frame_shift)
            rest = samples[before + cut.at - cut.context :]
            pending, length, before, is_whole = [rest], len(rest), cut.context, False
    samples = _joined(pending)
    while not is_whole and (cut := _cut(samples[before:], frame_shift)):
        yield Window(samples[: before + cut.at + cut.context], before // frame_shift, cut.at // frame_shift)
        samples, before = samples[before + cut.at - cut.context :], cut.context
    yield Window(samples, before // frame_shift, None)


@dataclass(frozen=True)
class _Cut:
    """Samples to a cut, and samples on both sides that both windows have."""

    at: int
    context: int


def _cut(samples: np.ndarray, frame_shift: int) -> _Cut | None:
    """Where the next window (N,) ends; None: it is the last one."""
    levels = frame_levels(samples)
    shortest, longest = (round(seconds * SAMPLE_RATE / FRAME_SAMPLES) for seconds in (SHORTEST_S, LONGEST_S))
    for start, end in _pauses(levels):
        if shortest <= (start + end) // 2 <= longest and end < len(levels):
            return _at((start + end) // 2, _PAUSE_CONTEXT_S, frame_shift)
    if len(levels) <= longest:
        return None
    smooth = np.convolve(levels[: longest + _SMOOTHED], np.full(_SMOOTHED, 1 / _SMOOTHED), "same")
    return _at(longest // 2 + int(smooth[longest // 2 : longest].argmin()), CONTEXT_S, frame_shift)


def _pauses(levels: np.ndarray) -> list[tuple[int, int]]:
    """First frame and the frame after the last of each pause in levels (T,)."""
    changes = np.diff(np.concatenate([[False], ~speech_frames(levels), [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(changes == 1).tolist(), np.flatnonzero(changes == -1).tolist(), strict=True))


def _at(frame: int, context_s: float, frame_shift: int) -> _Cut:
    """A cut at a whole frame of the network, near a 20 ms frame."""
    context = -(-int(context_s * SAMPLE_RATE) // frame_shift) * frame_shift
    return _Cut(max(context, frame * FRAME_SAMPLES // frame_shift * frame_shift), context)


def _joined(pending: list[np.ndarray]) -> np.ndarray:
    if len(pending) == 1:
        return pending[0]
    return np.concatenate(pending) if pending else np.zeros(0, np.float32)
