"""The guard: what is not finite is skipped and explained; what goes wrong for good is undone at a lower rate.

Pure functions of `GuardState`, which the loop keeps and every checkpoint holds: a resumed run is guarded like one
that was never stopped. Time and data go on after a roll-back, as PaLM's did (Chowdhery et al. 2022, section 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np

from goama.data.batches import Batch

RATE_CUT = 0.3
"""What a roll-back multiplies the learning rate by: three of them make up for a rate that is 30 times too high."""

FORGOTTEN_CUT = 0.1
"""The same where a network forgot what it could write: seen at evaluations only, each try costs many steps."""

RECENT, HISTORY, FEWEST = 16, 64, 32
"""Steps that must agree that the loss has risen, steps before them that say what is usual, and how few of those do."""

_LEAST_RISE = math.log(1.25)  # a loss a quarter over the usual; less comes and goes by itself
_DEVIATIONS = 4.0  # of single steps; the median of 16 deviates four times less
_NEGLIGIBLE = 0.25  # nats per label: between 0.05 and 0.1 there is no spike
_ODD_RISE, _ODD_DEVIATIONS = math.log(1.5), 6.0
_OPENING, _LOST = 8, 5.0  # times the first losses: no alignment of labels and frames is that bad
MEASURED_EVERY = 10
"""Steps between two measurements of the weights' scale."""

_SCALES = 11
GROWS_WITHIN = MEASURED_EVERY * (_SCALES - 1)
"""Steps in which weights are not to grow as they do when the rate is far too high."""

_GROWTH, _CALM_GROWTH = 3.0, 2.0  # the rate that taught a small network best made its weights 1.9 times as large
_SKIPS_IN_A_ROW = 10
_SKIPS_OF_A_SCALER = 30  # fp16: the scaler halves its factor at each, from 2 ** 16; more of them are no search any more
_RAMP_STEPS = 30  # over which the rate rises again after a roll-back
_KNOWN_CER, _TEXT_CER = 0.85, 0.6  # what is text: before training, and later, when a fresh network babbles for a while
_SILENCE, _NEAR_SILENCE = 0.15, 0.25  # letters for each true one that a network which forgets writes; on the plateau
_WORSE = 1.1  # times its best CER
_PLATEAU_CER = 0.95  # over this the network writes next to nothing: waiting, not failing to improve


@dataclass(frozen=True)
class GuardState:
    """What the guard remembers: part of the loop's state and of every checkpoint."""

    losses: tuple[float, ...] = ()
    """The last finite losses."""
    opening: tuple[float, ...] = ()
    """The first eight losses: what a network knows that has not learnt it yet."""
    rate: float = 1.0
    """The share of the planned learning rate that is left."""
    rollbacks: int = 0
    rolled_back_at: int | None = None
    skipped_in_a_row: int = 0
    scales: tuple[float, ...] = ()
    """The scale of the weights before the first step and every ten steps since, the last eleven."""
    without_gain: int = 0
    """Evaluations since the best one."""
    wrote: float | None = None
    """The lowest dev CER, also before training, of a network that wrote text; None where it never did."""
    wrote_at: int = 0
    silent_for: int = 0
    """Steps since `wrote_at`, if the network now writes next to nothing."""
    ended_by: Literal["", "guard", "patience"] = ""
    reason: str = ""
    """A sentence: why the run ended before its time."""


@dataclass(frozen=True)
class Trouble:
    """A reason to go back; it began `steps` steps ago. `usual` and `now` are losses, sizes of weights, or dev CERs."""

    kind: Literal["spike", "not finite", "grown weights", "forgotten"]
    steps: int
    usual: float | None = None
    now: float | None = None

    def __str__(self) -> str:
        if self.kind == "spike":
            return f"the loss rose from {self.usual:.2f} to {self.now:.2f} in {self.steps} steps"
        if self.kind == "grown weights":
            return f"the weights grew to {self.now:.1f} times their size within {self.steps} steps"
        if self.kind == "forgotten":
            return f"dev CER {100 * (self.usual or 0):.0f} % {self.steps} steps ago, and next to nothing is written now"
        return f"{self.steps} steps in a row had no finite gradients"


def after_step(guard: GuardState, loss: float, *, skipped: bool) -> GuardState:
    """Remember a step."""
    if skipped:
        return replace(guard, skipped_in_a_row=guard.skipped_in_a_row + 1)
    return replace(
        guard,
        losses=(*guard.losses, loss)[-HISTORY - RECENT :],
        opening=guard.opening if len(guard.opening) == _OPENING else (*guard.opening, loss),
        skipped_in_a_row=0,
    )


