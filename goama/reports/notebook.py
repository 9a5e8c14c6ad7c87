"""A run in a notebook: one display that is kept up to date, with a bar, the curve of the dev CER and the last lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from goama.evaluation.scores import ClipScore, ErrorRates
from goama.reports.formatting import percent
from goama.run.state import RunState
from goama.training.watchers import DevEvaluation, Watcher

_EVERY_S = 1.0
_WIDTH, _HEIGHT = 360, 90
_LINES = 4


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel, whose cells show HTML."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def notebook_display() -> Callable[[str], None]:
    """What shows HTML in the cell that runs now: the first call makes the display, the others replace what it shows."""
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    return lambda page: handle.update(HTML(page))


class NotebookView(Watcher):
    """Shows a run through `show`, which takes HTML. State: how far the run is, its dev CERs, the last sentences."""

    def __init__(self, show: Callable[[str], None]):
        self._show = show
        self._share, self._line = 0.0, ""
        self._rates: list[tuple[float, float]] = []
        self._said: list[str] = []
        self._shown_at = float("-inf")

    def said(self, sentence: str) -> None:
        """Shows the sentence below the bar."""
        self._said.append(sentence)
        self._update()

    def began(self, clips: Sequence[ClipScore], rates: ErrorRates) -> None:
        """The curve begins with the network as it was loaded."""
        self._rates = [(0.0, rates.cer)]
        self._update()

    def progressed(self, progress: float, left_s: float | None, line: str) -> None:
        """Moves the bar, once a second at most."""
        self._share, self._line = min(1.0, progress), line
        if left_s is not None:
            self._line += f" · {int(left_s) // 60}:{int(left_s) % 60:02d} left"
        if time.monotonic() - self._shown_at >= _EVERY_S:
            self._update()

    def event(self, step: int, values: dict[str, Any]) -> None:
        """Shows what the guard did."""
        self.said(f"step {step}: {values.get('event')}: {values.get('reason', '')}")

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Adds a point to the curve."""
        self._rates.append((float(evaluation.step), evaluation.rates.cer))
        best = "  (best so far)" if evaluation.best else ""
        self.said(f"step {evaluation.step}: dev CER {percent(evaluation.rates.cer)}{best}")

    def ended(self, state: RunState) -> None:
        """Shows the end."""
        self._share = 1.0 if state.finished else self._share
        self._update()

    def _update(self) -> None:
        self._shown_at = time.monotonic()
        lines = "".join(f"<div>{escape(line)}</div>" for line in self._said[-_LINES:])
        self._show(
            f'<div><progress value="{self._share:.3f}" max="1" style="width:100%"></progress>'
            f"<div>{100 * self._share:.0f} % {escape(self._line)}</div>{_curve(self._rates)}{lines}</div>"
        )


def _curve(rates: Sequence[tuple[float, float]]) -> str:
    """The dev CER over steps as SVG, from 0 to 100 % or to its highest; empty before the first."""
    if not rates:
        return ""
    last, top = max(rates[-1][0], 1.0), max(1.0, *(cer for _, cer in rates))
    points = [(_WIDTH * step / last, _HEIGHT * (1 - cer / top)) for step, cer in rates]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#0b6a63"/>' for x, y in points)
    label = f"dev CER over steps, now {percent(rates[-1][1])}"
    line = f'<polyline points="{path}" fill="none" stroke="#0b6a63" stroke-width="2"/>'
    box = f"-4 -4 {_WIDTH + 8} {_HEIGHT + 8}"
    return f'<svg viewBox="{box}" width="{_WIDTH}" role="img" aria-label="{label}">{line}{dots}</svg>'
