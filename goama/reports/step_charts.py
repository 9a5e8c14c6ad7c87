"""Charts over training steps as geometry; the templates draw them as SVG.

However long a run, a trace has at most 600 points, and its highest and lowest are among them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from goama.reports.charts import Tick, ticks_between
from goama.reports.formatting import as_number

MOST_POINTS = 600
_COLUMNS = 60  # strips of a chart that show their values when pointed at
_SMOOTH_FROM = 150  # points: with more, their running median is drawn too
_LOG_FROM = 15.0  # highest value divided by lowest: above it the axis is logarithmic

Points = Sequence[tuple[float, float | None]]
"""(step, value) in the order of steps; None where the value was not finite, which leaves a gap."""


@dataclass(frozen=True)
class Trace:
    """A line to draw; `evaluations` are few and each gets a dot."""

    name: str
    points: Points
    evaluations: bool = False


@dataclass(frozen=True)
class Mark:
    """An event at a step; `number` is its place in the list below the charts."""

    step: float
    sentence: str
    severity: str
    number: int


@dataclass(frozen=True)
class Axes:
    """What all charts of a run share."""

    last_step: float
    marks: tuple[Mark, ...] = ()
    best_step: float | None = None


@dataclass(frozen=True)
class DrawnTrace:
    """SVG paths and dots in the chart's units; `smooth` is the running median's path, or empty."""

    name: str
    path: str
    smooth: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class DrawnMark:
    """The place of a mark; `y` is on the first trace."""

    x: float
    y: float
    mark: Mark


@dataclass(frozen=True)
class Column:
    """A strip of the chart, and the values of the traces in it."""

    left: float
    width: float
    label: str


@dataclass(frozen=True)
class StepChart:
    """A chart over steps, `width` by `height` units; tick places are shares of them."""

    title: str
    unit: str
    hint: str
    summary: str
    """One sentence for a reader who cannot see the picture."""
    width: int
    height: int
    traces: tuple[DrawnTrace, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[DrawnMark, ...]
    columns: tuple[Column, ...]
    best: tuple[float, float] | None
    """The place of the best step on the first trace, if that has a value there."""


def step_chart(
    title: str,
    traces: Sequence[Trace],
    axes: Axes,
    *,
    unit: str = "",
    hint: str = "",
    spell: Callable[[float], str],
    size: tuple[int, int] = (300, 110),
    low: float | None = None,
    high: float | None = None,
) -> StepChart | None:
    """The chart, or None where no trace has a value. `spell` makes text of a value; the axis holds `low` and `high`."""
    traces = [trace for trace in traces if any(value is not None for _, value in trace.points)]
    if not traces:
        return None
    values = [value for trace in traces for _, value in trace.points if value is not None]
    scale = _Scale.of(values, low, high)
    width, height = size
    right = max(axes.last_step, *(trace.points[-1][0] for trace in traces), 1.0)

    def place(step: float, value: float) -> tuple[float, float]:
        return round(width * step / right, 1), round(height * (1 - scale.share(value)), 1)

    first = [(step, value) for step, value in traces[0].points if value is not None]
    at_best = next((place(step, value) for step, value in first if step == axes.best_step), None)
    return StepChart(
        title,
        unit,
        hint,
        _summary(traces, spell),
        width,
        height,
        tuple(_drawn(trace, place) for trace in traces),
        tuple(Tick(step / right, as_number(step)) for step in _whole_ticks(right, 6 if width > 400 else 4)),
        tuple(Tick(scale.share(value), spell(value)) for value in scale.ticks()),
        tuple(
            DrawnMark(*place(mark.step, _nearest(first, mark.step)), mark)
            if first[0][0] <= mark.step
            else DrawnMark(place(mark.step, 0)[0], height, mark)  # before the trace begins
            for mark in axes.marks
        ),
        _columns(traces, right, width, spell),
        at_best,
    )


def thin(points: Points, most: int = MOST_POINTS) -> list[tuple[float, float | None]]:
    """At most `most` of the points, in order: the highest, the lowest and a gap, if any, of each stretch."""
    if len(points) <= most:
        return list(points)
    inner, kept = points[1:-1], [points[0]]
    stretches = (most - 2) // 3
    for number in range(stretches):
        stretch = inner[number * len(inner) // stretches : (number + 1) * len(inner) // stretches]
        finite = [(value, place) for place, (_, value) in enumerate(stretch) if value is not None]
        places = {min(finite)[1], max(finite)[1]} if finite else set()
        if len(finite) < len(stretch):
            places.add(next(place for place, (_, value) in enumerate(stretch) if value is None))
        kept += [stretch[place] for place in sorted(places)]
    return [*kept, points[-1]]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Sequence[float], low: float | None, high: float | None) -> _Scale:
        least, most = min(values), max(values)
        if low is None and least > 0 and most > _LOG_FROM * least:
            return cls(math.log10(least), math.log10(most), True)
        least = least if low is None else min(low, least)
        most = most if high is None else max(high, most)
        room = 0.05 * (most - least) or 0.05 * abs(most) or 1.0
        return cls(
            least if low is not None and least == low else least - room, most if most == high else most + room, False
        )

    def share(self, value: float) -> float:
        at = math.log10(max(value, 1e-300)) if self.logarithmic else value
        return min(1.0, max(0.0, (at - self.low) / (self.high - self.low)))

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return ticks_between(self.low, self.high, most=4)
        every = math.ceil((self.high - self.low) / 4)
        first = math.ceil(self.low - 1e-9)
        powers = [10.0**power for power in range(first, math.floor(self.high + 1e-9) + 1, max(1, every))]
        if len(powers) > 2:
            return powers
        factors = [factor * 10.0**power for power in range(first - 1, first + 2) for factor in (1, 3)]
        return [value for value in factors if self.low <= math.log10(value) <= self.high]


def _drawn(trace: Trace, place: Callable[[float, float], tuple[float, float]]) -> DrawnTrace:
    points = thin(trace.points)
    dots = tuple(place(step, value) for step, value in points if value is not None) if trace.evaluations else ()
    finite = [(step, value) for step, value in trace.points if value is not None]
    smooth: list[tuple[float, float | None]] = []
    if len(finite) >= _SMOOTH_FROM:
        for number in range(_COLUMNS):
            part = finite[number * len(finite) // _COLUMNS : (number + 1) * len(finite) // _COLUMNS]
            smooth.append((median(step for step, _ in part), median(value for _, value in part)))
    return DrawnTrace(trace.name, _path(points, place), _path(smooth, place), dots if len(dots) <= 80 else ())


def _path(points: Points, place: Callable[[float, float], tuple[float, float]]) -> str:
    pieces, pen_is_up = [], True
    for step, value in points:
        if value is None:
            pen_is_up = True
            continue
        x, y = place(step, value)
        pieces.append(f"{'M' if pen_is_up else 'L'}{x:g} {y:g}")
        pen_is_up = False
    return "".join(pieces)


def _whole_ticks(right: float, most: int) -> list[float]:
    return [step for step in ticks_between(0, right, most) if step == int(step)]


def _nearest(points: Sequence[tuple[float, float]], step: float) -> float:
    after = bisect_left(points, (step, -math.inf))
    return min(points[max(0, after - 1) : after + 1], key=lambda point: abs(point[0] - step))[1]


def _columns(traces: Sequence[Trace], right: float, width: int, spell: Callable[[float], str]) -> tuple[Column, ...]:
    columns = []
    for number in range(_COLUMNS):
        low, high = right * number / _COLUMNS, right * (number + 1) / _COLUMNS
        labels, steps = [], []
        for trace in traces:
            start = bisect_left(trace.points, low, key=lambda point: point[0])
            end = bisect_left(trace.points, high, key=lambda point: point[0])
            if number == _COLUMNS - 1:
                end = len(trace.points)
            part = [(step, value) for step, value in trace.points[start:end] if value is not None]
            if part:
                steps += [part[0][0], part[-1][0]]
                labels.append(f"{trace.name} {_spread([value for _, value in part], spell)}")
        if labels:
            first, last = as_number(min(steps)), as_number(max(steps))
            where = f"step {first}" if first == last else f"steps {first} to {last}"
            columns.append(Column(width * number / _COLUMNS, width / _COLUMNS, f"{where}: {'; '.join(labels)}"))
    return tuple(columns)


def _spread(values: Sequence[float], spell: Callable[[float], str]) -> str:
    if len(values) == 1:
        return spell(values[0])
    low, high = spell(min(values)), spell(max(values))
    return low if low == high else f"{spell(median(values))} ({low} to {high})"


def _summary(traces: Sequence[Trace], spell: Callable[[float], str]) -> str:
    parts = []
    for trace in traces:
        values = [value for _, value in trace.points if value is not None]
        if len(values) == 1:
            parts.append(f"{trace.name} {spell(values[0])}")
            continue
        if trace.evaluations or len(values) < 20:
            parts.append(f"{trace.name} from {spell(values[0])} to {spell(values[-1])}, lowest {spell(min(values))}")
            continue
        # The value of a single step varies too much to be quoted.
        start, end = spell(median(values[:5])), spell(median(values[-5:]))
        parts.append(f"{trace.name} from {start} to {end}; lowest {spell(min(values))}, highest {spell(max(values))}")
    sentence = "; ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]
