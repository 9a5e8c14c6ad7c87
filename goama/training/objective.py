"""What training minimises: CTC, and for a network that begins from nothing, labels of frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from goama.training.alignment import NO_LABEL


def ctc_sum(
    logits: torch.Tensor, lengths: torch.Tensor, labels: Sequence[Sequence[int]], blank_id: int
) -> torch.Tensor:
    """The negative log-likelihood of each clip's labels, (B,) float32 nats; infinite ones count as 0.

    logits (B, T, V), lengths (B,) of valid frames. Clips are summed over their labels, not averaged: the
    caller divides by all labels of the step, so that accumulation and several devices change nothing.
    """
    if logits.device.type == "mps":  # torch has no CTC for Apple's GPUs; gradients find their way back
        logits = logits.cpu()
    targets = torch.tensor([label for row in labels for label in row], device=logits.device)
    target_lengths = torch.tensor([len(row) for row in labels], device=logits.device)
    return functional.ctc_loss(
        logits.float().log_softmax(-1).transpose(0, 1),
        targets,
        lengths.to(logits.device),
        target_lengths,
        blank=blank_id,
        reduction="none",
        zero_infinity=True,
    )


def frame_sum(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of frame labels, (B,) float32 nats summed over each clip's frames.

    logits (B, T, V); targets (B, T) int64, `NO_LABEL` where a frame is padding.
    """
    losses = functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), reduction="none", ignore_index=NO_LABEL
    )
    return losses.unflatten(0, targets.shape).sum(1)
