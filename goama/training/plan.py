"""The plan: what the recipe left to `auto` is chosen from the speech, the encoder and the device, with reasons.

Before a minute is spent it also finds the clips that cannot, or shall not, be trained on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import PreTrainedConfig

from goama.acoustics.audio import SAMPLE_RATE
from goama.acoustics.balance import language_of, repeats
from goama.acoustics.log_mel import FRAME_SHIFT_S
from goama.corpus.mixture import Mixture
from goama.errors import GoamaError
from goama.model.encoder import (
    SCRATCH,
    feature_stride,
    frame_shift_s,
    hears_waveforms,
    input_frames,
    is_whisper,
    longest_s,
    output_frames,
)
from goama.text.vocabulary import Vocabulary
from goama.training.processes import asks_for_shards, processes_here
from goama.training.recipe import EVALUATIONS, Recipe

TIGHTEST_WITH_ADAPTER = 1.25
"""Frames per label that the tightest hundredth of clips must keep if the adapter is to halve them."""

LITTLE_SPEECH_H, PASSES, FEW_PASSES, FEW_PASSES_H = 2.0, 20.0, 15.0, 0.5
"""Where the starter's passes end: over ten minutes of Dutch 13 were better than 20, over an hour 15 still gained."""

MASKS, LIGHT_MASKS = (0.5, 2), (0.2, 1)
"""SpecAugment's time masks a second and frequency masks."""

DISGUISES = {"tempo": 0.1, "vocal_tract": 0.1, "reverb": 0.3}
"""What makes a clip another clip, beside SpecAugment's masks (docs/recipe.md has what it is worth)."""

WARMUP_STEPS, THAW_STEPS, SHARE_AT_FIRST, LONGEST_AT_FIRST = 40, 120, 0.1, 0.3
"""Steps in which the rate rises, and in which a new head learns alone; what of training they may take."""

WHISPER_ALONE_STEPS, WHISPER_ALONE_SHARE = 60, 0.08
"""The same for Whisper's encoder: without it 140 steps were lost on the blank plateau, with 40 steps 75."""

SHARE_OF_MINUTES_ALONE = 0.2
"""For a new head in a budget of minutes, whose steps nobody knows beforehand: too long costs less than too short."""

WHISPER_RATE, WHISPER_HEAD_RATE = 2e-4, 2e-3
"""Over 64 minutes of Dutch in 9 minutes of two cores, 1e-4 / 2e-3 and 2e-4 / 3e-3 ended alike (27.5, 26.8 % CER)."""

WHISPER_LARGE_RATE, WHISPER_LARGE_HEAD_RATE = 5e-5, 5e-4
"""For Whisper's encoder from medium on; not measured."""

WHISPER_BATCH_S = 24.0
"""Seconds in a step on a CPU; 20 and 40 were alike."""

HEAD_IS_KNOWN = 0.5
"""The share of the characters from which on a head counts as brought along."""

_SMALL_ENCODER = 100e6  # parameters; larger ones are pretrained giants that a high rate would wreck


@dataclass(frozen=True)
class Choice:
    """One decision and why."""

    key: str
    value: object
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """A training clip that is not trained on, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """A recipe, why it is so, which training clips are left out, and how often the others are heard.

    What stays `auto`: on a GPU `data.accumulate`, whose memory is asked, and what `with_beginning` chooses.
    """

    recipe: Recipe
    choices: tuple[Choice, ...]
    unfit: tuple[LeftOut, ...]
    """Clips whose text needs more frames than their sound has: CTC's loss would be infinite."""
    too_long: tuple[LeftOut, ...]
    """Clips longer than the recipe's `data.longest_s`, or than the encoder has positions for."""
    hours: float
    """Training speech, without the clips that are left out."""
    longest_s: float
    """The longest of them."""
    frames_per_label: tuple[float, float]
    """Logit frames for each that CTC needs: in the tightest hundredth of them, and in the middle."""
    repeats: dict[str, float]
    """Language to how often an epoch holds each of its clips; empty where that is once for all."""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        return self.unfit + self.too_long


