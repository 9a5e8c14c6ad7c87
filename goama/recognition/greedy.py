"""Best-path CTC decoding: the likeliest unit of each frame, repeats joined, blanks dropped (Graves et al. 2006)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import torch

from goama.recognition.units import Unit
from goama.text.vocabulary import Vocabulary


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


def greedy_units(path: BestPath, vocabulary: Vocabulary) -> list[Unit]:
    """The units of a best path with their frames, without blanks."""
    units, frame = [], 0
    for unit_id, run in groupby(path.ids.tolist()):
        end = frame + len(list(run))
        if unit_id != vocabulary.blank_id:
            units.append(Unit(unit_id, frame, end, float(path.log_probabilities[frame:end].mean())))
        frame = end
    return units
