"""Best-path CTC decoding: the likeliest unit of each frame, repeats joined, blanks dropped."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch

from goama.recognition.transcript import Segment, Word
from goama.text.vocabulary import Vocabulary

PAUSE_S = 0.8
"""Silence between two words that starts a new segment."""


def greedy_text(emission: torch.Tensor, vocabulary: Vocabulary) -> str:
    """The text of one clip's emission (T, V), any monotone scores."""
    return vocabulary.decode(emission.argmax(-1).tolist())


def greedy_segments(emission: torch.Tensor, vocabulary: Vocabulary, frame_shift_s: float) -> tuple[Segment, ...]:
    """Words with times, cut into segments at pauses; emission (T, V) are log-probabilities.

    A word reaches from the first frame of its first unit to the last frame of its last; its confidence
    is the geometric mean of those frames' probabilities. CTC peaks are short: times are good to about two
    frames, forced alignment is finer.
    """
    words = [
        Word(
            text=text,
            start=round(run[0].start * frame_shift_s, 3),
            end=round(run[-1].end * frame_shift_s, 3),
            confidence=round(float(torch.tensor([u.log_probability for u in run]).mean().exp()), 4),
        )
        for run in _word_runs(_units(emission, vocabulary), vocabulary)
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
    id: int
    start: int
    end: int
    log_probability: float


def _units(emission: torch.Tensor, vocabulary: Vocabulary) -> list[_Unit]:
    best, ids = emission.max(-1)
    units, frame = [], 0
    for unit_id, run in groupby(ids.tolist()):
        length = len(list(run))
        if unit_id != vocabulary.blank_id:
            units.append(_Unit(unit_id, frame, frame + length, float(best[frame : frame + length].mean())))
        frame += length
    return units


def _word_runs(units: list[_Unit], vocabulary: Vocabulary) -> list[list[_Unit]]:
    runs = []
    for is_delimiter, run in groupby(units, key=lambda unit: unit.id == vocabulary.delimiter_id):
        spoken = [unit for unit in run if unit.id != vocabulary.unk_id and unit.id not in vocabulary.silent_ids]
        if not is_delimiter and spoken:
            runs.append(spoken)
    return runs
