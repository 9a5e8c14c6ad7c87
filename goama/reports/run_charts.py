"""The metrics of a run as charts over steps, and the evaluation that the best model is from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from goama.reports.formatting import axis_percent, exponent, significant
from goama.reports.guard_events import listed_events
from goama.reports.step_charts import Axes, Mark, StepChart, Trace, step_chart
from goama.run.metrics import Line, Metrics, number

_LARGE = (600, 210)


@dataclass(frozen=True)
class _Metric:
    """A metric of the logged steps and how its chart shows it; the axis holds `low` and `high`."""

    title: str
    key: str
    spell: Callable[[float], str]
    hint: str
    low: float | None = None
    high: float | None = None


_SMALL = (
    _Metric("Learning rate", "learning_rate", exponent, "How large the steps are.", 0.0),
    _Metric("Gradient norm", "gradient_norm", significant, "Before clipping; the largest of ten steps."),
    _Metric(
        "Blank frames",
        "blank_share",
        axis_percent,
        "Frames in which the network writes nothing. Near 100 % early on is CTC's blank plateau; later most frames are "
        "blank.",
        0.0,
        1.0,
    ),
    _Metric("Padding", "padding_share", axis_percent, "The share of the computed sound that is only padding.", 0.0),
    _Metric("Speed", "audio_s_per_s", significant, "Seconds of speech trained on per second.", 0.0),
)


@dataclass(frozen=True)
class RunCharts:
    """All charts of a run and the events marked on them; `unlisted` counts events that are left out."""

    large: tuple[StepChart, ...]
    small: tuple[StepChart, ...]
    events: tuple[Mark, ...]
    unlisted: int


def best_evaluation(metrics: Metrics) -> Line | None:
    """The evaluation that RUN/best is from, or None before the first."""
    measured = [line for line in metrics.evaluations if number(line, "dev_cer") is not None]
    kept_as_best = [line for line in measured if line.get("best") is True]
    return kept_as_best[-1] if kept_as_best else min(measured, key=lambda line: line["dev_cer"], default=None)


def run_charts(metrics: Metrics) -> RunCharts:
    """The charts; a metric without values has none."""
    best = best_evaluation(metrics)
    events = listed_events(metrics.events)
    axes = Axes(metrics.step, events, best["step"] if best else None)
    small = [_small(metric, metrics.steps, axes) for metric in _SMALL]
    return RunCharts(
        tuple(chart for chart in (_error_rates(metrics, axes), _losses(metrics, axes)) if chart),
        tuple(chart for chart in small if chart),
        events,
        len(metrics.events) - len(events),
    )


def _error_rates(metrics: Metrics, axes: Axes) -> StepChart | None:
    return step_chart(
        "Errors on the dev clips",
        [
            Trace("dev CER", _points(metrics.evaluations, "dev_cer"), True),
            Trace("dev WER", _points(metrics.evaluations, "dev_wer"), True),
        ],
        axes,
        hint="CER counts wrong characters, WER wrong words; RUN/best is the model with the lowest CER.",
        spell=axis_percent,
        size=_LARGE,
        low=0.0,
    )


def _losses(metrics: Metrics, axes: Axes) -> StepChart | None:
    return step_chart(
        "Loss",
        [
            Trace("training loss", _points(metrics.steps, "loss")),
            Trace("dev loss", _points(metrics.evaluations, "dev_loss"), True),
        ],
        axes,
        unit="nats per label",
        hint="What training minimises (distillation: in nats per frame). Falling errors matter more: the training loss "
        "also falls in overfitting.",
        spell=significant,
        size=_LARGE,
    )


def _small(metric: _Metric, steps: Sequence[Line], axes: Axes) -> StepChart | None:
    trace = Trace(metric.title.lower(), _points([line for line in steps if metric.key in line], metric.key))
    return step_chart(
        metric.title, [trace], axes, hint=metric.hint, spell=metric.spell, low=metric.low, high=metric.high
    )


def _points(lines: Sequence[Line], key: str) -> list[tuple[float, float | None]]:
    return [(line["step"], number(line, key)) for line in lines]
