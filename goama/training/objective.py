"""What training minimises: CTC, and while a network still knows nothing, evenly spread labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


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


def flat_start_sum(logits: torch.Tensor, lengths: torch.Tensor, labels: Sequence[Sequence[int]]) -> torch.Tensor:
    """Cross-entropy against labels spread evenly over a clip's frames, (B,) float32 nats summed over frames.

    A wrong alignment, but one that makes a fresh network listen: plain CTC first learns to say nothing,
    and may stay there for thousands of steps. (The flat start of HMM training, Rabiner 1989.)
    """
    batch, frames, classes = logits.shape
    targets = torch.full((batch, frames), -100, dtype=torch.long)
    for row, (length, ids) in enumerate(zip(lengths.tolist(), labels, strict=True)):
        if ids:
            spread = torch.arange(length) * len(ids) // length
            targets[row, :length] = torch.tensor(ids)[spread]
    losses = functional.cross_entropy(
        logits.float().reshape(-1, classes), targets.to(logits.device).reshape(-1), reduction="none"
    )
    return losses.reshape(batch, frames).sum(1)
