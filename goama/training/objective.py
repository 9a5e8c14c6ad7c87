"""What training minimises: CTC, and the disagreement of two views of a clip (CR-CTC)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from goama.model.ctc import ctc_losses


def ctc_sum(
    logits: torch.Tensor, lengths: torch.Tensor, labels: Sequence[Sequence[int]], blank_id: int
) -> torch.Tensor:
    """The negative log-likelihood of each clip's labels, (B,) float32 nats; infinite ones count as 0.

    logits (B, T, V), lengths (B,) of valid frames. Clips are summed over their labels, not averaged: the
    caller divides by all labels of the step, so that accumulation and several devices change nothing.
    """
    if logits.device.type == "mps":  # torch has no CTC loss for Apple's GPUs
        logits = logits.cpu()
    return ctc_losses(logits.float().log_softmax(-1), lengths, labels, blank_id, zero_infinity=True)


def disagreement_sum(logits: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """How much two views of each clip disagree, (2B,) float32 nats summed over a clip's frames.

    logits (2B, T, V): the clips in one view, then the same clips in the other. Each view is pulled towards what the
    other says, which is held fixed: the Kullback-Leibler divergence of CR-CTC (Yao et al. 2024, "CR-CTC: Consistency
    regularization on CTC for improved speech recognition").
    """
    said = logits.float().log_softmax(-1)
    other = said.detach().roll(len(said) // 2, dims=0)
    per_frame = functional.kl_div(said, other, reduction="none", log_target=True).sum(-1)
    valid = torch.arange(said.shape[1], device=said.device) < lengths.to(said.device)[:, None]
    return per_frame.masked_fill(~valid, 0.0).sum(1)