def after_measuring(guard: GuardState, scale: float) -> GuardState:
    """Remember the scale of the weights; measured before the first step and every `MEASURED_EVERY` steps."""
    return replace(guard, scales=(*guard.scales, scale)[-_SCALES:])


def growth(guard: GuardState) -> float:
    """How much larger the weights are than they were within the last hundred steps."""
    return guard.scales[-1] / min(guard.scales) if guard.scales else 1.0


def trouble(guard: GuardState, *, scaled: bool = False) -> Trouble | None:
    """A loss that has risen and stays, weights that grow, a network that writes no more, or too many skipped steps.

    With an fp16 scaler (`scaled`), whose search skips steps too, more of them are allowed.

    The median of the last 16 log losses is compared with the median of the up to 64 before: it has to exceed it
    by a quarter and by four deviations (1.48 times the median absolute one), so that a few odd batches, or a
    corpus whose batches differ much, are no spike. Before there is such a history a median of five times the first
    losses is one: worse than knowing nothing.
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
    """Whether the last few steps were as usual: only such a model may be saved as good or be the best."""
    if guard.skipped_in_a_row or guard.silent_for or growth(guard) > _CALM_GROWTH:
        return False
    if _is_lost(guard, guard.losses[-RECENT // 2 :]):
        return False
    before, recent = guard.losses[:-RECENT], guard.losses[-RECENT // 2 :]
    if len(before) < FEWEST:
        return True
    return _rise(before, median(recent)) <= _threshold(before, _LEAST_RISE, _DEVIATIONS)


def is_odd(guard: GuardState, loss: float) -> bool:
    """Whether one step's loss is far from the history before it: the clips of its batch are worth a look."""
    if len(guard.losses) < FEWEST:
        return False
    return _rise(guard.losses, loss) > _threshold(guard.losses, _ODD_RISE, _ODD_DEVIATIONS)


def _is_lost(guard: GuardState, recent: Sequence[float]) -> bool:
    """Whether the network is far worse than one that knows nothing."""
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


def cut(found: Trouble) -> float:
    """What the roll-back that it calls for multiplies the learning rate by."""
    return FORGOTTEN_CUT if found.kind == "forgotten" else RATE_CUT


def after_rollback(guard: GuardState, restored: GuardState, step: int, cut: float = RATE_CUT) -> GuardState:
    """The restored weights' own history, a lower rate, one roll-back more."""
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
    """Why a run that could not be mended ends."""
    tried = {0: "", 1: " after a roll-back"}.get(guard.rollbacks, f" after {guard.rollbacks} roll-backs")
    cut = f" and at {guard.rate:.2g} of the planned learning rate" if guard.rollbacks else ""
    return f"the guard stopped the training{tried}{cut}: {why}"


def rate(guard: GuardState, step: int) -> float:
    """The share of the planned learning rate that a step takes; after a roll-back it rises over 30 steps."""
    if guard.rolled_back_at is None:
        return guard.rate
    return guard.rate * min(1.0, (step - guard.rolled_back_at + 1) / _RAMP_STEPS)


def after_hearing(guard: GuardState, step: int, *, cer: float, written: float) -> GuardState:
    """Remember what the network wrote of the dev split, before training too; `written`: its letters per true letter.

    A network whose rate is far too high may forget what it could without a spike: the loss of writing nothing is hardly
    more than that of a network that begins to write.
    """
    text = _KNOWN_CER if step == 0 else _TEXT_CER
    if cer < (text if guard.wrote is None else guard.wrote):
        return replace(guard, wrote=cer, wrote_at=step, silent_for=0)
    silence = _NEAR_SILENCE if cer >= _PLATEAU_CER else _SILENCE
    is_silent = guard.wrote is not None and cer > _WORSE * guard.wrote and written < silence
    return replace(guard, silent_for=step - guard.wrote_at if is_silent else 0)


def after_evaluation(guard: GuardState, *, cer: float, is_best: bool) -> GuardState:
    """Count evaluations without a gain; those of a network that writes next to nothing do not count."""
    if is_best:
        return replace(guard, without_gain=0)
    return replace(guard, without_gain=guard.without_gain + (cer < _PLATEAU_CER and not guard.silent_for))


def without_unsound(batch: Batch) -> tuple[Batch, tuple[str, ...]]:
    """A batch without the clips whose samples are not all finite, and their ids."""
    sound = [bool(np.isfinite(waveform).all()) for waveform in batch.waveforms]
    unsound = tuple(name for name, is_sound in zip(batch.ids, sound, strict=True) if not is_sound)
    if not unsound:
        return batch, ()
    kept = [index for index, is_sound in enumerate(sound) if is_sound]
    return (
        Batch(*(tuple(getattr(batch, name)[index] for index in kept) for name in Batch.__dataclass_fields__)),
        unsound,
    )
