"""The plan: what the recipe left to `auto` is chosen from the corpus, the encoder and the device, with reasons.

Before a minute is spent it also finds the clips whose labels CTC cannot fit into their frames.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedConfig

from goama.acoustics.audio import SAMPLE_RATE
from goama.acoustics.log_mel import FRAME_SHIFT_S, LogMel
from goama.corpus.corpus import Corpus
from goama.corpus.mixture import Mixture
from goama.errors import GoamaError
from goama.model.encoder import SCRATCH, feature_stride, frame_shift_s, output_frames
from goama.text.vocabulary import Vocabulary
from goama.training.recipe import Recipe

TIGHTEST_WITH_ADAPTER = 1.25
"""Frames per label that the tightest hundredth of clips must keep if the adapter is to halve them."""

_SMALL_ENCODER = 100e6  # parameters; larger ones are pretrained giants that a high rate would wreck


@dataclass(frozen=True)
class Choice:
    """One decision and why."""

    key: str
    value: object
    reason: str


@dataclass(frozen=True)
class UnfitClip:
    """A clip whose text needs more frames than its sound has: CTC's loss would be infinite."""

    id: str
    frames: int
    needed: int


@dataclass(frozen=True)
class Plan:
    """A recipe without `auto`, why, and the training clips that must be left out."""

    recipe: Recipe
    choices: tuple[Choice, ...]
    unfit: tuple[UnfitClip, ...]


def make_plan(
    recipe: Recipe,
    corpus: Corpus | Mixture,
    vocabulary: Vocabulary,
    encoder: str,
    config: PreTrainedConfig,
    device: torch.device,
) -> Plan:
    """Choose; raises `GoamaError` when no training clip is left."""
    chooser = _Chooser(recipe)
    hours = corpus.seconds("train") / 3600
    base = LogMel(feature_stride(config))
    measured = [
        (
            cut.id,
            base.frames(round(cut.duration * SAMPLE_RATE)),
            vocabulary.required_frames(cut.supervisions[0].text),
        )
        for cut in corpus.cuts("train")
    ]
    adapter = _choose_adapter(chooser, config, measured)
    config = type(config).from_dict({**config.to_dict(), "add_adapter": adapter})
    unfit = _unfit(config, measured)
    if len(unfit) == len(measured):
        raise GoamaError(
            f"{corpus}: no training clip has as many frames ({1000 * frame_shift_s(config):.0f} ms each) "
            "as labels; do recordings and transcripts belong together?"
        )
    _choose_rates(chooser, encoder, config)
    _choose_batches(chooser, encoder, device, hours)
    _choose_length(chooser, hours)
    return Plan(chooser.recipe, tuple(chooser.choices), unfit)


