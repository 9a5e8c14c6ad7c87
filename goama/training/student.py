"""A student of which only the configuration is given: a new network with the teacher's weights wherever they fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForCTC, PreTrainedConfig

from goama.errors import GoamaError
from goama.model.families import family_of
from goama.model.folder import SpeechModel, save_model_folder
from goama.training.teacher import Teacher

_CARD = "# Where a student begins\n\nMade from a configuration, with the weights of its teacher where they fit.\n"


def is_configuration(student: str | None) -> bool:
    """Whether `--student` names a JSON file."""
    return student is not None and Path(student).suffix == ".json"


def student_from_config(file: Path, teacher: Teacher, folder: Path, *, seed: int) -> str:
    """Write the model folder of an untrained student; returns a sentence on what it has of its teacher.

    `file` holds a whole `config.json`, or only the keys that differ from the teacher's, such as
    `{"num_hidden_layers": 3}`. Tensors of the same name and shape as the teacher's are copied, so a student that is
    only less deep begins with the teacher's first layers and head; all others are random.

    Raises `GoamaError` for a file that is no configuration, or one of a network that goama does not train.
    """
    config = _configuration(file, teacher)
    family = family_of(config)
    if family is None:
        raise GoamaError(f"{file}: goama does not train {config.model_type} networks (docs/encoders.md)")
    family.check(str(file))
    torch.manual_seed(seed)
    try:
        network = AutoModelForCTC.from_config(config)
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError, AssertionError) as error:
        raise GoamaError(f"{file}: no network can be made of this configuration ({error})") from error
    mine, fitting = network.state_dict(), 0
    with torch.no_grad():
        for name, value in teacher.model.network.state_dict().items():
            if name in mine and mine[name].shape == value.shape:
                mine[name].copy_(value)
                fitting += 1
    folder.parent.mkdir(parents=True, exist_ok=True)
    front_end = family.front_end(teacher.facts.folder)
    model = SpeechModel(network, front_end, teacher.model.vocabulary, teacher.model.normaliser)
    save_model_folder(folder, model, _CARD)
    return f"the student of {file} begins with {fitting} of its {len(mine)} tensors from the teacher: {folder}"


def _configuration(file: Path, teacher: Teacher) -> PreTrainedConfig:
    try:
        keys = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise GoamaError(f"--student {file}: no such file") from error
    except ValueError as error:
        raise GoamaError(f"--student {file}: not JSON ({error})") from error
    if not isinstance(keys, dict):
        raise GoamaError(f"--student {file}: a configuration is a JSON object, like a model folder's config.json")
    whole: dict[str, Any] = teacher.model.network.config.to_dict()
    unknown = [] if "model_type" in keys else [key for key in keys if key not in whole]
    if unknown:
        raise GoamaError(f"--student {file}: the teacher's configuration has no {', '.join(unknown)}")
    vocabulary = teacher.model.vocabulary
    head = {"vocab_size": len(vocabulary), "pad_token_id": vocabulary.blank_id}
    wanted = {**(keys if "model_type" in keys else {**whole, **keys}), **head}
    try:
        return AutoConfig.for_model(wanted.pop("model_type"), **wanted)
    except (ValueError, TypeError, KeyError, StrictDataclassError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise GoamaError(f"--student {file}: no configuration that transformers knows ({first_line})") from error
