"""The files of a run folder as a page reads them: whatever is cut off, missing or not finite is no error here."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.evaluation.scores import ClipScore
from goama.files import write_beside

DEV_FILE = "dev.jsonl"
"""Every dev clip as RUN/best heard it."""

HEARD_FILE = "heard.jsonl"
"""A line an evaluation: what the network made of the dev clips then."""

REMEMBERED = 1000
"""Dev clips whose texts are remembered at every evaluation: the first by their ids."""

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")

Line = dict[str, Any]


@dataclass(frozen=True)
class Metrics:
    """metrics.jsonl by kind of line, each in the order of its steps; what was not finite is None."""

    steps: tuple[Line, ...] = ()
    """Ten optimiser steps each."""
    evaluations: tuple[Line, ...] = ()
    events: tuple[Line, ...] = ()
    unreadable: int = 0
    """Lines that are no JSON, such as the half line of a killed run."""

    @property
    def step(self) -> int:
        return max((int(line["step"]) for line in (*self.steps, *self.evaluations, *self.events)), default=0)

    def last(self, key: str) -> float | None:
        """The newest value of a logged step that is finite."""
        return next((value for line in reversed(self.steps) if (value := number(line, key)) is not None), None)


@dataclass(frozen=True)
class DevClips:
    """What the best model so far made of the dev clips; `step` is None where nothing was kept."""

    step: int | None
    clips: tuple[ClipScore, ...]


@dataclass(frozen=True)
class RunFiles:
    """A run folder, read."""

    folder: Path
    facts: dict[str, Any]
    """run.json"""
    recipe: dict[str, Any]
    recipe_toml: str
    metrics: Metrics
    dev: DevClips
    heard: dict[int, dict[str, str]]
    """Of every evaluation, by its step, what the network made of each dev clip."""
    diagnosis: dict[str, Any]
    """diagnosis.json; empty where there is none."""
    state: dict[str, Any]
    """The newest checkpoint's state.json; empty where there is none."""
    changed_at: float | None
    """When metrics.jsonl was last written to, in seconds since 1970."""
    ended_at: float | None
    """When RUN/last was written, which a run does when it ends or is stopped."""

    @property
    def finished(self) -> bool:
        return bool(self.state.get("finished"))

    @property
    def saved_step(self) -> int:
        """Where `--resume` goes on."""
        return int(number(self.state, "step") or 0)

    @property
    def step(self) -> int:
        return max(self.metrics.step, self.saved_step)


def read_run(run: Path) -> RunFiles:
    """Raises `GoamaError` when the folder holds no run of this version of goama."""
    facts = _read_json(run / "run.json")
    if facts is None:
        raise GoamaError(f"{run}: this folder holds no run (no run.json); `goama train CORPUS -o {run}` makes one")
    if not isinstance(facts.get("corpora"), list):
        raise GoamaError(f"{run / 'run.json'}: damaged, or not written by this version of goama; train again")
    recipe_file, metrics_file = run / "recipe.toml", run / "metrics.jsonl"
    recipe_toml = recipe_file.read_text(encoding="utf-8", errors="replace") if recipe_file.is_file() else ""
    try:
        recipe = tomllib.loads(recipe_toml)
    except tomllib.TOMLDecodeError:
        recipe = {}
    is_there = metrics_file.is_file()
    return RunFiles(
        run,
        facts,
        recipe,
        recipe_toml,
        parse_metrics(_lines(metrics_file)),
        read_dev_clips(run),
        read_texts(run),
        _read_json(run / "diagnosis.json") or {},
        _newest_state(run),
        metrics_file.stat().st_mtime if is_there else None,
        (run / "last").stat().st_mtime if (run / "last").is_dir() else None,
    )


def parse_metrics(lines: Iterable[str]) -> Metrics:
    """Lines of metrics.jsonl, whoever wrote them last and however they end."""
    parsed, unreadable = [], 0
    for line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            step = value["step"]
        except (ValueError, KeyError, TypeError):
            unreadable += 1
            continue
        if not isinstance(step, int | float) or not math.isfinite(step):
            unreadable += 1
            continue
        parsed.append({key: _finite(entry) for key, entry in value.items()})
    parsed.sort(key=lambda line: line["step"])
    return Metrics(
        tuple(line for line in parsed if "loss" in line),
        tuple(line for line in parsed if "dev_cer" in line),
        tuple(line for line in parsed if "event" in line),
        unreadable,
    )


def number(line: Line, key: str) -> float | None:
    """A finite number of a line, or None."""
    value = line.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def write_dev_clips(run: Path, step: int, clips: Sequence[ClipScore]) -> None:
    """Keep what the best model so far, of this step, made of every dev clip."""
    lines = (json.dumps({"step": step, **asdict(clip)}, ensure_ascii=False) + "\n" for clip in clips)
    write_beside(run / DEV_FILE, "".join(lines))


def read_dev_clips(run: Path) -> DevClips:
    """What `write_dev_clips` kept; lines that are no clips are passed over."""
    clips, step = [], None
    for line in _lines(run / DEV_FILE):
        try:
            value = json.loads(line)
            kept_at = int(value.pop("step"))
            clips.append(ClipScore(**value))
            step = kept_at
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return DevClips(step if clips else None, tuple(clips))


def remember_texts(run: Path, step: int, clips: Sequence[ClipScore]) -> None:
    """Add what the network of this step wrote of the dev clips."""
    remembered = sorted(clips, key=lambda clip: clip.id)[:REMEMBERED]
    line = {"step": step, "texts": {clip.id: clip.hypothesis for clip in remembered}}
    with (run / HEARD_FILE).open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(line, ensure_ascii=False))  # in this order, or half a line would spoil the next


def read_texts(run: Path) -> dict[int, dict[str, str]]:
    """Step to clip id to text, from the first step on; what a run that was resumed wrote anew stands for what was."""
    heard: dict[int, dict[str, str]] = {}
    for line in _lines(run / HEARD_FILE):
        try:
            value = json.loads(line)
            step, texts = int(value["step"]), {str(id): str(text) for id, text in value["texts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        heard = {earlier: then for earlier, then in heard.items() if earlier < step}
        heard[step] = texts
    return heard


def _lines(file: Path) -> list[str]:
    """Not `splitlines`: JSON lets a transcript hold U+2028, which is no end of a line here."""
    return file.read_text(encoding="utf-8", errors="replace").split("\n") if file.is_file() else []


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is none, empty where it is damaged."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _newest_state(run: Path) -> dict[str, Any]:
    found = [(int(match[1]), path) for path in run.glob("checkpoint-*") if (match := _CHECKPOINT.fullmatch(path.name))]
    newest = max(found, default=None)
    return (_read_json(newest[1] / "state.json") or {}) if newest else {}
