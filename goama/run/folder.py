"""A run's folder: what was trained on what, and the recipe that repeats it.

RUN/recipe.toml       every choice, as `--recipe` takes it     RUN/metrics.jsonl  a line per logged step
RUN/run.json          what was trained on what, and why        RUN/tensorboard    the same for TensorBoard
RUN/checkpoint-<n>    resumable states                         RUN/best, RUN/last model folders
RUN/diagnosis.json    what is wrong, and what to do            RUN/alignment-<n>.npz frame labels, from scratch only
RUN/dev.jsonl         dev clips as RUN/best writes them        RUN/report.html    all of it as a page
"""

from __future__ import annotations

import json
import platform
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import PartialState

import goama
from goama.corpus.corpus import Corpus
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.files import recover_folder, write_beside
from goama.model.loading import LoadedEncoder
from goama.run.recipe import Recipe
from goama.training.plan import Choice, Plan

RECIPE_FILE, RUN_FILE = "recipe.toml", "run.json"
_FIRST_FILES = {RECIPE_FILE, RECIPE_FILE + ".partial", RUN_FILE + ".partial"}
"""What a run that was killed at once leaves: nothing that is lost when it begins anew."""


def open_run(run: Path, corpora: Mixture, resume: bool) -> dict[str, Any] | None:
    """The facts of the run to resume, or None for a new one."""
    facts = run / RUN_FILE
    for model in (run / "best", run / "last"):
        recover_folder(model)
    if not facts.is_file():
        if run.exists() and any(path.name not in _FIRST_FILES for path in run.iterdir()):
            raise GoamaError(f"{run}: this folder is not empty and holds no run; choose another with -o")
        return None
    if not resume:
        raise GoamaError(f"{run} holds a run already; go on with it by --resume, or choose another folder with -o")
    try:
        known = json.loads(facts.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise GoamaError(f"{facts}: damaged ({error.msg}); train again into another folder") from error
    trained_on = known.get("corpora")
    if trained_on is None:
        raise GoamaError(f"{facts}: not written by this version of goama; train again into another folder")
    if sorted(corpus["fingerprint"] for corpus in trained_on) != list(corpora.fingerprints()):
        folders = ", ".join(corpus["folder"] for corpus in trained_on)
        raise GoamaError(
            f"{run} was trained on another corpus ({folders}, changed since or not what was given now); "
            "resume with the same corpus or corpora, or choose another folder with -o"
        )
    return known


def write_run(run: Path, corpora: Mixture, encoder: str, plan: Plan, loaded: LoadedEncoder) -> None:
    """Begin a run: its recipe and its facts, the facts last, as a folder without them holds no run."""
    run.mkdir(parents=True, exist_ok=True)
    write_beside(run / RECIPE_FILE, plan.recipe.to_toml())
    facts = {
        "id": uuid.uuid4().hex[:12],
        "encoder": encoder,
        "corpora": [_identity(name, corpus) for name, corpus in zip(corpora.names, corpora.corpora, strict=True)],
        "choices": [asdict(choice) for choice in plan.choices],
        "left_out": [asdict(clip) for clip in plan.left_out],
        "parameters": sum(p.numel() for p in loaded.network.parameters()),
        "device": _device(),
        "versions": {
            "goama": goama.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    write_beside(run / RUN_FILE, json.dumps(facts, ensure_ascii=False, indent=2) + "\n")


def settle(run: Path, recipe: Recipe, choice: Choice) -> None:
    """Write down what only the device could tell, after the run began: the recipe with it, and why."""
    write_beside(run / RECIPE_FILE, recipe.to_toml())
    facts = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
    facts["choices"].append(asdict(choice))
    write_beside(run / RUN_FILE, json.dumps(facts, ensure_ascii=False, indent=2) + "\n")


def run_id(run: Path) -> str:
    """What trackers know a run by, also when it goes on."""
    return str(json.loads((run / RUN_FILE).read_text(encoding="utf-8")).get("id", "old"))


def _device() -> str:
    device = PartialState().device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type.upper()}, {threads} {'thread' if threads == 1 else 'threads'}"


def _identity(name: str, corpus: Corpus) -> dict[str, Any]:
    return {
        "name": name,
        "folder": str(corpus.folder),
        "fingerprint": corpus.fingerprint(),
        "language": corpus.language,
        "splits": corpus.about["splits"],
    }
