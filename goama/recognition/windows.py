"""Sound of any length becomes overlapping windows that a network takes at once, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from goama.sound.audio import SAMPLE_RATE

WINDOW_S = 30.0
"""The longest piece a network gets at once: the memory of attention grows with the square of the length."""

CONTEXT_SHARE = 0.1
"""Neighbouring windows overlap by twice this share; frames at a window's edges are taken from its neighbour."""


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
    """Windows of at most `window_s` over the blocks (N,) float32 of one recording, in their order; at least one.

    Windows begin at whole frames, `frame_shift` samples each, so that the used frames of all windows in a row are the
    frames of the recording. A recording of at most `window_s` is one window. At most one window and one block are in
    memory.
    """
    context = int(CONTEXT_SHARE * window_s * SAMPLE_RATE) // frame_shift * frame_shift
    longest = int(window_s * SAMPLE_RATE) // frame_shift * frame_shift
    step = longest - 2 * context
    pending: list[np.ndarray] = []
    length, before = 0, 0
    for block in blocks:
        pending.append(block)
        length += len(block)
        while length > longest:
            samples = pending[0] if len(pending) == 1 else np.concatenate(pending)
            yield Window(samples[: before + step + context], before // frame_shift, step // frame_shift)
            rest = samples[before + step - context :]
            pending, length, before = [rest], len(rest), context
    yield Window(np.concatenate(pending) if pending else np.zeros(0, np.float32), before // frame_shift, None)