def make_plan(
    recipe: Recipe,
    corpora: Mixture,
    vocabulary: Vocabulary,
    encoder: str,
    config: PreTrainedConfig,
    device: torch.device,
) -> Plan:
    """Choose; raises `GoamaError` when no training clip is left."""
    chooser = _Chooser(recipe)
    measured, too_long = _of_length(_measured(corpora, vocabulary, config), recipe.data.longest_s, longest_s(config))
    if not measured:
        raise GoamaError(f"{corpora}: no training clip is short enough (the first: {too_long[0].reason})")
    # clips whose text is of another recording must not decide on the frames of the others
    possible, _ = _fitting(type(config).from_dict({**config.to_dict(), "add_adapter": False}), measured)
    adapter = _choose_adapter(chooser, encoder, config, possible or measured)
    config = type(config).from_dict({**config.to_dict(), "add_adapter": adapter})
    measured, unfit = _fitting(config, measured)
    if not measured:
        raise GoamaError(
            f"{corpora}: no training clip has as many frames ({1000 * frame_shift_s(config):.0f} ms each) "
            "as labels; do recordings and transcripts belong together?"
        )
    hours = sum(clip.seconds for clip in measured) / 3600
    _choose_what_learns(chooser, encoder, config)
    _choose_masks(chooser, encoder, config, hours)
    _choose_disguises(chooser, encoder, config, hours)
    _choose_rates(chooser, encoder, config)
    _choose_batches(chooser, encoder, config, device, hours)
    _choose_length(chooser, encoder, config, hours)
    heard = _balance(chooser, measured)
    longest = max(clip.seconds for clip in measured)
    room = _frames_per_label(config, measured)
    return Plan(chooser.recipe, tuple(chooser.choices), unfit, too_long, hours, longest, room, heard)


@dataclass(frozen=True)
class _Measured:
    """A training clip: its input frames, and the logit frames that its labels need."""

    id: str
    language: str
    seconds: float
    frames: int
    needed: int


def _measured(corpora: Mixture, vocabulary: Vocabulary, config: PreTrainedConfig) -> list[_Measured]:
    return [
        _Measured(
            cut.id,
            language_of(cut),
            cut.duration,
            input_frames(config, round(cut.duration * SAMPLE_RATE)),
            max(1, vocabulary.required_frames(cut.supervisions[0].text)),
        )
        for cut in corpora.cuts("train")
    ]


def _of_length(
    measured: Sequence[_Measured], wanted_s: float | None, possible_s: float | None
) -> tuple[list[_Measured], tuple[LeftOut, ...]]:
    """Clips that are short enough for the recipe and for the encoder, and the others."""
    limits = [
        (limit, name)
        for limit, name in (
            (wanted_s, f"data.longest_s = {wanted_s:g}" if wanted_s is not None else ""),
            (possible_s, f"the {possible_s:g} s that this encoder hears at once" if possible_s is not None else ""),
        )
        if limit is not None
    ]
    if not limits:
        return list(measured), ()
    limit, name = min(limits)
    kept = [clip for clip in measured if clip.seconds <= limit]
    too_long = tuple(
        LeftOut(clip.id, f"{clip.seconds:.2f} s, longer than {name}") for clip in measured if clip.seconds > limit
    )
    return kept, too_long


def _fitting(config: PreTrainedConfig, measured: Sequence[_Measured]) -> tuple[list[_Measured], tuple[LeftOut, ...]]:
    available = output_frames(config, torch.tensor([clip.frames for clip in measured])).tolist()
    fitting, unfit = [], []
    for clip, frames in zip(measured, available, strict=True):
        if frames >= clip.needed:
            fitting.append(clip)
        else:
            unfit.append(LeftOut(clip.id, f"its text needs {clip.needed} frames, its sound has {frames}"))
    return fitting, tuple(unfit)


def _frames_per_label(config: PreTrainedConfig, measured: Sequence[_Measured]) -> tuple[float, float]:
    available = output_frames(config, torch.tensor([clip.frames for clip in measured])).numpy()
    tightest, middle = np.percentile(available / np.array([clip.needed for clip in measured]), [1, 50])
    return float(tightest), float(middle)


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


