"""The guard: steps without finite gradients are skipped and explained; divergence is undone at a lower rate.

Pure functions of `GuardState`, which the loop keeps and every checkpoint holds, so that a resumed run is guarded like
one that was never stopped. After a roll-back time and data go on, as in PaLM (Chowdhery et al. 2022, section 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from goama.run.state import WEIGHT_HISTORY_STEPS, GuardState

RATE_CUT = 0.3
"""Factor on the learning rate at a roll-back; three of them correct a rate that is 30 times too high."""

COLLAPSE_CUT = 0.1
"""The same after a collapse: it is only seen at evaluations, so each attempt costs many steps."""

RECENT, HISTORY, FEWEST = 16, 64, 32
"""Recent window, reference window, minimum length of the reference (steps)."""

_LEAST_RISE = math.log(1.25)  # smaller rises of the loss come and go by themselves
_DEVIATIONS = 4.0  # of single steps; the median of 16 deviates four times less
_NEGLIGIBLE = 0.25  # nats per label, added to each loss: between 0.05 and 0.1 there is no spike
_ODD_RISE, _ODD_DEVIATIONS = math.log(1.5), 6.0
_OPENING, _LOST = 8, 5.0  # first losses, and how many times their median counts as diverged
MEASURED_EVERY = 10
"""Steps between two measurements of the scale of the weights."""

_SCALES = 1 + WEIGHT_HISTORY_STEPS // MEASURED_EVERY
_GROWTH, _CALM_GROWTH = 3.0, 2.0  # the best rate for a small network made its weights 1.9 times as large
_SKIPS_IN_A_ROW = 10
_SKIPS_OF_A_SCALER = 30  # fp16: the scaler starts at 2 ** 16 and halves its factor at each skipped step
_RAMP_STEPS = 30  # over which the rate rises again after a roll-back
_KNOWN_CER, _TEXT_CER = 0.85, 0.6  # below it the network writes text: before training, and later
_COLLAPSED, _NEARLY_COLLAPSED = 0.15, 0.25  # output length / reference length of a collapsed network; on the plateau
_WORSE = 1.1  # times its best CER
_PLATEAU_CER = 0.95  # over this the network outputs almost nothing, and patience does not count


@dataclass(frozen=True)
class Trouble:
    """A reason to roll back that began `steps` steps ago; `usual`, `now`: losses, scales of weights, or dev CERs."""

    kind: Literal["spike", "not finite", "grown weights", "forgotten"]
    steps: int
    usual: float | None = None
    now: float | None = None

    @property
    def rate_cut(self) -> float:
        """The factor on the learning rate at a roll-back for this reason."""
        return COLLAPSE_CUT if self.kind == "forgotten" else RATE_CUT

    def __str__(self) -> str:
        if self.kind == "spike":
            return f"the loss rose from {self.usual:.2f} to {self.now:.2f} in {self.steps} steps"
        if self.kind == "grown weights":
            return f"the weights grew to {self.now:.1f} times their size within {self.steps} steps"
        if self.kind == "forgotten":
            return f"dev CER {100 * (self.usual or 0):.0f} % {self.steps} steps ago, and almost nothing is written now"
        return f"{self.steps} steps in a row had no finite gradients"


def after_step(guard: GuardState, loss: float, *, skipped: bool) -> GuardState:
    """The state after a step with this loss in nats per label."""
    if skipped:
        return replace(guard, skipped_in_a_row=guard.skipped_in_a_row + 1)
    return replace(
        guard,
        losses=(*guard.losses, loss)[-HISTORY - RECENT :],
        opening=guard.opening if len(guard.opening) == _OPENING else (*guard.opening, loss),
        skipped_in_a_row=0,
    )


def after_measuring(guard: GuardState, scale: float) -> GuardState:
    """The state after measuring the weights: before the first step and every `MEASURED_EVERY` steps."""
    return replace(guard, scales=(*guard.scales, scale)[-_SCALES:])


def growth(guard: GuardState) -> float:
    """The scale of the weights divided by its minimum within the last hundred steps."""
    return guard.scales[-1] / min(guard.scales) if guard.scales else 1.0


def find_trouble(guard: GuardState, *, scaled: bool = False) -> Trouble | None:
    """The reason to roll back, or None: a loss that rose and stays high, growing weights, collapse, or skipped steps.

    With an fp16 scaler (`scaled`), which finds its factor by skipping steps, more of them are allowed.

    A spike: the median of the last 16 log losses exceeds that of the up to 64 before by log 1.25 and by four
    deviations (1.48 times the median absolute deviation). So a few odd batches, or a corpus whose batches differ much,
    are no spike. While that history is too short, a median of five times the first losses is a spike.
    """
    if guard.skipped_in_a_row >= (_SKIPS_OF_A_SCALER if scaled else _SKIPS_IN_A_ROW):
        return Trouble("not finite", guard.skipped_in_a_row)
    if guard.silent_for:
        return Trouble("forgotten", guard.silent_for, usual=guard.wrote)
    if growth(guard) > _GROWTH:
        return Trouble("grown weights", MEASURED_EVERY * (len(guard.scales) - 1), usual=1.0, now=growth(guard))
    before, recent = guard.losses[:-RECENT], guard.losses[-RECENT:]
    if len(recent) == RECENT and _is_lost(guard, recent):
        return Trouble("spike", RECENT, usual=median(guard.opening), now=median(recent))
    if len(before) < FEWEST or _rise(before, median(recent)) <= _threshold(before, _LEAST_RISE, _DEVIATIONS):
        return None
    return Trouble("spike", RECENT, usual=median(before), now=median(recent))


def is_calm(guard: GuardState) -> bool:
    """Whether the last few steps were normal: only then may a model be saved or become the best."""
    if guard.skipped_in_a_row or guard.silent_for or growth(guard) > _CALM_GROWTH:
        return False
    if _is_lost(guard, guard.losses[-RECENT // 2 :]):
        return False
    before, recent = guard.losses[:-RECENT], guard.losses[-RECENT // 2 :]
    if len(before) < FEWEST:
        return True
    return _rise(before, median(recent)) <= _threshold(before, _LEAST_RISE, _DEVIATIONS)


def is_odd(guard: GuardState, loss: float) -> bool:
    """Whether one step's loss is far above the history before it: its clips are worth a look."""
    if len(guard.losses) < FEWEST:
        return False
    return _rise(guard.losses, loss) > _threshold(guard.losses, _ODD_RISE, _ODD_DEVIATIONS)


