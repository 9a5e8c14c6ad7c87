"""How far a run has come in its steps or minutes, and what is due at that point."""

from __future__ import annotations

from goama.run.recipe import EVALUATIONS, TrainSection
from goama.run.state import RunState

_EVALUATION_SHARE = 0.1  # of a budget in minutes


def progress(state: RunState, train: TrainSection, total_steps: int | None) -> float:
    """The share of the run that is done, of its steps or of its minutes, whichever is larger; 1 or more at its end.

    A budget in minutes leaves room for the last evaluation.
    """
    shares = [1.0 if state.finished else 0.0]
    if total_steps is not None:
        shares.append(state.step / total_steps)
    if train.minutes is not None:
        budget_s = max(1.0, 60 * train.minutes - 1.2 * state.evaluation_s)
        shares.append(state.elapsed_s / budget_s)
    return max(shares)


def evaluation_is_due(state: RunState, train: TrainSection, before: float, now: float) -> bool:
    """Whether the dev split is recognised after a step that took the run from progress `before` to `now`."""
    if train.eval_every is not None:
        due = state.step % train.eval_every == 0
    else:
        due = _crosses_a_twelfth(before, now) and not _is_too_costly(state, train)
    return due or now >= 1.0


def checkpoint_is_due(state: RunState, train: TrainSection, before: float, now: float) -> bool:
    """Whether a checkpoint is written after such a step; the last one is written when the run ends."""
    if now >= 1.0:
        return False
    if train.save_every is not None:
        return state.step % train.save_every == 0
    return _crosses_a_twelfth(before, now)


def _crosses_a_twelfth(before: float, now: float) -> bool:
    return int(before * EVALUATIONS) < int(now * EVALUATIONS)


def _is_too_costly(state: RunState, train: TrainSection) -> bool:
    """Whether evaluations would take more than a tenth of the minutes."""
    if train.minutes is None:
        return False
    since_last_s = state.elapsed_s - state.evaluated_at_s
    return since_last_s < (1 / _EVALUATION_SHARE - 1) * state.evaluation_s
