"""What a run knows for the card of its model: scores, curve, names, and what a person has said about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from goama.corpus.facts import CorpusFacts
from goama.errors import GoamaError
from goama.files import write_beside
from goama.model.card_facts import Answers, Evaluated
from goama.run.metrics import Line, Metrics, number
from goama.run.recipe import Recipe

ANSWERS_FILE = "answers.json"


def read_answers(run: Path) -> Answers:
    """What `goama card` was told about the models of a run. Raises `GoamaError` when the file is damaged."""
    file = run / ANSWERS_FILE
    if not file.is_file():
        return Answers()
    try:
        return Answers.model_validate_json(file.read_bytes())
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise GoamaError(f"{file}: damaged ({why}); delete it, and run `goama card` again") from error


def save_answers(run: Path, answers: Answers) -> None:
    """Keep the answers in the run folder, where the next best model finds them."""
    content = answers.model_dump(exclude_none=True)
    write_beside(run / ANSWERS_FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def curve(metrics: Metrics) -> tuple[tuple[int, float, float], ...]:
    """(step, dev CER, dev WER) of each evaluation."""
    return tuple(
        (int(line["step"]), cer, wer)
        for line in metrics.evaluations
        if (cer := number(line, "dev_cer")) is not None and (wer := number(line, "dev_wer")) is not None
    )


def dev_score(metrics: Metrics, step: int | None, corpora: Sequence[CorpusFacts]) -> tuple[Evaluated, ...]:
    """The error rates on dev at a step; none where it was not evaluated."""
    found: list[Line] = [line for line in metrics.evaluations if line["step"] == step]
    cer = number(found[-1], "dev_cer") if found else None
    if cer is None:
        return ()
    clips = number(found[-1], "dev_clips")
    name = ", ".join(dict.fromkeys(corpus.source for corpus in corpora))
    score = Evaluated(corpus=name, split="dev", wer=number(found[-1], "dev_wer"), cer=cer, clips=clips and int(clips))
    return (score,)


def test_score(saved: dict[str, Any], corpora: Sequence[CorpusFacts]) -> tuple[Evaluated, ...]:
    """The error rates on test as `goama evaluate` kept them; none where nobody evaluated, or they are damaged."""
    name = ", ".join(dict.fromkeys(corpus.source for corpus in corpora))
    try:
        return (Evaluated.model_validate({"corpus": name, **saved, "split": "test"}),) if saved else ()
    except ValidationError:
        return ()


def shared_recipe(recipe: Recipe) -> str:
    """The recipe as TOML; an encoder's folder on this machine is only named."""
    encoder = recipe.model.encoder
    return recipe.with_values("model", encoder=encoder and encoder_name(encoder)).to_toml()


def encoder_name(encoder: str) -> str:
    """A Hub id or the name of the starter as they are; of a folder only its name."""
    return run_name(Path(encoder)) if Path(encoder).exists() else encoder


def run_name(folder: Path) -> str:
    """The name of a model folder; of RUN/best, that of the run."""
    return folder.resolve().parent.name if folder.name == "best" else folder.name
