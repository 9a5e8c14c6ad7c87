"""An emission of any length, in pieces, is cut at pauses into utterances, which a beam search takes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

LONGEST_S = 40.0
"""Speech without a pause is cut here, in the longest gap of the second half."""


def cut_at_pauses(
    pieces: Iterable[torch.Tensor], is_quiet: Callable[[torch.Tensor], torch.Tensor], pause: int, longest: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """(first frame, emission (T, V)) of each utterance with speech, in memory that does not grow.

    pieces:    consecutive pieces (T_i, V) of an emission; where they part makes no difference
    is_quiet:  which frames (T,) of a piece write nothing
    pause:     quiet frames that end an utterance; it keeps half of them at either end
    longest:   frames of the longest utterance
    """
    emission, quiet, first = torch.zeros(0, 0), np.zeros(0, bool), 0
    for piece in pieces:
        emission = torch.cat([emission, piece]) if len(emission) else piece
        quiet = np.concatenate([quiet, is_quiet(piece).numpy()])
        while True:
            start = _speech_start(quiet, pause // 2)
            emission, quiet, first = emission[start:], quiet[start:], first + start
            end = _cut(quiet, pause, longest)
            if end is None:
                break
            yield first, emission[:end]
            emission, quiet, first = emission[end:], quiet[end:], first + end
    if not quiet.all():
        yield first, emission


def _speech_start(quiet: np.ndarray, kept: int) -> int:
    """How many frames can be dropped before the first that is not quiet, so that `kept` quiet ones remain."""
    loud = np.flatnonzero(~quiet)
    return max(0, (int(loud[0]) if len(loud) else len(quiet)) - kept)


def _cut(quiet: np.ndarray, pause: int, longest: int) -> int | None:
    """Where the first utterance ends; None: it may go on in the next piece."""
    runs = _quiet_runs(quiet[:longest])
    for start, end in runs:
        if start and end - start >= pause:  # a run at the start is what is left of the last pause
            return start + pause // 2
    if len(quiet) < longest:
        return None
    gaps = [(end - start, (start + end) // 2) for start, end in runs if start >= longest // 2]
    return max(gaps)[1] if gaps else longest


def _quiet_runs(quiet: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of each run of quiet frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