def _is_lost(guard: GuardState, recent: Sequence[float]) -> bool:
    """Whether the loss is far above that of the untrained network."""
    if len(guard.opening) < _OPENING or not recent:
        return False
    return median(recent) > _LOST * max(1.0, median(guard.opening))


def _logs(losses: Sequence[float]) -> list[float]:
    return [math.log(max(0.0, loss) + _NEGLIGIBLE) for loss in losses]


def _rise(before: Sequence[float], now: float) -> float:
    return _logs([now])[0] - median(_logs(before))


def _threshold(before: Sequence[float], least: float, deviations: float) -> float:
    logs = _logs(before)
    middle = median(logs)
    return max(least, deviations * 1.4826 * median(abs(value - middle) for value in logs))


def after_rollback(guard: GuardState, restored: GuardState, step: int, cut: float = RATE_CUT) -> GuardState:
    """The state after a roll-back: the history of the restored weights, a lower rate, one more roll-back."""
    return replace(
        guard,
        losses=restored.losses,
        opening=restored.opening,
        rate=guard.rate * cut,
        rollbacks=guard.rollbacks + 1,
        rolled_back_at=step,
        skipped_in_a_row=0,
        scales=restored.scales[-1:],
        silent_for=0,
        without_gain=restored.without_gain,
    )


def stopped(why: str, guard: GuardState) -> str:
    """The sentence that says why the guard ended the run."""
    tried = {0: "", 1: " after a roll-back"}.get(guard.rollbacks, f" after {guard.rollbacks} roll-backs")
    slower = f" and at {guard.rate:.2g} of the planned learning rate" if guard.rollbacks else ""
    return f"the guard stopped the training{tried}{slower}: {why}"


def rate_at(guard: GuardState, step: int) -> float:
    """The factor on the planned learning rate of a step; after a roll-back it rises over 30 steps."""
    if guard.rolled_back_at is None:
        return guard.rate
    return guard.rate * min(1.0, (step - guard.rolled_back_at + 1) / _RAMP_STEPS)


def after_recognition(guard: GuardState, step: int, *, cer: float, written: float) -> GuardState:
    """The state after recognising the dev split, also before training; `written`: output length / reference length.

    With a rate that is far too high a network may collapse without a spike, since the loss of writing nothing is hardly
    above that of a network that begins to write.
    """
    text = _KNOWN_CER if step == 0 else _TEXT_CER
    if cer < (text if guard.wrote is None else guard.wrote):
        return replace(guard, wrote=cer, wrote_at=step, silent_for=0)
    silence = _NEARLY_COLLAPSED if cer >= _PLATEAU_CER else _COLLAPSED
    is_silent = guard.wrote is not None and cer > _WORSE * guard.wrote and written < silence
    return replace(guard, silent_for=step - guard.wrote_at if is_silent else 0)


def after_evaluation(guard: GuardState, *, cer: float, is_best: bool) -> GuardState:
    """The state after an evaluation; those at which the network outputs almost nothing do not count for patience."""
    if is_best:
        return replace(guard, without_gain=0)
    return replace(guard, without_gain=guard.without_gain + (cer < _PLATEAU_CER and not guard.silent_for))
