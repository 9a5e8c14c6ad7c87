"""What training does to features: other tempos, other vocal tracts, telephones, and SpecAugment's masks.

All of it works on log-mel features on their device; `generator` lives on the CPU, so that a seed means the
same everywhere.
"""

from __future__ import annotations

import torch

from goama.acoustics.log_mel import MEL_BINS, hertz_of_bins, mel

_LOWEST_CUT_OFF_HZ, _HIGHEST_CUT_OFF_HZ = 3400.0, 7600.0


def change_tempo(
    features: torch.Tensor, mask: torch.Tensor, generator: torch.Generator, widest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Speak up to `widest` (a share) slower or faster, at the same pitch: one tempo for the whole batch.

    features (B, T, 80·stride), mask (B, T) bool; returns both with another T. A clip keeps at least one frame.
    """
    batch, frames, width = features.shape
    factor = 1.0 + widest * (2.0 * float(torch.rand((), generator=generator)) - 1.0)
    changed = max(1, round(frames * factor))
    stride = width // MEL_BINS
    by_frame = features.reshape(batch, frames * stride, MEL_BINS).transpose(1, 2)
    stretched = torch.nn.functional.interpolate(by_frame, size=changed * stride, mode="linear")
    lengths = (mask.sum(1) * changed // frames).clamp_min(1)
    mask = torch.arange(changed, device=features.device) < lengths[:, None]
    return stretched.transpose(1, 2).reshape(batch, changed, width) * mask[..., None], mask


def warp_bands(features: torch.Tensor, generator: torch.Generator, widest: float) -> torch.Tensor:
    """Scale each clip's frequencies by its own factor within 1 ± `widest`: another vocal tract's length.

    (Vocal tract length perturbation, Jaitly and Hinton 2013, on the mel bins.)
    """
    batch, frames, width = features.shape
    factors = 1.0 + widest * (2.0 * torch.rand(batch, 1, generator=generator) - 1.0)
    hertz = hertz_of_bins()
    lowest, highest = mel(hertz[0]), mel(hertz[-1])
    place = (mel(hertz * factors) - lowest) / (highest - lowest) * (MEL_BINS - 1)
    place = place.clamp(0, MEL_BINS - 1).float()  # (B, 80): where each bin now listens
    weights = (1.0 - (place[:, None, :] - torch.arange(MEL_BINS)[None, :, None]).abs()).clamp_min(0.0)
    by_frame = features.reshape(batch, frames * (width // MEL_BINS), MEL_BINS)
    return (by_frame @ weights.to(features.device)).reshape(batch, frames, width)


def limit_band(features: torch.Tensor, mask: torch.Tensor, generator: torch.Generator, share: float) -> torch.Tensor:
    """A `share` of the clips loses what lies above a cut-off between 3.4 and 7.6 kHz.

    What is left there is noise of some strength, as the normalisation by bin makes it of a recording that
    was sampled at a lower rate.
    """
    batch, _, width = features.shape
    chosen = torch.rand(batch, generator=generator) < share
    cut_off = torch.rand(batch, generator=generator)
    cut_off = _LOWEST_CUT_OFF_HZ + (_HIGHEST_CUT_OFF_HZ - _LOWEST_CUT_OFF_HZ) * cut_off
    strength = torch.rand(batch, 1, 1, generator=generator)
    lost = chosen[:, None] & (hertz_of_bins()[None, :] > cut_off[:, None])
    noise = (torch.randn(features.shape, generator=generator) * strength).to(features.device)
    bands = lost.repeat(1, width // MEL_BINS)[:, None, :].to(features.device)
    return torch.where(bands, noise, features) * mask[..., None]


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
    clips keep most of their frames.
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
