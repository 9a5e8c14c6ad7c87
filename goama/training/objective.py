"""What training minimises: CTC, and while a network still knows nothing, evenly spread labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

_RARE_BLANK = -8.0
"""Log-probability of the blank in `without_blank_sum`."""

ACTIVE_ABOVE = 0.35
"""The place between a clip's silence (0) and its loudest frames (1) above which a frame counts as speech."""


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


def flat_start_sum(
    logits: torch.Tensor, active: torch.Tensor, lengths: torch.Tensor, labels: Sequence[Sequence[int]], blank_id: int
) -> torch.Tensor:
    """Cross-entropy against labels spread evenly over a clip's active frames, (B,) float32 nats summed over frames.

    `active` (B, T) bool tells speech from silence; silence gets the blank. A wrong alignment, but one that
    makes a fresh network listen: plain CTC first learns to say nothing, and may stay there for thousands of
    steps. (The flat start of HMM training, Rabiner 1989.)
    """
    batch, frames, classes = logits.shape
    targets = torch.full((batch, frames), -100, dtype=torch.long)
    active = active.cpu()
    for row, (length, ids) in enumerate(zip(lengths.tolist(), labels, strict=True)):
        speaks = active[row, :length]
        count = int(speaks.sum())
        targets[row, :length] = blank_id
        if ids and count:
            spread = torch.arange(count) * len(ids) // count
            targets[row, :length][speaks] = torch.tensor(ids)[spread]
    losses = functional.cross_entropy(
        logits.float().reshape(-1, classes), targets.to(logits.device).reshape(-1), reduction="none"
    )
    return losses.reshape(batch, frames).sum(1)


def without_blank_sum(
    logits: torch.Tensor, lengths: torch.Tensor, labels: Sequence[Sequence[int]], blank_id: int, delimiter_id: int
) -> torch.Tensor:
    """CTC that hardly knows the blank, (B,) float32 nats: each frame has to be one of the clip's characters.

    Delimiters at both ends take the silence there; the blank keeps a fixed small probability for letters
    that are doubled. What Baum-Welch is to the flat start of HMMs: labels find their places, and saying
    nothing is not among the answers.
    """
    is_blank = torch.arange(logits.shape[-1], device=logits.device) == blank_id
    characters = logits.float().masked_fill(is_blank, -1e4).log_softmax(-1)
    log_probabilities = torch.where(is_blank, _RARE_BLANK, characters)
    bounded = [(delimiter_id, *row, delimiter_id) for row in labels]
    return functional.ctc_loss(
        log_probabilities.transpose(0, 1),
        torch.tensor([label for row in bounded for label in row], device=logits.device),
        lengths.to(logits.device),
        torch.tensor([len(row) for row in bounded], device=logits.device),
        blank=blank_id,
        reduction="none",
        zero_infinity=True,
    )


def active_frames(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, T) bool: frames louder than the middle between a clip's silence and its speech.

    features (B, T, 80·stride) are normalised by bin, so that their mean is a frame's loudness within its clip.
    """
    loudness = features.mean(-1)
    quiet, loud = (
        torch.nanquantile(loudness.masked_fill(~mask, float("nan")), share, dim=1, keepdim=True)
        for share in (0.05, 0.95)
    )
    return (loudness > quiet + ACTIVE_ABOVE * (loud - quiet)) & mask
