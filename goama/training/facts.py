"""What the diagnosis has to know of a corpus and a plan, measured once before training begins."""

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
from goama.model.encoder import hears_waveforms
from goama.model.shipped import SCRATCH
from goama.run.recipe import AugmentSection
from goama.text.vocabulary import Vocabulary
from goama.training.plan import DISGUISES, Plan

LISTENED = 100
"""Clips of a split, evenly spread over it, whose level is measured."""


_BATCH_S = 60.0


@dataclass(frozen=True)
class Spread:
    """The tenth, fiftieth and ninetieth percentile over clips."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class SplitFacts:
    """One split; `characters` counts units, `labels_per_s` and `level_db` (of full scale, RMS) are over its clips."""

    clips: int
    characters: dict[str, int]
    labels_per_s: Spread
    level_db: Spread


@dataclass(frozen=True)
class Facts:
    """A corpus and a plan as the diagnosis sees them."""

    from_scratch: bool
    learning_rate: float
    """The recipe's peak rate of what is pretrained."""
    head_learning_rate: float
    """The recipe's peak rate of what is new."""
    flat_start: float
    adapter: bool
    hears_waveforms: bool
    disguises_left: tuple[str, ...]
    """Keys of `plan.DISGUISES` that the recipe leaves at 0, as far as the encoder allows them."""
    warmup: float
    thaw: float
    steps_per_epoch: float
    planned_steps: int | None
    """How many end the run, by steps or epochs; None where only minutes do."""
    steps: int | None
    epochs: float | None
    minutes: float | None
    unfit: tuple[str, ...]
    """Training clips that are left out because their text needs more frames than their sound has."""
    frames_per_label: tuple[float, float]
    """The plan's: in the tightest hundredth of the clips trained on, and in the middle."""
    train: SplitFacts
    dev: SplitFacts


def gather_facts(
    corpora: Mixture,
    vocabulary: Vocabulary,
    plan: Plan,
    config: PreTrainedConfig,
    *,
    encoder: str,
    steps_per_epoch: float,
    planned_steps: int | None,
) -> Facts:
    """Read all texts, and the sound of at most 100 clips a split; `config` is that of the network trained."""
    left_out = {clip.id for clip in plan.left_out}
    cuts = [cut for cut in corpora.cuts("train") if cut.id not in left_out]
    recipe = plan.recipe
    return Facts(
        from_scratch=encoder == SCRATCH,
        learning_rate=float(recipe.train.learning_rate),
        head_learning_rate=float(recipe.train.head_learning_rate),
        flat_start=float(recipe.train.flat_start),
        adapter=bool(recipe.model.adapter),
        hears_waveforms=hears_waveforms(config),
        disguises_left=() if hears_waveforms(config) else _left_at_0(recipe.augment),
        warmup=float(recipe.train.warmup),
        thaw=float(recipe.train.thaw),
        steps_per_epoch=steps_per_epoch,
        planned_steps=planned_steps,
        steps=recipe.train.steps,
        epochs=None if recipe.train.epochs == "auto" else float(recipe.train.epochs),
        minutes=recipe.train.minutes,
        unfit=tuple(clip.id for clip in plan.unfit),
        frames_per_label=plan.frames_per_label,
        train=_split(cuts, vocabulary),
        dev=_split(list(corpora.cuts("dev")), vocabulary),
    )


def _left_at_0(augment: AugmentSection) -> tuple[str, ...]:
    return tuple(key for key in DISGUISES if not getattr(augment, key))


def _split(cuts: Sequence[Any], vocabulary: Vocabulary) -> SplitFacts:
    from lhotse import CutSet

    characters: Counter[str] = Counter()
    rates = []
    for cut in cuts:
        units = vocabulary.segment(cut.supervisions[0].text)
        characters.update(units)
        rates.append(len(units) / cut.duration)
    listened = CutSet.from_cuts(islice(cuts, 0, None, max(1, -(-len(cuts) // LISTENED))))
    heard = ordered_batches(listened, vocabulary, batch_s=_BATCH_S)
    levels = [_level_db(waveform) for batch in heard for waveform in batch.waveforms]
    return SplitFacts(len(cuts), dict(characters), _spread(rates), _spread(levels))


def _level_db(samples: np.ndarray) -> float:
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * np.log10(max(power, 1e-10)) if np.isfinite(power) else -100.0


def _spread(values: Sequence[float]) -> Spread:
    low, middle, high = np.percentile(values, [10, 50, 90])
    return Spread(float(low), float(middle), float(high))
