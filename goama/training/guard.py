"""The guard: what is not finite is skipped and explained; a loss that has risen and stays up is undone at a lower rate.

All of it are pure functions of `GuardState`, which the loop keeps and checkpoints hold: a resumed run is guarded
as the run that was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np

from goama.acoustics.batches import Batch

RATE_CUT = 0.3
"""What a roll-back multiplies the learning rate by: three of them make up for a rate that is 30 times too high."""

RECENT, HISTORY, FEWEST = 16, 64, 32
"""Steps that must agree that the loss has risen, steps before them that say what is usual, and how few of those do."""

_LEAST_RISE = math.log(1.25)  # a loss a quarter over the usual; less comes and goes by itself
_DEVIATIONS = 4.0  # of single steps; the median of 16 deviates four times less
_NEGLIGIBLE = 0.25  # nats per label: between 0.05 and 0.1 there is no spike
_ODD_RISE, _ODD_DEVIATIONS = math.log(1.5), 6.0
_SKIPS_IN_A_ROW = 10
_SKIPS_OF_A_SCALER = 30  # fp16: the scaler halves its factor at each, from 2 ** 16; more of them are no search any more
_RAMP_STEPS = 30  # over which the rate rises again after a roll-back
_PLATEAU_CER = 0.95  # over this the network writes next to nothing: waiting, not failing to improve


@dataclass(frozen=True)
class GuardState:
    """What the guard remembers: part of the loop's state and of every checkpoint."""

    losses: tuple[float, ...] = ()
    """The last finite losses, nats per label, of steps that CTC alone guides."""
    rate: float = 1.0
    """The share of the planned learning rate that is left."""
    rollbacks: int = 0
    rolled_back_at: int | None = None
    skipped_in_a_row: int = 0
    without_gain: int = 0
    """Evaluations since the best one."""
    ended_by: Literal["", "guard", "patience"] = ""
    reason: str = ""
    """A sentence: why the run ended before its time."""


@dataclass(frozen=True)
class Trouble:
    """A reason to go back: `spike` or `not finite`; it began `steps` steps ago."""

    kind: Literal["spike", "not finite"]
    steps: int
    usual: float | None = None
    now: float | None = None

    def __str__(self) -> str:
        if self.kind == "spike":
            return f"the loss rose from {self.usual:.2f} to {self.now:.2f} and stayed there for {self.steps} steps"
        return f"{self.steps} steps in a row had no finite gradients"


def after_step(guard: GuardState, loss: float, *, skipped: bool, guided: bool) -> GuardState:
    """Remember a step. While something else than CTC guides the network, its losses are no history to judge by."""
    if skipped:
        return replace(guard, skipped_in_a_row=guard.skipped_in_a_row + 1)
    if guided:
        return replace(guard, losses=(), skipped_in_a_row=0)
    return replace(guard, losses=(*guard.losses, loss)[-HISTORY - RECENT :], skipped_in_a_row=0)


def trouble(guard: GuardState, *, scaled: bool = False) -> Trouble | None:
    """A loss that has risen and stays, or too many skipped steps in a row (`scaled`: by an fp16 scaler's search).

    The median of the last 16 log losses is compared with the median of the up to 64 before: it has to exceed it
    by a quarter and by four deviations (1.48 times the median absolute one), so that a few odd batches, or a
    corpus whose batches differ much, are no spike.
    """
    if guard.skipped_in_a_row >= (_SKIPS_OF_A_SCALER if scaled else _SKIPS_IN_A_ROW):
        return Trouble("not finite", guard.skipped_in_a_row)
    before, recent = guard.losses[:-RECENT], guard.losses[-RECENT:]
    if len(before) < FEWEST or _rise(before, median(recent)) <= _threshold(before, _LEAST_RISE, _DEVIATIONS):
        return None
    return Trouble("spike", RECENT, usual=median(before), now=median(recent))


def is_calm(guard: GuardState) -> bool:
    """Whether the last few steps were as usual: only such a model may be saved as good or be the best."""
    before, recent = guard.losses[:-RECENT], guard.losses[-RECENT // 2 :]
    if guard.skipped_in_a_row or len(before) < FEWEST:
        return guard.skipped_in_a_row == 0
    return _rise(before, median(recent)) <= _threshold(before, _LEAST_RISE, _DEVIATIONS)


def is_odd(guard: GuardState, loss: float) -> bool:
    """Whether one step's loss is far from the history before it: the clips of its batch are worth a look."""
    if len(guard.losses) < FEWEST:
        return False
    return _rise(guard.losses, loss) > _threshold(guard.losses, _ODD_RISE, _ODD_DEVIATIONS)


def _logs(losses: Sequence[float]) -> list[float]:
    return [math.log(max(0.0, loss) + _NEGLIGIBLE) for loss in losses]


def _rise(before: Sequence[float], now: float) -> float:
    return _logs([now])[0] - median(_logs(before))


def _threshold(before: Sequence[float], least: float, deviations: float) -> float:
    logs = _logs(before)
    middle = median(logs)
    return max(least, deviations * 1.4826 * median(abs(value - middle) for value in logs))


def after_rollback(guard: GuardState, restored: GuardState, step: int) -> GuardState:
    """The restored weights' own history, a lower rate, one roll-back more."""
    return replace(
        guard,
        losses=restored.losses,
        rate=guard.rate * RATE_CUT,
        rollbacks=guard.rollbacks + 1,
        rolled_back_at=step,
        skipped_in_a_row=0,
    )


def stopped(why: str, guard: GuardState) -> str:
    """Why a run that could not be mended ends."""
    tried = {0: "", 1: " after a roll-back"}.get(guard.rollbacks, f" after {guard.rollbacks} roll-backs")
    cut = f" and at {guard.rate:.2g} of the planned learning rate" if guard.rollbacks else ""
    return f"the guard stopped the training{tried}{cut}: {why}"


def rate(guard: GuardState, step: int) -> float:
    """The share of the planned learning rate that a step takes; after a roll-back it rises over 30 steps."""
    if guard.rolled_back_at is None:
        return guard.rate
    return guard.rate * min(1.0, (step - guard.rolled_back_at + 1) / _RAMP_STEPS)


def after_evaluation(guard: GuardState, *, cer: float, is_best: bool) -> GuardState:
    """Count evaluations without a gain; those of a network that still writes next to nothing do not count."""
    if is_best:
        return replace(guard, without_gain=0)
    return replace(guard, without_gain=guard.without_gain + (cer < _PLATEAU_CER))


def without_unsound(batch: Batch) -> tuple[Batch, tuple[str, ...]]:
    """A batch without the clips whose samples are not all finite, and their ids.

    Where no clip would be left the batch stays as it is: the step is skipped then.
    """
    sound = [bool(np.isfinite(waveform).all()) for waveform in batch.waveforms]
    unsound = tuple(name for name, is_sound in zip(batch.ids, sound, strict=True) if not is_sound)
    if not unsound or not any(sound):
        return batch, unsound
    kept = [index for index, is_sound in enumerate(sound) if is_sound]
    return (
        Batch(*(tuple(getattr(batch, name)[index] for index in kept) for name in Batch.__dataclass_fields__)),
        unsound,
    )
