"""The plan: what the recipe left to `auto` is chosen from speech, encoder and device, each choice with its reason.

`make_plan` decides what the network must be loaded for and which clips are trained on; `complete_plan` the rest, once
the network is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedConfig

from goama.data.balance import repeats
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model.encoder import frame_shift_s, longest_s, with_adapter
from goama.run.folder import Choice, ExcludedClip
from goama.run.recipe import Recipe
from goama.text.vocabulary import Vocabulary
from goama.training.choices import (
    Chooser,
    choose_adapter,
    choose_augmentation,
    choose_batches,
    choose_distillation,
    choose_masks,
    choose_trained_parameters,
)
from goama.training.clip_lengths import (
    ClipLength,
    clip_lengths,
    frames_per_label,
    without_long_clips,
    without_unfit_clips,
)
from goama.training.schedule import Start, choose_first_steps, choose_length, choose_patience, choose_rates


@dataclass(frozen=True)
class Plan:
    """A recipe with the reasons for its values, the clips that are not trained on, and how often the others are."""

    recipe: Recipe
    choices: tuple[Choice, ...]
    unfit: tuple[ExcludedClip, ...]
    """Clips whose text needs more frames than their sound has: their CTC loss would be infinite."""
    too_long: tuple[ExcludedClip, ...]
    """Clips longer than `data.longest_s`, or than the encoder takes at once."""
    hours: float
    """Of training speech, without excluded clips."""
    clips: int
    """The number of those clips."""
    longest_s: float
    """The longest of them."""
    frames_per_label: tuple[float, float]
    """Logits for each that CTC needs: the first percentile over the clips, and the median."""
    repeats: dict[str, float]
    """Language to how often an epoch holds each of its clips; empty if each is there once."""

    @property
    def excluded(self) -> tuple[ExcludedClip, ...]:
        """All clips that are not trained on."""
        return self.unfit + self.too_long

    def with_choice(self, section: str, key: str, value: object, reason: str) -> Plan:
        """The plan with one more key of its recipe chosen."""
        choice = Choice(f"{section}.{key}", value, reason)
        return replace(self, recipe=self.recipe.with_values(section, **{key: value}), choices=(*self.choices, choice))


def make_plan(
    recipe: Recipe,
    corpora: Mixture,
    vocabulary: Vocabulary,
    encoder: str,
    config: PreTrainedConfig,
    device: torch.device,
    *,
    teacher: PreTrainedConfig | None = None,
) -> Plan:
    """The plan before the network is loaded; what is left `auto` is for `complete_plan` and the GPU's memory.

    `teacher`: the configuration of the network to be distilled, if `encoder` is its student.

    Raises `GoamaError` when no training clip is left, or the recipe asks for what the encoder or the device cannot do.
    """
    chooser = Chooser(recipe)
    lengths = clip_lengths(corpora, vocabulary, config)
    limits = [limit for limit in map(longest_s, filter(None, (config, teacher))) if limit is not None]
    clips, too_long = without_long_clips(lengths, recipe.data.longest_s, min(limits, default=None))
    if not clips:
        raise GoamaError(f"{corpora}: no training clip is short enough (the first: {too_long[0].reason})")
    # a clip with the text of another recording must not decide on the frames of the others
    possible, _ = without_unfit_clips(clips, with_adapter(config, False))
    config = with_adapter(config, choose_adapter(chooser, encoder, config, possible or clips))
    if teacher is not None:
        choose_distillation(chooser, encoder, config, teacher)
    reads_texts = teacher is None or chooser.recipe.distil.ctc_weight != 0
    clips, unfit = without_unfit_clips(clips, config) if reads_texts else (clips, ())
    if not clips:
        raise GoamaError(
            f"{corpora}: no training clip has as many frames ({1000 * frame_shift_s(config):.0f} ms each) "
            "as labels; check that the transcripts belong to the recordings"
        )
    hours = sum(clip.seconds for clip in clips) / 3600
    choose_trained_parameters(chooser, encoder, config)
    choose_masks(chooser, encoder, config, hours)
    choose_augmentation(chooser, encoder, config, device, hours)
    choose_batches(chooser, encoder, config, device, hours)
    by_language = _balance(chooser, clips)
    return Plan(
        chooser.recipe,
        tuple(chooser.choices),
        unfit,
        too_long,
        hours,
        len(clips),
        max(clip.seconds for clip in clips),
        frames_per_label(clips, config),
        by_language,
    )


def complete_plan(plan: Plan, *, encoder: str, config: PreTrainedConfig, known: float, steps_per_epoch: float) -> Plan:
    """The plan with learning rates, length, early stopping, warm-up and head-only phase.

    `known` is the share of the characters that the encoder's own CTC head had.
    """
    chooser = Chooser(plan.recipe, plan.choices)
    start = Start(encoder, config, known, plan.hours, plan.clips, steps_per_epoch)
    choose_rates(chooser, start)
    choose_length(chooser, start)
    choose_patience(chooser, start)
    choose_first_steps(chooser, start)
    return replace(plan, recipe=chooser.recipe, choices=tuple(chooser.choices))


def _balance(chooser: Chooser, clips: Sequence[ClipLength]) -> dict[str, float]:
    """How often an epoch holds the clips of each language; empty with a single language."""
    hours: dict[str, float] = {}
    for clip in clips:
        hours[clip.language] = hours.get(clip.language, 0.0) + clip.seconds / 3600
    if len(hours) < 2:
        return {}
    balance = chooser.recipe.data.balance
    rates, total = repeats(hours, balance), sum(hours.values())
    shares = ", ".join(
        f"{language} {100 * spoken / total:.0f} % -> {100 * spoken * rates[language] / total:.0f} %"
        for language, spoken in sorted(hours.items(), key=lambda item: -item[1])
    )
    chooser.note("data", "balance", balance, f"share of the speech -> of an epoch: {shares}")
    return rates if balance < 1 else {}
