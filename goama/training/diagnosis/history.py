"""What the checks of the diagnosis work on: the metrics of a run so far, and the words for numbers and clips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from goama.run.metrics import Line, Metrics
from goama.training.facts import Facts

NAMED = 5
"""Clips named in a sentence."""

_BLANK_SHARE, _NOTHING_CER = 0.95, 0.9  # from these on the network outputs almost nothing
_PLATEAU_LINES, _FEWEST_LINES = 5, 3  # of ten steps each


@dataclass(frozen=True)
class History:
    """A run so far: its metrics, the facts about its data and plan, and whether it has ended."""

    metrics: Metrics
    facts: Facts
    at_end: bool

    @property
    def steps(self) -> tuple[Line, ...]:
        """The lines about optimiser steps, ten steps each."""
        return self.metrics.steps

    @property
    def evaluations(self) -> tuple[Line, ...]:
        """The lines about evaluations on the dev clips."""
        return self.metrics.evaluations

    @property
    def step(self) -> int:
        """The last step of the run so far."""
        return self.metrics.step

    @property
    def losses(self) -> list[tuple[int, float]]:
        """(step, training loss) where the loss was finite."""
        return [(line["step"], line["loss"]) for line in self.steps if line["loss"] is not None]

    @property
    def peak_step(self) -> int:
        """The step with the highest learning rate so far: the end of the warm-up, once that is over."""
        return max(self.steps, key=lambda line: line["learning_rate"])["step"] if self.steps else 0

    @property
    def total_steps(self) -> int | None:
        """The planned number of steps, extrapolated where minutes bound the run; None where it is unknown."""
        if self.facts.minutes is None or not self.steps or not self.steps[-1].get("progress"):
            return self.facts.planned_steps
        return round(self.steps[-1]["step"] / self.steps[-1]["progress"])

    @property
    def warmup_steps(self) -> int:
        """The number of steps over which the learning rate rises."""
        total = self.total_steps
        return self.peak_step if total is None else round(self.facts.warmup * total)

    @property
    def head_only_steps(self) -> int:
        """The number of steps in which only the new head learns."""
        return round(self.facts.head_only * (self.total_steps or 0))

    @property
    def least_blank(self) -> float | None:
        """The lowest share of blank frames among the last five lines; None with fewer than three lines."""
        last = [line["blank_share"] for line in self.steps][-_PLATEAU_LINES:]
        return min(last) if len(last) >= _FEWEST_LINES else None

    @property
    def on_plateau(self) -> bool:
        """Whether the last fifty steps were nearly all blank and the last evaluation had almost nothing right."""
        is_blank = self.least_blank is not None and self.least_blank >= _BLANK_SHARE
        return is_blank and bool(self.evaluations) and self.evaluations[-1]["dev_cer"] >= _NOTHING_CER

    def events(self, kind: str) -> list[Line]:
        """The events of one kind, such as "rolled back"."""
        return [line for line in self.metrics.events if line["event"] == kind]


def ids_of(events: Iterable[Line]) -> tuple[str, ...]:
    """The ids of the clips that events name, each once."""
    return tuple(dict.fromkeys(clip["id"] for line in events for clip in line["clips"]))


def some_of(named: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more


def clip_count(count: int) -> str:
    """ "1 clip", "2 clips"."""
    return counted(count, "clip")


def counted(count: int, noun: str, plural: str = "") -> str:
    """The number with its noun; `plural` where it does not end in s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """0.283 -> "28.3 %"."""
    return f"{100 * share:.1f} %"
