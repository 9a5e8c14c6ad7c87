"""The CTC loss of each clip of a batch, for training, evaluation and audit; and the hidden states under a CTC head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def logits_and_states(
    network: PreTrainedModel, values: torch.Tensor, **arguments: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits (B, T, V) of a CTC network, and the hidden states (B, T, hidden) that its head made them of.

    values (B, N) or (B, N, features): the network's input; `arguments` go to the network as they are.
    """
    kept: list[torch.Tensor] = []
    handle = network.lm_head.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    try:
        logits = network(values, **arguments).logits
    finally:
        handle.remove()
    return logits, kept[0]


def ctc_losses(
    log_probabilities: torch.Tensor,
    lengths: torch.Tensor,
    labels: Sequence[Sequence[int]],
    blank_id: int,
    *,
    zero_infinity: bool = False,
) -> torch.Tensor:
    """The negative log-likelihood of each clip's labels, (B,) float32 nats, summed over the labels.

    log_probabilities (B, T, V), lengths (B,) of valid frames, one sequence of label ids per clip (Graves et al. 2006).
    A clip whose labels need more frames than it has gets infinity; with `zero_infinity` a loss and a gradient of 0.
    """
    device = log_probabilities.device
    return functional.ctc_loss(
        log_probabilities.float().transpose(0, 1),
        torch.tensor([label for row in labels for label in row], dtype=torch.long, device=device),
        lengths.to(device),
        torch.tensor([len(row) for row in labels], device=device),
        blank=blank_id,
        reduction="none",
        zero_infinity=zero_infinity,
    )


def ctc_loss(emission: torch.Tensor, labels: Sequence[int], blank_id: int) -> float:
    """The CTC loss of one clip in nats; emission (T, V) of log-probabilities. Infinite where the labels do not fit."""
    return float(ctc_losses(emission[None], torch.tensor([len(emission)]), [labels], blank_id))
