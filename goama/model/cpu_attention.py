"""Attention with clipped relative distances for CPUs, forward and backward, in few matrix products.

On CPUs torch's fused attention has no gradient for a bias: it falls back to many passes over (T, T) in float32. Here
the products keep the type of the inputs, so bfloat16 is used where it is faster.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    embedding: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    left: int,
    dropout: float,
) -> torch.Tensor:
    """The attended values, (B, heads, T, head size) like `query`, `key` and `value`.

    The query at frame l is multiplied by `key[r] + embedding[r - l + left]`, where the distance is clipped to those of
    `embedding` (distances, head size). `mask`, broadcastable to (B, heads, T, T), is True or 0 where a key is visible.
    `dropout` is the probability with which a weight is dropped.
    """
    if mask is not None:  # finite everywhere, so that a clip without a visible frame gets no NaN
        invisible = torch.finfo(query.dtype).min
        if mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, invisible)
        mask = mask.to(query.dtype).clamp_min(invisible)
    return _Attention.apply(query, key, value, embedding, mask, left, dropout)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        embedding: torch.Tensor,
        mask: torch.Tensor | None,
        left: int,
        dropout: float,
    ) -> torch.Tensor:
        batch, heads, frames, size = query.shape
        scale = size**-0.5
        queries = (query * scale).reshape(-1, frames, size)
        keys, values = (states.reshape(-1, frames, size) for states in (key, value))
        scores = _by_position(queries @ embedding.T, left)
        if mask is not None:
            scores.view(batch, heads, frames, frames).add_(mask)
        scores.baddbmm_(queries, keys.transpose(1, 2))
        weights = torch.softmax(scores, -1, out=scores)  # in place, as below: new memory is slow
        kept = torch.empty_like(weights).bernoulli_(1 - dropout).div_(1 - dropout) if dropout else None
        used = weights if kept is None else weights * kept
        ctx.save_for_backward(queries, keys, values, embedding, weights, kept)
        ctx.left, ctx.shape = left, query.shape
        return torch.bmm(used, values).view(query.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        queries, keys, values, embedding, weights, kept = ctx.saved_tensors
        frames, size = queries.shape[1:]
        gradient = gradient.reshape(-1, frames, size)
        used = weights if kept is None else weights * kept
        to_values = torch.bmm(used.transpose(1, 2), gradient)
        to_weights = torch.bmm(gradient, values.transpose(1, 2))
        if kept is not None:
            to_weights *= kept
        to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype, grad_input=to_weights)
        by_distance = _by_distance(to_scores, len(embedding), ctx.left)
        to_queries = torch.baddbmm(by_distance @ embedding, to_scores, keys).mul_(size**-0.5)
        to_keys = torch.bmm(to_scores.transpose(1, 2), queries)
        to_embedding = by_distance.flatten(0, 1).T @ queries.flatten(0, 1) if ctx.needs_input_grad[3] else None
        shaped = (states.view(ctx.shape) for states in (to_queries, to_keys, to_values))
        return *shaped, to_embedding, None, None, None


def _by_position(by_distance: torch.Tensor, left: int) -> torch.Tensor:
    """(N, T, distances) -> (N, T, T): row l, column r holds the value of distance r - l.

    Each row is written out for distances 1 - T to T - 1. The window to be read moves by one from row to row, which
    strides express. `gather` takes three times as long, its gradient six times.
    """
    rows, frames, distances = by_distance.shape
    right = distances - 1 - left
    before, after = max(0, frames - 1 - left), max(0, frames - 1 - right)
    spelled = torch.cat(
        (
            by_distance[..., :1].expand(rows, frames, before),
            by_distance[..., max(0, left - frames + 1) : left + min(right, frames - 1) + 1],
            by_distance[..., -1:].expand(rows, frames, after),
        ),
        -1,
    )
    return _windows(spelled).contiguous()


def _by_distance(by_position: torch.Tensor, distances: int, left: int) -> torch.Tensor:
    """(N, T, T) -> (N, T, distances): the sums over the columns that `_by_position` fills from one distance."""
    rows, frames, _ = by_position.shape
    right = distances - 1 - left
    spelled = by_position.new_zeros(rows, frames, 2 * frames - 1)
    _windows(spelled).copy_(by_position)
    before, after = max(0, frames - 1 - left), max(0, frames - 1 - right)
    first, last = max(0, left - frames + 1), left + min(right, frames - 1)
    sums = by_position.new_zeros(rows, frames, distances)
    sums[..., first : last + 1] = spelled[..., before : 2 * frames - 1 - after]
    sums[..., 0] += spelled[..., :before].sum(-1)
    sums[..., -1] += spelled[..., 2 * frames - 1 - after :].sum(-1)
    return sums


def _windows(spelled: torch.Tensor) -> torch.Tensor:
    """(N, T, 2 T - 1) contiguous -> (N, T, T) view: row l from column T - 1 - l on."""
    rows, frames, width = spelled.shape
    return spelled.as_strided((rows, frames, frames), (frames * width, width - 1, 1), frames - 1)
