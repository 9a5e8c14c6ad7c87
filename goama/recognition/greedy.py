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

    def __init__(self, vocabulary: Vocabulary, blank_penalty: float = 0.0):
        self._vocabulary, self._blank_penalty = vocabulary, blank_penalty

    def text(self, emission: torch.Tensor) -> str:
        """The text of one clip's emission (T, V) of log-probabilities."""
        return self._vocabulary.decode(self._ids(emission).tolist())

    def units(self, pieces: Iterable[torch.Tensor]) -> list[Unit]:
        """The units of the best path of an emission in consecutive pieces (T_i, V) of log-probabilities."""
        best = [(ids, piece.gather(-1, ids[:, None])[:, 0]) for piece in pieces for ids in [self._ids(piece)]]
        log_probabilities = torch.cat([values for _, values in best])
        units, frame = [], 0
        for unit_id, run in groupby(torch.cat([ids for ids, _ in best]).tolist()):
            end = frame + len(list(run))
            if unit_id != self._vocabulary.blank_id:
                units.append(Unit(unit_id, frame, end, float(log_probabilities[frame:end].mean())))
            frame = end
        return units

    def _ids(self, emission: torch.Tensor) -> torch.Tensor:
        """The best unit (T,) of each frame, after the blank's penalty."""
        if self._blank_penalty:
            emission = emission.clone()
            emission[:, self._vocabulary.blank_id] -= self._blank_penalty
        return emission.argmax(-1)


def greedy_text(emission: torch.Tensor, vocabulary: Vocabulary) -> str:
    """The text of one clip's emission (T, V), any monotone scores."""
    return vocabulary.decode(emission.argmax(-1).tolist())
