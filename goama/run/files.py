"""A run folder, read for a page: a file that is missing, cut off or damaged never raises."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.files import write_beside
from goama.run.checkpoint import list_checkpoints
from goama.run.dev_clips import DevClips, read_dev_clips, read_hypotheses
from goama.run.diagnosis import Diagnosis, read_diagnosis
from goama.run.folder import RECIPE_FILE, RUN_FILE
from goama.run.metrics import METRICS_FILE, Metrics, number, read_metrics

TEST_SCORE_FILE = "test-score.json"


@dataclass(frozen=True)
class RunFiles:
    """The files of a run folder."""

    folder: Path
    facts: dict[str, Any]
    """run.json"""
    recipe: dict[str, Any]
    recipe_toml: str
    metrics: Metrics
    dev: DevClips
    hypotheses: dict[int, dict[str, str]]
    """Step of each evaluation to clip id to hypothesis."""
    diagnosis: Diagnosis
    state: dict[str, Any]
    """The newest checkpoint's state.json; empty where there is none."""
    test_score: dict[str, Any]
    """What `goama evaluate` measured of the best model on a test split; empty where nobody did, or of an older best."""
    changed_at: float | None
    """When metrics.jsonl was last written, in seconds since 1970."""
    ended_at: float | None
    """When RUN/last was written, which happens when a run ends or is stopped."""

    @property
    def finished(self) -> bool:
        """Whether the newest checkpoint says that the run has reached its end."""
        return bool(self.state.get("finished"))

    @property
    def saved_step(self) -> int:
        """The step from which `--resume` continues."""
        return int(number(self.state, "step") or 0)

    @property
    def step(self) -> int:
        """The last step that metrics or checkpoints know of."""
        return max(self.metrics.step, self.saved_step)


def read_run(run: Path) -> RunFiles:
    """The files of a run folder. Raises `GoamaError` when the folder holds no run of this version of goama."""
    facts = _read_json(run / RUN_FILE)
    if facts is None:
        raise GoamaError(f"{run}: this folder holds no run (no run.json); `goama train CORPUS -o {run}` makes one")
    if not isinstance(facts.get("corpora"), list):
        raise GoamaError(f"{run / RUN_FILE}: damaged, or not written by this version of goama; train again")
    recipe_file, metrics_file, last = run / RECIPE_FILE, run / METRICS_FILE, run / "last"
    recipe_toml = recipe_file.read_text(encoding="utf-8", errors="replace") if recipe_file.is_file() else ""
    try:
        recipe = tomllib.loads(recipe_toml)
    except tomllib.TOMLDecodeError:
        recipe = {}
    checkpoints = list_checkpoints(run)
    return RunFiles(
        folder=run,
        facts=facts,
        recipe=recipe,
        recipe_toml=recipe_toml,
        metrics=read_metrics(run),
        dev=read_dev_clips(run),
        hypotheses=read_hypotheses(run),
        diagnosis=read_diagnosis(run),
        state=(_read_json(checkpoints[-1] / "state.json") or {}) if checkpoints else {},
        test_score=_test_score(run),
        changed_at=metrics_file.stat().st_mtime if metrics_file.is_file() else None,
        ended_at=last.stat().st_mtime if last.is_dir() else None,
    )


def run_of_model(model: Path) -> Path | None:
    """The run folder whose best model this is; None where it is no run's."""
    for run in (model, model.resolve().parent if model.name == "best" else model):
        if (run / RUN_FILE).is_file() and (run / "best").is_dir():
            return run
    return None


def corpora_of_model(model: Path) -> list[dict[str, Any]] | None:
    """What run.json says of the corpora that a run's best model was trained on; None where it is no run's."""
    run = run_of_model(model)
    corpora = (_read_json(run / RUN_FILE) or {}).get("corpora") if run else None
    return [about for about in corpora if isinstance(about, dict)] if isinstance(corpora, list) else None


def save_test_score(run: Path, score: dict[str, Any]) -> None:
    """Keeps the score of the best model on a test split, for the page of the run."""
    write_beside(run / TEST_SCORE_FILE, json.dumps(score, ensure_ascii=False, indent=2) + "\n")


def _test_score(run: Path) -> dict[str, Any]:
    file, weights = run / TEST_SCORE_FILE, run / "best" / "model.safetensors"
    if not file.is_file() or not weights.is_file() or file.stat().st_mtime < weights.stat().st_mtime:
        return {}  # of a model that was best before
    return _read_json(file) or {}


def _read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where the file is missing, empty where it is damaged."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
