"""Histograms and densities over clips as geometry; the templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from goama.reports.formatting import as_number, rounded

_MOST_BARS = 24
_TAIL = 0.005  # share of the clips on either side that may lie beyond the axis, in a bar of their own


@dataclass(frozen=True)
class Tick:
    """A label on an axis; `at` is 0 to 1 along it."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """One bar; `left`, `width` and `height` are shares of the chart. A tail counts all values beyond the axis."""

    left: float
    width: float
    height: float
    count: int
    label: str
    tail: bool


@dataclass(frozen=True)
class Histogram:
    """The distribution of one measure over clips."""

    title: str
    hint: str
    unit: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    median: Tick
    summary: str
    """One sentence for a reader who cannot see the picture."""


@dataclass(frozen=True)
class Cell:
    """A cell of a density chart; all but `count` are shares of the chart."""

    left: float
    bottom: float
    width: float
    height: float
    shade: float
    count: int


@dataclass(frozen=True)
class Density:
    """The joint distribution of two measures; `line` is the end of the median ratio's line from the origin."""

    cells: tuple[Cell, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: tuple[float, float]
    summary: str


def histogram(title: str, values: Sequence[float], unit: str, hint: str) -> Histogram | None:
    """The histogram of finite values, or None without values."""
    if not values:
        return None
    ordered = sorted(values)
    low, high = _quantile(ordered, _TAIL), _quantile(ordered, 1 - _TAIL)
    step = _nice_step((high - low) / _MOST_BARS or abs(high) / 10 or 1.0)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    counts = [0] * (last - first)
    below = above = 0
    for value in ordered:
        place = math.floor(value / step) - first
        if place < 0:
            below += 1
        elif place >= len(counts):
            above += 1
        else:
            counts[place] += 1
    edges = [(first + n) * step for n in range(len(counts) + 1)]
    shown = [(f"{as_number(a)} to {as_number(b)} {unit}", n, False) for a, b, n in zip(edges, edges[1:], counts)]  # noqa: B905
    if below:
        shown.insert(0, (f"below {as_number(edges[0])} {unit}", below, True))
    if above:
        shown.append((f"above {as_number(edges[-1])} {unit}", above, True))
    width, tallest = 1 / len(shown), max(count for _, count, _ in shown)
    bars = [Bar(n * width, width, count / tallest, count, label, tail) for n, (label, count, tail) in enumerate(shown)]
    start, span = (width if below else 0.0), width * len(counts)

    def place_of(value: float) -> float:
        return start + span * min(1.0, max(0.0, (value - edges[0]) / (edges[-1] - edges[0])))

    middle = _quantile(ordered, 0.5)
    ticks = [Tick(place_of(value), as_number(value)) for value in ticks_between(edges[0], edges[-1])]
    summary = (
        f"Half of the clips lie between {rounded(_quantile(ordered, 0.25))} and "
        f"{rounded(_quantile(ordered, 0.75))} {unit}; the ends are {rounded(ordered[0])} and "
        f"{rounded(ordered[-1])} {unit}."
    )
    median = Tick(place_of(middle), f"{rounded(middle)} {unit}")
    return Histogram(title, hint, unit, tuple(bars), tuple(ticks), median, summary)


def density(points: Sequence[tuple[float, float]], unit: str, columns: int = 48, rows: int = 26) -> Density | None:
    """The density of points (x, y), both above zero; None without points. The highest 0.1 % are drawn at the edge."""
    if not points:
        return None
    right = _quantile(sorted(x for x, _ in points), 0.999) * 1.02
    top = _quantile(sorted(y for _, y in points), 0.999) * 1.02
    counts: dict[tuple[int, int], int] = {}
    for x, y in points:
        cell = min(int(x / right * columns), columns - 1), min(int(y / top * rows), rows - 1)
        counts[cell] = counts.get(cell, 0) + 1
    most = math.log1p(max(counts.values()))
    cells = tuple(
        Cell(column / columns, row / rows, 1 / columns, 1 / rows, 0.25 + 0.75 * math.log1p(count) / most, count)
        for (column, row), count in sorted(counts.items())
    )
    slope = _quantile(sorted(y / x for x, y in points), 0.5)
    end = min(right, top / slope)
    return Density(
        cells,
        tuple(Tick(value / right, as_number(value)) for value in ticks_between(0, right)),
        tuple(Tick(value / top, as_number(value)) for value in ticks_between(0, top, most=4)),
        (end / right, end * slope / top),
        f"A typical clip has {rounded(slope)} characters for each {unit}.",
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _nice_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))


def ticks_between(low: float, high: float, most: int = 6) -> list[float]:
    """Up to `most` + 1 round numbers from `low` to `high`."""
    step = _nice_step((high - low) / most)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
