"""Choices that follow from encoder, speech and device alone: adapter, trained parameters, augmentation, batches."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import torch
from transformers import PreTrainedConfig

from goama.audit.encoder_frames import ADAPTER_UP_TO_MS
from goama.audit.pairs import TIGHT_FRAMES_PER_LABEL
from goama.errors import GoamaError
from goama.model.encoder import feature_stride, frame_shift_s, is_whisper, takes_waveforms, with_adapter
from goama.model.precision import choose_precision
from goama.model.shipped import SCRATCH
from goama.run.folder import Choice
from goama.run.processes import fsdp_requested, processes_here
from goama.run.recipe import Recipe
from goama.sound.log_mel import FRAME_SHIFT_S
from goama.training.clip_lengths import ClipLength, frames_per_label

LITTLE_SPEECH_H = 2.0
"""Up to so many hours a small pretrained encoder overfits, and clips are augmented to differ each time."""

FEW_EPOCHS_H = 0.5
"""Under so many hours it overfits sooner still: fewer epochs, more masks."""

MASKS, LIGHT_MASKS = (0.5, 2), (0.2, 1)
"""SpecAugment: time masks per second, and frequency masks per clip."""

CTC_WEIGHT, HIDDEN_WEIGHT = 0.5, 1.0
"""In distillation, beside 1 for the divergence from the teacher's posteriors; not measured by goama."""

AUGMENTATION = {"tempo": 0.1, "vocal_tract": 0.1, "reverb": 0.3}
"""Augmentation besides SpecAugment (docs/recipe.md: what each setting is worth)."""

AUGMENTED_EPOCHS = 4.5
"""From so many epochs on augmentation pays for a Whisper encoder: on an hour of Dutch both were equal there."""

_WHISPER_SPEED = 25.0  # seconds of speech that the starter is trained on in a second of one core
_SMALL_ENCODER = 100e6  # parameters; larger pretrained encoders need a low learning rate
_CPU_BATCH_S, _GPU_BATCH_S, _SMALL_STEP_S, _WHISPER_STEP_S = 60.0, 240.0, 20.0, 24.0


class Chooser:
    """Fills keys that are `auto` and records the reasons; a key that the user set stays. State: recipe and choices."""

    def __init__(self, recipe: Recipe, choices: Sequence[Choice] = ()):
        self.recipe = recipe
        self.choices = list(choices)

    def choose(self, section: str, key: str, value: object, reason: str) -> None:
        """Set the key if it is `auto`, and record its value with the reason."""
        current = getattr(getattr(self.recipe, section), key)
        if current == "auto":
            self.recipe = self.recipe.with_values(section, **{key: value})
            self.note(section, key, value, reason)
        else:
            self.note(section, key, current, "set in the recipe")

    def note(self, section: str, key: str, value: object, reason: str) -> None:
        """Record a value with its reason, without setting it."""
        self.choices.append(Choice(f"{section}.{key}", value, reason))


def is_small(config: PreTrainedConfig) -> bool:
    """Whether the encoder has fewer than 100 million parameters."""
    in_layer = 12 if is_whisper(config) else 24  # times h²: a transformer layer; about what a conformer layer has
    return in_layer * config.num_hidden_layers * config.hidden_size**2 < _SMALL_ENCODER


def is_small_pretrained(encoder: str, config: PreTrainedConfig) -> bool:
    """Whether it is a small encoder of log-mel features, like the starter: goama's measurements hold for these."""
    return encoder != SCRATCH and is_small(config) and not takes_waveforms(config)


def is_large(encoder: str, config: PreTrainedConfig) -> bool:
    """Whether it is a large pretrained encoder."""
    return encoder != SCRATCH and not is_small(config)


def overfits(encoder: str, config: PreTrainedConfig, hours: float) -> bool:
    """Whether a small pretrained encoder overfits so little speech."""
    return is_small_pretrained(encoder, config) and hours <= LITTLE_SPEECH_H


