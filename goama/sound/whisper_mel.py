"""Waveforms in, Whisper's log-mel frames out: `WhisperFeatureExtractor` in torch, on any device, unpadded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers.audio_utils import hertz_to_mel, mel_to_hertz

from goama.sound.audio import SAMPLE_RATE
from goama.whisper_ctc import FFT_SAMPLES, HOP_SAMPLES, log_mel, mel_filters


class WhisperMel(torch.nn.Module):
    """Whisper's log-mel frames, 10 ms apart, of each clip by itself.

    Equals `transformers.WhisperFeatureExtractor(feature_size=bins)` applied to each clip alone without padding it to
    30 s: a clip's frames never depend on the clips beside it.
    """

    filters: torch.Tensor

    def __init__(self, bins: int = 80):
        super().__init__()
        self.bins = bins
        self.register_buffer("filters", mel_filters(bins), persistent=False)

    def on(self, device: torch.device) -> WhisperMel:
        """These features computed on a device."""
        return self.to(device)

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two frames."""
        return HOP_SAMPLES / SAMPLE_RATE

    @property
    def shortest_samples(self) -> int:
        """The fewest samples that can be heard: one window of the Fourier transform."""
        return FFT_SAMPLES

    def frames(self, samples: int) -> int:
        """Frames of a clip of that many samples."""
        return samples // HOP_SAMPLES

    def hertz(self) -> np.ndarray:
        """The centre of each of the F mel bins in Hz, (F,) float64."""
        edges = np.linspace(0.0, hertz_to_mel(SAMPLE_RATE / 2, mel_scale="slaney"), self.bins + 2)
        return mel_to_hertz(edges, mel_scale="slaney")[1:-1]

    @torch.no_grad()
    def forward(self, waveforms: Sequence[np.ndarray | torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Clips as (N,) float32 in [-1, 1] at 16 kHz, each of at least `shortest_samples`.

        Returns features (B, T, bins) float32 and mask (B, T) bool, True where a clip has sound; padding is 0. Raises
        `ValueError` for a clip that is too short.
        """
        clips = [torch.as_tensor(waveform, dtype=torch.float32) for waveform in waveforms]
        shortest = min(len(clip) for clip in clips)
        if shortest < self.shortest_samples:
            raise ValueError(f"a clip of {shortest} samples is shorter than one frame")
        features, lengths = log_mel(clips, self.filters)
        mask = torch.arange(features.shape[1], device=features.device) < lengths.to(features.device)[:, None]
        return features, mask


def centre(features: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each clip's mean (B, 1, 1), and its minimum less that mean (B,).

    SpecAugment's masks hold the mean. The minimum would be digital silence, which speech has between words: a mask
    would then claim a pause, and its edges would be steps of up to 2 in features whose deviation is about 0.4.
    """
    valid = mask[..., None]
    middle = (features * valid).sum((1, 2), keepdim=True) / (valid.sum((1, 2), keepdim=True) * features.shape[2])
    lowest = features.masked_fill(~valid, torch.inf).amin((1, 2))
    return middle, lowest - middle[:, 0, 0]
