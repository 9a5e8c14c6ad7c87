"""Attention on CPUs is the formula of Shaw et al., for any clip and any distances, and its gradient."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.model.cpu_attention import attend


def states(frames: int, clips: int = 2, heads: int = 2, size: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(frames)
    shape = (clips, heads, frames, size)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3)]


def embeddings(left: int, right: int, size: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(left)
    return torch.randn(left + right + 1, size, generator=generator, dtype=torch.float64, requires_grad=True)


def by_the_formula(query, key, value, embedding, visible, left):
    position = torch.arange(query.shape[2])
    distance = (position - position[:, None]).clamp(-left, len(embedding) - 1 - left)
    keys = key[:, :, None] + embedding[distance + left]  # (B, heads, T, T, head size)
    scores = (query[..., None, :] * keys).sum(-1) * query.shape[-1] ** -0.5
    return scores.masked_fill(~visible, float("-inf")).softmax(-1) @ value


@given(frames=st.integers(1, 40), left=st.integers(0, 45), right=st.integers(0, 45), hidden=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_any_length_and_any_distances(frames, left, right, hidden):
    inputs, embedding = states(frames), embeddings(left, right)
    visible = torch.ones(2, 1, 1, frames, dtype=torch.bool)
    visible[0, ..., max(1, frames - hidden) :] = False
    weights = torch.linspace(-1, 1, 3, dtype=torch.float64)
    expected = by_the_formula(*inputs, embedding, visible, left)
    result = attend(*inputs, embedding, visible, left=left, dropout=0.0)
    torch.testing.assert_close(result, expected)
    for gradient, expected_gradient in zip(
        torch.autograd.grad((result * weights).sum(), (*inputs, embedding)),
        torch.autograd.grad((expected * weights).sum(), (*inputs, embedding)),
        strict=True,
    ):
        torch.testing.assert_close(gradient, expected_gradient)


def test_a_mask_of_numbers_hides_as_one_of_truths():
    inputs, embedding = states(12), embeddings(4, 2)
    visible = torch.arange(12) < torch.tensor([12, 7])[:, None, None, None]
    numbers = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    by_truths = attend(*inputs, embedding, visible, left=4, dropout=0.0)
    assert torch.equal(attend(*inputs, embedding, numbers, left=4, dropout=0.0), by_truths)
    in_bfloat16 = [values.bfloat16() for values in (*inputs, embedding)]
    assert attend(*in_bfloat16, numbers, left=4, dropout=0.0).isfinite().all()
    nothing = torch.zeros_like(visible)
    assert attend(*inputs, embedding, nothing, left=4, dropout=0.0).isfinite().all()


def test_dropout_leaves_weights_out_and_its_gradient_knows_which():
    inputs, embedding = states(6), embeddings(4, 2)

    def seeded(*values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return attend(*values, None, left=4, dropout=0.4)

    assert torch.autograd.gradcheck(seeded, (*inputs, embedding))
    with torch.no_grad():
        mean = sum(attend(*inputs, embedding, None, left=4, dropout=0.4) for _ in range(4000)) / 4000
        whole = attend(*inputs, embedding, None, left=4, dropout=0.0)
    assert (mean - whole).abs().max() < 0.1 < (seeded(*inputs, embedding) - whole).abs().max()
