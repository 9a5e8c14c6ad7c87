"""What a run tells while it works: metrics.jsonl, trackers such as TensorBoard, and a person at the terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from goama.evaluation.scores import ClipScore
from goama.run.metrics import METRICS_FILE, append_metrics, evaluation_line, forget_after

_LINE_EVERY_S = 20.0  # where no bar can be drawn


class Monitor:
    """Writes the metrics of each logged step, and shows progress with the time that is left."""

    def __init__(
        self,
        run: Path,
        accelerator: Accelerator,
        console: Console,
        *,
        from_step: int,
        trackers: Sequence[GeneralTracker] = (),
        corpora: Sequence[str] = (),
    ):
        """`corpora` are the names that the clips' ids begin with, where there are several."""
        self._accelerator, self._console = accelerator, console
        self._corpora = corpora
        self._trackers = list(trackers)
        self._run = run
        self._last_line = time.monotonic()
        self._line = ""
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not (console.is_terminal and accelerator.is_main_process),
        )
        self._task = self._bar.add_task("", total=1.0)
        if accelerator.is_main_process:
            forget_after(run, from_step)

    def __enter__(self) -> Monitor:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        for tracker in list(self._trackers):
            try:
                tracker.finish()
            except Exception as error:
                self._drop(tracker, error)

    def log(self, step: int, values: dict[str, Any]) -> None:
        """Write one line of metrics.jsonl, and the same to the trackers."""
        if self._accelerator.is_main_process:
            append_metrics(self._run, step, values)
        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        for tracker in list(self._trackers):
            try:
                tracker.log(numbers, step=step)
            except Exception as error:
                self._drop(tracker, error)

    def _drop(self, tracker: GeneralTracker, error: Exception) -> None:
        """A server that is gone is no reason to stop, nor to end in a traceback; each has its own kinds of errors."""
        self._trackers.remove(tracker)
        self.say(f"{tracker.name} takes no more figures ({error}); {self._run / METRICS_FILE} goes on")

    def log_evaluation(self, step: int, clips: Sequence[ClipScore], *, best: bool, sane: bool) -> None:
        """Write the line of an evaluation."""
        self.log(step, evaluation_line(clips, best=best, sane=sane, corpora=self._corpora))

    def show(self, progress: float, left_s: float | None, line: str) -> None:
        """Move the bar; without a terminal, print a line now and then."""
        left = "" if left_s is None else f" · {clock(left_s)} left"
        self._bar.update(self._task, completed=progress, description=line + left)
        now = time.monotonic()
        if self._bar.disable and self._accelerator.is_main_process and now - self._last_line > _LINE_EVERY_S:
            self._last_line = now
            self.say(f"{100 * progress:3.0f} %  {line}{left}")

    def say(self, sentence: str) -> None:
        """Print a line above the bar."""
        if self._accelerator.is_main_process:
            self._console.print(sentence, highlight=False, soft_wrap=True, markup=False)


def clock(seconds: float) -> str:
    """90 -> '1:30', 4000 -> '1:06:40'."""
    minutes, seconds = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
