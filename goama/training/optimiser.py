"""AdamW with its parameter groups, and the learning-rate schedule."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import torch
from torch import nn

FLOOR = 0.01
"""Learning rate at the end of training, divided by the peak rate."""


def make_optimiser(
    network: nn.Module,
    *,
    learning_rate: float,
    head_learning_rate: float,
    new_parameters: Sequence[str],
    layer_decay: float = 1.0,
    betas: tuple[float, float],
    weight_decay: float,
) -> torch.optim.AdamW:
    """AdamW in which new parameters have their own rate, and biases, norms and embeddings no weight decay.

    The top layer of the encoder has `learning_rate`, each layer below it `layer_decay` times that of the one above, and
    what comes before the layers counts as one more layer.
    """
    layers = int(getattr(getattr(network, "config", None), "num_hidden_layers", 0))
    groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        is_new = "all" in new_parameters or name.rsplit(".", 1)[0] in new_parameters
        rate = head_learning_rate if is_new else learning_rate * layer_decay ** _depth(name, layers)
        decay = weight_decay if parameter.ndim > 1 and "embedding" not in name else 0.0
        groups.setdefault((is_new, rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rate, "peak_lr": rate, "weight_decay": decay, "is_new": is_new}
            for (is_new, rate, decay), parameters in groups.items()
        ],
        betas=betas,
        fused=True,  # faster than the plain one, on the CPU too
    )


_BEFORE_THE_LAYERS = (
    *("feature_extractor.", "feature_projection.", "masked_spec_embed", "pos_conv_embed."),
    *("encoder.conv1.", "encoder.conv2."),
)


def _depth(name: str, layers: int) -> int:
    """Number of encoder layers above the one that a parameter is in; 0 for what follows the layers."""
    layer = re.search(r"\.encoder\.layers\.(\d+)\.", name)
    if layer:
        return layers - 1 - int(layer[1])
    return layers if any(part in name for part in _BEFORE_THE_LAYERS) else 0


def rate_factor(progress: float, warmup: float) -> float:
    """The factor on the peak rate at `progress` in [0, 1]: linear warm-up over `warmup`, then half a cosine."""
    progress = min(max(progress, 0.0), 1.0)
    if progress < warmup:
        return max(FLOOR, progress / warmup)
    fall = (progress - warmup) / (1.0 - warmup)
    return FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * fall))


@torch.no_grad()
def weight_scale(matrices: Iterable[torch.Tensor]) -> float:
    """The geometric mean of the root mean squares of matrices of any shape, each at least 0.001.

    So no matrix outweighs another, whatever its size and initial scale.
    """
    scales = torch.stack([matrix.float().square().mean().sqrt() for matrix in matrices])
    return float((scales + 1e-3).log().mean().exp())


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to `factor` times its peak rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * factor
