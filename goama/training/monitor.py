"""What a run tells while it works: metrics.jsonl, trackers such as TensorBoard, and a person at the terminal."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from goama.evaluation.scores import ClipScore, error_rates
from goama.files import write_beside

METRICS_FILE = "metrics.jsonl"
WORST, BEST = 10, 5
"""Clips of each evaluation that metrics.jsonl names."""

_MOST_SPEAKERS = 50
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
        self._metrics = run / METRICS_FILE
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
            _forget_after(self._metrics, from_step)

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
            with self._metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **{key: _finite(value) for key, value in values.items()}}) + "\n")
        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        for tracker in list(self._trackers):
            try:
                tracker.log(numbers, step=step)
            except Exception as error:
                self._drop(tracker, error)

    def _drop(self, tracker: GeneralTracker, error: Exception) -> None:
        """A server that is gone is no reason to stop, nor to end in a traceback; each has its own kinds of errors."""
        self._trackers.remove(tracker)
        self.say(f"{tracker.name} takes no more figures ({error}); {self._metrics} goes on")

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


def evaluation_line(
    clips: Sequence[ClipScore], *, best: bool, sane: bool, corpora: Sequence[str] = ()
) -> dict[str, Any]:
    """What metrics.jsonl keeps of an evaluation: rates, the worst and the best clips, speakers and corpora.

    `speakers` is there with two to fifty of them, `corpora` with two or more: character errors, characters and clips
    of each.
    """
    rates = error_rates(clips)
    worst = sorted(clips, key=lambda clip: (-clip.character_errors, clip.id))[:WORST]
    right = sorted(clips, key=lambda clip: (clip.cer, -clip.characters, clip.id))[:BEST]
    line: dict[str, Any] = {
        "dev_cer": rates.cer,
        "dev_wer": rates.wer,
        "dev_loss": rates.loss,
        "dev_clips": rates.clips,
        "best": best,
        "sane": sane,
        "worst_clips": [_clip(clip) for clip in worst],
        "best_clips": [_clip(clip) for clip in right],
    }
    speakers = _counts((clip.speaker, clip) for clip in clips if clip.speaker)
    if 2 <= len(speakers) <= _MOST_SPEAKERS:
        line["speakers"] = speakers
    if len(corpora) > 1:
        line["corpora"] = _counts((clip.id.split("/", 1)[0], clip) for clip in clips)
    return line


def _counts(clips: Iterable[tuple[str, ClipScore]]) -> dict[str, list[int]]:
    """Character errors, characters and clips of each name, in the order of the names."""
    found: dict[str, list[int]] = {}
    for name, clip in clips:
        counts = found.setdefault(name, [0, 0, 0])
        counts[:] = counts[0] + clip.character_errors, counts[1] + clip.characters, counts[2] + 1
    return dict(sorted(found.items()))


def _clip(clip: ClipScore) -> dict[str, Any]:
    return {
        "id": clip.id,
        "reference": clip.reference,
        "hypothesis": clip.hypothesis,
        "cer": round(clip.cer, 4),
        "loss": _finite(clip.loss / max(1, clip.labels)) if clip.loss is not None else None,
        "speaker": clip.speaker,
        "seconds": round(clip.seconds, 2),
    }


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, oldest first; half a line of a killed run is passed over."""
    metrics = run / METRICS_FILE
    if not metrics.is_file():
        return []
    lines = metrics.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if _step_of(line) < float("inf")]


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def clock(seconds: float) -> str:
    """90 -> '1:30', 4000 -> '1:06:40'."""
    minutes, seconds = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _forget_after(metrics: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run will do again."""
    if not metrics.is_file():
        return
    lines = [line for line in metrics.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
    write_beside(metrics, "".join(line + "\n" for line in lines))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # the half line of a killed run
        return float("inf")
