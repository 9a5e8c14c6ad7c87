"""Which training clips can be trained on: those of the right length whose labels fit into their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedConfig

from goama.data.balance import language_of
from goama.data.mixture import Mixture
from goama.model.encoder import input_frames, output_frames
from goama.run.folder import ExcludedClip
from goama.sound.audio import SAMPLE_RATE
from goama.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class ClipLength:
    """A training clip: its seconds, its frames as the network's input, and the logits that CTC needs for its labels."""

    id: str
    language: str
    seconds: float
    frames: int
    needed: int


def clip_lengths(corpora: Mixture, vocabulary: Vocabulary, config: PreTrainedConfig) -> list[ClipLength]:
    """The lengths of all training clips, from the manifests; no audio is read."""
    return [
        ClipLength(
            cut.id,
            language_of(cut),
            cut.duration,
            input_frames(config, round(cut.duration * SAMPLE_RATE)),
            max(1, vocabulary.required_frames(cut.supervisions[0].text)),
        )
        for cut in corpora.cuts("train")
    ]


def without_long_clips(
    clips: Sequence[ClipLength], wanted_s: float | None, possible_s: float | None
) -> tuple[list[ClipLength], tuple[ExcludedClip, ...]]:
    """The clips that are short enough for the recipe (`wanted_s`) and the encoder (`possible_s`), and the others."""
    limits = []
    if wanted_s is not None:
        limits.append((wanted_s, f"data.longest_s = {wanted_s:g}"))
    if possible_s is not None:
        limits.append((possible_s, f"the {possible_s:g} s that this encoder takes at once"))
    if not limits:
        return list(clips), ()
    limit, name = min(limits)
    kept = [clip for clip in clips if clip.seconds <= limit]
    too_long = tuple(
        ExcludedClip(clip.id, f"{clip.seconds:.2f} s, longer than {name}") for clip in clips if clip.seconds > limit
    )
    return kept, too_long


def without_unfit_clips(
    clips: Sequence[ClipLength], config: PreTrainedConfig
) -> tuple[list[ClipLength], tuple[ExcludedClip, ...]]:
    """The clips that CTC can align, and those whose labels need more frames than the network gives."""
    fitting, unfit = [], []
    for clip, frames in zip(clips, _logits(clips, config).tolist(), strict=True):
        if frames >= clip.needed:
            fitting.append(clip)
        else:
            unfit.append(ExcludedClip(clip.id, f"its text needs {clip.needed} frames, its sound has {frames}"))
    return fitting, tuple(unfit)


def frames_per_label(clips: Sequence[ClipLength], config: PreTrainedConfig) -> tuple[float, float]:
    """Logits for each that CTC needs: the first percentile over the clips, and the median."""
    tightest, median = np.percentile(_logits(clips, config) / np.array([clip.needed for clip in clips]), [1, 50])
    return float(tightest), float(median)


def _logits(clips: Sequence[ClipLength], config: PreTrainedConfig) -> np.ndarray:
    return output_frames(config, torch.tensor([clip.frames for clip in clips])).numpy()
