"""A run folder and its identity: run.json says what was trained on what and why, recipe.toml repeats it.

RUN/recipe.toml       the recipe, for `--recipe`                RUN/metrics.jsonl  losses, evaluations, events
RUN/run.json          encoder, corpora, choices and reasons     RUN/tensorboard    the same for TensorBoard
RUN/checkpoint-<n>    states to resume from                     RUN/best, RUN/last model folders
RUN/diagnosis.json    findings about the training               RUN/report.html    all of this as a page
RUN/dev.jsonl         dev clips as RUN/best recognised them     RUN/heard.jsonl    hypotheses of each evaluation
RUN/student           what a student begins with whose configuration was given to `goama distil`
RUN/answers.json      what a person said for the model card (`goama card`)
RUN/pushed.json       step and address of the model that is on the Hub
"""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
from goama.run.recipe import Recipe

RECIPE_FILE, RUN_FILE, PUSHED_FILE = "recipe.toml", "run.json", "pushed.json"
STUDENT_FOLDER = "student"
_FIRST_FILES = {
    RECIPE_FILE,
    RECIPE_FILE + ".partial",
    RUN_FILE + ".partial",
    STUDENT_FOLDER,
    STUDENT_FOLDER + ".partial",
}
"""Files of a run that was killed before run.json was written: such a folder may be used for a new run."""


@dataclass(frozen=True)
class Choice:
    """A recipe key that was `auto`, the value chosen for it, and the reason."""

    key: str
    value: object
    reason: str


@dataclass(frozen=True)
class ExcludedClip:
    """A clip of the training split that is not trained on, and the reason."""

    id: str
    reason: str


@dataclass(frozen=True)
class TeacherFacts:
    """The model folder of a teacher, and a fingerprint of its weights: a resumed run needs the same ones."""

    folder: str
    fingerprint: str


@dataclass(frozen=True)
class RunFacts:
    """What run.json says of a run beside its recipe, device and versions."""

    encoder: str
    corpora: Mixture
    choices: Sequence[Choice]
    excluded: Sequence[ExcludedClip]
    parameters: int
    """Of the network, frozen ones included."""
    teacher: TeacherFacts | None = None
    """Of a run of `goama distil`."""


def open_run(run: Path, corpora: Mixture, resume: bool) -> dict[str, Any] | None:
    """The content of run.json of the run to resume, or None for a new run.

    Raises `GoamaError` when the folder holds something else, a run that is not to be resumed, a damaged run, or a run
    that was trained on other corpora.
    """
    file = run / RUN_FILE
    for model in (run / "best", run / "last"):
        recover_folder(model)
    if not file.is_file():
        if run.exists() and any(path.name not in _FIRST_FILES for path in run.iterdir()):
            raise GoamaError(f"{run}: this folder is not empty and holds no run; choose another with -o")
        return None
    if not resume:
        raise GoamaError(f"{run} contains a run already; continue it with --resume, or choose another folder with -o")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise GoamaError(f"{file}: damaged ({error.msg}); train again into another folder") from error
    trained_on = content.get("corpora")
    if trained_on is None:
        raise GoamaError(f"{file}: not written by this version of goama; train again into another folder")
    if sorted(corpus["fingerprint"] for corpus in trained_on) != list(corpora.fingerprints()):
        folders = ", ".join(corpus["folder"] for corpus in trained_on)
        raise GoamaError(
            f"{run} was trained on another corpus ({folders}, changed since or not what was given now); "
            "resume with the same corpus or corpora, or choose another folder with -o"
        )
    return content


def write_run(run: Path, recipe: Recipe, facts: RunFacts) -> None:
    """Begin a run: write its recipe, then run.json; a folder without run.json holds no run."""
    run.mkdir(parents=True, exist_ok=True)
    write_beside(run / RECIPE_FILE, recipe.to_toml())
    corpora = facts.corpora
    content = {
        "id": uuid.uuid4().hex[:12],
        "encoder": facts.encoder,
        "corpora": [_identity(name, corpus) for name, corpus in zip(corpora.names, corpora.corpora, strict=True)],
        "choices": [asdict(choice) for choice in facts.choices],
        "left_out": [asdict(clip) for clip in facts.excluded],
        "parameters": facts.parameters,
        **({} if facts.teacher is None else {"teacher": asdict(facts.teacher)}),
        "device": device_name(),
        "versions": {
            "goama": goama.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    write_beside(run / RUN_FILE, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def run_id(run: Path) -> str:
    """The id under which trackers know the run; a resumed run keeps it."""
    return str(json.loads((run / RUN_FILE).read_text(encoding="utf-8")).get("id", "old"))


def device_name() -> str:
    """What the run computes on: the name of the GPU, or the processor and its threads."""
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
