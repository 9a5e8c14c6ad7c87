"""Where each label of a clip begins: the best path through a clip's states (Viterbi), and what is made of it.

Scores come from anywhere: from Gaussians (`gaussians.py`), or from a network that is being trained (`guidance.py`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from goama.errors import GoamaError

NO_LABEL = -100
"""The target of a frame that is padding, as torch's cross-entropy ignores it."""

_CELLS = 4_000_000
"""Clips are searched together while their (frames, states) fit in so many cells: 20 MB."""


@dataclass(frozen=True)
class Chain:
    """The states a clip passes through, in their order (Rabiner 1989, section IV.B): left to right, none twice."""

    states: np.ndarray
    """(S,) int64: the column of the clip's scores that each state is judged by."""
    is_silence: np.ndarray
    """(S,) bool: edges of the clip and spaces between words; these may be passed over."""
    label: np.ndarray
    """(S,) int64: the place of its label in the clip's labels, -1 before the first and U after the last."""

    @property
    def fewest_frames(self) -> int:
        """Frames that a clip needs to pass through all but silence."""
        return int((~self.is_silence).sum())


@dataclass(frozen=True)
class Passing:
    """Log-probabilities of staying in a state for a frame more and of leaving it: what keeps letters from
    swallowing their neighbours. Silence may last."""

    stay: float
    leave: float
    stay_in_silence: float = -0.05


def make_chain(labels: Sequence[int], columns: Mapping[int, Sequence[int]], silence: int, delimiter_id: int) -> Chain:
    """A chain for labels (U >= 1 ids): silence, each label's `columns` in turn, silence again; a delimiter is silence.

    `columns` maps label ids to the columns of their states; the delimiter needs none.
    """
    if not labels:
        raise ValueError("a clip without labels has nothing to align")
    states, label = [silence], [-1]
    for place, unit in enumerate(labels):
        of_unit = (silence,) if unit == delimiter_id else columns[unit]
        states += of_unit
        label += [place] * len(of_unit)
    states.append(silence)
    label.append(len(labels))
    column, place_of = np.array(states), np.array(label)
    return Chain(column, column == silence, place_of)


def best_paths(scores: Sequence[np.ndarray], chains: Sequence[Chain], passing: Passing) -> list[np.ndarray]:
    """The likeliest way of each clip's frames through its chain (Viterbi, over many clips side by side).

    scores: for each clip (T, C) float32 log-likelihoods of its frames under C states. Returns for each clip (T,)
    int64, the place in the chain at each frame: it never falls, and passes over nothing but silence. A clip's path
    does not depend on the others. Raises `ValueError` for a clip with fewer frames than its chain needs.
    """
    if any(len(score) < chain.fewest_frames for score, chain in zip(scores, chains, strict=True)):
        raise ValueError("a clip has fewer frames than states that must be passed")
    paths = [np.zeros(0, dtype=np.int64)] * len(scores)
    for group in _groups([len(s) for s in scores], [len(c.states) for c in chains]):
        for clip, path in zip(
            group, _search([scores[i] for i in group], [chains[i] for i in group], passing), strict=True
        ):
            paths[clip] = path
    return paths


def _groups(frames: Sequence[int], states: Sequence[int]) -> Iterable[list[int]]:
    """Clips of like length together, as many as `_CELLS` allows."""
    group: list[int] = []
    most_states = 0
    for clip in sorted(range(len(frames)), key=lambda clip: (frames[clip], clip)):
        most_states = max(most_states, states[clip])
        if group and frames[clip] * most_states * (len(group) + 1) > _CELLS:
            yield group
            group, most_states = [], states[clip]
        group.append(clip)
    if group:
        yield group


def _search(scores: Sequence[np.ndarray], chains: Sequence[Chain], passing: Passing) -> list[np.ndarray]:
    clips, longest, most = len(scores), max(map(len, scores)), max(len(c.states) for c in chains)
    lengths = np.array([len(s) for s in scores])
    emitted = np.full((longest, clips, most), -np.inf, dtype=np.float32)
    stay = np.full((clips, most), passing.stay, dtype=np.float32)
    skip = np.full((clips, most), -np.inf, dtype=np.float32)  # into a state from the one before the last, over silence
    for row, (score, chain) in enumerate(zip(scores, chains, strict=True)):
        size = len(chain.states)
        emitted[: len(score), row, :size] = score[:, chain.states]
        stay[row, :size][chain.is_silence] = passing.stay_in_silence
        skip[row, 2:size][chain.is_silence[1:-1]] = passing.leave

    best = np.full((clips, most), -np.inf, dtype=np.float32)
    best[:, :2] = emitted[0, :, :2]  # the first silence may be passed over
    moved = np.zeros((longest, clips, most), dtype=np.int8)  # states the best way into each came forward
    final = best.copy()
    entered, skipped = np.full_like(best, -np.inf), np.full_like(best, -np.inf)
    for frame in range(1, longest):
        entered[:, 1:] = best[:, :-1] + np.float32(passing.leave)
        skipped[:, 2:] = best[:, :-2] + skip[:, 2:]
        best = best + stay
        is_entered = entered > best
        best = np.where(is_entered, entered, best)
        is_skipped = skipped > best
        best = np.where(is_skipped, skipped, best) + emitted[frame]
        moved[frame] = np.where(is_skipped, 2, is_entered)
        ended = lengths == frame + 1
        if ended.any():
            final[ended] = best[ended]

    rows = np.arange(clips)
    last = np.array([len(chain.states) - 1 for chain in chains])
    place = np.where(final[rows, last] >= final[rows, last - 1], last, last - 1)  # so may the last
    path = np.zeros((longest, clips), dtype=np.int64)
    for frame in range(longest - 1, -1, -1):
        path[frame] = place
        place = place - np.where(frame < lengths, moved[frame, rows, place], 0)
    return [path[:length, row] for row, length in enumerate(lengths)]


