"""Which parameters of a network are trained: all, all but the first convolutions, head and adapters, or LoRA's.

Frozen parameters are not in checkpoints; they are read from the encoder again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from goama.errors import GoamaError
from goama.model.fsdp import full_tensor

_LORA_LAYERS = (
    r".*\.encoder\.layers\.\d+\.(.*\.)?"
    r"(q_proj|k_proj|v_proj|out_proj|linear_q|linear_k|linear_v|linear_out|intermediate_dense|output_dense|fc1|fc2)"
)
"""The linear layers of attention and feed-forward blocks, as Wav2Vec2-BERT and the others call them."""

_LORA = "default"

TRAINING_ONLY = "training_only_"
"""Begins the name of a submodule that training adds to a network, and that model folders leave out."""


def choose_trainable(
    network: PreTrainedModel,
    new_parameters: Sequence[str],
    *,
    freeze_feature_encoder: bool,
    freeze_encoder: bool,
    lora: int,
) -> None:
    """Freeze parameters in place; with `lora` > 0 also add LoRA adapters of that rank (Hu et al. 2021).

    The head, MMS's attention adapters and `new_parameters` are always trained. Raises `GoamaError` if LoRA's library is
    missing.
    """
    if lora:
        _add_lora(network, lora)
    elif freeze_encoder:
        network.requires_grad_(False)
    if lora or freeze_encoder:
        for name, parameter in network.named_parameters():
            if name.startswith("lm_head.") or ".adapter_layer." in name or _module(name) in new_parameters:
                parameter.requires_grad = True
    if freeze_feature_encoder and hasattr(network, "freeze_feature_encoder"):
        network.freeze_feature_encoder()


def trained_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The trained parameters and the buffers of the network's state dict."""
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in network.state_dict().items() if name not in frozen}


def learning_matrices(network: nn.Module) -> Iterator[torch.Tensor]:
    """The trained matrices and convolution kernels, of any shape; with LoRA, the weights with their adapters added."""
    for name, parameter in network.named_parameters():
        layer, adapter, _ = name.rpartition(".lora_A.")
        if adapter:
            extended = network.get_submodule(layer)
            yield extended.base_layer.weight + extended.get_delta_weight(_LORA)  # type: ignore[operator, union-attr]
        elif parameter.requires_grad and parameter.ndim > 1 and ".lora_" not in name:
            yield parameter


def frozen_fingerprint(network: nn.Module) -> str:
    """A fingerprint of the frozen weights, the same on any device; empty if nothing is frozen.

    It sums the weights' bits as integers, so the order of summation does not matter.
    """
    sums = [
        f"{name} {int(full_tensor(parameter.detach()).contiguous().view(torch.int32).sum(dtype=torch.int64))}"
        for name, parameter in sorted(network.named_parameters())
        if not parameter.requires_grad
    ]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest() if sums else ""


def plain_size(network: nn.Module) -> int:
    """The number of parameters of the plain network, as `merged_state` has them."""
    return sum(
        parameter.numel()
        for name, parameter in network.named_parameters()
        if ".lora_" not in name and not name.startswith(TRAINING_ONLY)
    )


def merged_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict of the plain network: LoRA's adapters are added to the weights, `TRAINING_ONLY` is left out."""
    state: dict[str, torch.Tensor] = {}
    for name, value in network.state_dict().items():
        if ".lora_" in name or name.startswith(TRAINING_ONLY):
            continue
        layer, extended, parameter = name.rpartition(".base_layer.")
        if extended and parameter == "weight":
            value = value + network.get_submodule(layer).get_delta_weight(_LORA)  # type: ignore[operator]
        state[name.replace(".base_layer.", ".")] = value
    return state


def _add_lora(network: PreTrainedModel, rank: int) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise GoamaError("model.lora needs peft, which is not installed; pip install peft") from error
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, bias="none", target_modules=_LORA_LAYERS)
    inject_adapter_in_model(config, network, adapter_name=_LORA)  # also freezes everything else


def _module(parameter: str) -> str:
    return parameter.rpartition(".")[0]
