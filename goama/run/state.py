"""Where a run stands after an optimiser step: what every checkpoint holds beside weights and moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from goama.data.batches import DataPlace

WEIGHT_HISTORY_STEPS = 100
"""Steps over which the guard watches the scale of the weights; a checkpoint from before them is kept."""


@dataclass(frozen=True)
class GuardState:
    """What the guard (`goama.training.guard`) remembers of the steps and evaluations so far."""

    losses: tuple[float, ...] = ()
    """The last finite losses."""
    opening: tuple[float, ...] = ()
    """The first eight losses: those of an untrained network."""
    rate: float = 1.0
    """Factor on the planned learning rate, lowered by roll-backs."""
    rollbacks: int = 0
    rolled_back_at: int | None = None
    skipped_in_a_row: int = 0
    scales: tuple[float, ...] = ()
    """The scale of the weights before the first step and every ten steps since, the last eleven."""
    without_gain: int = 0
    """Evaluations since the best one."""
    wrote: float | None = None
    """The lowest dev CER (also before training) at which the network wrote text; None if it never did."""
    wrote_at: int = 0
    """The step of that evaluation."""
    silent_for: int = 0
    """Steps since `wrote_at` if the network has collapsed (outputs almost nothing), else 0."""
    ended_by: Literal["", "guard", "patience"] = ""
    reason: str = ""
    """A sentence: why the run ended before its planned end."""


@dataclass(frozen=True)
class RunState:
    """Where a run stands after `step` optimiser steps."""

    step: int = 0
    elapsed_s: float = 0.0
    evaluation_s: float = 0.0
    """Duration of the longest evaluation so far; a run limited by minutes reserves this for the last one."""
    evaluated_at_s: float = 0.0
    """`elapsed_s` at the end of the last evaluation."""
    owes_evaluation: bool = False
    """Whether the run was stopped just before an evaluation."""
    finished: bool = False
    place: DataPlace = field(default_factory=DataPlace)
    best_cer: float | None = None
    best_step: int | None = None
    skipped_steps: int = 0
    guard: GuardState = field(default_factory=GuardState)
    scaler: dict[str, Any] = field(default_factory=dict)
    """The fp16 gradient scaler's state; empty in other precisions."""

    @property
    def is_worse_than_before(self) -> bool:
        """Whether the best model makes more errors on dev than the network as it was loaded."""
        before = self.guard.wrote if self.guard.wrote_at == 0 else None
        return before is not None and self.best_cer is not None and before < self.best_cer