def choose_adapter(chooser: Chooser, encoder: str, config: PreTrainedConfig, clips: Sequence[ClipLength]) -> bool:
    """Whether Wav2Vec2-BERT gets its stride-2 adapter. Raises `GoamaError` if another encoder is asked for one."""
    if takes_waveforms(config) or is_whisper(config):
        if chooser.recipe.model.adapter is True:
            raise GoamaError(f"{encoder}: model.adapter is Wav2Vec2-BERT's; a {config.model_type} encoder has none")
        chooser.choose("model", "adapter", False, f"{1000 * frame_shift_s(config):.0f} ms frames, as pretrained")
        return False
    stride_ms = 1000 * FRAME_SHIFT_S * feature_stride(config)
    tightest, median = frames_per_label(clips, with_adapter(config, True))
    evidence = (
        f"with it {stride_ms * config.adapter_stride:.0f} ms frames: median {median:.1f} frames per label, "
        f"{tightest:.2f} in the tightest 1 % of clips"
    )
    if stride_ms > ADAPTER_UP_TO_MS:
        chooser.choose("model", "adapter", False, f"this encoder's frames are {stride_ms:.0f} ms already; {evidence}")
    elif tightest >= TIGHT_FRAMES_PER_LABEL:
        chooser.choose("model", "adapter", True, f"{evidence}: enough, and half the frames to attend to")
    else:
        chooser.choose("model", "adapter", False, f"{evidence}: under {TIGHT_FRAMES_PER_LABEL}, too tight for CTC")
    return bool(chooser.recipe.model.adapter)


def choose_trained_parameters(chooser: Chooser, encoder: str, config: PreTrainedConfig) -> None:
    """Choose `model.freeze_encoder`. Raises `GoamaError` if a new network is to be frozen or to get LoRA."""
    model = chooser.recipe.model
    if encoder == SCRATCH and (model.lora or model.freeze_encoder is True):
        raise GoamaError(
            f"--encoder {SCRATCH} knows nothing yet: model.lora and model.freeze_encoder need a trained one"
        )
    if model.lora:
        chooser.choose("model", "freeze_encoder", False, "LoRA adapters are trained in the encoder's place")
    elif getattr(config, "adapter_attn_dim", None):
        chooser.choose("model", "freeze_encoder", True, "only attention adapters and head are trained: the MMS recipe")
    else:
        chooser.choose("model", "freeze_encoder", False, "it has no attention adapters, so all of it is trained")


def choose_masks(chooser: Chooser, encoder: str, config: PreTrainedConfig, hours: float) -> None:
    """Choose SpecAugment's masks. Raises `GoamaError` for augmentation of mel bins that the encoder does not have."""
    (time_masks, frequency_masks), why = MASKS, "a new network: masks against overfitting"
    if takes_waveforms(config):
        why = "time masks, as wav2vec 2.0 is fine-tuned with"
    elif is_small_pretrained(encoder, config):
        why = "little speech: masks against overfitting"
        if hours >= FEW_EPOCHS_H or is_whisper(config):
            time_masks, frequency_masks = LIGHT_MASKS
            why = "a small pretrained encoder learns more from lightly masked speech"
    elif encoder != SCRATCH:
        time_masks, frequency_masks = LIGHT_MASKS
        why = "light masks: published fine-tuning of large encoders masks little or not at all; not measured by goama"
    chooser.choose("augment", "time_masks_per_s", time_masks, why)
    if not takes_waveforms(config):
        chooser.choose("augment", "frequency_masks", frequency_masks, why)
        return
    augment = chooser.recipe.augment
    mel = ("tempo", "vocal_tract", "band_limit", "frequency_masks")
    wanted = [f"augment.{key}" for key in mel if getattr(augment, key) not in (0, "auto")]
    if wanted:
        raise GoamaError(f"{encoder} takes raw waveforms: {', '.join(wanted)} works on log-mel features; set it to 0")
    why = "this encoder takes raw waveforms; SpecAugment masks frames after its convolutions"
    chooser.choose("augment", "frequency_masks", 0, why)


