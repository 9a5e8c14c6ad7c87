"""How well an emission fits a text: CTC's loss of single clips, outside training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def ctc_loss(emission: torch.Tensor, labels: Sequence[int], blank_id: int) -> float:
    """Nats, summed over the labels; emission (T, V) of log-probabilities. Infinite where the labels do not fit."""
    return float(
        functional.ctc_loss(
            emission.float()[:, None],
            torch.tensor([list(labels)], dtype=torch.long),
            torch.tensor([len(emission)]),
            torch.tensor([len(labels)]),
            blank=blank_id,
            reduction="sum",
        )
    )
