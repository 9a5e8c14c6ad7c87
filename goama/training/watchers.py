"""Watchers look on while a run trains: the screen, metrics.jsonl, trackers, the dev texts, the diagnosis, a page.

The loop tells `Watchers`, and that tells each of them. None of them changes the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.tracking import GeneralTracker
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from goama.evaluation.scores import ClipScore, ErrorRates
from goama.run.dev_clips import DEV_FILE, HYPOTHESES_FILE, append_hypotheses, write_dev_clips
from goama.run.diagnosis import save_diagnosis
from goama.run.metrics import METRICS_FILE, append_metrics, evaluation_line, forget_after, read_metrics
from goama.run.state import RunState
from goama.training.diagnosis import diagnose
from goama.training.facts import Facts

_LINE_EVERY_S = 20.0  # where no bar can be drawn


@dataclass(frozen=True)
class DevEvaluation:
    """The dev split as the network of a step recognised it."""

    step: int
    elapsed_s: float
    clips: tuple[ClipScore, ...]
    rates: ErrorRates
    best: bool
    """Whether it becomes RUN/best."""
    sane: bool
    """False if the training was diverging, so that it cannot become the best."""


class Watcher:
    """What happens in a run, one method each; a watcher overrides those it cares for."""

    def said(self, sentence: str) -> None:
        """A sentence for the person at the terminal."""

    def began(self, clips: Sequence[ClipScore], rates: ErrorRates) -> None:
        """Before the first step: the dev split as the loaded network recognises it."""

    def progressed(self, progress: float, left_s: float | None, line: str) -> None:
        """After every step: the share of the run that is done, the seconds left, loss and blank share as text."""

    def logged(self, step: int, values: dict[str, Any]) -> None:
        """Every ten steps: the values of a line of metrics.jsonl."""

    def event(self, step: int, values: dict[str, Any]) -> None:
        """What the guard or the loop did: the values of a line of metrics.jsonl."""

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """After the dev split was recognised, before checkpoint and RUN/best are written."""

    def ended(self, state: RunState) -> None:
        """After the last step, also when the run was stopped; all files are written."""

    def close(self) -> None:
        """At the very end, also after an error."""


class Watchers(Watcher):
    """Tells every watcher in turn; a context that closes them at its end."""

    def __init__(self, watchers: Sequence[Watcher]):
        self._watchers = tuple(watchers)

    def __enter__(self) -> Watchers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def said(self, sentence: str) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            watcher.said(sentence)

    def began(self, clips: Sequence[ClipScore], rates: ErrorRates) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            watcher.began(clips, rates)

    def progressed(self, progress: float, left_s: float | None, line: str) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            watcher.progressed(progress, left_s, line)

    def logged(self, step: int, values: dict[str, Any]) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            watcher.logged(step, values)

    def event(self, step: int, values: dict[str, Any]) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            watcher.event(step, values)

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            watcher.evaluated(evaluation)

    def ended(self, state: RunState) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            watcher.ended(state)

    def close(self) -> None:
        """Close every watcher."""
        for watcher in self._watchers:
            watcher.close()


class Screen(Watcher):
    """The terminal: sentences above a progress bar; without a terminal, a line now and then.

    Its state: the bar, and the speed that the last logged steps had.
    """

    def __init__(self, console: Console):
        self._console = console
        self._last_line = time.monotonic()
        self._pace = ""
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0)

    def said(self, sentence: str) -> None:
        """Print the sentence."""
        self._console.print(sentence, highlight=False, soft_wrap=True, markup=False)

    def began(self, clips: Sequence[ClipScore], rates: ErrorRates) -> None:
        """Print the dev CER."""
        self.said(f"before training: dev CER {100 * rates.cer:.1f} %")

    def progressed(self, progress: float, left_s: float | None, line: str) -> None:
        """Move the bar; without a terminal, print a line every 20 seconds."""
        self._bar.start()
        left = "" if left_s is None else f" · {clock(left_s)} left"
        self._bar.update(self._task, completed=progress, description=line + left)
        now = time.monotonic()
        if self._bar.disable and now - self._last_line > _LINE_EVERY_S:
            self._last_line = now
            self.said(f"{100 * progress:3.0f} %  {line}{left}")

    def logged(self, step: int, values: dict[str, Any]) -> None:
        """Remember the speed, which the next evaluation shows."""
        self._pace = f"  {values['audio_s_per_s']:4.0f} audio-s/s, {100 * values['padding_share']:2.0f} % padding"

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Print error rates and speed."""
        note = "" if evaluation.sane else "  (not kept: training is diverging)"
        rates = evaluation.rates
        self.said(
            f"step {evaluation.step:5d}  {clock(evaluation.elapsed_s):>7}  dev CER {100 * rates.cer:5.1f} %  "
            f"WER {100 * rates.wer:5.1f} %{self._pace}{'  (best so far)' if evaluation.best else note}"
        )

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class MetricsFile(Watcher):
    """Writes RUN/metrics.jsonl; a resumed run first drops the lines of steps that it takes again."""

    def __init__(self, run: Path, from_step: int, corpora: Sequence[str] = ()):
        """`corpora`: the names that clip ids begin with, if there are several corpora."""
        self._run, self._corpora = run, corpora
        forget_after(run, from_step)

    def began(self, clips: Sequence[ClipScore], rates: ErrorRates) -> None:
        """Append the dev CER as an event of step 0."""
        self.event(0, {"event": "before training", "reason": f"dev CER {100 * rates.cer:.1f} %"})

    def logged(self, step: int, values: dict[str, Any]) -> None:
        """Append the line."""
        append_metrics(self._run, step, values)

    def event(self, step: int, values: dict[str, Any]) -> None:
        """Append the line."""
        append_metrics(self._run, step, values)

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Append error rates, the worst and best clips, speakers and corpora."""
        best, sane = evaluation.best, evaluation.sane
        line = evaluation_line(evaluation.clips, evaluation.rates, best=best, sane=sane, corpora=self._corpora)
        append_metrics(self._run, evaluation.step, line)


class Trackers(Watcher):
    """Sends all numbers to trackers such as TensorBoard; one that fails is dropped, whatever its error."""

    def __init__(self, run: Path, trackers: Sequence[GeneralTracker], say: Callable[[str], None]):
        self._run, self._trackers, self._say = run, list(trackers), say

    def logged(self, step: int, values: dict[str, Any]) -> None:
        """Send the numbers among the values."""
        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        for tracker in list(self._trackers):
            try:
                tracker.log(numbers, step=step)
            except Exception as error:
                self._drop(tracker, error)

    def event(self, step: int, values: dict[str, Any]) -> None:
        """Send the numbers among the values."""
        self.logged(step, values)

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Send the error rates."""
        rates = evaluation.rates
        values = {"dev_cer": rates.cer, "dev_wer": rates.wer, "dev_loss": rates.loss, "dev_clips": rates.clips}
        self.logged(evaluation.step, values | {"best": evaluation.best, "sane": evaluation.sane})

    def close(self) -> None:
        """Finish every tracker."""
        for tracker in list(self._trackers):
            try:
                tracker.finish()
            except Exception as error:
                self._drop(tracker, error)

    def _drop(self, tracker: GeneralTracker, error: Exception) -> None:
        self._trackers.remove(tracker)
        self._say(f"{tracker.name} stopped accepting metrics ({error}); {self._run / METRICS_FILE} goes on")


