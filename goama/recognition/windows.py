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
"""Lengths of the windows of a longer recording: networks are trained on clips of some seconds, see docs/hours.md."""

CONTEXT_S = 1.5
"""Where speech has no pause, neighbouring windows overlap by twice this, and frames at their edges are not used."""

_PAUSE_CONTEXT_S = 0.1  # all of it in the pause: networks without padding have no frame at the very edge
_MARGIN = 10  # frames of 20 ms of a pause that stay with the speech before and after it
_LEADING = 50  # frames of silence that are not recognised with the speech after it
_SILENCE_ABOVE_QUIETEST_DB = 6.0  # no speech so weak could be understood
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
    silence: int = 0
    """Frames of silence after those, which belong to no window; at least one in each pause."""


def cut_windows(blocks: Iterable[np.ndarray], frame_shift: int, window_s: float = WINDOW_S) -> Iterator[Window]:
    """Windows over the blocks (N,) float32 of one recording, in their order; at least one.

    A recording of at most `window_s` is one window. A longer one is cut in the first pause after `SHORTEST_S`; where
    there is none up to `LONGEST_S`, at the quietest place. Windows begin at whole frames, `frame_shift` samples each,
    so that the used frames and the silence of all windows in a row are the frames of the recording. They do not depend
    on the blocks. At most `window_s` of sound and one block are in memory.
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
            cut = _cut(samples[before : before + ahead], frame_shift, ended=False)
            assert cut is not None
            window, rest = _parted(samples, before, cut, frame_shift)
            yield window
            pending, length, before, is_whole = [rest], len(rest), cut.context, False
    samples = _joined(pending)
    while not is_whole and (cut := _cut(samples[before:], frame_shift, ended=True)):
        window, samples = _parted(samples, before, cut, frame_shift)
        yield window
        before = cut.context
    yield Window(samples, before // frame_shift, None)


@dataclass(frozen=True)
class _Cut:
    """Where a window ends, the silence after it, and the context that it and the next one have; all in samples."""

    at: int
    silence: int
    context: int


def _parted(samples: np.ndarray, before: int, cut: _Cut, frame_shift: int) -> tuple[Window, np.ndarray]:
    """The window up to a cut, and the samples of the next one, with its context."""
    end = before + cut.at
    taken = samples[: end + cut.context] if cut.at else samples[:0]
    window = Window(taken, before // frame_shift, cut.at // frame_shift, cut.silence // frame_shift)
    return window, samples[end + cut.silence - cut.context :]


def _cut(samples: np.ndarray, frame_shift: int, *, ended: bool) -> _Cut | None:
    """Where the window that begins with the samples (N,) ends; None: it is the last one.

    ended:  whether the recording ends with the samples
    """
    levels = frame_levels(samples)
    is_speech = speech_frames(levels)
    is_silent = ~is_speech & (levels < np.percentile(levels, 5) + _SILENCE_ABOVE_QUIETEST_DB)
    shortest, longest = (round(seconds * SAMPLE_RATE / FRAME_SAMPLES) for seconds in (SHORTEST_S, LONGEST_S))
    silent_runs = _runs(is_silent)
    if silent_runs and silent_runs[0][0] == 0 and silent_runs[0][1] > _LEADING and not (ended and is_silent.all()):
        return _cut_at(0, silent_runs[0][1] - _MARGIN, _PAUSE_CONTEXT_S, frame_shift)
    for start, end in _runs(~is_speech):
        middle = (start + min(end, longest)) // 2
        if shortest <= middle and start < longest and not (ended and end == len(levels)):
            inside = (start + _MARGIN, min(end, longest) - _MARGIN)
            silent = [(max(first, inside[0]), min(last, inside[1])) for first, last in silent_runs]
            first, last = max(silent, key=lambda run: run[1] - run[0], default=(0, 0))
            if last <= first:
                first, last = middle, middle + 1
            return _cut_at(first, last, _PAUSE_CONTEXT_S, frame_shift)
    if len(levels) <= longest:
        return None
    smooth = np.convolve(levels[: longest + _SMOOTHED], np.full(_SMOOTHED, 1 / _SMOOTHED), "same")
    quietest = longest // 2 + int(smooth[longest // 2 : longest].argmin())
    return _cut_at(quietest, quietest, CONTEXT_S, frame_shift)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First frame and the frame after the last of each run of a mask (T,)."""
    changes = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(changes == 1).tolist(), np.flatnonzero(changes == -1).tolist(), strict=True))


def _cut_at(first: int, last: int, context_s: float, frame_shift: int) -> _Cut:
    """A cut at whole frames of the network, near 20 ms frames; a pause has at least one frame of silence."""
    at, end = (frame * FRAME_SAMPLES // frame_shift * frame_shift for frame in (first, last))
    silence = max(end - at, frame_shift) if last > first else 0
    return _Cut(at, silence, -(-int(context_s * SAMPLE_RATE) // frame_shift) * frame_shift)


def _joined(pending: list[np.ndarray]) -> np.ndarray:
    if len(pending) == 1:
        return pending[0]
    return np.concatenate(pending) if pending else np.zeros(0, np.float32)
