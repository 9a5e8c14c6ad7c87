"""The diagnosis: metrics of a run and facts about its data become findings, each with its evidence and a remedy.

Pure functions; each says nothing without evidence. The thresholds come from goama's own runs. `convergence` has the
checks on losses and error rates, `speech` those on the clips, `history` what both work on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from goama.audit.findings import Finding
from goama.run.metrics import Metrics
from goama.training.diagnosis import convergence, speech
from goama.training.diagnosis.history import History
from goama.training.facts import Facts

__all__ = ["diagnose"]

_CHECKS: tuple[Callable[[History], Iterable[Finding]], ...] = (
    convergence.stopped,
    convergence.not_finite,
    convergence.learning_rate,
    convergence.blank_plateau,
    convergence.overfitting,
    convergence.undertraining,
    speech.frames,
    speech.odd_batches,
    speech.corpora,
    speech.speakers,
    speech.dev_unlike_train,
)


def diagnose(metrics: Metrics, facts: Facts, *, at_end: bool = False) -> list[Finding]:
    """All findings that are true of a run now, the gravest first; `at_end` adds those about a whole run."""
    history = History(metrics, facts, at_end)
    return [replace(finding, step=metrics.step) for check in _CHECKS for finding in check(history)]
