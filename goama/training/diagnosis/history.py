"""What the checks work on and with: a run's metrics by kind, a finding, and the words for numbers and clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goama.training.facts import Facts

NAMED = 5
"""Clips in a sentence."""


@dataclass(frozen=True)
class Diagnosis:
    """One finding; `clips` are the ids it is about, `step` is when it was first true.

    `subject` is the speaker or corpus it is about, where several may each have a finding of that name.
    """

    name: str
    sentence: str
    evidence: str
    remedy: str
    clips: tuple[str, ...] = ()
    step: int = 0
    subject: str = ""

    @property
    def key(self) -> str:
        """What tells it from the other findings of a run."""
        return f"{self.name}: {self.subject}" if self.subject else self.name

    def __str__(self) -> str:
        return f"{self.sentence} ({self.evidence}) -> {self.remedy}"


@dataclass(frozen=True)
class History:
    """metrics.jsonl by kind of line."""

    steps: list[Mapping[str, Any]]
    evaluations: list[Mapping[str, Any]]
    events: list[Mapping[str, Any]]
    facts: Facts
    at_end: bool

    @property
    def step(self) -> int:
        return max((int(line["step"]) for line in (*self.steps, *self.evaluations, *self.events)), default=0)

    @property
    def with_loss(self) -> list[Mapping[str, Any]]:
        """The logged steps whose loss is finite."""
        return [line for line in self.steps if line["loss"] is not None]

    @property
    def peak_step(self) -> int:
        """The step with the highest rate so far: the end of the warm-up, once that is over."""
        return max(self.steps, key=lambda line: line["learning_rate"])["step"] if self.steps else 0

    @property
    def total_steps(self) -> int | None:
        """Those planned; where minutes bound the run, those that its pace leads to."""
        if self.facts.minutes is None or not self.steps or not self.steps[-1].get("progress"):
            return self.facts.planned_steps
        return round(self.steps[-1]["step"] / self.steps[-1]["progress"])

    @property
    def warm_up_steps(self) -> int:
        total = self.total_steps
        return self.peak_step if total is None else round(self.facts.warmup * total)

    @property
    def thaw_steps(self) -> int:
        """In which only what is new learns."""
        return round(self.facts.thaw * (self.total_steps or 0))

    @property
    def least_blank(self) -> float | None:
        """The least share of blank frames in the last fifty steps; None before there are so many."""
        last = [line["blank_share"] for line in self.steps[-5:]]
        return min(last) if len(last) >= 3 else None

    @property
    def on_plateau(self) -> bool:
        """Blank everywhere for the last fifty steps, and nothing right in the last evaluation."""
        is_blank = self.least_blank is not None and self.least_blank >= 0.95
        return is_blank and bool(self.evaluations) and self.evaluations[-1]["dev_cer"] >= 0.9

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [line for line in self.events if line["event"] == event]


def ids_of(lines: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The clips that events name, each once."""
    return tuple(dict.fromkeys(clip["id"] for line in lines for clip in line["clips"]))


def some_of(named: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more


def clip_count(count: int) -> str:
    """So: "1 clip", "2 clips"."""
    return counted(count, "clip")


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun, whose plural may be its own."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
