"""The convolution module computes what transformers' does, forward and backward, for any number of frames."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2BertConfig
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertConvolutionModule

from goama.model.convolution import Convolution


def both(kernel: int, dtype: torch.dtype) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(hidden_size=16, conv_depthwise_kernel_size=kernel, conformer_conv_dropout=0.0)
    theirs = Wav2Vec2BertConvolutionModule(config).to(dtype)
    ours = copy.deepcopy(theirs)
    ours.__class__ = Convolution
    return theirs, ours


def compare(theirs: torch.nn.Module, ours: torch.nn.Module, clips: int, frames: int, padding: int, dtype) -> None:
    states = torch.randn(clips, frames, 16, dtype=dtype)
    mask = torch.ones(clips, frames, dtype=torch.bool)
    mask[0, max(1, frames - padding) :] = False
    results = []
    for module in (theirs, ours):
        heard = states.clone().requires_grad_()
        module.zero_grad()
        result = module(heard, attention_mask=mask)
        (result * torch.linspace(-1, 1, 16, dtype=dtype)).square().sum().backward()
        results.append([result.detach(), heard.grad, *(p.grad for p in module.parameters())])
    for expected, computed in zip(*results, strict=True):
        torch.testing.assert_close(computed, expected)


@given(
    clips=st.integers(1, 4),
    frames=st.integers(1, 80),
    kernel=st.sampled_from([1, 3, 31]),
    padding=st.integers(0, 9),
)
@settings(max_examples=50, deadline=None)
def test_equal_to_transformers(clips, frames, kernel, padding):
    compare(*both(kernel, torch.float64), clips, frames, padding, torch.float64)


@pytest.mark.parametrize(("clips", "frames"), [(1, 2), (2, 2), (3, 100)])
def test_equal_to_transformers_where_blocks_are_full_and_not_in_float32(clips, frames):
    compare(*both(31, torch.float32), clips, frames, 1, torch.float32)


def test_kernels_that_do_not_learn_let_the_gradient_through():
    theirs, ours = both(31, torch.float64)
    for module in (theirs, ours):
        module.requires_grad_(False)
    states = torch.randn(2, 20, 16, dtype=torch.float64)
    expected, computed = (
        torch.autograd.grad(module(heard).square().sum(), heard)[0]
        for module in (theirs, ours)
        for heard in [states.clone().requires_grad_()]
    )
    torch.testing.assert_close(computed, expected)
    assert all(p.grad is None for p in ours.parameters())
