"""Facts about the corpora and the plan that the diagnosis needs, measured once before training begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from transformers import PreTrainedConfig

from goama.data.batches import ordered_batches
from goama.data.mixture import Mixture
from goama.model.encoder import takes_waveforms
from goama.model.shipped import SCRATCH
from goama.run.recipe import AugmentSection
from goama.text.vocabulary import Vocabulary
from goama.training.choices import AUGMENTATION
from goama.training.plan import Plan
from goama.training.schedule import total_steps

MEASURED_CLIPS = 100
"""Clips of a split, evenly spread over it, whose level is measured."""

_BATCH_S = 60.0


@dataclass(frozen=True)
class Spread:
    """The tenth, fiftieth and ninetieth percentile over clips."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class SplitFacts:
    """A split: how often it has each unit of the vocabulary, and labels per second and level (dB RMS) of its clips."""

    clips: int
    characters: dict[str, int]
    labels_per_s: Spread
    level_db: Spread


@dataclass(frozen=True)
class Facts:
    """The corpora and the plan as the diagnosis sees them."""

    from_scratch: bool
    learning_rate: float
    """The recipe's peak rate of pretrained parameters."""
    head_learning_rate: float
    """The recipe's peak rate of new parameters."""
    adapter: bool
    takes_waveforms: bool
    """Whether the encoder takes raw waveforms, for which there is less augmentation."""
    augmentation_off: tuple[str, ...]
    """Keys of the recipe's `augment` that are 0 though the encoder allows them."""
    warmup: float
    head_only: float
    """The share of the steps in which only the new head learns."""
    steps_per_epoch: float
    planned_steps: int | None
    """Steps after which the run ends, by steps or epochs; None where only minutes bound it."""
    steps: int | None
    epochs: float | None
    minutes: float | None
    unfit: tuple[str, ...]
    """Training clips that are excluded because their text needs more frames than their sound has."""
    frames_per_label: tuple[float, float]
    """Frames for each that CTC needs: in the tightest hundredth of the clips trained on, and the median."""
    train: SplitFacts
    dev: SplitFacts


def gather_facts(
    corpora: Mixture, vocabulary: Vocabulary, plan: Plan, config: PreTrainedConfig, steps_per_epoch: float
) -> Facts:
    """The facts; reads all texts and the audio of up to 100 clips a split. `config` is that of the trained network."""
    excluded = {clip.id for clip in plan.excluded}
    cuts = [cut for cut in corpora.cuts("train") if cut.id not in excluded]
    recipe = plan.recipe
    return Facts(
        from_scratch=recipe.model.encoder == SCRATCH,
        learning_rate=float(recipe.train.learning_rate),
        head_learning_rate=float(recipe.train.head_learning_rate),
        adapter=bool(recipe.model.adapter),
        takes_waveforms=takes_waveforms(config),
        augmentation_off=() if takes_waveforms(config) else _left_at_0(recipe.augment),
        warmup=float(recipe.train.warmup),
        head_only=float(recipe.train.head_only),
        steps_per_epoch=steps_per_epoch,
        planned_steps=total_steps(recipe, steps_per_epoch),
        steps=recipe.train.steps,
        epochs=None if recipe.train.epochs == "auto" else float(recipe.train.epochs),
        minutes=recipe.train.minutes,
        unfit=tuple(clip.id for clip in plan.unfit),
        frames_per_label=plan.frames_per_label,
        train=_split(cuts, vocabulary),
        dev=_split(list(corpora.cuts("dev")), vocabulary),
    )


def _left_at_0(augment: AugmentSection) -> tuple[str, ...]:
    return tuple(key for key in AUGMENTATION if not getattr(augment, key))


def _split(cuts: Sequence[Any], vocabulary: Vocabulary) -> SplitFacts:
    from lhotse import CutSet

    characters: Counter[str] = Counter()
    rates = []
    for cut in cuts:
        units = vocabulary.segment(cut.supervisions[0].text)
        characters.update(units)
        rates.append(len(units) / cut.duration)
    measured = CutSet.from_cuts(islice(cuts, 0, None, max(1, -(-len(cuts) // MEASURED_CLIPS))))
    batches = ordered_batches(measured, vocabulary, batch_s=_BATCH_S)
    levels = [_level_db(waveform) for batch in batches for waveform in batch.waveforms]
    return SplitFacts(len(cuts), dict(characters), _spread(rates), _spread(levels))


def _level_db(samples: np.ndarray) -> float:
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * np.log10(max(power, 1e-10)) if np.isfinite(power) else -100.0


def _spread(values: Sequence[float]) -> Spread:
    low, median, high = np.percentile(values, [10, 50, 90])
    return Spread(float(low), float(median), float(high))
