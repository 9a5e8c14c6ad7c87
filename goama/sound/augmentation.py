"""Augmentation of training clips: reverberation, tempo, vocal tract length, bandwidth, and SpecAugment.

Reverberation works on waveforms, the rest on log-mel features on their device. Each clip has its own random generator
on the CPU, so the augmentation of a clip depends only on the seed and its id, not on its batch, process or device.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch

from goama.sound.audio import SAMPLE_RATE
from goama.sound.log_mel import MEL_BINS, hertz_of_bins, mel

_SHORTEST_RT60_S, _LONGEST_RT60_S = 0.1, 0.8  # a furnished room, a hall
_LOWEST_DRR_DB, _HIGHEST_DRR_DB = 0.0, 15.0  # direct-to-reverberant ratio: far from the microphone, close to it
_FIRST_REFLECTION_S = 0.003
_LOWEST_CUT_OFF_HZ, _HIGHEST_CUT_OFF_HZ = 3400.0, 7600.0


def generators(seed: int, clip_ids: Sequence[str]) -> list[torch.Generator]:
    """One random generator for each clip."""
    return [torch.Generator().manual_seed(_seed_of(seed, clip_id)) for clip_id in clip_ids]


def _seed_of(seed: int, clip_id: str) -> int:
    digest = hashlib.blake2b(f"{seed} {clip_id}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def reverberate(
    waveforms: Sequence[np.ndarray], generators: Sequence[torch.Generator], share: float
) -> tuple[np.ndarray, ...]:
    """Convolves a random `share` of the clips with a synthetic room impulse response; length and timing do not change.

    waveforms: (N,) float32 at 16 kHz each. The impulse response is the direct sound followed by exponentially decaying
    noise (Moorer 1979, Polack's model): RT60 0.1 to 0.8 s, direct-to-reverberant ratio 0 to 15 dB.
    """
    return tuple(
        _reverberated(waveform, generator) if float(torch.rand((), generator=generator)) < share else waveform
        for waveform, generator in zip(waveforms, generators, strict=True)
    )


def _reverberated(waveform: np.ndarray, generator: torch.Generator) -> np.ndarray:
    rt60, drr = torch.rand(2, generator=generator).tolist()
    rt60_s = _SHORTEST_RT60_S + (_LONGEST_RT60_S - _SHORTEST_RT60_S) * rt60
    drr_db = _LOWEST_DRR_DB + (_HIGHEST_DRR_DB - _LOWEST_DRR_DB) * drr
    samples = round(rt60_s * SAMPLE_RATE)
    decay = torch.exp(-math.log(1000) / samples * torch.arange(samples))
    response = torch.randn(samples, generator=generator) * decay
    response[: round(_FIRST_REFLECTION_S * SAMPLE_RATE)] = 0.0
    response *= 10 ** (-drr_db / 20) / response.norm()
    response[0] = 1.0
    size = 1 << (len(waveform) + samples - 1).bit_length()
    spectrum = torch.fft.rfft(torch.as_tensor(waveform), size) * torch.fft.rfft(response, size)
    return torch.fft.irfft(spectrum, size)[: len(waveform)].numpy()


def change_tempo(
    features: torch.Tensor,
    mask: torch.Tensor,
    generators: Sequence[torch.Generator],
    widest: float,
    needed: torch.Tensor,
    bins: int = MEL_BINS,
    most: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and mask with the tempo of each clip changed by up to ±`widest`, at the same pitch.

    features (B, T, bins·stride), mask (B, T) bool; the result has another T. `needed` (B,): frames that the labels of
    each clip need; no clip becomes shorter than that, and none longer than `most` frames.
    """
    width = features.shape[2]
    lengths = mask.sum(1).tolist()
    clips = []
    for clip, length, fewest, generator in zip(features, lengths, needed.tolist(), generators, strict=True):
        drawn = round(length * (1.0 + widest * (2.0 * float(torch.rand((), generator=generator)) - 1.0)))
        changed = max(min(drawn, most or drawn), min(int(fewest), length), 1)
        by_frame = clip[:length].reshape(1, -1, bins).transpose(1, 2)
        stretched = torch.nn.functional.interpolate(by_frame, size=changed * (width // bins), mode="linear")
        clips.append(stretched.transpose(1, 2).reshape(changed, width))
    kept = torch.tensor([len(clip) for clip in clips], device=features.device)
    padded = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    return padded, torch.arange(padded.shape[1], device=features.device) < kept[:, None]


def warp_bands(
    features: torch.Tensor, generators: Sequence[torch.Generator], widest: float, hertz: np.ndarray | None = None
) -> torch.Tensor:
    """Features with the frequencies of each clip scaled by a random factor within 1 ± `widest`.

    features (B, T, bins·stride); `hertz` (bins,): centres of the bins, by default those of `LogMel`. This is vocal
    tract length perturbation (Jaitly and Hinton 2013) on the mel bins.
    """
    batch, frames, width = features.shape
    drawn = torch.cat([torch.rand(1, 1, generator=generator) for generator in generators])
    factors = 1.0 + widest * (2.0 * drawn - 1.0)
    hertz = hertz_of_bins() if hertz is None else hertz
    bins = len(hertz)
    places = np.interp(mel(hertz * factors.numpy()), mel(hertz), np.arange(bins))
    position = torch.from_numpy(places).float()  # (B, bins): the old bin that each new bin reads
    weights = (1.0 - (position[:, None, :] - torch.arange(bins)[None, :, None]).abs()).clamp_min(0.0)
    by_frame = features.reshape(batch, frames * (width // bins), bins)
    return (by_frame @ weights.to(features.device)).reshape(batch, frames, width)


def limit_band(
    features: torch.Tensor,
    mask: torch.Tensor,
    generators: Sequence[torch.Generator],
    share: float,
    hertz: np.ndarray | None = None,
    silence: torch.Tensor | None = None,
) -> torch.Tensor:
    """Features in which a random `share` of the clips is low-pass filtered at a cut-off between 3.4 and 7.6 kHz.

    features (B, T, bins·stride), already normalised by clip and bin. Below the cut-off, filtering after the
    normalisation changes nothing, because each bin is normalised by itself. Above it, a real recording at a lower rate
    has either conversion noise, which the normalisation scales to a deviation of 1, or digital silence, which stays 0.
    So these bins are replaced by noise with a random deviation between 0 and 1.

    Features that are not normalised by bin (Whisper) need `silence` (B,), the value of each clip for digital silence;
    `hertz` (bins,): centres of the bins, by default those of `LogMel`.
    """
    width = features.shape[2]
    centres = torch.from_numpy(hertz_of_bins() if hertz is None else hertz)
    limited = features.clone()
    for row, (clip, length, generator) in enumerate(zip(limited, mask.sum(1).tolist(), generators, strict=True)):
        chance, height, deviation = torch.rand(3, generator=generator).tolist()
        if chance >= share:
            continue
        cut_off = _LOWEST_CUT_OFF_HZ + (_HIGHEST_CUT_OFF_HZ - _LOWEST_CUT_OFF_HZ) * height
        above = (centres > cut_off).repeat(width // len(centres))
        if silence is not None:
            clip[:length, above.to(features.device)] = silence[row]
            continue
        noise = torch.randn(length, int(above.sum()), generator=generator) * deviation
        clip[:length, above.to(features.device)] = noise.to(features.device)
    return limited


def spec_augment(
    features: torch.Tensor,
    mask: torch.Tensor,
    generators: Sequence[torch.Generator],
    *,
    time_masks_per_s: float,
    longest_time_mask_s: float,
    frequency_masks: int,
    widest_frequency_mask: int,
    frame_shift_s: float,
    bins: int = MEL_BINS,
) -> torch.Tensor:
    """Features (B, T, bins·stride) with masked parts set to 0, the mean of every bin (SpecAugment, Park et al. 2019).

    The number of time masks is proportional to the clip's length, and no mask is longer than a fifth of it, so that
    short clips keep most of their frames.
    """
    batch, frames, width = features.shape
    lengths = mask.sum(1).cpu()
    masked_frames = torch.zeros(batch, frames, dtype=torch.bool)
    masked_bins = torch.zeros(batch, bins, dtype=torch.bool)
    per_frame, longest = time_masks_per_s * frame_shift_s, longest_time_mask_s / frame_shift_s
    for clip, (length, generator) in enumerate(zip(lengths.tolist(), generators, strict=True)):
        for start, size in _time_spans(length, per_frame, longest, generator):
            masked_frames[clip, start : start + size] = True
        for start, size in _spans(frequency_masks, bins, widest_frequency_mask, generator):
            masked_bins[clip, start : start + size] = True
    masked_bins = masked_bins.repeat(1, width // bins)[:, None, :]
    return features.masked_fill((masked_frames[..., None] | masked_bins).to(features.device), 0.0)


def time_masks(
    lengths: torch.Tensor,
    generators: Sequence[torch.Generator],
    *,
    time_masks_per_s: float,
    longest_time_mask_s: float,
    frame_shift_s: float,
) -> torch.Tensor:
    """Time masks of SpecAugment (B, T) bool, True is masked; for encoders of raw waveforms, which mask hidden states.

    lengths (B,): frames of each clip; T is the largest of them.
    """
    masked = torch.zeros(len(lengths), int(lengths.max()), dtype=torch.bool)
    per_frame, longest = time_masks_per_s * frame_shift_s, longest_time_mask_s / frame_shift_s
    for clip, (length, generator) in enumerate(zip(lengths.tolist(), generators, strict=True)):
        for start, size in _time_spans(length, per_frame, longest, generator):
            masked[clip, start : start + size] = True
    return masked


def _time_spans(
    length: int, masks_per_frame: float, longest: float, generator: torch.Generator
) -> list[tuple[int, int]]:
    expected = masks_per_frame * length
    count = int(expected) + int(torch.rand((), generator=generator) < expected % 1)
    return _spans(count, length, max(1, min(max(1, round(longest)), length // 5)), generator)


def _spans(count: int, length: int, longest: int, generator: torch.Generator) -> list[tuple[int, int]]:
    spans = []
    for _ in range(count):
        size = int(torch.randint(1, longest + 1, (), generator=generator))
        start = int(torch.randint(0, max(1, length - size + 1), (), generator=generator))
        spans.append((start, size))
    return spans
