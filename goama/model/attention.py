"""goama's own implementation of some layers of Wav2Vec2-BERT; names and weights stay those of transformers.

Attention with clipped relative distances that needs no (T, T, head size) table, a convolution module without
transpositions, and an adapter whose output does not depend on padding.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import Wav2Vec2BertForCTC
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import (
    Wav2Vec2BertAdapter,
    Wav2Vec2BertAdapterLayer,
    Wav2Vec2BertSelfAttention,
)

from goama.model import cpu_attention
from goama.model.convolution import Convolution


def install(network: Wav2Vec2BertForCTC) -> None:
    """Replace layers of the network by goama's, in place; parameters, state dict and saved files do not change."""
    for layer in network.wav2vec2_bert.encoder.layers:
        if layer.self_attn.position_embeddings_type == "relative_key":
            layer.self_attn.__class__ = RelativeKeyAttention
        layer.conv_module.__class__ = Convolution
    adapter = network.wav2vec2_bert.adapter
    if adapter is not None:
        adapter.__class__ = PaddingProofAdapter
        for layer in adapter.layers:
            layer.__class__ = PaddingProofAdapterLayer


def pooled_length(frames: torch.Tensor, kernel_size: int, stride: int) -> torch.Tensor:
    """Frames that one adapter layer makes of `frames`, integers of any shape."""
    return torch.div(frames + 2 * (kernel_size // 2) - kernel_size, stride, rounding_mode="floor") + 1


class RelativeKeyAttention(Wav2Vec2BertSelfAttention):
    """Self-attention with Shaw et al.'s relative keys (2018, section 3.2), distances clipped to [-64, 8].

    Only 73 distances exist. The original looks up an embedding for each of the T x T pairs and multiplies
    that table with the queries; here the queries meet the 73 embeddings once and their products are
    gathered. Same result, no (T, T, head size) tensor in memory, and the longer the clip the faster: see
    benchmarks/parts.py.
    """

    def forward(self, hidden_states, attention_mask=None, relative_position_embeddings=None, **kwargs):
        """hidden_states (B, T, hidden); attention_mask broadcastable to (B, 1, T, T), bool or additive."""
        batch, frames, _ = hidden_states.shape

        def heads(projection: nn.Linear) -> torch.Tensor:
            return projection(hidden_states).view(batch, frames, self.num_heads, self.head_size).transpose(1, 2)

        query, key, value = heads(self.linear_q), heads(self.linear_k), heads(self.linear_v)
        dropout = self.dropout.p if self.training else 0.0
        # torch's fused attention is the fastest on GPUs, and on CPUs in float32 without a gradient
        if query.device.type == "cpu" and (query.requires_grad or query.dtype != torch.float32):
            embedding = self.distance_embedding.weight.to(query.dtype)
            left = self.left_max_position_embeddings
            attended = cpu_attention.attend(query, key, value, embedding, attention_mask, left=left, dropout=dropout)
        else:
            bias = self._relative_bias(query)
            if attention_mask is not None:
                if attention_mask.dtype == torch.bool:
                    bias = bias.masked_fill(~attention_mask, float("-inf"))
                else:
                    bias = bias + attention_mask
            attended = nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=bias, dropout_p=dropout, scale=self.head_size**-0.5
            )
        return self.linear_out(attended.transpose(1, 2).reshape(batch, frames, -1)), None

    def _relative_bias(self, query: torch.Tensor) -> torch.Tensor:
        """(B, heads, T, head size) -> (B, heads, T, T): query l times the embedding of distance r - l."""
        batch, heads, frames, _ = query.shape
        left, right = self.left_max_position_embeddings, self.right_max_position_embeddings
        position = torch.arange(frames, device=query.device)
        distance = (position[None, :] - position[:, None]).clamp(-left, right) + left
        by_distance = query @ self.distance_embedding.weight.to(query.dtype).T * self.head_size**-0.5
        return by_distance.gather(-1, distance.expand(batch, heads, frames, frames))


class PaddingProofAdapter(Wav2Vec2BertAdapter):
    """The stack of adapter layers; each gets the mask at its own frame rate."""

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        """hidden_states (B, T, hidden), attention_mask (B, T) or None -> (B, T', output hidden)."""
        if self.proj is not None:
            hidden_states = self.proj_layer_norm(self.proj(hidden_states))
        lengths = None if attention_mask is None else attention_mask.sum(1)
        for layer in self.layers:
            mask = None
            if lengths is not None:
                mask = torch.arange(hidden_states.shape[1], device=hidden_states.device) < lengths[:, None]
                lengths = pooled_length(lengths, self.kernel_size, self.stride)
            hidden_states = layer(hidden_states, attention_mask=mask, sub_sampled_lengths=lengths, **kwargs)
        return hidden_states


class PaddingProofAdapterLayer(Wav2Vec2BertAdapterLayer):
    """The stride-2 adapter layer, with zeros beyond a clip's end as in a batch of one.

    In the original the kernel covers one frame of padding that the layer norm has made non-zero, so the last logits of
    a clip depend on the other clips of the batch.
    """

    def forward(self, hidden_states, attention_mask=None, sub_sampled_lengths=None, **kwargs):
        """hidden_states (B, T, hidden), attention_mask (B, T) -> (B, ceil(T / 2), hidden)."""
        if attention_mask is None:
            return super().forward(hidden_states, **kwargs)
        padding = ~attention_mask.bool()[..., None]

        def pooled(norm: nn.LayerNorm, convolution: nn.Conv1d) -> torch.Tensor:
            silent = norm(hidden_states).masked_fill(padding, 0.0)
            return self.activation(convolution(silent.transpose(1, 2))).transpose(1, 2)

        residual = pooled(self.residual_layer_norm, self.residual_conv)
        states = pooled(self.self_attn_layer_norm, self.self_attn_conv)
        frames = torch.arange(states.shape[1], device=states.device)
        visible = (frames < sub_sampled_lengths[:, None])[:, None, None, :]
        if self.config._attn_implementation != "sdpa":
            visible = torch.where(visible, 0.0, torch.finfo(states.dtype).min).to(states.dtype)
        attended, _ = self.self_attn(states, attention_mask=visible, **kwargs)
        states = self.self_attn_dropout(attended) + residual
        return self.ffn(self.ffn_layer_norm(states)) + states
