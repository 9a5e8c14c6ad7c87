"""What a decoder is: the emission of a recording goes in, piece by piece, and its units come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

import torch

from goama.recognition.units import Unit


class Decoder(Protocol):
    """Greedy decoding and beam search, in exchange for each other; `method` names the calibration of confidences."""

    method: Literal["greedy", "beam"]

    def text(self, emission: torch.Tensor) -> str:
        """The text of one clip's emission (T, V) of log-probabilities: that of its units."""
        ...

    def units(self, pieces: Iterable[torch.Tensor]) -> Sequence[Unit]:
        """The units of one recording, in the order of time, without blanks.

        pieces:  its emission in consecutive pieces (T_i, V) of log-probabilities, at least one; read as needed, so
                 that only one piece is in memory
        """
        ...
