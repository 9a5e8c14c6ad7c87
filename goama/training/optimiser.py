"""AdamW over the right groups of parameters, and the learning rate's way up and down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

FLOOR = 0.01
"""The share of the peak rate that is left at the end of training."""


def make_optimiser(
    network: nn.Module,
    *,
    learning_rate: float,
    head_learning_rate: float,
    new_parameters: Sequence[str],
    betas: tuple[float, float],
    weight_decay: float,
) -> torch.optim.AdamW:
    """AdamW in which new parameters learn at their own rate, and biases, norms and embeddings do not decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        is_new = "all" in new_parameters or name.rsplit(".", 1)[0] in new_parameters
        rate = head_learning_rate if is_new else learning_rate
        decay = weight_decay if parameter.ndim > 1 and "embedding" not in name else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rate, "peak_lr": rate, "weight_decay": decay}
            for (rate, decay), parameters in groups.items()
        ],
        betas=betas,
        fused=True,  # faster than the plain one, on the CPU too
    )


def rate_factor(progress: float, warmup: float) -> float:
    """The share of the peak rate at `progress` in [0, 1]: a linear rise over `warmup`, then half a cosine."""
    progress = min(max(progress, 0.0), 1.0)
    if progress < warmup:
        return max(FLOOR, progress / warmup)
    fall = (progress - warmup) / (1.0 - warmup)
    return FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * fall))


@torch.no_grad()
def weight_scale(matrices: Iterable[torch.Tensor]) -> float:
    """The geometric mean of the matrices' root mean squares; those that begin at zero count as 0.001.

    So no matrix outweighs another, whatever its size and the scale it began with.
    """
    scales = torch.stack([matrix.float().square().mean().sqrt() for matrix in matrices])
    return float((scales + 1e-3).log().mean().exp())


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's peak rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * factor
