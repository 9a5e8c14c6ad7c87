"""The convolution module of Wav2Vec2-BERT with channels last throughout, the layout that matrix products need."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertConvolutionModule

_BLOCK = 32
"""Frames per block in `_kernel_gradient`; about the kernel's width of 31, so that half of each product is used."""


class Convolution(Wav2Vec2BertConvolutionModule):
    """The same result as transformers' module, without transpositions; a kernel of one frame is a linear layer."""

    def forward(self, hidden_states, attention_mask=None):
        """hidden_states (B, T, hidden), attention_mask (B, T) or None -> (B, T, hidden)."""
        states = self.layer_norm(hidden_states)
        if attention_mask is not None:
            states = states.masked_fill(~attention_mask.bool()[..., None], 0.0)
        states = functional.linear(states, self.pointwise_conv1.weight.squeeze(-1))
        states = self._depthwise(functional.glu(states, -1))
        states = self.activation(self.depthwise_layer_norm(states))
        return self.dropout(functional.linear(states, self.pointwise_conv2.weight.squeeze(-1)))

    def _depthwise(self, states: torch.Tensor) -> torch.Tensor:
        """Causal depthwise convolution, (B, T, hidden) -> (B, T, hidden)."""
        convolution: nn.Conv1d = self.depthwise_conv
        if states.device.type == "cpu":
            return _CausalDepthwise.apply(states, convolution.weight.to(states.dtype).squeeze(1))
        padded = functional.pad(states.transpose(1, 2), (convolution.kernel_size[0] - 1, 0))
        return convolution(padded).transpose(1, 2)


class _CausalDepthwise(torch.autograd.Function):
    """states (B, T, C) and kernels (C, K): each output frame is computed from its frame and the K - 1 before it.

    With channels last, oneDNN is fast in the forward pass, but three times as slow as this at the kernels' gradient.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(states, (0, 0, kernels.shape[1] - 1, 0))
        ctx.save_for_backward(padded, kernels)
        return _correlate(padded, kernels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        padded, kernels = ctx.saved_tensors
        gradient = functional.pad(gradient, (0, 0, 0, kernels.shape[1] - 1))
        to_kernels = _kernel_gradient(padded, gradient, kernels.shape[1]) if ctx.needs_input_grad[1] else None
        return _correlate(gradient, kernels.flip(1)), to_kernels


def _correlate(states: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """(B, T + K - 1, C) and (C, K) -> (B, T, C), each channel on its own."""
    image = states.transpose(1, 2).unsqueeze(2)  # (B, C, 1, T), channels last in memory
    return functional.conv2d(image, kernels[:, None, None, :], groups=len(kernels)).squeeze(2).transpose(1, 2)


def _kernel_gradient(padded: torch.Tensor, gradient: torch.Tensor, width: int) -> torch.Tensor:
    """Sums over all frames of `padded[t + k] * gradient[t]` for each channel and k, (C, K).

    Both (B, T + K - 1, C). Each clip's gradient ends with zeros, so the clips can be joined into one long clip. The
    product of a block's frames with the frames around it is a matrix; each of its diagonals belongs to one k.
    """
    channels = padded.shape[-1]
    frames = padded.shape[0] * padded.shape[1]
    blocks = -(-frames // _BLOCK)
    filled = blocks * _BLOCK - frames
    inputs = functional.pad(padded.reshape(frames, channels).T, (0, filled + width - 1)).contiguous()
    gradients = functional.pad(gradient.reshape(frames, channels).T, (0, filled)).reshape(channels, blocks, _BLOCK)
    windows = inputs.unfold(1, _BLOCK + width - 1, _BLOCK).contiguous()
    products = torch.bmm(gradients.transpose(1, 2), windows)  # (C, block, block + K - 1)
    row = products.shape[2]
    return products.as_strided((channels, width, _BLOCK), (_BLOCK * row, 1, row + 1)).sum(-1)
