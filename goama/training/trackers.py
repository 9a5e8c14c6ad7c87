"""Experiment trackers: TensorBoard, and Weights & Biases, MLflow or trackio if they are installed.

accelerate knows how to speak to each of them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, TrackioTracker, WandBTracker

from goama.errors import GoamaError, first_line
from goama.run.recipe import Recipe

PROJECT = "goama"


def require_trackers(names: Sequence[str]) -> None:
    """Raises `GoamaError` for one that is not installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise GoamaError(f"train.trackers: {name} is not installed; pip install {name}, or leave it out")


def start_trackers(recipe: Recipe, run: Path, run_id: str, from_step: int) -> list[GeneralTracker]:
    """Those that the recipe names, told the recipe; `from_step` is where a resumed run goes on.

    Raises `GoamaError` for one that does not start: no account, no server.
    """
    settings = {f"{section}.{key}": _plain(value) for section, values in recipe for key, value in values}
    trackers = []
    for name in recipe.train.trackers:
        tracker = _tracker(name, run, run_id, from_step)
        try:
            tracker.start()
            if name != "tensorboard":  # would open a second run beside the curves
                tracker.store_init_configuration(settings)
        except Exception as error:  # each has its own kinds
            raise GoamaError(f"train.trackers: {name} does not start ({first_line(error)})") from error
        trackers.append(tracker)
    return trackers


def _tracker(name: str, run: Path, run_id: str, from_step: int) -> GeneralTracker:
    if name == "tensorboard":
        purge = {"purge_step": from_step + 1} if from_step else {}
        return TensorBoardTracker("tensorboard", str(run), **purge)
    title = run.resolve().name
    if name == "wandb":
        return WandBTracker(PROJECT, name=title, dir=str(run), id=run_id, resume="allow")
    if name == "mlflow":
        return MLflowTracker(PROJECT, run_name=title, tags={"goama.run": run_id})
    return TrackioTracker(PROJECT, name=f"{title}-{run_id}", resume="allow")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, tuple) or value is None else value
