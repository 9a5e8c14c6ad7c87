"""A second head for frame labels, over an inner layer: what a network that begins from nothing is guided by.

It is trained and checkpointed with the network, and left out of model folders.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import Wav2Vec2BertForCTC

FRAME_HEAD = "frame_head"
"""The name of the network's submodule."""

_BELOW = 0.75
"""The share of the layers below the head; those above are CTC's own."""


def add_frame_head(network: Wav2Vec2BertForCTC) -> None:
    """Give the network a linear layer from an inner layer's output to its labels, with random weights."""
    head = nn.Linear(network.config.hidden_size, network.config.vocab_size)
    nn.init.normal_(head.weight, 0.0, network.config.initializer_range)
    nn.init.zeros_(head.bias)
    network.add_module(FRAME_HEAD, head)


def frame_logits(network: nn.Module, hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, T, V) from what the network gives as `hidden_states`: its first layer's input, then each layer's output.

    T are the encoder's own frames, also where an adapter halves those of CTC.
    """
    inner = max(1, round(_BELOW * (len(hidden_states) - 1)))
    return network.get_submodule(FRAME_HEAD)(hidden_states[inner])
