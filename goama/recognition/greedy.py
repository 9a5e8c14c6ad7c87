"""Best-path CTC decoding: the likeliest unit of each frame, repeats joined, blanks dropped (Graves et al. 2006)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import torch

from goama.recognition.transcript import Segment, Word
from goama.text.vocabulary import Vocabulary

PAUSE_S = 0.8
"""Silence between two words that starts a new segment."""


@dataclass(frozen=True)
class BestPath:
    """The likeliest unit of each frame, and its log-probability: all that greedy decoding needs of an emission."""

    ids: torch.Tensor
    """(T,) int64."""
    log_probabilities: torch.Tensor
    """(T,) float32."""


def best_path(pieces: Iterable[torch.Tensor]) -> BestPath:
    """The best path of an emission that comes in consecutive pieces (T_i, V) of log-probabilities, at least one."""
    maxima = [piece.max(-1) for piece in pieces]
    return BestPath(torch.cat([best.indices for best in maxima]), torch.cat([best.values for best in maxima]))


def greedy_text(emission: torch.Tensor, vocabulary: Vocabulary) -> str:
    """The text of one clip's emission (T, V), any monotone scores."""
    return vocabulary.decode(emission.argmax(-1).tolist())


def greedy_segments(path: BestPath, vocabulary: Vocabulary, frame_shift_s: float) -> tuple[Segment, ...]:
    """Words with times, cut into segments at pauses.

    A word reaches from the first frame of its first unit to the last frame of its last. Its confidence is the
    geometric mean of its units' probabilities, and a unit's is the geometric mean over its frames: a unit that is held
    long counts no more than another, and blanks do not count. CTC peaks are short: times are good to about two frames.
    """
    words = [
        Word(
            text=text,
            start=round(run[0].start * frame_shift_s, 3),
            end=round(run[-1].end * frame_shift_s, 3),
            confidence=round(float(torch.tensor([unit.log_probability for unit in run]).mean().exp()), 4),
        )
        for run in _word_runs(_units(path, vocabulary), vocabulary)
        if (text := "".join(vocabulary.tokens[unit.id] for unit in run))
    ]
    segments: list[list[Word]] = []
    for word in words:
        if segments and word.start - segments[-1][-1].end < PAUSE_S:
            segments[-1].append(word)
        else:
            segments.append([word])
    return tuple(Segment(tuple(members)) for members in segments)


@dataclass(frozen=True)
class _Unit:
    """One unit of the path: its frames, `end` excluded, and the mean of their log-probabilities."""

    id: int
    start: int
    end: int
    log_probability: float


def _units(path: BestPath, vocabulary: Vocabulary) -> list[_Unit]:
    units, frame = [], 0
    for unit_id, run in groupby(path.ids.tolist()):
        end = frame + len(list(run))
        if unit_id != vocabulary.blank_id:
            units.append(_Unit(unit_id, frame, end, float(path.log_probabilities[frame:end].mean())))
        frame = end
    return units


def _word_runs(units: list[_Unit], vocabulary: Vocabulary) -> list[list[_Unit]]:
    """The units of each word, without delimiters and units that write nothing."""
    runs = []
    for is_delimiter, run in groupby(units, key=lambda unit: unit.id == vocabulary.delimiter_id):
        spoken = [unit for unit in run if unit.id != vocabulary.unk_id and unit.id not in vocabulary.silent_ids]
        if not is_delimiter and spoken:
            runs.append(spoken)
    return runs
