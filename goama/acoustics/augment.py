"""What training does to clips: rooms, other tempos, other vocal tracts, narrow bands, and SpecAugment's masks.

Rooms are put around waveforms, the rest works on log-mel features on their device. Each clip has a generator of its
own, on the CPU: what happens to a clip depends on the seed and its id, not on the clips beside it, the process it is in
or the device.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch

from goama.acoustics.audio import SAMPLE_RATE
from goama.acoustics.log_mel import MEL_BINS, hertz_of_bins, mel

_SHORTEST_RT60_S, _LONGEST_RT60_S = 0.1, 0.8  # a furnished room, a hall
_LOWEST_DIRECT_DB, _HIGHEST_DIRECT_DB = 0.0, 15.0  # direct sound over reverberation: across the room, near the mouth
_FIRST_REFLECTION_S = 0.003
_LOWEST_CUT_OFF_HZ, _HIGHEST_CUT_OFF_HZ = 3400.0, 7600.0


def generators(seed: int, clip_ids: Sequence[str]) -> list[torch.Generator]:
    """One for each clip."""
    return [torch.Generator().manual_seed(_seed_of(seed, clip_id)) for clip_id in clip_ids]


def _seed_of(seed: int, clip_id: str) -> int:
    digest = hashlib.blake2b(f"{seed} {clip_id}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def reverberate(
    waveforms: Sequence[np.ndarray], generators: Sequence[torch.Generator], share: float
) -> tuple[np.ndarray, ...]:
    """A `share` of the clips is heard in a room of its own; each keeps its length, and its words their places.

    waveforms (N,) float32 at 16 kHz, of any number. The room answers a click with noise that decays exponentially,
    by 60 dB in 0.1 to 0.8 s, 0 to 15 dB softer in all than the direct sound (Moorer 1979, Polack's model).
    """
    return tuple(
        _in_a_room(waveform, generator) if float(torch.rand((), generator=generator)) < share else waveform
        for waveform, generator in zip(waveforms, generators, strict=True)
    )


def _in_a_room(waveform: np.ndarray, generator: torch.Generator) -> np.ndarray:
    rt60, direct = torch.rand(2, generator=generator).tolist()
    rt60_s = _SHORTEST_RT60_S + (_LONGEST_RT60_S - _SHORTEST_RT60_S) * rt60
    direct_db = _LOWEST_DIRECT_DB + (_HIGHEST_DIRECT_DB - _LOWEST_DIRECT_DB) * direct
    samples = round(rt60_s * SAMPLE_RATE)
    decay = torch.exp(-math.log(1000) / samples * torch.arange(samples))
    response = torch.randn(samples, generator=generator) * decay
    response[: round(_FIRST_REFLECTION_S * SAMPLE_RATE)] = 0.0
    response *= 10 ** (-direct_db / 20) / response.norm()
    response[0] = 1.0
    size = 1 << (len(waveform) + samples - 1).bit_length()
    sound = torch.fft.rfft(torch.as_tensor(waveform), size) * torch.fft.rfft(response, size)
    return torch.fft.irfft(sound, size)[: len(waveform)].numpy()


def change_tempo(
    features: torch.Tensor,
    mask: torch.Tensor,
    generators: Sequence[torch.Generator],
    widest: float,
    needed: torch.Tensor,
    bins: int = MEL_BINS,
    most: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Speak up to `widest` (a share) slower or faster, at the same pitch, each clip at its own tempo.

    features (B, T, bins·stride), mask (B, T) bool; returns both with another T. `needed` (B,) are the frames each
    clip must keep: no clip becomes faster than its labels allow, and none
    longer than `most` frames.
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
    """Scale each clip's frequencies by its own factor within 1 ± `widest`: another vocal tract's length.

    features (B, T, bins·stride); `hertz` (bins,) are the centres of the bins, `LogMel`'s by default.
    (Vocal tract length perturbation, Jaitly and Hinton 2013, on the mel bins.)
    """
    batch, frames, width = features.shape
    drawn = torch.cat([torch.rand(1, 1, generator=generator) for generator in generators])
    factors = 1.0 + widest * (2.0 * drawn - 1.0)
    hertz = hertz_of_bins() if hertz is None else hertz
    bins = len(hertz)
    listening = np.interp(mel(hertz * factors.numpy()), mel(hertz), np.arange(bins))
    place = torch.from_numpy(listening).float()  # (B, bins): where each bin now listens
    weights = (1.0 - (place[:, None, :] - torch.arange(bins)[None, :, None]).abs()).clamp_min(0.0)
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
    """A `share` of the clips loses what lies above a cut-off of its own between 3.4 and 7.6 kHz.

    features (B, T, 80·stride), already normalised by clip and bin. That the band is limited after the
    normalisation changes nothing below the cut-off, where each bin has its own mean and deviation. Above it a
    recording at a lower rate has only the noise of its conversion, which the normalisation raises to a deviation of
    1, or digital silence, which it leaves at 0: so what is put there is noise with a deviation between the two.
    Features that are not normalised by bin, as Whisper's, have a value of their own for `silence` (B,) instead;
    `hertz` (bins,) are the centres of their bins.
    """
    width = features.shape[2]
    centres = torch.from_numpy(hertz_of_bins() if hertz is None else hertz)
    limited = features.clone()
    for row, (clip, length, generator) in enumerate(zip(limited, mask.sum(1).tolist(), generators, strict=True)):
        is_chosen, height, deviation = torch.rand(3, generator=generator).tolist()
        if is_chosen >= share:
            continue
        cut_off = _LOWEST_CUT_OFF_HZ + (_HIGHEST_CUT_OFF_HZ - _LOWEST_CUT_OFF_HZ) * height
        lost = (centres > cut_off).repeat(width // len(centres))
        if silence is not None:
            clip[:length, lost.to(features.device)] = silence[row]
            continue
        noise = torch.randn(length, int(lost.sum()), generator=generator) * deviation
        clip[:length, lost.to(features.device)] = noise.to(features.device)
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
    """Return features (B, T, bins·stride) with masked parts set to 0, the mean of every bin.

    The number of time masks follows each clip's own length, and none is longer than a fifth of it: short
    clips keep most of their frames.
    """
    batch, frames, width = features.shape
    lengths = mask.sum(1).cpu()
    hidden = torch.zeros(batch, frames, dtype=torch.bool)
    silenced = torch.zeros(batch, bins, dtype=torch.bool)
    per_frame, longest = time_masks_per_s * frame_shift_s, longest_time_mask_s / frame_shift_s
    for clip, (length, generator) in enumerate(zip(lengths.tolist(), generators, strict=True)):
        for start, size in _time_spans(length, per_frame, longest, generator):
            hidden[clip, start : start + size] = True
        for start, size in _spans(frequency_masks, bins, widest_frequency_mask, generator):
            silenced[clip, start : start + size] = True
    bands = silenced.repeat(1, width // bins)[:, None, :]
    return features.masked_fill((hidden[..., None] | bands).to(features.device), 0.0)


def time_masks(
    lengths: torch.Tensor,
    generators: Sequence[torch.Generator],
    *,
    time_masks_per_s: float,
    longest_time_mask_s: float,
    frame_shift_s: float,
) -> torch.Tensor:
    """SpecAugment's time masks alone, for networks that hear waveforms and mask inside: (B, T) bool, True is masked.

    lengths (B,) are frames; T is the longest of them.
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
