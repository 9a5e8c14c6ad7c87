"""The guard tells a loss that rose for good from odd batches and from noise, and goes back at a lower rate."""

import json
import random
from pathlib import Path

import pytest

from goama.run.state import GuardState, RunState
from goama.training import guard


def after(losses, start=None) -> GuardState:
    state = start or GuardState()
    for loss in losses:
        state = guard.after_step(state, loss, skipped=False)
    return state


def noisy(level: float, count: int, seed: int, spread: float = 0.06) -> list[float]:
    generator = random.Random(seed)
    return [level * generator.lognormvariate(0, spread) for _ in range(count)]


def first_trouble(losses) -> int | None:
    """The number of losses after which the guard would have acted."""
    state = GuardState()
    for number, loss in enumerate(losses, start=1):
        state = after([loss], state)
        if guard.find_trouble(state):
            return number
    return None


@pytest.mark.parametrize("level, to", [(0.05, 1.0), (0.4, 1.0), (0.4, 3.0), (2.4, 3.6), (2.4, 30.0)])
def test_a_loss_that_rises_and_stays_is_noticed_within_a_few_steps(level, to):
    number = first_trouble(noisy(level, 80, 1) + noisy(to, 30, 2))
    assert number is not None and 80 < number <= 80 + guard.RECENT


def test_the_trouble_says_what_was_usual_and_what_is_now():
    found = guard.find_trouble(after(noisy(2.0, 80, 1) + noisy(6.0, 16, 2)))
    assert found is not None
    assert found.usual == pytest.approx(2.0, rel=0.05) and found.now == pytest.approx(6.0, rel=0.1)
    assert str(found) == "the loss rose from 1.98 to 6.05 in 16 steps"


@pytest.mark.parametrize("seed", range(5))
def test_noise_a_falling_loss_and_single_odd_batches_are_no_trouble(seed):
    generator = random.Random(seed)
    losses = [
        loss * (0.3 + 4.0 * 0.99**step) * (12.0 if generator.random() < 0.08 else 1.0)  # as rare characters did
        for step, loss in enumerate(noisy(1.0, 600, seed, spread=0.15))
    ]
    assert first_trouble(losses) is None


def test_batches_of_unlike_languages_are_no_trouble():
    """Two levels in blocks, as buckets give them."""
    losses = [level for _ in range(12) for level in noisy(1.2, 4, 3) + noisy(2.4, 4, 4)]
    assert first_trouble(losses) is None


def test_a_jump_of_five_odd_batches_that_heals_is_no_trouble_but_not_calm():
    state = after(noisy(2.6, 80, 1) + noisy(6.0, 7, 2))
    assert guard.find_trouble(state) is None and not guard.is_calm(state)
    state = after(noisy(2.6, 16, 3), state)
    assert guard.find_trouble(state) is None and guard.is_calm(state)


def test_a_network_worse_than_one_that_knows_nothing_is_noticed_without_a_history():
    """The first steps of a run with a learning rate a hundred times too high."""
    state = after(noisy(4.8, 10, 1))
    assert guard.find_trouble(state) is None and guard.is_calm(state)
    state = after(noisy(60.0, 16, 2), state)
    assert guard.find_trouble(state) is not None and not guard.is_calm(state)


def test_one_odd_batch_is_seen():
    state = after(noisy(2.6, 80, 1))
    assert guard.is_odd(state, 12.6)
    assert not guard.is_odd(state, 3.0)
    assert not guard.is_odd(after(noisy(2.6, 5, 1)), 12.6), "too short a history"


def test_skipped_steps_in_a_row_are_trouble_later_with_a_scaler():
    state = GuardState()
    for _ in range(10):
        assert guard.find_trouble(state) is None
        state = guard.after_step(state, float("nan"), skipped=True)
    assert guard.find_trouble(state).kind == "not finite"
    assert guard.find_trouble(state, scaled=True) is None
    assert not guard.is_calm(state)
    assert guard.find_trouble(after([2.0], state)) is None


def test_weights_that_grow_threefold_in_a_hundred_steps_are_trouble():
    state = guard.after_measuring(GuardState(), 0.02)
    for scale in (0.03, 0.035, 0.059):
        state = guard.after_measuring(state, scale)
        assert guard.find_trouble(state) is None
    assert not guard.is_calm(state)
    found = guard.find_trouble(guard.after_measuring(state, 0.07))
    assert found is not None and found.steps == 40
    assert str(found) == "the weights grew to 3.5 times their size within 40 steps"


def test_weights_that_grow_slowly_are_none():
    state = GuardState()
    for measurement in range(200):
        state = guard.after_measuring(state, 0.02 * 1.05**measurement)
        assert guard.find_trouble(state) is None and guard.is_calm(state)


