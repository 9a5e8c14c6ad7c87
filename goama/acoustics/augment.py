"""SpecAugment (Park et al. 2019): bands of frequency and stretches of time are hidden while training."""

from __future__ import annotations

import torch

from goama.acoustics.log_mel import MEL_BINS


def spec_augment(
    features: torch.Tensor,
    mask: torch.Tensor,
    generator: torch.Generator,
    *,
    time_masks_per_s: float,
    longest_time_mask_s: float,
    frequency_masks: int,
    widest_frequency_mask: int,
    frame_shift_s: float,
) -> torch.Tensor:
    """Return features (B, T, 80·stride) with masked parts set to 0, the mean of every bin.

    The number of time masks follows each clip's own length, and none is longer than a fifth of it: short
    clips keep most of their frames. `generator` lives on the CPU, so that a seed means the same everywhere.
    """
    batch, frames, width = features.shape
    lengths = mask.sum(1).cpu()
    hidden = torch.zeros(batch, frames, dtype=torch.bool)
    silenced = torch.zeros(batch, MEL_BINS, dtype=torch.bool)
    longest = max(1, round(longest_time_mask_s / frame_shift_s))
    for clip, length in enumerate(lengths.tolist()):
        expected = time_masks_per_s * length * frame_shift_s
        count = int(expected) + int(torch.rand((), generator=generator) < expected % 1)
        limit = max(1, min(longest, length // 5))
        for start, size in _spans(count, length, limit, generator):
            hidden[clip, start : start + size] = True
        for start, size in _spans(frequency_masks, MEL_BINS, widest_frequency_mask, generator):
            silenced[clip, start : start + size] = True
    bands = silenced.repeat(1, width // MEL_BINS)[:, None, :]
    return features.masked_fill((hidden[..., None] | bands).to(features.device), 0.0)


def _spans(count: int, length: int, longest: int, generator: torch.Generator) -> list[tuple[int, int]]:
    spans = []
    for _ in range(count):
        size = int(torch.randint(1, longest + 1, (), generator=generator))
        start = int(torch.randint(0, max(1, length - size + 1), (), generator=generator))
        spans.append((start, size))
    return spans
