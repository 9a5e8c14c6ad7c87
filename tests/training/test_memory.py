"""How much fits into memory is tried out before training; trying changes nothing."""

from __future__ import annotations

import copy

import pytest
import torch

from goama.errors import GoamaError
from goama.training.memory import parts_that_fit, try_longest_clips

from .several import make_learner


@pytest.mark.parametrize(("holds", "parts"), [(300.0, 1), (240.0, 1), (239.0, 2), (61.0, 4), (30.0, 8)])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no"), RuntimeError("MPS backend out of memory (…)")])
def test_a_step_is_halved_until_it_fits(holds: float, parts: int, error: RuntimeError) -> None:
    def try_seconds(seconds: float) -> None:
        if seconds > holds:
            raise error

    assert parts_that_fit(try_seconds, 240.0, 20.0) == parts


def test_a_clip_that_does_not_fit_by_itself_is_the_users_to_decide() -> None:
    def try_seconds(_: float) -> None:
        raise torch.OutOfMemoryError("no")

    with pytest.raises(GoamaError, match=r"does not hold one clip of 20 s; .* -s data\.longest_s=10"):
        parts_that_fit(try_seconds, 240.0, 20.0)


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    def try_seconds(_: float) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        parts_that_fit(try_seconds, 240.0, 20.0)


def test_trying_a_part_out_changes_nothing(tiny_encoder, corpus) -> None:
    learner = make_learner(corpus, tiny_encoder)
    before = copy.deepcopy(learner.network.state_dict())
    heard = []
    learner.network.register_forward_pre_hook(
        lambda _, __, given: heard.append(tuple(given["attention_mask"].shape)), with_kwargs=True
    )
    try_longest_clips(learner, 10.0, 2.5, views=2)
    try_longest_clips(learner, 1.0, 2.5)
    try_longest_clips(learner, 10.0, 2.5, tempo=0.5)
    assert [clips for clips, _ in heard] == [8, 1, 4]
    assert heard[2][1] == pytest.approx(1.5 * heard[0][1], rel=0.02)
    assert all(torch.equal(before[name], value) for name, value in learner.network.state_dict().items())
    assert all(parameter.grad is None for parameter in learner.network.parameters())
    assert not learner.optimiser.state
