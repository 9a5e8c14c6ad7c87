"""The input of the network: log-mel features (Wav2Vec2-BERT, Whisper) or waveforms (wav2vec 2.0, HuBERT, WavLM).

All front ends turn clips into the padded input and its mask, and give the input length of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from goama.sound.audio import SAMPLE_RATE
from goama.sound.log_mel import LogMel
from goama.sound.whisper_mel import WhisperMel

_SMALLEST_VARIANCE = 1e-7


@dataclass(frozen=True)
class RawWaveforms:
    """Raw waveforms, each clip normalised to zero mean and unit variance if `normalise` is set.

    The result equals `transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise)` applied to each clip alone, then
    padded. There is always a mask; for networks trained without one, it changes nothing for a clip alone.
    """

    normalise: bool = True
    shortest_samples: int = 400
    """Minimum length of a clip in samples: the receptive field of the convolutions, 25 ms, which gives one frame."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def on(self, device: torch.device) -> RawWaveforms:
        """The same front end, with its output on a device."""
        return replace(self, device=device)

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two input values."""
        return 1 / SAMPLE_RATE

    def frames(self, samples: int) -> int:
        """Input length of a clip with this many samples: the same number."""
        return samples

    def __call__(self, waveforms: Sequence[np.ndarray | torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (B, N) float32, 0 where padded, and mask (B, N) bool, False where padded.

        waveforms: (N,) float32 in [-1, 1] at 16 kHz each. Raises `ValueError` for a clip shorter than
        `shortest_samples`.
        """
        clips = [torch.as_tensor(waveform, dtype=torch.float32) for waveform in waveforms]
        samples = torch.tensor([len(clip) for clip in clips])
        if int(samples.min()) < self.shortest_samples:
            raise ValueError(f"a clip of {int(samples.min())} samples is shorter than one frame")
        if self.normalise:
            clips = [_standardised(clip) for clip in clips]
        values = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
        mask = torch.arange(values.shape[1]) < samples[:, None]
        return values.to(self.device, non_blocking=True), mask.to(self.device, non_blocking=True)


FrontEnd = LogMel | WhisperMel | RawWaveforms


def _standardised(clip: torch.Tensor) -> torch.Tensor:
    exact = clip.double()  # float32 sums of long clips are inexact; always on the CPU, so every device allows float64
    mean, variance = exact.mean(), exact.var(correction=0)
    return ((exact - mean) * torch.rsqrt(variance + _SMALLEST_VARIANCE)).float()