def _choose_adapter(chooser: _Chooser, encoder: str, config: PreTrainedConfig, measured: Sequence[_Measured]) -> bool:
    if hears_waveforms(config) or is_whisper(config):
        if chooser.recipe.model.adapter is True:
            raise GoamaError(f"{encoder}: model.adapter is Wav2Vec2-BERT's; a {config.model_type} encoder has none")
        chooser.choose("model", "adapter", False, f"{1000 * frame_shift_s(config):.0f} ms frames, as pretrained")
        return False
    stride_ms = 1000 * FRAME_SHIFT_S * feature_stride(config)
    halved = type(config).from_dict({**config.to_dict(), "add_adapter": True})
    tightest, middle = _frames_per_label(halved, measured)
    evidence = (
        f"with it {stride_ms * config.adapter_stride:.0f} ms frames: {middle:.1f} frames per label in the middle, "
        f"{tightest:.2f} in the tightest 1 % of clips"
    )
    if stride_ms > 20:
        chooser.choose("model", "adapter", False, f"this encoder's frames are {stride_ms:.0f} ms already; {evidence}")
    elif tightest >= TIGHTEST_WITH_ADAPTER:
        chooser.choose("model", "adapter", True, f"{evidence}: room enough, and half the frames to attend to")
    else:
        chooser.choose("model", "adapter", False, f"{evidence}: under {TIGHTEST_WITH_ADAPTER}, too tight for CTC")
    return bool(chooser.recipe.model.adapter)


def _choose_what_learns(chooser: _Chooser, encoder: str, config: PreTrainedConfig) -> None:
    model = chooser.recipe.model
    if encoder == SCRATCH and (model.lora or model.freeze_encoder is True):
        raise GoamaError(
            f"--encoder {SCRATCH} knows nothing yet: model.lora and model.freeze_encoder need a trained one"
        )
    if model.lora:
        chooser.choose("model", "freeze_encoder", False, "LoRA adapters learn in the encoder's place")
    elif getattr(config, "adapter_attn_dim", None):
        chooser.choose("model", "freeze_encoder", True, "attention adapters learn, their encoder stays: the MMS recipe")
    else:
        chooser.choose("model", "freeze_encoder", False, "an encoder without attention adapters learns itself")


def _choose_masks(chooser: _Chooser, encoder: str, config: PreTrainedConfig, hours: float) -> None:
    """Raw waveforms have no mel bins: what works on these is refused, and frequency masks are left out."""
    time_masks, frequency_masks, why = *MASKS, "as the notebook and others mask"
    if _is_small_pretrained(encoder, config):
        why = "little speech, learnt by heart soon"
        if hours >= FEW_PASSES_H or is_whisper(config):
            time_masks, frequency_masks = LIGHT_MASKS
            why = "a small encoder that hears more speech learns more unmasked"
    chooser.choose("augment", "time_masks_per_s", time_masks, why)
    if not hears_waveforms(config):
        chooser.choose("augment", "frequency_masks", frequency_masks, why)
        return
    augment = chooser.recipe.augment
    mel = ("tempo", "vocal_tract", "band_limit", "frequency_masks")
    wanted = [f"augment.{key}" for key in mel if getattr(augment, key) not in (0, "auto")]
    if wanted:
        raise GoamaError(f"{encoder} hears waveforms: {', '.join(wanted)} works on log-mel features; set it to 0")
    why = "this encoder hears waveforms; SpecAugment masks frames behind its convolutions"
    chooser.choose("augment", "frequency_masks", 0, why)


def _choose_disguises(chooser: _Chooser, encoder: str, config: PreTrainedConfig, hours: float) -> None:
    wears, why = False, "not measured with such an encoder"
    if encoder == SCRATCH:
        why = "a fresh network has enough to learn without it"
    elif _learns_by_heart(encoder, config, hours):
        wears, why = True, "a small pretrained encoder learns little speech by heart: clips that differ each time help"
    elif _is_small_pretrained(encoder, config):
        why = f"over {LITTLE_SPEECH_H:g} h of speech"
    for key, value in DISGUISES.items():
        chooser.choose("augment", key, value if wears else 0.0, why)


def _learns_by_heart(encoder: str, config: PreTrainedConfig, hours: float) -> bool:
    return _is_small_pretrained(encoder, config) and hours <= LITTLE_SPEECH_H


def _is_small_pretrained(encoder: str, config: PreTrainedConfig) -> bool:
    """Of log-mel features, like the starter: what was measured holds for these."""
    return encoder != SCRATCH and _is_small(config) and not hears_waveforms(config)


