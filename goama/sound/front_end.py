"""What a network hears of a clip: log-mel frames (Wav2Vec2-BERT, Whisper) or the waveform (wav2vec 2.0, HuBERT, WavLM).

All front ends turn clips into the network's input and a mask, and know how long the input of a clip is.
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
    """The samples, each clip by itself brought to zero mean and unit variance where `normalise` says so.

    Equals `transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise)` applied to each clip alone, then padded.
    The mask is always made: whether a network was trained without one makes no difference to a clip alone.
    """

    normalise: bool = True
    shortest_samples: int = 400
    """The fewest samples that give one logit: the receptive field of the network's convolutions, 25 ms."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def on(self, device: torch.device) -> RawWaveforms:
        """The same, with the result on a device."""
        return replace(self, device=device)

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two values."""
        return 1 / SAMPLE_RATE

    def frames(self, samples: int) -> int:
        """The length of the network's input for a clip of that many samples: the samples themselves."""
        return samples

    def __call__(self, waveforms: Sequence[np.ndarray | torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Clips as (N,) float32 in [-1, 1] at 16 kHz, each of at least `shortest_samples`.

        Returns values (B, N) float32 and mask (B, N) bool, True where a clip has sound; padding is 0. Raises
        `ValueError` for a clip that is too short.
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
    exact = clip.double()  # the sum of a long clip's samples; on the CPU, where every device's clips are
    mean, variance = exact.mean(), exact.var(correction=0)
    return ((exact - mean) * torch.rsqrt(variance + _SMALLEST_VARIANCE)).float()