class DevTexts(Watcher):
    """Keeps the hypotheses of every evaluation, and all scores of the best one; a failure does not end the run."""

    def __init__(self, run: Path, say: Callable[[str], None]):
        self._run, self._say = run, say

    def began(self, clips: Sequence[ClipScore], rates: ErrorRates) -> None:
        """Append the hypotheses as those of step 0."""
        self._try(HYPOTHESES_FILE, lambda: append_hypotheses(self._run, 0, clips))

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Append the hypotheses; replace the scores if it is the best evaluation."""
        step, clips = evaluation.step, evaluation.clips
        self._try(HYPOTHESES_FILE, lambda: append_hypotheses(self._run, step, clips))
        if evaluation.best:
            self._try(DEV_FILE, lambda: write_dev_clips(self._run, step, clips))

    def _try(self, file: str, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._say(f"{self._run / file} could not be written ({error}); the training is not affected")


class Diagnosing(Watcher):
    """Writes RUN/diagnosis.json and says each finding once, and all of them at the end."""

    def __init__(self, run: Path, facts: Facts, say: Callable[[str], None]):
        self._run, self._facts, self._say = run, facts, say

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Diagnose the run so far, and say what is new."""
        found = diagnose(read_metrics(self._run), self._facts)
        for finding in save_diagnosis(self._run, found, finished=False, reason=""):
            self._say(str(finding))

    def ended(self, state: RunState) -> None:
        """Diagnose the run; say everything if it has reached its end."""
        if not state.step:
            return
        found = diagnose(read_metrics(self._run), self._facts, at_end=state.finished)
        new = save_diagnosis(self._run, found, finished=state.finished, reason=state.guard.reason)
        for finding in found if state.finished else new:
            self._say(str(finding))


def clock(seconds: float) -> str:
    """90 -> '1:30', 4000 -> '1:06:40'."""
    minutes, seconds = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
