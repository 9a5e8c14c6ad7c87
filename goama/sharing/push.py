"""RUN/best goes to the Hub while the run trains (`train.push_to`), from a process of its own.

A network that is slow, broken or gone neither slows nor ends the training: the loop only looks whether that process has
ended. What could not be pushed is tried again with the next push, and `goama publish` does it by hand.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.files import link_or_copy, write_beside
from goama.model.card_facts import read_facts
from goama.run.folder import PUSHED_FILE, RECIPE_FILE
from goama.run.recipe import read_recipe
from goama.run.state import RunState
from goama.training.watchers import DevEvaluation, Watcher

_STAGED = "push"
"""RUN/push: the model that is being pushed; training may replace RUN/best meanwhile."""

_LONGEST_S = 3600.0
"""Seconds after which a push that has not ended is given up."""

AT_END_S = 600.0
"""Seconds that the end of a run waits for the last push."""


class PushToHub(Watcher):
    """Pushes the best model so far, at most every `train.push_every` steps, and once more at the end.

    Its state: what the recipe says, the step of a best model that is not on the Hub yet, the step of the last push, and
    the push that is going on.
    """

    def __init__(self, run: Path | str, say: Callable[[str], None], at_end_s: float = AT_END_S):
        self._run, self._say, self._at_end_s = Path(run), say, at_end_s
        self._settings: tuple[int, str] | None = None
        self._has_begun = False
        self._step = 0
        self._last: int | None = None
        self._waiting: int | None = None
        self._push: _Push | None = None

    def logged(self, step: int, values: dict[str, Any]) -> None:
        """Remember the step."""
        self._step = step

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Remember that there will be a new best model."""
        self._step = evaluation.step
        if evaluation.best:
            self._waiting = evaluation.step

    def progressed(self, progress: float, left_s: float | None, line: str) -> None:
        """Look after the push that is going on, and begin one that is due."""
        if not self._has_begun:
            self._has_begun = True
            self._settings, waiting = self._from_run()
            self._waiting = waiting if self._waiting is None else self._waiting
        if self._settings is None:
            return
        if self._push is not None:
            self._look_after(self._push)
        elif self._waiting is not None and (self._last is None or self._step - self._last >= self._settings[0]):
            self._begin(self._waiting)

    def ended(self, state: RunState) -> None:
        """Push the last best model if the run has reached its end, and wait for it, but not for ever."""
        if self._settings is None or not state.finished:
            return
        until = time.monotonic() + self._at_end_s
        try:
            self._wait(until)
            if self._waiting is not None and time.monotonic() < until:
                self._begin(self._waiting)
                self._wait(until)
        except KeyboardInterrupt:
            self._say("the push was left")

    def close(self) -> None:
        """End a push that is still going on, and remove its files."""
        if self._push is not None:
            self._push.process.kill()
            self._push.process.communicate()
            self._failed(self._push.step, "the run ended before it arrived")
        shutil.rmtree(self._run / _STAGED, ignore_errors=True)

    def _from_run(self) -> tuple[tuple[int, str] | None, int | None]:
        """What the recipe says, and the step of RUN/best where a resumed run has one that is not on the Hub."""
        try:
            settings = read_recipe(self._run / RECIPE_FILE).train.pushes()
            facts = read_facts(self._run / "best")
        except GoamaError:
            return None, None
        step = None if facts is None else facts.step
        try:
            pushed = json.loads((self._run / PUSHED_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return settings, step
        return settings, step if not isinstance(pushed, dict) or pushed.get("step") != step else None

    def _begin(self, step: int) -> None:
        assert self._settings is not None
        self._last, staged, best = self._step, self._run / _STAGED, self._run / "best"
        try:
            shutil.rmtree(staged, ignore_errors=True)
            for path in sorted(best.rglob("*")):
                if path.is_file():
                    link_or_copy(path, staged / path.relative_to(best))
            command = [sys.executable, "-m", "goama.sharing.push_process", self._settings[1], str(staged)]
            process = subprocess.Popen(
                [*command, f"goama train: step {step}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C stops the training first, and that stops the push
            )
            self._push = _Push(process, step, time.monotonic())
        except OSError as error:  # a full disk, no more processes: the training goes on
            self._failed(step, str(error))

    def _wait(self, until_s: float) -> None:
        if self._push is not None:
            self._say(f"waiting for the push to {self._to()} (Ctrl-C leaves it)")
        while self._push is not None and time.monotonic() < until_s:
            time.sleep(0.1)
            self._look_after(self._push)

    def _look_after(self, push: _Push) -> None:
        if push.process.poll() is None:
            if time.monotonic() - push.started_s > _LONGEST_S:
                push.process.kill()
            return
        answer, _ = push.process.communicate()
        self._push = None
        try:
            said = json.loads(answer.strip().splitlines()[-1])
        except (ValueError, IndexError):
            said = {"failed": "the process that uploads ended without an answer"}
        if "failed" in said:
            self._failed(push.step, str(said["failed"]))
        else:
            self._arrived(push.step, str(said["url"]))

    def _arrived(self, step: int, url: str) -> None:
        if self._waiting == step:
            self._waiting = None
        with suppress(OSError):  # a resumed run then pushes it once more
            write_beside(self._run / PUSHED_FILE, json.dumps({"step": step, "url": url}) + "\n")
        self._say(f"pushed the model of step {step} to {url}")

    def _failed(self, step: int, why: str) -> None:
        self._push = None
        self._say(
            f"the model of step {step} is not on the Hub ({why}); the training is not affected, and "
            f"`goama publish {self._run} {self._to()}` uploads the best model"
        )

    def _to(self) -> str:
        return "" if self._settings is None else self._settings[1]


@dataclass(frozen=True)
class _Push:
    """An upload that is going on."""

    process: subprocess.Popen[str]
    step: int
    started_s: float
