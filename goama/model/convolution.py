"""The convolution module of Wav2Vec2-BERT with channels last throughout, as matrix products want them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertConvolutionModule

_BLOCK = 32
"""Frames to a block in `_kernel_gradient`: about as many as the kernel's 31, so that half of each product is of use."""


class Convolution(Wav2Vec2BertConvolutionModule):
    """Transformers' module without its transpositions; a kernel of one frame is a linear layer. Same result."""

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
        """Each channel with its own kernel, which ends at the frame that it makes: (B, T, hidden), same shape again."""
        convolution: nn.Conv1d = self.depthwise_conv
        if states.device.type == "cpu":
            return _CausalDepthwise.apply(states, convolution.weight.to(states.dtype).squeeze(1))
        padded = functional.pad(states.transpose(1, 2), (convolution.kernel_size[0] - 1, 0))
        return convolution(padded).transpose(1, 2)


class _CausalDepthwise(torch.autograd.Function):
    """(B, T, C) with kernels (C, K), each frame and the K - 1 before it; the gradient of the kernels is goama's own.

    oneDNN is fast forwards with channels last, and slow at that gradient: three times as slow as this.
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
    """(B, T + K - 1, C) with (C, K) -> (B, T, C), every channel by itself."""
    image = states.transpose(1, 2).unsqueeze(2)  # (B, C, 1, T), channels last in memory
    return functional.conv2d(image, kernels[:, None, None, :], groups=len(kernels)).squeeze(2).transpose(1, 2)


def _kernel_gradient(padded: torch.Tensor, gradient: torch.Tensor, width: int) -> torch.Tensor:
    """Sums over all frames of `padded[t + k] * gradient[t]` for each channel and k, (C, K).

    Both (B, T + K - 1, C). The zeros at the end of each clip's gradient keep clips apart, so that all are one long
    clip. A block's frames times those of its surroundings is a matrix product, whose diagonals belong to one k each.
    """
    channels = padded.shape[-1]
    frames = padded.shape[0] * padded.shape[1]
    blocks = -(-frames // _BLOCK)
    filled = blocks * _BLOCK - frames
    heard = functional.pad(padded.reshape(frames, channels).T, (0, filled + width - 1)).contiguous()
    wanted = functional.pad(gradient.reshape(frames, channels).T, (0, filled)).reshape(channels, blocks, _BLOCK)
    windows = heard.unfold(1, _BLOCK + width - 1, _BLOCK).contiguous()
    products = torch.bmm(wanted.transpose(1, 2), windows)  # (C, block, block + K - 1)
    row = products.shape[2]
    return products.as_strided((channels, width, _BLOCK), (_BLOCK * row, 1, row + 1)).sum(-1)
