"""Heads over inner layers: for frame labels, which guide a network that begins from nothing, and for intermediate CTC.

They are trained and checkpointed with the network, and left out of model folders.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel, Wav2Vec2BertForCTC

FRAME_HEAD, MIDDLE_HEAD = "frame_head", "middle_head"
"""The names of the network's submodules."""

INNER_HEADS = (FRAME_HEAD, MIDDLE_HEAD)

_BELOW = 0.75
"""The share of the layers below the frame head; those above are CTC's own."""


def add_frame_head(network: Wav2Vec2BertForCTC) -> None:
    """Give the network a linear layer from an inner layer's output to its labels, with random weights."""
    network.add_module(FRAME_HEAD, _linear(network))


def add_middle_head(network: PreTrainedModel) -> None:
    """Give the network a layer norm and a linear layer from its middle layer's output to its labels.

    The norm is for encoders that normalise what a layer gives only where the next one takes it.
    """
    head = nn.Sequential(nn.LayerNorm(network.config.hidden_size), _linear(network))
    network.add_module(MIDDLE_HEAD, head)


def new_modules(network: nn.Module) -> tuple[str, ...]:
    """The modules of the inner heads that a network has: their parameters start from random values."""
    return tuple(name for name, _ in network.named_modules() if name.split(".")[0] in INNER_HEADS)


def frame_logits(network: nn.Module, hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, T, V) from what the network gives as `hidden_states`: its first layer's input, then each layer's output.

    T are the encoder's own frames, also where an adapter halves those of CTC.
    """
    inner = max(1, round(_BELOW * (len(hidden_states) - 1)))
    return network.get_submodule(FRAME_HEAD)(hidden_states[inner])


def middle_logits(network: nn.Module, hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, T, V) as `frame_logits` gives them, of the layer in the middle."""
    middle = max(1, (len(hidden_states) - 1) // 2)
    return network.get_submodule(MIDDLE_HEAD)(hidden_states[middle])


def _linear(network: PreTrainedModel) -> nn.Linear:
    layer = nn.Linear(network.config.hidden_size, network.config.vocab_size)
    nn.init.normal_(layer.weight, 0.0, network.config.initializer_range)
    nn.init.zeros_(layer.bias)
    return layer