class _Chooser:
    """Fills `auto` keys and remembers why; a key that the user set stays and is reported as theirs."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.choices: list[Choice] = []

    def choose(self, section: str, key: str, value: object, reason: str) -> None:
        current = getattr(getattr(self.recipe, section), key)
        if current == "auto":
            self.recipe = self.recipe.with_values(section, **{key: value})
            self.choices.append(Choice(f"{section}.{key}", value, reason))
        else:
            self.choices.append(Choice(f"{section}.{key}", current, "set in the recipe"))


def _choose_adapter(chooser: _Chooser, config: PreTrainedConfig, measured: list[tuple[str, int, int]]) -> bool:
    stride_ms = 1000 * FRAME_SHIFT_S * feature_stride(config)
    halved = output_frames(
        type(config).from_dict({**config.to_dict(), "add_adapter": True}),
        torch.tensor([m[1] for m in measured]),
    ).numpy()
    needed = np.array([max(1, m[2]) for m in measured])
    tightest, median = np.percentile(halved / needed, [1, 50])
    evidence = (
        f"with it {stride_ms * config.adapter_stride:.0f} ms frames: {median:.1f} frames per label in the middle, "
        f"{tightest:.2f} in the tightest 1 % of clips"
    )
    if stride_ms > 20:
        chooser.choose("model", "adapter", False, f"this encoder's frames are {stride_ms:.0f} ms already; {evidence}")
    elif tightest >= TIGHTEST_WITH_ADAPTER:
        chooser.choose("model", "adapter", True, f"{evidence}: room enough, and half the frames to attend to")
    else:
        chooser.choose("model", "adapter", False, f"{evidence}: under {TIGHTEST_WITH_ADAPTER}, too tight for CTC")
    return bool(chooser.recipe.model.adapter)


def _unfit(config: PreTrainedConfig, measured: list[tuple[str, int, int]]) -> tuple[UnfitClip, ...]:
    frames = output_frames(config, torch.tensor([m[1] for m in measured])).tolist()
    return tuple(
        UnfitClip(clip_id, available, needed)
        for (clip_id, _, needed), available in zip(measured, frames, strict=True)
        if available < max(1, needed)
    )


def _choose_rates(chooser: _Chooser, encoder: str, config: PreTrainedConfig) -> None:
    parameters = 24 * config.num_hidden_layers * config.hidden_size**2  # a conformer layer is about 24 h²
    if encoder == SCRATCH:
        rate, why = 4e-4, "a small encoder that starts from small values: 1e-3 never leaves the plateau"
    elif parameters < _SMALL_ENCODER:
        rate, why = 5e-4, "a small pretrained encoder"
    else:
        rate, why = 5e-5, "a large pretrained encoder: the rate the field fine-tunes Wav2Vec2-BERT with"
    chooser.choose("train", "learning_rate", rate, why)
    rate = float(chooser.recipe.train.learning_rate)
    new = "the head (and a new adapter) starts from random values" if encoder != SCRATCH else "all of it is new"
    head_rate = max(rate, 5e-4) if encoder != SCRATCH else rate
    chooser.choose("train", "head_learning_rate", head_rate, new)
    is_fresh = encoder == SCRATCH
    why = "a fresh network would sit on CTC's blank plateau" if is_fresh else "a pretrained encoder finds its own way"
    chooser.choose("train", "flat_start", 0.1 if is_fresh else 0.0, why)
    chooser.choose("train", "without_blank", 0.6 if is_fresh else 0.0, why)


def _choose_batches(chooser: _Chooser, encoder: str, device: torch.device, hours: float) -> None:
    on_cpu = device.type == "cpu"
    if encoder == SCRATCH:
        batch, why = 20.0, "many small steps: they are what leads a fresh network off the blank plateau"
    else:
        batch, why = (60.0, "CPU") if on_cpu else (240.0, "GPU, as the notebook's 16 x 2 clips")
    batch = max(5.0, min(batch, 3600 * hours / 8))  # a small corpus still gives eight steps an epoch
    chooser.choose("data", "batch_seconds", round(batch, 1), why)
    cores = os.cpu_count() or 1
    if on_cpu:
        chooser.choose("data", "workers", 0, "training needs every core, and FLAC is read quickly")
    else:
        chooser.choose("data", "workers", max(1, min(8, cores // 2)), f"{cores} cores to feed the GPU")
    if chooser.recipe.train.precision == "auto":
        precision, why = choose_precision(device)
        chooser.choose("train", "precision", precision, why)


def choose_precision(device: torch.device) -> tuple[str, str]:
    """bf16 where the processor computes in it, fp16 on older GPUs, else float32."""
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU computes in bfloat16"
        return "fp16", "this GPU has no bfloat16"
    if device.type == "cpu" and _cpu_computes_in_bf16():
        return "bf16", "this CPU computes in bfloat16: nearly twice as fast"
    return "no", f"float32 on this {device.type.upper()}"


def _cpu_computes_in_bf16() -> bool:
    """AVX-512 BF16 or AMX; elsewhere torch emulates bfloat16, slower than float32."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def _choose_length(chooser: _Chooser, hours: float) -> None:
    train = chooser.recipe.train
    if train.minutes is not None or train.steps is not None:
        return
    epochs = float(min(60, max(10, round(30 / max(hours, 0.1)))))
    chooser.choose("train", "epochs", epochs, f"{hours:.2f} h of training speech")
