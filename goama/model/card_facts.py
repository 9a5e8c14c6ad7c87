"""The facts that a model card is made of, as they stand in card.json of a model folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goama import __version__
from goama.corpus.facts import CorpusFacts
from goama.errors import GoamaError

FACTS_FILE = "card.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Answers(_Frozen):
    """What only a person knows; None: not said, and then the card is silent."""

    licence: str | None = Field(None, description="licence of the model, such as cc-by-4.0 or apache-2.0")
    authors: str | None = Field(None, description="who made the model")
    contact: str | None = Field(None, description="whom to write to, such as an address or a page")
    consent: str | None = Field(None, description="what the speakers agreed to")
    attribution: str | None = Field(None, description="whom the licences of the data ask to name")
    intended_use: str | None = Field(None, description="what the model is meant for")
    limits: str | None = Field(None, description="what it is known to be bad at, or must not be used for")


class Evaluated(_Frozen):
    """Error rates on a split, as fractions."""

    corpus: str
    split: str
    wer: float | None
    cer: float
    wer_interval: tuple[float, float] | None = None
    cer_interval: tuple[float, float] | None = None
    clips: int | None = None


class CardFacts(_Frozen):
    """What a card is made of."""

    encoder: str | None = None
    """Hub id or name of the encoder that was fine-tuned."""
    architecture: str
    """Its model type in transformers."""
    parameters: int | None = None
    frame_shift_ms: float
    languages: tuple[str, ...] = ()
    corpora: tuple[CorpusFacts, ...] = ()
    rules: tuple[str, ...] = ()
    """Names of the normaliser's rules in their order."""
    alphabet: tuple[str, ...] = ()
    step: int | None = None
    scores: tuple[Evaluated, ...] = ()
    curve: tuple[tuple[int, float, float], ...] = ()
    """(step, dev CER, dev WER) of each evaluation."""
    teacher: str | None = None
    trained_s: float | None = None
    device: str | None = None
    recipe_toml: str | None = None
    goama: str = __version__
    answers: Answers = Answers()

    def to_json(self) -> str:
        """The content of card.json."""
        return self.model_dump_json(indent=1) + "\n"


def read_facts(folder: Path) -> CardFacts | None:
    """The facts of a model folder; None where it has none. Raises `GoamaError` when they are damaged."""
    file = folder / FACTS_FILE
    if not file.is_file():
        return None
    try:
        return CardFacts.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise GoamaError(f"{file}: damaged ({key}: {first['msg']}); delete it and run `goama card {folder}`") from error