def _choose_rates(chooser: _Chooser, encoder: str, config: PreTrainedConfig) -> None:
    model = chooser.recipe.model
    if encoder == SCRATCH:
        rate, why = 1e-3, "a small encoder that starts from nothing"
    elif model.lora:
        rate, why = 5e-4, "LoRA adapters begin at nothing: ten times the rate of a whole large encoder"
    elif model.freeze_encoder:
        rate, why = 1e-3, "head and adapters alone, as the MMS recipe trains them"
    elif is_whisper(config):
        rate, why = WHISPER_LARGE_RATE, "a large pretrained encoder: a low rate"
        if _is_small(config):
            rate, why = WHISPER_RATE, "a small Whisper encoder, pretrained on 680,000 hours"
    elif hears_waveforms(config):
        rate, why = 1e-4, "a pretrained encoder of waveforms: between 3e-5 (fairseq) and 3e-4 (XLS-R recipes)"
    elif _is_small(config):
        rate, why = 1e-3, "a small pretrained encoder"
    else:
        rate, why = 5e-5, "a large pretrained encoder: the rate the field fine-tunes Wav2Vec2-BERT with"
    chooser.choose("train", "learning_rate", rate, why)
    rate = float(chooser.recipe.train.learning_rate)
    new = "the head: what is new of it (and a new adapter) starts from random values"
    if encoder == SCRATCH:
        new = "all of it is new"
    head_rate = max(rate, 5e-4) if encoder != SCRATCH else rate
    if is_whisper(config):
        head_rate = max(rate, WHISPER_HEAD_RATE if _is_small(config) else WHISPER_LARGE_HEAD_RATE)
    chooser.choose("train", "head_learning_rate", head_rate, new)
    chooser.choose("train", "layer_decay", 1.0, "no layer is held back: with 0.9 the starter learnt no better")
    if chooser.recipe.train.flat_start not in ("auto", 0) and (hears_waveforms(config) or is_whisper(config)):
        raise GoamaError(
            f"{encoder} is a {config.model_type} encoder: train.flat_start is for Wav2Vec2-BERT's features; set it to 0"
        )
    flat = 0.45 if encoder == SCRATCH else 0.0
    why = "a fresh network would sit on CTC's blank plateau" if flat else "a pretrained encoder finds its own alignment"
    chooser.choose("train", "flat_start", flat, why)


def _is_small(config: PreTrainedConfig) -> bool:
    in_layer = 12 if is_whisper(config) else 24  # h²: a transformer's layer; about what a conformer's has
    return in_layer * config.num_hidden_layers * config.hidden_size**2 < _SMALL_ENCODER


