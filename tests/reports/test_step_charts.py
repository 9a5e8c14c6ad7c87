"""Charts over steps: however many points come in, what a reader must see is drawn, where it was."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.reports.step_charts import MOST_POINTS, Axes, Mark, Trace, step_chart, thin

VALUES = st.lists(st.none() | st.floats(-1e9, 1e9), min_size=1, max_size=3000)


def spell(value: float) -> str:
    return f"{value:.3g}"


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


@given(VALUES)
def test_thinned_points_keep_their_order_their_ends_and_their_extremes(values: list[float | None]) -> None:
    points = list(enumerate(values))
    kept = thin(points)
    assert len(kept) <= MOST_POINTS
    assert kept == sorted(kept, key=lambda point: point[0])
    assert set(kept) <= set(points)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    finite = [value for value in values if value is not None]
    if finite:
        left = [value for _, value in kept if value is not None]
        assert (min(left), max(left)) == (min(finite), max(finite))


def test_a_single_spike_among_ten_thousand_steps_is_drawn() -> None:
    points = [(step, 50.0 if step == 77_770 else 2.0) for step in range(10, 100_001, 10)]
    drawn = step_chart("Loss", [Trace("loss", points)], Axes(100_000), spell=spell)
    assert drawn is not None
    (trace,) = drawn.traces
    assert len(places(trace.path)) <= MOST_POINTS
    highest = min(places(trace.path), key=lambda place: place[1])
    assert highest[0] == pytest.approx(300 * 0.7777, abs=0.2)


def test_a_gap_lifts_the_pen() -> None:
    drawn = step_chart("Loss", [Trace("loss", [(1, 2.0), (2, None), (3, 1.0), (4, 1.5)])], Axes(4), spell=spell)
    assert drawn is not None
    assert [piece[0] for piece in re.findall(r"[ML][^ML]+", drawn.traces[0].path)] == ["M", "M", "L"]


def test_nothing_measured_is_no_curve() -> None:
    assert step_chart("Loss", [Trace("loss", [(1, None)]), Trace("dev loss", [])], Axes(1), spell=spell) is None


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=50), st.booleans())
def test_everything_is_drawn_inside_the_chart_and_has_a_scale(values: list[float], from_zero: bool) -> None:
    points = list(enumerate(values))
    drawn = step_chart("Loss", [Trace("loss", points)], Axes(len(values)), spell=spell, low=0.0 if from_zero else None)
    assert drawn is not None
    for x, y in places(drawn.traces[0].path):
        assert 0 <= x <= drawn.width and 0 <= y <= drawn.height
    assert drawn.y_ticks
    assert all(-1e-6 <= tick.at <= 1 + 1e-6 for tick in (*drawn.x_ticks, *drawn.y_ticks))


def test_marks_and_the_best_stand_where_they_happened() -> None:
    axes = Axes(100, (Mark(50, "went back", "warning", 1),), 75)
    drawn = step_chart("Loss", [Trace("loss", [(step, 100.0 - step) for step in range(0, 101, 25)])], axes, spell=spell)
    assert drawn is not None
    (mark,) = drawn.marks
    on_curve = dict(places(drawn.traces[0].path))
    assert on_curve[mark.x] == mark.y and mark.x == 150
    assert drawn.best is not None and drawn.best[0] == 225


def test_a_column_says_what_the_curve_is_there() -> None:
    points = [(step, float(step)) for step in range(0, 600, 10)]
    drawn = step_chart("Loss", [Trace("loss", points)], Axes(590), spell=spell)
    assert drawn is not None
    assert drawn.columns[0].label == "step 0: loss 0"
    assert math.isclose(sum(column.width for column in drawn.columns), drawn.width)
