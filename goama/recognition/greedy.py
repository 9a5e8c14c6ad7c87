"""Best-path CTC decoding: the likeliest unit of each frame, repeats joined, blanks dropped (Graves et al. 2006)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Literal

import torch

from goama.recognition.units import Unit
from goama.text.vocabulary import Vocabulary


class GreedyDecoder:
    """The `Decoder` that takes the likeliest unit of each frame."""

    method: Literal["greedy", "beam"] = "greedy"

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary

    def units(self, pieces: Iterable[torch.Tensor]) -> list[Unit]:
        """The units of the best path of an emission in consecutive pieces (T_i, V) of log-probabilities."""
        maxima = [piece.max(-1) for piece in pieces]
        log_probabilities = torch.cat([best.values for best in maxima])
        units, frame = [], 0
        for unit_id, run in groupby(torch.cat([best.indices for best in maxima]).tolist()):
            end = frame + len(list(run))
            if unit_id != self._vocabulary.blank_id:
                units.append(Unit(unit_id, frame, end, float(log_probabilities[frame:end].mean())))
            frame = end
        return units


def greedy_text(emission: torch.Tensor, vocabulary: Vocabulary) -> str:
    """The text of one clip's emission (T, V), any monotone scores."""
    return vocabulary.decode(emission.argmax(-1).tolist())