def _choose_batches(
    chooser: _Chooser, encoder: str, config: PreTrainedConfig, device: torch.device, hours: float
) -> None:
    on_cpu = device.type == "cpu"
    if encoder == SCRATCH:
        batch, why = 20.0, "many small steps: they are what leads a fresh network off the blank plateau"
    elif on_cpu and is_whisper(config):
        batch, why = WHISPER_BATCH_S, "many small steps, of which a CPU takes as many seconds a second as of large ones"
    elif on_cpu and _is_small_pretrained(encoder, config):
        batch, why = 20.0, "many small steps teach a small encoder more, and a CPU takes them as fast as large ones"
    else:
        batch, why = (60.0, "CPU") if on_cpu else (240.0, "GPU, as the notebook's 16 x 2 clips")
    eighth = max(5.0, 3600 * hours / 8)
    if eighth < batch:
        batch, why = eighth, "little speech: an eighth of an epoch, but 5 s at least"
    chooser.choose("data", "batch_seconds", round(batch, 1), why)
    if on_cpu:
        chooser.choose("data", "accumulate", 1, "a CPU has memory for a step at once")
    elif asks_for_shards():
        chooser.choose("data", "accumulate", 1, "not tried out under FSDP; more where the GPUs' memory is short")
    cores = max(1, (os.cpu_count() or 1) // processes_here())
    if on_cpu:
        chooser.choose("data", "workers", 0, "training needs every core, and FLAC is read quickly")
    else:
        chooser.choose("data", "workers", max(1, min(8, cores // 2)), f"{cores} cores to feed the GPU")
    if chooser.recipe.train.precision == "fp16" and on_cpu:
        raise GoamaError(
            "train.precision=fp16 is for GPUs, and a run that began in it goes on there only; a CPU computes in bf16, "
            "if it can, or in float32 (no)"
        )
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
        return "bf16", "this CPU computes in bfloat16, about twice as fast as float32"
    return "no", f"float32 on this {device.type.upper()}"


def _cpu_computes_in_bf16() -> bool:
    """AVX-512 BF16 or AMX; elsewhere torch emulates bfloat16, slower than float32."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def _choose_length(chooser: _Chooser, encoder: str, config: PreTrainedConfig, hours: float) -> None:
    """Steps are what the user asked for; minutes are a bound that a small pretrained encoder may not need."""
    train = chooser.recipe.train
    if train.eval_every is None:
        why = f"{EVALUATIONS} evaluations" if not train.flat_start else "from where CTC begins"
        if train.minutes is not None:
            why += ", fewer where they would take over a tenth of the minutes"
        chooser.choices.append(Choice("train.eval_every", "a twelfth of the run", why))
    if train.steps is not None and train.epochs == "auto":
        return
    if _learns_by_heart(encoder, config, hours):
        why = "a small pretrained encoder then knows its training clips by heart"
        passes = FEW_PASSES if hours < FEW_PASSES_H else PASSES
        chooser.choose("train", "epochs", passes, why if train.minutes is None else f"{why}; minutes left are not used")
    elif train.minutes is None or train.epochs != "auto":
        epochs = float(min(60, max(10, round(30 / max(hours, 0.1)))))
        chooser.choose("train", "epochs", epochs, f"{hours:.2f} h of training speech")


def with_beginning(plan: Plan, *, encoder: str, known: float, steps: int | None, is_whisper: bool = False) -> Plan:
    """The plan with how long the rate rises and how long a new head learns alone, once the encoder is loaded.

    `known`: the share of the characters that it brought along in its own head; `steps` bound the run, None where only
    minutes do; `is_whisper`: the encoder is Whisper's, whose new head learns sooner.
    """
    chooser = _Chooser(plan.recipe)
    train, model = plan.recipe.train, plan.recipe.model
    share, why = SHARE_AT_FIRST, "a tenth of training"
    if steps is not None and steps * share < WARMUP_STEPS:
        share = round(min(LONGEST_AT_FIRST, WARMUP_STEPS / steps), 3)
        why = f"{max(1, round(share * steps))} of {steps} steps: fewer would be abrupt"
    chooser.choose("train", "warmup", share, why)
    share = 0.0
    if encoder == SCRATCH:
        why = "all of it is new"
    elif model.freeze_encoder or model.lora:
        why = "what the encoder knows stays as it is anyway"
    elif known >= HEAD_IS_KNOWN:
        why = "the encoder brings a head along"
    else:
        why = "the head is new and learns alone at first; else the network may fall onto the blank plateau"
        alone_steps, alone_share = THAW_STEPS, SHARE_OF_MINUTES_ALONE
        if is_whisper:
            alone_steps, alone_share = WHISPER_ALONE_STEPS, WHISPER_ALONE_SHARE
        share = alone_share if train.minutes is not None else 0.0
        if steps is not None:
            share = max(share, round(min(LONGEST_AT_FIRST, alone_steps / steps), 3))
    chooser.choose("train", "thaw", share, why)
    return replace(plan, recipe=chooser.recipe, choices=(*plan.choices, *chooser.choices))


def _balance(chooser: _Chooser, measured: Sequence[_Measured]) -> dict[str, float]:
    """How often an epoch holds the clips of each language; nothing to decide where there is only one."""
    hours: dict[str, float] = {}
    for clip in measured:
        hours[clip.language] = hours.get(clip.language, 0.0) + clip.seconds / 3600
    if len(hours) < 2:
        return {}
    balance = chooser.recipe.data.balance
    rates, total = repeats(hours, balance), sum(hours.values())
    shares = ", ".join(
        f"{language} {100 * spoken / total:.0f} % -> {100 * spoken * rates[language] / total:.0f} %"
        for language, spoken in sorted(hours.items(), key=lambda item: -item[1])
    )
    chooser.choices.append(Choice("data.balance", balance, f"share of the speech -> of an epoch: {shares}"))
    return rates if balance < 1 else {}
