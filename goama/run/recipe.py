"""The recipe: every setting of a run, as a short TOML file. The plan chooses values that are `auto`."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goama.errors import GoamaError
from goama.hub import is_hub_name

Auto = Literal["auto"]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

EVALUATIONS = 12
"""Evaluations, and checkpoints, of a run whose recipe does not set the steps between them."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainSection(_Section):
    """How long, how fast, how often."""

    minutes: float | None = Field(None, gt=0, description="wall-clock budget of training, evaluation included")
    steps: int | None = Field(None, gt=0, description="optimiser steps")
    epochs: Positive | Auto = Field("auto", description="passes over the training split")
    seed: int = Field(0, ge=0, description="the same seed, corpus and machine give the same weights")
    learning_rate: Positive | Auto = Field("auto", description="peak learning rate of AdamW")
    head_learning_rate: Positive | Auto = Field(
        "auto", description="peak learning rate of randomly initialised parameters"
    )
    warmup: Share | Auto = Field("auto", description="learning-rate warm-up, as a share of training")
    layer_decay: Annotated[float, Field(gt=0, le=1)] | Auto = Field(
        "auto", description="learning rate of an encoder layer, divided by that of the layer above it"
    )
    head_only: Share | Auto = Field("auto", description="share of training in which only new parameters are trained")
    betas: tuple[Share, Share] = Field((0.9, 0.98), description="AdamW's two decay rates")
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    consistency: float = Field(0.0, ge=0, description="weight of the CR-CTC loss")
    precision: Literal["auto", "no", "bf16", "fp16"] = Field("auto", description="auto, no (float32), bf16 or fp16")
    eval_every: int | None = Field(
        None, gt=0, description="steps between evaluations; default: twelve in a run, fewer in few minutes"
    )
    save_every: int | None = Field(
        None,
        gt=0,
        description="steps between checkpoints, besides one with each best model; default: twelve",
    )
    keep: int = Field(2, ge=1, description="newest checkpoints kept, besides up to three that the guard may need")
    rollbacks: int = Field(3, ge=0, description="roll-backs allowed before the guard stops the run")
    patience: Annotated[int, Field(ge=0)] | Auto = Field(
        "auto", description="early stopping: evaluations without a better dev CER; 0: off"
    )
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = Field(
        ("tensorboard",), description="tensorboard, wandb, mlflow, trackio"
    )
    push_to: str | None = Field(None, description="Hub repository (USER/NAME) to push the best model to while training")
    push_every: int | None = Field(
        None, gt=0, description="fewest steps between two pushes; default: with each new best model"
    )

    def pushes(self) -> tuple[int, str] | None:
        """(fewest steps between pushes, repository), or None. Raises `GoamaError` when only half of it is said."""
        if self.push_to is None:
            if self.push_every is not None:
                raise GoamaError("train.push_every: to which repository? Add -s train.push_to=USER/NAME")
            return None
        if not is_hub_name(self.push_to) or "@" in self.push_to:
            raise GoamaError(f"train.push_to: {self.push_to} is no repository on the Hub; it is named USER/NAME")
        return self.push_every or 1, self.push_to


class DataSection(_Section):
    """How clips become batches."""

    batch_seconds: Positive | Auto = Field("auto", description="seconds of audio in one optimiser step")
    accumulate: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="gradient accumulation: parts of a step; more parts need less memory"
    )
    workers: Annotated[int, Field(ge=0)] | Auto = Field("auto", description="processes that read audio, for each GPU")
    longest_s: float | None = Field(None, gt=0, description="training clips that are longer are left out")
    balance: float = Field(
        0.6, ge=0, le=1, description="several languages: sampled by hours ** balance; 1: by hours, 0: equally"
    )
    min_count: int | None = Field(None, ge=1, description="characters seen less often become [UNK]")


class ModelSection(_Section):
    """What is trained."""

    encoder: str | None = Field(None, description="starter, scratch, a model folder or a Hub id")
    adapter: bool | Auto = Field("auto", description="halve the frame rate with Wav2Vec2-BERT's stride-2 adapter")
    language: str | None = Field(None, description="MMS: the language whose attention adapter training starts from")
    freeze_feature_encoder: bool = Field(
        True, description="keep the convolutions before the encoder's layers as pretrained"
    )
    freeze_encoder: bool | Auto = Field("auto", description="train only head and adapters, as in the MMS recipe")
    lora: int = Field(0, ge=0, description="rank of the LoRA adapters; 0: no LoRA")
    gradient_checkpointing: bool = Field(False, description="less memory, a third slower")


