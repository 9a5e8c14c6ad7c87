"""What the guard and the loop did during a run, as sentences for its page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from goama.reports.formatting import as_number, percent, significant
from goama.reports.step_charts import Mark
from goama.run.metrics import Line, number

MOST_EVENTS = 40
"""Events listed and marked; metrics.jsonl has all of them."""

_SEVERITIES = {"rolled back": "warning", "stopped": "error", "stopped early": "info"}
_NAMED = 3  # clips in a sentence


def listed_events(events: Sequence[Line]) -> tuple[Mark, ...]:
    """Up to 40 events in the order of their steps: all that changed the run, then those with the highest loss."""

    def weight(line: Line) -> tuple[bool, float]:
        return str(line["event"]) not in _SEVERITIES, -(number(line, "batch_loss") or math.inf)

    by_weight = sorted(events, key=weight)
    kept = sorted(by_weight[:MOST_EVENTS], key=lambda line: line["step"])
    return tuple(
        Mark(line["step"], event_sentence(line), _SEVERITIES.get(str(line["event"]), "info"), place)
        for place, line in enumerate(kept, start=1)
    )


def event_sentence(line: Line) -> str:
    """A sentence about an event of metrics.jsonl."""
    event = str(line["event"])
    clips = line.get("clips")
    named = _clips(clips if isinstance(clips, list) else [])
    reason = str(line.get("reason") or "")
    if event == "skipped":
        return f"The step changed nothing, its gradients were not finite{f': {named}' if named else ''}."
    if event == "odd batch":
        loss = number(line, "batch_loss")
        value = f" ({significant(loss)})" if loss is not None else ""
        return f"A batch with a loss far above the usual{value}{f': {named}' if named else ''}."
    if event == "unsound":
        return f"Left out, because their audio has samples that are not finite: {named}."
    if event == "rolled back":
        return _roll_back(line, reason)
    if event == "stopped":
        return f"The guard stopped the training{f': {reason}' if reason else ''}."
    if event == "stopped early":
        count = number(line, "evaluations")
        return f"Stopped early: no better dev CER in {as_number(count)} evaluations." if count else "Stopped early."
    return _capital(event) + (f": {reason}" if reason else "") + "."


def _roll_back(line: Line, reason: str) -> str:
    step, rate = number(line, "to_step"), number(line, "guard_rate")
    weights = f" to the weights of step {as_number(step)}" if step is not None else ""
    slower = f", at {percent(rate)} of the planned learning rate from here on" if rate is not None else ""
    subject = f"{_capital(reason)}: the guard" if reason else "The guard"
    return f"{subject} went back{weights}{slower}."


def _clips(clips: Sequence[Any]) -> str:
    named = []
    for clip in clips[:_NAMED]:
        if isinstance(clip, dict):
            named.append(f"{clip.get('id')}{f' ({why})' if (why := clip.get('why')) else ''}")
    more = f" and {len(clips) - _NAMED} more" if len(clips) > _NAMED else ""
    return ", ".join(named) + more


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
