"""The metrics of a run into its curves, and the sentences of what the guard did."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from goama.reports.charts import as_number
from goama.reports.curves import Axes, Curve, Mark, Trace, curve
from goama.run.files import Line, Metrics, number

MOST_EVENTS = 40
"""Listed and marked; all of them stand in metrics.jsonl."""

_LARGE = (600, 210)
_GRAVE = {"rolled back": "warning", "stopped": "error", "stopped early": "info"}
_NAMED = 3  # clips in a sentence


@dataclass(frozen=True)
class Drawing:
    """All curves of a run; `events` are in the order of their steps, `unlisted` is how many are not among them."""

    large: tuple[Curve, ...]
    small: tuple[Curve, ...]
    events: tuple[Mark, ...]
    unlisted: int


def best_evaluation(metrics: Metrics) -> Line | None:
    """The one that RUN/best is from; None before the first."""
    measured = [line for line in metrics.evaluations if number(line, "dev_cer") is not None]
    said = [line for line in measured if line.get("best") is True]
    return said[-1] if said else min(measured, key=lambda line: line["dev_cer"], default=None)


def draw(metrics: Metrics) -> Drawing:
    """What was not measured, or by an earlier goama not written, has no curve."""
    best = best_evaluation(metrics)
    events = _listed(metrics.events)
    axes = Axes(metrics.step, events, best["step"] if best else None)

    def evaluated(key: str) -> list[tuple[float, float | None]]:
        return [(line["step"], number(line, key)) for line in metrics.evaluations]

    def over_steps(key: str) -> list[tuple[float, float | None]]:
        return [(line["step"], number(line, key)) for line in metrics.steps if key in line]

    rates = [Trace("dev CER", evaluated("dev_cer"), True), Trace("dev WER", evaluated("dev_wer"), True)]
    losses = [Trace("training loss", over_steps("loss"))]
    if any(number(line, "dev_loss") is not None for line in metrics.evaluations):
        losses.append(Trace("dev loss", evaluated("dev_loss"), True))
    large = (
        curve(
            "Errors on the dev clips",
            rates,
            axes,
            hint="CER counts wrong characters, WER wrong words; RUN/best is the model with the lowest CER.",
            say=short_percent,
            size=_LARGE,
            low=0.0,
        ),
        curve(
            "Loss",
            losses,
            axes,
            unit="nats per label",
            hint="What training makes smaller. Falling errors matter more: a loss may fall by learning clips by heart.",
            say=figures,
            size=_LARGE,
        ),
    )
    small = [
        _small("Learning rate", "learning_rate", over_steps, axes, exponent, "How large the steps are.", (0.0, None)),
        _small("Gradient norm", "gradient_norm", over_steps, axes, figures, "Before clipping; the largest of ten."),
        _small(
            "Blank frames",
            "blank_share",
            over_steps,
            axes,
            short_percent,
            "Frames in which the network writes nothing. Near 100 % early on is CTC's blank plateau; later most are.",
            (0.0, 1.0),
        ),
        _small(
            "Padding",
            "padding_share",
            over_steps,
            axes,
            short_percent,
            "How much of the sound computed is only padding.",
            (0.0, None),
        ),
        _small(
            "Speed", "audio_s_per_s", over_steps, axes, figures, "Seconds of speech trained on a second.", (0.0, None)
        ),
    ]
    return Drawing(
        tuple(chart for chart in large if chart),
        tuple(chart for chart in small if chart),
        events,
        len(metrics.events) - len(events),
    )


def _small(
    title: str,
    key: str,
    points: Callable[[str], list[tuple[float, float | None]]],
    axes: Axes,
    say: Callable[[float], str],
    hint: str,
    limits: tuple[float | None, float | None] = (None, None),
) -> Curve | None:
    low, high = limits
    return curve(title, [Trace(title.lower(), points(key))], axes, hint=hint, say=say, low=low, high=high)


# --- numbers as a person says them


def percent(share: float) -> str:
    """0.2832 -> 28.3 %, 1.0 -> 100 %."""
    return f"{100 * share:.{0 if share >= 0.9995 else 1}f} %"


def short_percent(share: float) -> str:
    """As `percent`, but 50 % for 0.5: on an axis."""
    return f"{round(100 * share):.0f} %" if abs(100 * share - round(100 * share)) < 0.005 else percent(share)


def figures(value: float) -> str:
    """Three figures."""
    if value and not 0.001 <= abs(value) < 1e6:
        return exponent(value)
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return as_number(round(value, digits))


def exponent(value: float) -> str:
    """0.00058 -> 5.8e−4."""
    if not value:
        return "0"
    mantissa, power = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(power)}".replace("-", "−")


# --- what the guard did


def _listed(events: Sequence[Line]) -> tuple[Mark, ...]:
    """All that changed the run, then the others by their loss, as many as a reader looks at."""

    def weight(line: Line) -> tuple[bool, float]:
        return line["event"] not in _GRAVE, -(number(line, "batch_loss") or math.inf)

    by_weight = sorted(events, key=weight)
    kept = sorted(by_weight[:MOST_EVENTS], key=lambda line: line["step"])
    return tuple(
        Mark(line["step"], event_sentence(line), _GRAVE.get(str(line["event"]), "info"), place)
        for place, line in enumerate(kept, start=1)
    )


def event_sentence(line: Line) -> str:
    """An event of metrics.jsonl in words."""
    event = str(line["event"])
    clips = line.get("clips")
    named = _clips(clips if isinstance(clips, list) else [])
    reason = str(line.get("reason") or "")
    if event == "skipped":
        return f"The step changed nothing, its gradients were not finite{f': {named}' if named else ''}."
    if event == "odd batch":
        loss = number(line, "batch_loss")
        told = f" ({figures(loss)})" if loss is not None else ""
        return f"A batch with a loss far over the usual{told}{f': {named}' if named else ''}."
    if event == "unsound":
        return f"Not trained on, some samples of their sound are not finite: {named}."
    if event == "rolled back":
        back = number(line, "to_step")
        left = number(line, "guard_rate")
        told = f" to the weights of step {as_number(back)}" if back is not None else ""
        rate = f", at {percent(left)} of the planned learning rate from here on" if left is not None else ""
        return (
            f"{_capital(reason)}: the guard went back{told}{rate}." if reason else f"The guard went back{told}{rate}."
        )
    if event == "stopped":
        return f"The guard stopped the training{f': {reason}' if reason else ''}."
    if event == "stopped early":
        count = number(line, "evaluations")
        return f"Stopped early: no better dev CER in {as_number(count)} evaluations." if count else "Stopped early."
    return _capital(event) + (f": {reason}" if reason else "") + "."


def _clips(clips: Sequence[Any]) -> str:
    told = []
    for clip in clips[:_NAMED]:
        if isinstance(clip, dict):
            told.append(f"{clip.get('id')}{f' ({why})' if (why := clip.get('why')) else ''}")
    more = f" and {len(clips) - _NAMED} more" if len(clips) > _NAMED else ""
    return ", ".join(told) + more


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