class AugmentSection(_Section):
    """What is done to training clips and their features."""

    time_masks_per_s: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="SpecAugment time masks per second"
    )
    longest_time_mask_s: float = Field(0.4, gt=0)
    frequency_masks: Annotated[int, Field(ge=0)] | Auto = Field(
        "auto", description="SpecAugment frequency masks per clip"
    )
    widest_frequency_mask: int = Field(15, ge=1, le=80, description="of 80 mel bins")
    tempo: Annotated[float, Field(ge=0, le=0.5)] | Auto = Field(
        "auto", description="largest relative change of tempo, drawn for each clip"
    )
    vocal_tract: Annotated[float, Field(ge=0, le=0.3)] | Auto = Field(
        "auto", description="largest relative change of frequency, drawn for each clip"
    )
    reverb: Annotated[float, Field(ge=0, le=1)] | Auto = Field(
        "auto", description="share of clips convolved with a random room impulse response"
    )
    band_limit: float = Field(0.0, ge=0, le=1, description="share of clips low-pass filtered at 3.4 to 7.6 kHz")


class DistilSection(_Section):
    """What a student learns in `goama distil`; `goama train` does not use it."""

    temperature: Positive = Field(1.0, description="divides the logits of teacher and student; above 1 softens both")
    ctc_weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of CTC beside the divergence from the teacher; 0: training texts are not used"
    )
    hidden_weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of the distance between hidden states; needs frames as long as the teacher's"
    )


class Recipe(_Section):
    """A run's recipe; `Recipe()` leaves every choice to the plan."""

    train: TrainSection = TrainSection()
    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    augment: AugmentSection = AugmentSection()
    distil: DistilSection = DistilSection()

    def to_toml(self) -> str:
        """A file that `--recipe` reads back to the same recipe, each key with its meaning."""
        lines = []
        for section, values in self:
            lines.append(f"[{section}]")
            for key, value in values:
                if value is None:
                    continue
                description = type(values).model_fields[key].description
                comment = f"  # {description}" if description else ""
                lines.append(f"{key} = {_toml(value)}{comment}")
            lines.append("")
        return "\n".join(lines)

    def with_values(self, section: str, **values: Any) -> Recipe:
        """A copy with some values of one section set."""
        changed = getattr(self, section).model_copy(update=values)
        return self.model_copy(update={section: changed})


def read_recipe(path: Path | None = None, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe that a TOML file and `section.key=value` overrides describe.

    Raises `GoamaError` for a missing file, broken TOML, an unknown key (with the nearest right one) or a
    value that does not fit.
    """
    tables = _read_tables(path) if path is not None else {}
    for override in overrides:
        key, equals, value = override.partition("=")
        section, dot, name = key.strip().partition(".")
        if not equals or not dot:
            raise GoamaError(f"-s {override}: write it as section.key=value, for example -s train.minutes=10")
        table = {name: _value(value.strip())}
        _check({section: table}, f"-s {override}")
        tables[section] = tables.get(section, {}) | table
    return Recipe.model_validate(tables)


def _read_tables(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise GoamaError(f"{path}: no such recipe file")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GoamaError(f"{path}: not TOML ({error})") from error
    _check(tables, str(path))
    return tables


def _check(tables: dict[str, Any], where: str) -> None:
    """Raises `GoamaError` that begins with `where`; keys are independent, so file and overrides are checked apart."""
    _refuse_unknown_keys(tables, where)
    try:
        Recipe.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part in _all_names())
        raise GoamaError(f"{where}: {key} = {first['input']!r} does not fit ({first['msg']})") from error


def _all_names() -> set[str]:
    return {name for key in _known_keys() for name in key.split(".")}


def _known_keys() -> list[str]:
    return [
        f"{section}.{key}" for section, field in Recipe.model_fields.items() for key in type(field.default).model_fields
    ]


_REPLACED = {
    "train.flat_start": "was removed with the flat start; delete it",
    "train.realign": "was removed with the flat start; delete it",
    "train.thaw": "is now train.head_only",
}
"""Keys of earlier versions, and what became of them."""


def _refuse_unknown_keys(tables: dict[str, Any], where: str) -> None:
    known = _known_keys()
    for section, table in tables.items():
        keys = [f"{section}.{key}" for key in table] if isinstance(table, dict) else [section]
        for key in keys:
            if key in _REPLACED:
                raise GoamaError(
                    f"{where}: {key} {_REPLACED[key]}; a run that an earlier version began cannot be resumed, train "
                    "again into another folder"
                )
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
                hint = f"; did you mean {close[0]}?" if close else f"; keys are: {', '.join(known)}"
                raise GoamaError(f"{where}: unknown recipe key {key}{hint}")


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        return _basic_string(value)
    return json.dumps(value)


def _basic_string(text: str) -> str:
    """JSON's escapes are TOML's too, but TOML knows no surrogates and wants DEL escaped."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise GoamaError(f"{text!r} is not Unicode, which a recipe must be; give it another name") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