def label_starts(path: np.ndarray, chain: Chain) -> np.ndarray:
    """(U + 1,) int64: the frame at which each label begins, and the frame after the last; a space may be empty."""
    labels = int(chain.label[-1])
    return np.searchsorted(chain.label[path], np.arange(labels + 1))


def spread_starts(loud: np.ndarray, labels: int) -> np.ndarray:
    """(labels + 1,) int64 starts that share out the loud frames evenly; loud (T,) bool.

    Where there are fewer loud frames than labels, all frames are shared out.
    """
    frames = np.flatnonzero(loud)
    if len(frames) < labels:
        frames = np.arange(len(loud))
    starts = frames[np.arange(labels) * len(frames) // labels] if labels else frames[:0]
    return np.append(starts, frames[-1] + 1 if labels else 0)


@dataclass(frozen=True)
class Alignment:
    """Of each clip (by id) the starts of its labels: (U + 1,) int32, in frames of 10 ms; the last is the end."""

    starts: Mapping[str, np.ndarray]

    def save(self, path: Path) -> None:
        """Write an .npz beside its place and rename it: `ids`, `counts` of starts, `starts` of all clips in a row."""
        ids = list(self.starts)
        beside = path.with_name(path.name + ".partial")
        try:
            with beside.open("wb") as file:
                np.savez_compressed(
                    file,
                    ids=np.array(ids, dtype=np.str_),
                    counts=np.array([len(self.starts[clip]) for clip in ids], dtype=np.int64),
                    starts=np.concatenate([np.zeros(0), *self.starts.values()]).astype(np.int32),
                )
        except OSError as error:
            raise GoamaError(
                f"{beside}: the alignment cannot be written ({error.strerror}); free some space and go on with --resume"
            ) from error
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> Alignment:
        """Raises `GoamaError` for a file that is gone or damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                ids, counts, starts = file["ids"], file["counts"], file["starts"]
            if len(ids) != len(counts) or counts.sum() != len(starts):
                raise ValueError("its parts do not fit together")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise GoamaError(
                f"{path}: gone or damaged ({error}); the run cannot go on with the same labels: train again into "
                "another folder"
            ) from error
        pieces = np.split(starts, np.cumsum(counts)[:-1])
        return cls(dict(zip(ids.tolist(), pieces, strict=True)))

    def moved_s(self, other: Alignment) -> float:
        """How far the starts of the clips that both know lie apart, on average, in seconds."""
        both = [
            np.abs(starts - other.starts[clip])
            for clip, starts in self.starts.items()
            if clip in other.starts and len(starts) == len(other.starts[clip])
        ]
        return 0.01 * float(np.concatenate(both).mean()) if both else 0.0


def frame_targets(
    starts: Sequence[np.ndarray],
    labels: Sequence[Sequence[int]],
    lengths: Sequence[int],
    *,
    stride: int,
    stretches: Sequence[float],
    blank_id: int,
) -> torch.Tensor:
    """(B, T) int64: the label at the middle of each network frame, blank around the text, `NO_LABEL` in padding.

    starts are those of an `Alignment`, lengths the clips' valid frames of `stride` x 10 ms, at tempos that are
    `stretches` times as slow as when they were aligned.
    """
    targets = torch.full((len(labels), max(lengths)), NO_LABEL, dtype=torch.long)
    for row, (begun, ids, length, stretch) in enumerate(zip(starts, labels, lengths, stretches, strict=True)):
        middles = (np.arange(length) + 0.5) * (stride / stretch)
        place = np.searchsorted(begun, middles, side="right")  # 0 before the first label, U + 1 after the last
        around = np.array([blank_id, *ids, blank_id])
        targets[row, :length] = torch.from_numpy(around[place])
    return targets
