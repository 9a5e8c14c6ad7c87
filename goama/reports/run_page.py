"""`RUN/report.html`: written while a run trains and when it ends, and again by `goama report`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from goama.evaluation.alignment import marked
from goama.evaluation.scores import ClipScore
from goama.evaluation.slices import MOST_GROUPS, Slice, named_groups, slice_of
from goama.files import write_beside
from goama.reports.dev_results import (
    corpus_value,
    dev_results,
    earlier_hypotheses,
)
from goama.reports.dev_sounds import DevSounds
from goama.reports.formatting import percent
from goama.reports.page import language_attribute, render
from goama.reports.run_charts import best_evaluation, run_charts
from goama.reports.run_summary import about, commands, tiles, title, verdict
from goama.run.files import RunFiles, read_run
from goama.run.metrics import number
from goama.run.state import RunState
from goama.training.watchers import DevEvaluation, Watcher

REPORT_FILE = "report.html"
RELOAD_S = 60
"""How often the page of a run in progress reloads itself, and the shortest time between two writings."""

MOST_LISTED = 200  # rows of a table of excluded clips; run.json has all of them
_QUIET_S = 300.0  # a run without a new line for so long, or ten times its usual interval, counts as dead


class RunPage(Watcher):
    """Keeps the page of a run in the process that trains it.

    `say` is told when the page cannot be written; that never ends the training. Its state: the encoded sounds, and when
    the page was written.
    """

    def __init__(self, run: Path, say: Callable[[str], None]):
        self._run, self._say = run, say
        self._sounds: DevSounds | None = None
        self._written_at = float("-inf")
        self._took_s = 0.0

    def logged(self, step: int, values: dict[str, Any]) -> None:
        """Write the page if the last one is a minute old, and a hundred times as old as writing takes."""
        if time.monotonic() - self._written_at >= max(RELOAD_S, 100 * self._took_s):
            self._write(going=True)

    def evaluated(self, evaluation: DevEvaluation) -> None:
        """Write the page with the new evaluation."""
        self._write(going=True)

    def ended(self, state: RunState) -> None:
        """Write the last page."""
        self._write(going=False)

    def _write(self, *, going: bool) -> None:
        started = time.monotonic()
        try:
            files = read_run(self._run)
            self._sounds = self._sounds or DevSounds(files.facts["corpora"])
            write_page(files, self._sounds, going=going)
        except Exception as error:  # whatever it is: hours of training are worth more than a page
            self._say(f"{self._run / REPORT_FILE} could not be written ({error}); the training is not affected")
        self._written_at = time.monotonic()
        self._took_s = self._written_at - started


@dataclass(frozen=True)
class WrittenPage:
    """The path of a page, and sentences about what it lacks."""

    path: Path
    notes: tuple[str, ...]


def write_run_report(run: Path) -> WrittenPage:
    """Write the page of a run folder. Raises `GoamaError` where the folder holds no run."""
    files = read_run(run)
    sounds = DevSounds(files.facts["corpora"])
    path = write_page(files, sounds, going=_is_going(files))
    return WrittenPage(path, tuple(f"without sound: {why}" for why in sounds.missing))


def write_page(files: RunFiles, sounds: DevSounds, *, going: bool) -> Path:
    """The path of RUN/report.html, written from the files of a run and the sounds of its dev clips."""
    best = best_evaluation(files.metrics)
    results = dev_results(files.dev)
    embedded, reasons = sounds.of(clip.id for part in results.shown for clip in part.clips)
    languages = {str(corpus["language"]) for corpus in files.facts["corpora"] if corpus.get("language")}
    page = render(
        "run.html.jinja",
        run=str(files.folder),
        name=title(files),
        going=going,
        reload_s=RELOAD_S,
        written=datetime.now(UTC),
        verdict=verdict(files, best, going=going),
        about=about(files),
        tiles=tiles(files, best, going=going),
        commands=commands(files, best, going=going),
        diagnosis=files.diagnosis,
        charts=run_charts(files.metrics),
        results=results,
        is_evaluated=best is not None,
        dev_step=files.dev.step,
        marked=marked,
        earlier_hypotheses=partial(earlier_hypotheses, files.hypotheses),
        sounds=embedded,
        not_embedded=reasons,
        missing=sounds.missing,
        speakers=_slices(files.dev.clips, lambda clip: clip.speaker),
        corpora=_slices(files.dev.clips, corpus_value(files, "name")),
        languages=_slices(files.dev.clips, corpus_value(files, "language")),
        groups_shown=MOST_GROUPS,
        facts=files.facts,
        recipe_toml=files.recipe_toml,
        unreadable=files.metrics.unreadable,
        most_listed=MOST_LISTED,
        language_attribute=language_attribute(languages.pop() if len(languages) == 1 else None),
        percent=percent,
    )
    path = files.folder / REPORT_FILE
    write_beside(path, page)
    return path


def _slices(clips: Sequence[ClipScore], name: Callable[[ClipScore], str | None]) -> list[Slice]:
    return [slice_of(group) for group in named_groups(clips, name)]


def _is_going(files: RunFiles) -> bool:
    """Whether the run seems to be in progress in another process: lines still come."""
    if files.finished or files.changed_at is None or (files.ended_at or 0.0) >= files.changed_at:
        return False
    times = [elapsed for line in files.metrics.steps[-20:] if (elapsed := number(line, "elapsed_s")) is not None]
    typical_s = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    return time.time() - files.changed_at < max(_QUIET_S, 10 * typical_s)
