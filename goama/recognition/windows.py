"""Sound of any length becomes windows that a network takes at once, cut at pauses, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from goama.sound.activity import FRAME_SAMPLES, frame_levels, speech_frames
from goama.sound.audio import SAMPLE_RATE

WINDOW_S = 30.0
"""The longest piece a network gets at once: the memory of attention grows with the square of the length."""

SHORTEST_S, LONGEST_S = 1.0, 12.0
"""Lengths of the windows of a longer recording: networks are trained on clips of some seconds, see docs/hours.md."""

UTTERANCE_PAUSE_S = 0.6
"""A pause that ends an utterance, and a window, even where it could be longer."""

CONTEXT_S = 1.5
"""Where speech has no pause, neighbouring windows overlap by twice this, and frames at their edges are not used."""

_CONTEXT_IN_PAUSE_S = 0.1  # after a window: networks without padding have no frame at the very edge
_SHORTEST_PAUSE = 15  # frames of 20 ms; stops are shorter
_BEFORE, _AFTER = 3, 30  # frames of 20 ms of a pause that stay with the speech after and before it
_LEADING = 10  # frames of silence before speech from which on they are left out
_SILENCE_ABOVE_QUIET_DB, _SILENCE_BELOW_LOUD_DB = 6.0, 20.0  # no speech so weak beside noise could be understood
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

    A recording of at most `window_s` is one window. A longer one is cut at the first pause between utterances after
    `SHORTEST_S`; where there is none up to `LONGEST_S`, in the longest pause; in speech without any pause at the
    quietest place. Windows begin at whole frames, `frame_shift` samples each,
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
            pending, length, before, is_whole = [rest], len(rest), cut.next_context, False
    samples = _joined(pending)
    while not is_whole and (cut := _cut(samples[before:], frame_shift, ended=True)):
        window, samples = _parted(samples, before, cut, frame_shift)
        yield window
        before = cut.next_context
    yield Window(samples, before // frame_shift, None)


@dataclass(frozen=True)
class _Cut:
    """Where a window ends, the silence after it, its context behind that, and the context of the next; in samples."""

    at: int
    silence: int
    context: int
    next_context: int


def _parted(samples: np.ndarray, before: int, cut: _Cut, frame_shift: int) -> tuple[Window, np.ndarray]:
    """The window up to a cut, and the samples of the next one, with its context."""
    end = before + cut.at
    taken = samples[: end + cut.context] if cut.at else samples[:0]
    window = Window(taken, before // frame_shift, cut.at // frame_shift, cut.silence // frame_shift)
    return window, samples[end + cut.silence - cut.next_context :]


def _cut(samples: np.ndarray, frame_shift: int, *, ended: bool) -> _Cut | None:
    """Where the window that begins with the samples (N,) ends; None: it is the last one.

    ended:  whether the recording ends with the samples
    """
    levels = frame_levels(samples)
    quiet, loud = np.percentile(levels, [5, 99])
    is_silent = levels < min(quiet + _SILENCE_ABOVE_QUIET_DB, loud - _SILENCE_BELOW_LOUD_DB)
    longest = _frames(LONGEST_S)
    silences = _runs(is_silent)
    if silences and silences[0][0] == 0 and silences[0][1] > _LEADING and not (ended and is_silent.all()):
        return _in_pause(0, silences[0][1] - _BEFORE, frame_shift)
    pauses = [pause for pause in _runs(~speech_frames(levels) | is_silent) if pause[0] <= longest]
    if ended and pauses and pauses[-1][1] == len(levels):
        pauses.pop()
    pause = _best_pause(pauses, must_cut=len(levels) > longest)
    if pause is not None:
        inside = [(max(first, pause[0]) + _AFTER, min(last, pause[1]) - _BEFORE) for first, last in silences]
        first, last = max(inside, key=_length, default=(0, 0))
        if first >= last:  # too noisy to tell silence from weak speech
            first, last = pause[1] - _BEFORE - 1, pause[1] - _BEFORE
        return _in_pause(first, last, frame_shift)
    if len(levels) <= longest:
        return None
    smooth = np.convolve(levels[: longest + _SMOOTHED], np.full(_SMOOTHED, 1 / _SMOOTHED), "same")
    quietest = longest // 2 + int(smooth[longest // 2 : longest].argmin())
    context = _whole(CONTEXT_S * SAMPLE_RATE, frame_shift)
    return _Cut(_whole(quietest * FRAME_SAMPLES, frame_shift), 0, context, context)


def _best_pause(pauses: list[tuple[int, int]], must_cut: bool) -> tuple[int, int] | None:
    """The first pause between two utterances; if there is none and the window must end, the longest pause."""
    possible = [pause for pause in pauses if _length(pause) >= _SHORTEST_PAUSE and pause[0] >= _frames(SHORTEST_S)]
    between = next((pause for pause in possible if _length(pause) >= _frames(UTTERANCE_PAUSE_S)), None)
    return between or (max(possible, key=_length, default=None) if must_cut else None)


def _length(run: tuple[int, int]) -> int:
    return run[1] - run[0]


def _frames(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE / FRAME_SAMPLES)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First frame and the frame after the last of each run of a mask (T,)."""
    changes = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(changes == 1).tolist(), np.flatnonzero(changes == -1).tolist(), strict=True))


def _in_pause(first: int, last: int, frame_shift: int) -> _Cut:
    """A cut with the silence from one 20 ms frame to another, at least one frame of the network."""
    at, end = (_whole(frame * FRAME_SAMPLES, frame_shift) for frame in (first, last))
    return _Cut(at, max(end - at, frame_shift), _whole(_CONTEXT_IN_PAUSE_S * SAMPLE_RATE, frame_shift), 0)


def _whole(samples: float, frame_shift: int) -> int:
    return int(samples) // frame_shift * frame_shift


def _joined(pending: list[np.ndarray]) -> np.ndarray:
    if len(pending) == 1:
        return pending[0]
    return np.concatenate(pending) if pending else np.zeros(0, np.float32)
