"""goama's own implementation of some layers of waveform encoders; names and weights stay those of transformers.

A group norm over each clip's own frames, and WavLM's attention in a form that LoRA can extend.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.models.wavlm.modeling_wavlm import WavLMAttention


def install(network: PreTrainedModel) -> None:
    """Replace layers of a wav2vec 2.0, HuBERT or WavLM network, in place; state dict and saved files do not change."""
    encoder = network.base_model
    if network.config.feat_extract_norm == "group":
        first = encoder.feature_extractor.conv_layers[0]
        first.layer_norm.__class__ = ClipGroupNorm
        first.layer_norm.frames = None
        encoder.register_forward_pre_hook(_set_lengths, with_kwargs=True)
    for layer in encoder.encoder.layers:
        if isinstance(layer.attention, WavLMAttention):
            layer.attention.__class__ = GatedAttention


class ClipGroupNorm(nn.GroupNorm):
    """The group norm over time after the first convolution, without the padding.

    wav2vec 2.0, HuBERT and WavLM of base size have it. They were trained without a mask, so in the original a clip's
    mean and variance depend on how much it is padded. Here they are those of the clip alone.
    """

    frames: torch.Tensor | None
    """(B,) frames of each clip at this layer, set before every forward pass; None: all frames are valid."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """hidden_states (B, channels, T), one group per channel; values beyond a clip's end are undefined."""
        if self.frames is None:
            return super().forward(hidden_states)
        states = hidden_states.float()
        count = self.frames[:, None, None]
        valid = torch.arange(states.shape[-1], device=states.device) < count
        mean = (states * valid).sum(-1, keepdim=True) / count
        variance = ((states - mean).square() * valid).sum(-1, keepdim=True) / count
        normal = (states - mean) * torch.rsqrt(variance + self.eps)
        return (normal * self.weight[:, None] + self.bias[:, None]).to(hidden_states.dtype)


def _set_lengths(encoder: Any, args: tuple, kwargs: dict[str, Any]) -> None:
    """Set the group norm's lengths; a hook, not a closure over the norm, so that a copied network sets its own."""
    mask, config = kwargs.get("attention_mask"), encoder.config
    frames = None if mask is None else (mask.sum(1) - config.conv_kernel[0]) // config.conv_stride[0] + 1
    encoder.feature_extractor.conv_layers[0].layer_norm.frames = frames


class GatedAttention(WavLMAttention):
    """Self-attention with a gated relative position bias (Chen et al. 2022, section 3.1).

    The original uses the weights of its four linear layers without calling the layers. Here they are called, so that
    LoRA can extend them. The result is the same.
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
    """Output frames of a stack of convolutions without padding for `samples`, integers of any shape."""
    for kernel, stride in zip(kernels, strides, strict=True):
        samples = torch.div(samples - kernel, stride, rounding_mode="floor") + 1
    return samples.clamp_min(0)
