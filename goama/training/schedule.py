"""Choices that need the loaded network: learning rates, length, warm-up, head-only phase and early stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass

from transformers import PreTrainedConfig

from goama.model.encoder import is_whisper, takes_waveforms
from goama.model.shipped import SCRATCH
from goama.run.recipe import EVALUATIONS, Recipe
from goama.training.choices import FEW_EPOCHS_H, Chooser, is_large, is_small, overfits

EPOCHS, FEW_EPOCHS = 20.0, 15.0
"""Of a small pretrained encoder: over ten minutes of Dutch 13 were better than 20, over an hour 15 still gained."""

LARGE_STEPS, LARGE_STEPS_H, LARGE_MOST_EPOCHS = 1500, 10.0, 100.0
"""A large encoder takes at least so many steps, up to so many hours of speech, but at most so many epochs."""

LARGE_RATE, LARGE_RATE_MANY_CLIPS, LARGE_RATE_FEW_CLIPS = 5e-5, 1e-4, 3e-5
MANY_CLIPS, FEW_CLIPS = 32, 16
"""A large encoder's rate by the clips of a step: from 32 on, under 16, and between."""

FINE_TUNED_RATE, FINE_TUNED_EPOCHS = 1e-5, 3.0
"""For a large model that was fine-tuned before: its CTC head has every character."""

WHISPER_RATE, WHISPER_HEAD_RATE = 2e-4, 2e-3
"""Over 64 minutes of Dutch in 9 minutes of two cores, 1e-4 / 2e-3 and 2e-4 / 3e-3 ended alike (27.5, 26.8 % CER)."""

PATIENCE, PATIENCE_EPOCHS = 4, 30.0
"""Evaluations without a better dev CER that end a large encoder's run of so many epochs or more."""

WARMUP, WARMUP_STEPS, LARGE_WARMUP_STEPS = 0.1, 40, 100
"""Warm-up as a share of training, and its fewest steps for a small and a large encoder."""

HEAD_ONLY_STEPS, HEAD_ONLY_OF_MINUTES = 120, 0.2
"""Head-only phase in steps; as a share of a run in minutes, whose steps nobody knows (too long costs less)."""

WHISPER_HEAD_ONLY_STEPS, WHISPER_HEAD_ONLY_OF_MINUTES = 60, 0.08
"""The same for a Whisper encoder: without it a new head spent about 140 steps on the blank plateau, with it 75."""

LARGEST_FIRST_SHARE = 0.3
"""The largest share of training for warm-up, and for the head-only phase."""

HEAD_IS_KNOWN = 0.5
"""The share of the characters from which on a head counts as pretrained."""


@dataclass(frozen=True)
class Start:
    """What the loaded network starts from, and how much speech there is."""

    encoder: str
    config: PreTrainedConfig
    known: float
    """The share of the characters that its own CTC head had."""
    hours: float
    clips: int
    """Clips that are trained on."""
    steps_per_epoch: float

    @property
    def is_fine_tuned(self) -> bool:
        """Whether it is a large model whose own CTC head has every character."""
        return is_large(self.encoder, self.config) and self.known >= 1.0


def choose_rates(chooser: Chooser, start: Start) -> None:
    """Choose the learning rates of encoder and head, and layer decay."""
    rate, why = _rate(chooser.recipe, start)
    chooser.choose("train", "learning_rate", rate, why)
    rate = float(chooser.recipe.train.learning_rate)
    if start.encoder == SCRATCH:
        head_rate, why = rate, "all parameters are new"
    elif start.is_fine_tuned:
        head_rate, why = rate, "the head is pretrained as well"
    else:
        least = 5e-4
        if is_whisper(start.config) and is_small(start.config):
            least = WHISPER_HEAD_RATE
        head_rate, why = max(rate, least), "new parameters (head, new adapter) start from random values"
    chooser.choose("train", "head_learning_rate", head_rate, why)
    chooser.choose("train", "layer_decay", 1.0, "the same rate in all layers: with 0.9 the starter learnt no better")


def _rate(recipe: Recipe, start: Start) -> tuple[float, str]:
    """The peak rate of what is pretrained, and the reason."""
    config = start.config
    if start.encoder == SCRATCH:
        return 1e-3, "a small encoder with random weights"
    if recipe.model.lora:
        return 5e-4, "LoRA adapters start at zero: ten times the rate of a whole large encoder"
    if recipe.model.freeze_encoder:
        return 1e-3, "only head and adapters, as the MMS recipe trains them"
    if start.is_fine_tuned:
        return FINE_TUNED_RATE, "its CTC head has every character: a fine-tuned model needs small steps only"
    if takes_waveforms(config):
        return 1e-4, "a pretrained encoder of waveforms: between 3e-5 (fairseq) and 3e-4 (XLS-R recipes)"
    if is_small(config):
        if is_whisper(config):
            return WHISPER_RATE, "a small Whisper encoder, pretrained on 680,000 hours"
        return 1e-3, "a small pretrained encoder"
    clips = start.clips / start.steps_per_epoch
    evidence = f"a large pretrained encoder, {clips:.0f} clips a step: published fine-tuning uses 3e-5 to 1e-4"
    if clips >= MANY_CLIPS:
        return LARGE_RATE_MANY_CLIPS, evidence
    return (LARGE_RATE_FEW_CLIPS if clips < FEW_CLIPS else LARGE_RATE), evidence


