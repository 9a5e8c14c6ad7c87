"""Long recordings are cut into overlapping windows; the middles of their emissions are joined again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from transformers import PreTrainedConfig

from goama.acoustics.audio import SAMPLE_RATE
from goama.model.encoder import frame_shift_s, longest_s

WINDOW_S, CONTEXT_S = 30.0, 3.0
"""What a window contributes, and what it hears beyond that on either side; less for networks with a limit."""


@dataclass(frozen=True)
class Window:
    """A part of a recording, in samples, and which of its logit frames count."""

    first: int
    last: int
    skipped: int
    """Logit frames of context before the part that counts."""
    kept: int | None
    """Logit frames that count; None: all that follow."""


def longest_window_s(config: PreTrainedConfig) -> float:
    """Seconds that the network hears at once: its own limit, or a window with its context."""
    limit_s = longest_s(config)
    return WINDOW_S + 2 * CONTEXT_S if limit_s is None else min(limit_s, WINDOW_S + 2 * CONTEXT_S)


def windows(samples: int, config: PreTrainedConfig) -> Iterator[Window]:
    """The windows of a recording of that many samples, in order: one if it is short enough to be heard at once.

    All bounds are multiples of the frame shift, so that frame t of the joined middles is at time t · frame shift.
    """
    longest = round(longest_window_s(config) * SAMPLE_RATE)
    if samples <= longest:
        yield Window(0, samples, 0, None)
        return
    shift = round(frame_shift_s(config) * SAMPLE_RATE)
    context = round(CONTEXT_S * SAMPLE_RATE) // shift * shift
    step = (longest - 2 * context) // shift * shift
    for start in range(0, samples, step):
        first, last = max(0, start - context), min(samples, start + step + context)
        is_final = start + step >= samples
        yield Window(first, last, (start - first) // shift, None if is_final else step // shift)
