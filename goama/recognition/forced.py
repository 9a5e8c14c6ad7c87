"""The likeliest CTC path that writes a given text: every unit's frames in a short emission, by exact Viterbi."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np

from goama.recognition.units import Unit

_NEVER = -1e30


def forced_units(emission: np.ndarray, labels: Sequence[int], blank: np.ndarray, first_frame: int = 0) -> list[Unit]:
    """The labels as units with their frames in an emission (T, V) float32 of log-probabilities.

    blank:        (T,) log-probability of writing nothing, of the blank and of all that counts as one
    first_frame:  added to all frames

    Memory is T times twice the number of labels, in bytes: meant for an utterance, not for an hour. Empty where the
    frames are too few for the labels.
    """
    states = np.empty((len(emission), 2 * len(labels) + 1), np.float32)  # blank, label, blank, …, blank
    states[:, 0::2] = blank[:, None]
    states[:, 1::2] = emission[:, list(labels)]
    path = _best_states(states, _may_skip(labels))
    units: list[Unit] = []
    frame = 0
    for state, run in groupby(path):
        end = frame + len(list(run))
        if state % 2:
            mean = float(states[frame:end, state].mean())
            units.append(Unit(labels[state // 2], first_frame + frame, first_frame + end, mean))
        frame = end
    return units


def _may_skip(labels: Sequence[int]) -> np.ndarray:
    """(S,) bool: a label may follow the label before without a blank, unless the two are the same."""
    allowed = np.zeros(2 * len(labels) + 1, bool)
    allowed[3::2] = [left != right for left, right in pairwise(labels)]
    return allowed


def _best_states(states: np.ndarray, may_skip: np.ndarray) -> list[int]:
    """The state of each frame on the best path through (T, S); each step stays, advances by one, or skips a blank."""
    frames, count = states.shape
    steps = np.zeros((frames, count), np.int8)
    score = np.full(count, _NEVER)
    score[:2] = states[0, :2]
    moves = np.full((3, count), _NEVER)
    for frame in range(1, frames):
        moves[0] = score
        moves[1, 1:] = score[:-1]
        moves[2, 2:] = np.where(may_skip[2:], score[:-2], _NEVER)
        steps[frame] = moves.argmax(0)
        score = moves.max(0) + states[frame]
    state = count - 1 if count == 1 or score[-1] >= score[-2] else count - 2
    if score[state] <= _NEVER / 2:
        return []
    path = [state]
    for frame in range(frames - 1, 0, -1):
        state -= int(steps[frame, state])
        path.append(state)
    return path[::-1]