def test_a_network_that_forgets_what_it_could_write_is_trouble():
    """As the starter at ten times its rate: 80 % before training, nothing after 48 steps."""
    knew = guard.after_recognition(GuardState(), 0, cer=0.80, written=0.31)
    state = guard.after_recognition(knew, 48, cer=1.0, written=0.0)
    found = guard.find_trouble(state)
    assert found is not None and found.kind == "forgotten" and found.steps == 48 and not guard.is_calm(state)
    assert str(found) == "dev CER 80 % 48 steps ago, and almost nothing is written now"
    back = guard.after_rollback(state, knew, 48, found.rate_cut)
    assert guard.find_trouble(back) is None and back.rate == pytest.approx(0.1)
    better = guard.after_recognition(knew, 96, cer=0.6, written=0.7)
    assert guard.find_trouble(guard.after_recognition(better, 144, cer=0.98, written=0.2)).steps == 48
    assert guard.find_trouble(guard.after_recognition(knew, 48, cer=0.9, written=0.1)).steps == 48


@pytest.mark.parametrize(
    "heard",
    [
        [(1.0, 0.0), (0.98, 0.1)],
        [(0.9, 0.2), (0.97, 0.1)],
        [(1.4, 1.0), (0.79, 0.4), (1.0, 0.0)],  # a fresh network, on its way to the plateau
        [(0.8, 0.5), (1.3, 1.1)],
        [(0.8, 0.5), (0.9, 0.2)],
    ],
)
def test_a_network_that_has_not_yet_written_or_still_writes_has_forgotten_nothing(heard):
    state = GuardState()
    for number, (cer, written) in enumerate(heard):
        state = guard.after_recognition(state, 48 * number, cer=cer, written=written)
        assert guard.find_trouble(state) is None and guard.is_calm(state)


def test_a_roll_back_takes_the_history_of_its_weights_and_the_rate_rises_again():
    good = after(noisy(2.0, 90, 1))
    bad = after(noisy(6.0, 16, 2), good)
    back = guard.after_rollback(bad, good, step=106)
    assert guard.find_trouble(back) is None and back.losses == good.losses
    assert back.rate == pytest.approx(0.3) and back.rollbacks == 1
    assert guard.rate_at(back, 106) < 0.02
    assert guard.rate_at(back, 135) == pytest.approx(0.3)
    assert guard.after_rollback(back, good, step=150).rate == pytest.approx(0.09)
    assert guard.rate_at(GuardState(), 0) == 1.0


def test_patience_counts_evaluations_without_gain_but_not_those_of_the_plateau():
    state = GuardState()
    for cer, is_best in [(1.0, False), (0.99, False), (0.6, True), (0.7, False), (0.65, False)]:
        state = guard.after_evaluation(state, cer=cer, is_best=is_best)
    assert state.without_gain == 2
    assert guard.after_evaluation(state, cer=0.5, is_best=True).without_gain == 0
    wrote = guard.after_recognition(state, 50, cer=0.5, written=0.9)
    silent = guard.after_recognition(wrote, 100, cer=0.9, written=0.1)
    assert guard.after_evaluation(silent, cer=0.9, is_best=False).without_gain == 2
    back = guard.after_rollback(silent, GuardState(without_gain=1), 100)
    assert back.without_gain == 1, "what was undone was not waited for"


@pytest.mark.parametrize(
    "name, odd", [("fine-tuned", 0), ("scratch-learns", 0), ("scratch-stuck", 0), ("rare-characters", 6)]
)
def test_of_real_runs_none_is_troubled_and_odd_batches_are_seen(name, odd):
    """The logged means of ten steps, taken as steps; in one run rare characters made batches go wrong."""
    lines = (
        (Path(__file__).parents[1] / "fixtures" / "metrics" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    )
    losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
    assert first_trouble(losses) is None
    assert sum(guard.is_odd(after(losses[:number]), loss) for number, loss in enumerate(losses)) == odd


@pytest.mark.parametrize(
    ("before", "cers", "worse"),
    [(0.015, [0.023, 0.05], True), (0.5, [0.6, 0.4], False), (1.0, [0.7, 0.8], False), (0.02, [], False)],
)
def test_a_run_knows_whether_its_best_model_is_worse_than_before_training(
    before: float, cers: list[float], worse: bool
) -> None:
    state = guard.after_recognition(GuardState(), 0, cer=before, written=1.0)
    for step, cer in enumerate(cers, start=1):
        state = guard.after_recognition(state, step, cer=cer, written=1.0)
    assert RunState(best_cer=min(cers, default=None), guard=state).is_worse_than_before == worse