def choose_augmentation(
    chooser: Chooser, encoder: str, config: PreTrainedConfig, device: torch.device, hours: float
) -> None:
    """Choose tempo, vocal tract and reverberation."""
    is_used, why = False, "not measured with such an encoder"
    if encoder == SCRATCH:
        why = "a new network has enough to learn without it"
    elif is_whisper(config) and (epochs := epochs_in_minutes(chooser.recipe, device, hours)) < AUGMENTED_EPOCHS:
        why = f"about {epochs:.1f} epochs in these minutes: a Whisper encoder learns more from clips as they are"
    elif overfits(encoder, config, hours):
        is_used, why = True, "a small pretrained encoder overfits little speech: clips that differ each time help"
    elif is_small_pretrained(encoder, config):
        why = f"over {LITTLE_SPEECH_H:g} h of speech"
    for key, value in AUGMENTATION.items():
        chooser.choose("augment", key, value if is_used else 0.0, why)


def epochs_in_minutes(recipe: Recipe, device: torch.device, hours: float) -> float:
    """About how often a CPU hears all clips in `train.minutes`; infinite on a GPU and where no minutes are set."""
    if recipe.train.minutes is None or device.type != "cpu":
        return math.inf
    return 60 * recipe.train.minutes * torch.get_num_threads() * _WHISPER_SPEED / (3600 * hours)


def choose_batches(
    chooser: Chooser, encoder: str, config: PreTrainedConfig, device: torch.device, hours: float
) -> None:
    """Choose batch size, parts of a step, readers and precision. Raises `GoamaError` for fp16 on a CPU."""
    on_cpu = device.type == "cpu"
    if encoder == SCRATCH:
        batch, why = _SMALL_STEP_S, "many small steps: they lead a new network off the blank plateau"
    elif on_cpu and is_whisper(config):
        batch, why = _WHISPER_STEP_S, "many small steps, which a CPU computes as fast as large ones"
    elif on_cpu and is_small_pretrained(encoder, config):
        batch, why = _SMALL_STEP_S, "many small steps teach a small encoder more, and a CPU is as fast with them"
    else:
        batch, why = (_CPU_BATCH_S, "CPU") if on_cpu else (_GPU_BATCH_S, "GPU, as the notebook's 16 x 2 clips")
    eighth = max(5.0, 3600 * hours / 8)
    if eighth < batch:
        batch, why = eighth, "little speech: an eighth of an epoch, but 5 s at least"
    chooser.choose("data", "batch_seconds", round(batch, 1), why)
    if on_cpu:
        chooser.choose("data", "accumulate", 1, "a CPU has memory for a whole step")
    elif fsdp_requested():
        chooser.choose("data", "accumulate", 1, "not tried out under FSDP; raise it if the GPUs' memory is short")
    cores = max(1, (os.cpu_count() or 1) // processes_here())
    if on_cpu:
        chooser.choose("data", "workers", 0, "training uses every core, and FLAC is fast to read")
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


def choose_distillation(chooser: Chooser, encoder: str, config: PreTrainedConfig, teacher: PreTrainedConfig) -> None:
    """Choose what a student learns beside its teacher's posteriors.

    Raises `GoamaError` if its hidden states are to be compared though its frames are longer or shorter.
    """
    ours, theirs = 1000 * frame_shift_s(config), 1000 * frame_shift_s(teacher)
    frames = f"frames of {ours:.0f} ms, the teacher's {theirs:.0f} ms"
    differ = abs(ours - theirs) > 1e-6
    if differ and chooser.recipe.distil.hidden_weight not in (0, "auto"):
        raise GoamaError(f"{encoder} has {frames}: hidden states cannot be compared; set distil.hidden_weight to 0")
    resampled = f"{frames}: posteriors are resampled" if differ else f"{frames}: posteriors are taken as they are"
    chooser.note("distil", "temperature", chooser.recipe.distil.temperature, resampled)
    why = "transcripts correct the teacher's errors; at 0 they would not be used"
    chooser.choose("distil", "ctc_weight", CTC_WEIGHT, why)
    if differ:
        chooser.choose("distil", "hidden_weight", 0.0, f"{frames}: hidden states cannot be compared")
    else:
        chooser.choose("distil", "hidden_weight", HIDDEN_WEIGHT, f"{frames}: hidden states can be compared")
