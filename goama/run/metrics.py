"""`RUN/metrics.jsonl`: a line for every ten optimiser steps, for each evaluation and for each event.

Reading never fails: a line that is cut off, as a killed run leaves it, is counted; a value that is not finite is None.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from goama.evaluation.scores import ClipScore, ErrorRates, most_errors_first
from goama.files import write_beside

METRICS_FILE = "metrics.jsonl"

WORST, BEST = 10, 5
"""Clips that the line of an evaluation names."""

_MOST_SPEAKERS = 50

Line = dict[str, Any]


@dataclass(frozen=True)
class Metrics:
    """The readable lines of metrics.jsonl in the order of their steps, and how many could not be read."""

    lines: tuple[Line, ...] = ()
    unreadable: int = 0

    @cached_property
    def steps(self) -> tuple[Line, ...]:
        """Lines about optimiser steps, ten steps each."""
        return tuple(line for line in self.lines if "loss" in line)

    @cached_property
    def evaluations(self) -> tuple[Line, ...]:
        """Lines about evaluations on the dev clips."""
        return tuple(line for line in self.lines if "dev_cer" in line)

    @cached_property
    def events(self) -> tuple[Line, ...]:
        """Lines about what the guard or the loop did: skipped steps, odd batches, roll-backs, stops."""
        return tuple(line for line in self.lines if "event" in line)

    @property
    def step(self) -> int:
        """The last step that any line is about; 0 without lines."""
        return max((int(line["step"]) for line in self.lines), default=0)

    def last(self, key: str) -> float | None:
        """The newest finite value of `key` among the lines about steps, or None."""
        return next((value for line in reversed(self.steps) if (value := number(line, key)) is not None), None)


def read_metrics(run: Path) -> Metrics:
    """The metrics of a run folder; empty where it has no metrics.jsonl."""
    return parse_metrics(jsonl_lines(run / METRICS_FILE))


def parse_metrics(lines: Iterable[str]) -> Metrics:
    """The metrics that lines of metrics.jsonl hold; blank lines are ignored."""
    parsed, unreadable = [], 0
    for raw in lines:
        if not raw.strip():
            continue
        line = _parsed(raw)
        if line is None:
            unreadable += 1
        else:
            parsed.append(line)
    parsed.sort(key=lambda line: line["step"])
    return Metrics(tuple(parsed), unreadable)


def number(line: Line, key: str) -> float | None:
    """A finite number of a line, or None."""
    value = line.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def jsonl_lines(file: Path) -> list[str]:
    """The lines of a JSONL file, or none without the file.

    Not `splitlines`: JSON text may hold U+2028, which does not end a line here.
    """
    return file.read_text(encoding="utf-8", errors="replace").split("\n") if file.is_file() else []


def append_metrics(run: Path, step: int, values: Line) -> None:
    """Add one line; values that are not finite are written as null, since JSON knows neither NaN nor infinity."""
    line = {"step": step, **{key: _finite(value) for key, value in values.items()}}
    with (run / METRICS_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def forget_after(run: Path, step: int) -> None:
    """Drop the lines of later steps, which a resumed run takes again, and lines that cannot be read."""
    if not (run / METRICS_FILE).is_file():
        return
    kept = [
        raw for raw in jsonl_lines(run / METRICS_FILE) if (line := _parsed(raw)) is not None and line["step"] <= step
    ]
    write_beside(run / METRICS_FILE, "".join(raw + "\n" for raw in kept))


def evaluation_line(
    clips: Sequence[ClipScore], rates: ErrorRates, *, best: bool, sane: bool, corpora: Sequence[str] = ()
) -> Line:
    """The values of an evaluation's line: error rates, the worst and the best clips, counts by speaker and by corpus.

    `speakers` is there with two to fifty speakers, `corpora` with two or more corpora; both map a name to its
    character errors, characters and clips. `corpora` names the corpora that clip ids begin with, where there are
    several.
    """
    worst = most_errors_first(clips)[:WORST]
    recognised_best = sorted(clips, key=lambda clip: (clip.cer, -clip.characters, clip.id))[:BEST]
    line: Line = {
        "dev_cer": rates.cer,
        "dev_wer": rates.wer,
        "dev_loss": rates.loss,
        "dev_clips": rates.clips,
        "best": best,
        "sane": sane,
        "worst_clips": [_clip(clip) for clip in worst],
        "best_clips": [_clip(clip) for clip in recognised_best],
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


def _clip(clip: ClipScore) -> Line:
    return {
        "id": clip.id,
        "reference": clip.reference,
        "hypothesis": clip.hypothesis,
        "cer": round(clip.cer, 4),
        "loss": _finite(clip.loss / max(1, clip.labels)) if clip.loss is not None else None,
        "speaker": clip.speaker,
        "seconds": round(clip.seconds, 2),
    }


def _parsed(raw: str) -> Line | None:
    """A line with a finite step; None for anything else."""
    try:
        value = json.loads(raw)
        step = value["step"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(step, int | float) or not math.isfinite(step):
        return None
    return {key: _finite(entry) for key, entry in value.items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