def choose_length(chooser: Chooser, start: Start) -> None:
    """Choose epochs: steps and minutes are the user's bounds, which a small pretrained encoder may not need."""
    train, hours = chooser.recipe.train, start.hours
    if train.eval_every is None:
        why = f"{EVALUATIONS} evaluations"
        if train.minutes is not None:
            why += ", fewer where they would take over a tenth of the minutes"
        chooser.note("train", "eval_every", "a twelfth of the run", why)
    if train.steps is not None and train.epochs == "auto":
        return
    if overfits(start.encoder, start.config, hours):
        why = "a small pretrained encoder overfits after that"
        epochs = FEW_EPOCHS if hours < FEW_EPOCHS_H else EPOCHS
        chooser.choose("train", "epochs", epochs, why if train.minutes is None else f"{why}; minutes left are not used")
    elif train.minutes is None or train.epochs != "auto":
        chooser.choose("train", "epochs", *_epochs(start))


def _epochs(start: Start) -> tuple[float, str]:
    speech = f"{start.hours:.2f} h of training speech"
    if start.is_fine_tuned:
        return FINE_TUNED_EPOCHS, f"{speech}; a fine-tuned model overfits soon"
    if not is_large(start.encoder, start.config):
        return float(min(60, max(10, round(30 / max(start.hours, 0.1))))), speech
    if start.hours > LARGE_STEPS_H:
        return 10.0, speech
    needed = math.ceil(10 * LARGE_STEPS / start.steps_per_epoch) / 10
    epochs = min(LARGE_MOST_EPOCHS, max(10.0, needed))
    return epochs, f"{speech}: a large encoder needs {LARGE_STEPS} steps, in at most {LARGE_MOST_EPOCHS:g} epochs"


def choose_patience(chooser: Chooser, start: Start) -> None:
    """Choose after how many evaluations without a better dev CER the run stops; 0 is never."""
    epochs = chooser.recipe.train.epochs
    if is_large(start.encoder, start.config) and epochs != "auto" and epochs >= PATIENCE_EPOCHS:
        why = f"early stopping: the run is long enough to overfit, and a third of it is {PATIENCE} evaluations"
        chooser.choose("train", "patience", PATIENCE, why)
    else:
        chooser.choose("train", "patience", 0, "no early stopping: the last gains come as the rate falls")


def choose_first_steps(chooser: Chooser, start: Start) -> None:
    """Choose warm-up and head-only phase."""
    steps = total_steps(chooser.recipe, start.steps_per_epoch)
    fewest = LARGE_WARMUP_STEPS if is_large(start.encoder, start.config) else WARMUP_STEPS
    share, why = WARMUP, "a tenth of training"
    if steps is not None and steps * share < fewest:
        share = _share_of(fewest, steps)
        why = f"{max(1, round(share * steps))} of {steps} steps: fewer would be abrupt"
    chooser.choose("train", "warmup", share, why)
    share, why = _head_only(chooser.recipe, start, steps)
    chooser.choose("train", "head_only", share, why)


def _head_only(recipe: Recipe, start: Start, steps: int | None) -> tuple[float, str]:
    """0 if the encoder is frozen or its CTC head covers at least half of the vocabulary."""
    if start.encoder == SCRATCH:
        return 0.0, "all parameters are new"
    if recipe.model.freeze_encoder or recipe.model.lora:
        return 0.0, "the encoder is frozen anyway"
    if start.known >= HEAD_IS_KNOWN:
        return 0.0, "the encoder has a CTC head for most characters"
    whisper = is_whisper(start.config)
    fewest, of_minutes = (
        (WHISPER_HEAD_ONLY_STEPS, WHISPER_HEAD_ONLY_OF_MINUTES) if whisper else (HEAD_ONLY_STEPS, HEAD_ONLY_OF_MINUTES)
    )
    share = of_minutes if recipe.train.minutes is not None else 0.0
    if steps is not None:
        share = max(share, _share_of(fewest, steps))
    return share, "the head is new: the encoder is frozen at first, else the network may fall onto the blank plateau"


def _share_of(part: int, steps: int) -> float:
    return round(min(LARGEST_FIRST_SHARE, part / steps), 3)


def total_steps(recipe: Recipe, steps_per_epoch: float) -> int | None:
    """The steps after which the recipe ends a run; None if only minutes bound it."""
    bounds = [] if recipe.train.steps is None else [recipe.train.steps]
    if recipe.train.epochs != "auto":
        bounds.append(max(1, math.ceil(recipe.train.epochs * steps_per_epoch)))
    return min(bounds, default=None)
