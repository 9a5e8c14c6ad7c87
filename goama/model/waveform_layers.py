"""The layers of raw-waveform networks that goama computes its own way; names and weights stay those of transformers.

A group norm that counts each clip's own frames only, and WavLM's attention, which LoRA cannot reach in the original.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.models.wavlm.modeling_wavlm import WavLMAttention


def install(network: PreTrainedModel) -> None:
    """Give a wav2vec 2.0, HuBERT or WavLM network goama's layers in place; state dict and saved files do not change."""
    encoder = network.base_model
    if network.config.feat_extract_norm == "group":
        first = encoder.feature_extractor.conv_layers[0]
        first.layer_norm.__class__ = ClipGroupNorm
        first.layer_norm.frames = None
        encoder.register_forward_pre_hook(_tell_lengths, with_kwargs=True)
    for layer in encoder.encoder.layers:
        if isinstance(layer.attention, WavLMAttention):
            layer.attention.__class__ = GatedAttention


class ClipGroupNorm(nn.GroupNorm):
    """The norm over time after the first convolution, which the original takes over a clip and its padding.

    wav2vec 2.0, HuBERT and WavLM of base size have it; they were trained without a mask, so that in the original
    what is heard in a clip depends on how much padding it gets. Here a clip in a batch has the mean and variance
    that it has alone.
    """

    frames: torch.Tensor | None
    """(B,) each clip's frames at this layer, set before every forward pass; None: all frames count."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """hidden_states (B, channels, T), one group a channel; what lies beyond a clip's end is meaningless."""
        if self.frames is None:
            return super().forward(hidden_states)
        states = hidden_states.float()
        count = self.frames[:, None, None]
        valid = torch.arange(states.shape[-1], device=states.device) < count
        mean = (states * valid).sum(-1, keepdim=True) / count
        variance = ((states - mean).square() * valid).sum(-1, keepdim=True) / count
        normal = (states - mean) * torch.rsqrt(variance + self.eps)
        return (normal * self.weight[:, None] + self.bias[:, None]).to(hidden_states.dtype)


def _tell_lengths(encoder: Any, args: tuple, kwargs: dict[str, Any]) -> None:
    """A hook rather than a closure over the norm: a copy of the network must tell its own."""
    mask, config = kwargs.get("attention_mask"), encoder.config
    frames = None if mask is None else (mask.sum(1) - config.conv_kernel[0]) // config.conv_stride[0] + 1
    encoder.feature_extractor.conv_layers[0].layer_norm.frames = frames


class GatedAttention(WavLMAttention):
    """Self-attention with a gated relative position bias (Chen et al. 2022, section 3.1).

    The original reads the weights of its four linear layers past the layers themselves; here they are called, so
    that LoRA can extend them. Same result.
    """

    def torch_multi_head_self_attention(self, hidden_states, attention_mask, gated_position_bias):
        """hidden_states (B, T, hidden), attention_mask (B, T) or None, gated_position_bias (B · heads, T, T)."""
        batch, frames, _ = hidden_states.shape

        def heads(projection: nn.Module) -> torch.Tensor:
            return projection(hidden_states).view(batch, frames, self.num_heads, self.head_dim).transpose(1, 2)

        query, key, value = heads(self.q_proj), heads(self.k_proj), heads(self.v_proj)
        bias = gated_position_bias.view(batch, self.num_heads, frames, frames).to(query.dtype)
        if attention_mask is not None:
            bias = bias.masked_fill(~attention_mask.bool()[:, None, None, :], float("-inf"))
        attended = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=self.dropout if self.training else 0.0
        )
        return self.out_proj(attended.transpose(1, 2).reshape(batch, frames, -1)), None


def convolved_length(samples: torch.Tensor, kernels: list[int], strides: list[int]) -> torch.Tensor:
    """Frames that a stack of convolutions without padding makes of `samples`, any integer shape."""
    for kernel, stride in zip(kernels, strides, strict=True):
        samples = torch.div(samples - kernel, stride, rounding_mode="floor") + 1
    return samples.clamp_min(0)
