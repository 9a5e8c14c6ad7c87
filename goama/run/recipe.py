"""The recipe: everything a run needs, one short TOML file. `auto` values are chosen by the plan and printed."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goama.errors import GoamaError

Auto = Literal["auto"]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

EVALUATIONS = 12
"""In a run, and checkpoints, where the recipe does not say how many steps lie between them."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainSection(_Section):
    """How long, how fast, how often."""

    minutes: float | None = Field(None, gt=0, description="wall-clock budget of training, evaluation included")
    steps: int | None = Field(None, gt=0, description="optimiser steps")
    epochs: Positive | Auto = Field("auto", description="passes over the training split")
    seed: int = Field(0, ge=0, description="the same seed, corpus and machine give the same weights")
    learning_rate: Positive | Auto = Field("auto", description="peak learning rate of AdamW")
    head_learning_rate: Positive | Auto = Field("auto", description="peak rate of what starts from random values")
    warmup: Share | Auto = Field("auto", description="share of training over which the rate rises")
    layer_decay: Annotated[float, Field(gt=0, le=1)] | Auto = Field(
        "auto", description="each layer of the encoder learns at this share of the rate of the one above it"
    )
    thaw: Share | Auto = Field("auto", description="share of training in which only what is new learns")
    betas: tuple[Share, Share] = Field((0.9, 0.98), description="AdamW's two decay rates")
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    consistency: float = Field(0.0, ge=0, description="weight of the agreement of two views of each clip (CR-CTC)")
    precision: Literal["auto", "no", "bf16", "fp16"] = Field("auto", description="arithmetic of the network")
    eval_every: int | None = Field(
        None, gt=0, description="steps between evaluations; default: 12 in a run, fewer in few minutes"
    )
    save_every: int | None = Field(
        None, gt=0, description="steps between checkpoints, beside one with each best model; default: 12 in a run"
    )
    keep: int = Field(2, ge=1, description="newest checkpoints kept, beside up to three that the guard may need")
    rollbacks: int = Field(3, ge=0, description="times the guard undoes a loss spike at a lower rate before it stops")
    patience: int | None = Field(None, ge=1, description="evaluations without a better dev CER after which to stop")
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = Field(
        ("tensorboard",), description="where the curves are shown: tensorboard, wandb, mlflow, trackio"
    )


class DataSection(_Section):
    """How clips become batches."""

    batch_seconds: Positive | Auto = Field("auto", description="seconds of audio in one optimiser step")
    accumulate: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="parts a step is computed in; more parts need less memory"
    )
    workers: Annotated[int, Field(ge=0)] | Auto = Field("auto", description="processes that read audio, for each GPU")
    longest_s: float | None = Field(None, gt=0, description="training clips that are longer are left out")
    balance: float = Field(
        0.6, ge=0, le=1, description="several languages: shares go as hours ** balance; 1 as they are, 0 all equal"
    )
    min_count: int | None = Field(None, ge=1, description="characters seen less often become [UNK]")


class ModelSection(_Section):
    """What is trained."""

    encoder: str | None = Field(None, description="what is fine-tuned: starter, scratch, a model folder or a Hub id")
    adapter: bool | Auto = Field("auto", description="halve the frame rate with Wav2Vec2-BERT's stride-2 adapter")
    language: str | None = Field(None, description="MMS: the language whose attention adapter training starts from")
    freeze_feature_encoder: bool = Field(True, description="the convolutions over raw waveforms stay as pretrained")
    freeze_encoder: bool | Auto = Field("auto", description="only head and adapters learn, as in the MMS recipe")
    lora: int = Field(0, ge=0, description="rank of LoRA adapters that learn in the encoder's place; 0: none")
    gradient_checkpointing: bool = Field(False, description="less memory, a third slower")


class AugmentSection(_Section):
    """What is done to training clips and their features."""

    time_masks_per_s: Annotated[float, Field(ge=0)] | Auto = Field("auto", description="SpecAugment's")
    longest_time_mask_s: float = Field(0.4, gt=0)
    frequency_masks: Annotated[int, Field(ge=0)] | Auto = Field("auto", description="SpecAugment's, in each clip")
    widest_frequency_mask: int = Field(15, ge=1, le=80, description="of 80 mel bins")
    tempo: Annotated[float, Field(ge=0, le=0.5)] | Auto = Field(
        "auto", description="up to this share slower or faster, clip by clip"
    )
    vocal_tract: Annotated[float, Field(ge=0, le=0.3)] | Auto = Field(
        "auto", description="frequencies scaled by up to this share, clip by clip"
    )
    reverb: Annotated[float, Field(ge=0, le=1)] | Auto = Field(
        "auto", description="share of clips that are put into a room of 0.1 to 0.8 s"
    )
    band_limit: float = Field(0.0, ge=0, le=1, description="share of clips that lose all above 3.4 to 7.6 kHz")


class Recipe(_Section):
    """A run's recipe; `Recipe()` leaves every choice to the plan."""

    train: TrainSection = TrainSection()
    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    augment: AugmentSection = AugmentSection()

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
    """A recipe from a TOML file and `section.key=value` overrides.

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
    """Keys do not depend on one another, so that file and overrides are each refused by themselves, as `where`."""
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


_REMOVED = {"train.flat_start": "training on frame labels", "train.realign": "training on frame labels"}
"""Keys of goama 0.1 that no longer exist, and what they set."""


def _refuse_unknown_keys(tables: dict[str, Any], where: str) -> None:
    known = _known_keys()
    for section, table in tables.items():
        keys = [f"{section}.{key}" for key in table] if isinstance(table, dict) else [section]
        for key in keys:
            if key in _REMOVED:
                raise GoamaError(
                    f"{where}: {key} set goama 0.1's {_REMOVED[key]}, which was removed; delete the key from a recipe "
                    "of your own, and train a run that has it again into another folder"
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
