"""Log-mel features of waveforms, normalised and stacked: `SeamlessM4TFeatureExtractor` in torch, on any device.

Features are computed for each batch and never stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from goama.sound.audio import SAMPLE_RATE

FRAME_SHIFT_S = 0.01
WINDOW_SAMPLES, SHIFT_SAMPLES, FFT_SAMPLES = 400, 160, 512  # 25 ms, 10 ms
MEL_BINS = 80
_LOWEST_HZ = 20.0
_PREEMPHASIS = 0.97
_MEL_FLOOR = 1.192092955078125e-07  # float32 epsilon, as Kaldi
_INT16_SCALE = 32768.0  # Kaldi's filter banks expect 16-bit integers


class LogMel(torch.nn.Module):
    """Kaldi filter banks, normalised by clip and bin, with `stride` frames stacked into one.

    The result equals `transformers.SeamlessM4TFeatureExtractor(stride=stride)` applied to each clip alone, then padded,
    so the features of a clip do not depend on its batch. (The original gives the same in a batch with stride 2;
    with other strides it treats padding as speech.)

    The computation is in float64 by default: bins that hardly vary (digital silence, bins above the original bandwidth)
    are divided by a tiny deviation, which makes float32 rounding errors visible (up to 8e-3 on real speech).
    """

    window: torch.Tensor
    mel: torch.Tensor
    bins = MEL_BINS

    def __init__(self, stride: int = 2, dtype: torch.dtype = torch.float64):
        super().__init__()
        self.stride = stride
        povey = np.hanning(WINDOW_SAMPLES) ** 0.85
        self.register_buffer("window", torch.from_numpy(povey).to(dtype), persistent=False)
        self.register_buffer("mel", torch.from_numpy(_mel_filters()).to(dtype), persistent=False)

    def on(self, device: torch.device) -> LogMel:
        """The same features, computed on a device (in float32 on Apple's GPUs, which have no float64)."""
        return (LogMel(self.stride, torch.float32) if device.type == "mps" else self).to(device)

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two output frames."""
        return FRAME_SHIFT_S * self.stride

    def hertz(self) -> np.ndarray:
        """(80,) float64, the centre of each mel bin."""
        return hertz_of_bins()

    @property
    def shortest_samples(self) -> int:
        """Minimum length of a clip in samples."""
        return shortest_samples(self.stride)

    def frames(self, samples: int) -> int:
        """Number of output frames of a clip with this many samples."""
        return stacked_frames(samples, self.stride)

    @torch.no_grad()
    def forward(self, waveforms: Sequence[np.ndarray | torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (B, T, 80·stride) float32, 0 where padded, and mask (B, T) bool, False where padded.

        waveforms: (N,) float32 in [-1, 1] at 16 kHz each. Raises `ValueError` for a clip shorter than
        `shortest_samples`.
        """
        clips = [torch.as_tensor(w, dtype=torch.float32) for w in waveforms]
        valid = torch.tensor([self.frames(len(clip)) for clip in clips])
        if int(valid.min()) < 1:
            raise ValueError(f"a clip of {min(map(len, clips))} samples is shorter than one frame")
        if self.window.device.type == "cpu":  # one clip fits into the CPU cache, a batch does not
            pieces = [self._stacked([clip], valid[i : i + 1])[0] for i, clip in enumerate(clips)]
            features = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True)
        else:
            features = self._stacked(clips, valid)
        mask = torch.arange(features.shape[1], device=features.device) < valid.to(features.device)[:, None]
        return features, mask

    def _stacked(self, clips: list[torch.Tensor], valid: torch.Tensor) -> torch.Tensor:
        """(B, T, 80·stride) float32, 0 where padded."""
        samples = torch.tensor([len(clip) for clip in clips])
        frames = (samples - WINDOW_SAMPLES) // SHIFT_SAMPLES + 1
        buffer = torch.zeros(len(clips), WINDOW_SAMPLES + SHIFT_SAMPLES * (int(frames.max()) - 1))
        for row, clip in zip(buffer, clips, strict=True):
            used = min(len(clip), len(row))
            row[:used] = clip[:used]
        device = self.window.device
        log_mel = _normalise(self._log_mel(buffer.to(device, non_blocking=True)), frames.to(device))
        stacked = int(valid.max())
        missing = stacked * self.stride - log_mel.shape[1]
        log_mel = torch.nn.functional.pad(log_mel, (0, 0, 0, max(0, missing)))[:, : stacked * self.stride]
        features = log_mel.reshape(len(clips), stacked, MEL_BINS * self.stride).float()
        mask = torch.arange(stacked, device=device) < valid.to(device)[:, None]
        return features * mask[..., None]

    def _log_mel(self, buffer: torch.Tensor) -> torch.Tensor:
        """(B, N) -> (B, frames, 80)"""
        frames = buffer.to(self.window.dtype).mul(_INT16_SCALE).unfold(1, WINDOW_SAMPLES, SHIFT_SAMPLES)
        frames = frames - frames.mean(-1, keepdim=True)
        frames = torch.cat(
            (frames[..., :1] * (1 - _PREEMPHASIS), frames[..., 1:] - _PREEMPHASIS * frames[..., :-1]), -1
        )
        spectrum = torch.fft.rfft(frames * self.window, n=FFT_SAMPLES)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power @ self.mel).clamp_min_(_MEL_FLOOR).log_()


def stacked_frames(samples: int, stride: int) -> int:
    """Frames that a clip has once `stride` frames are stacked into one.

    The original pads to an even number of frames, drops the remainder, and reads the mask at frame k·stride + 1.
    """
    frames = max(0, (samples - WINDOW_SAMPLES) // SHIFT_SAMPLES + 1)
    return min((frames + frames % 2) // stride, (frames - 2) // stride + 1)


def shortest_samples(stride: int) -> int:
    """The fewest samples that give one frame at this stride, and two frames for the variance."""
    return WINDOW_SAMPLES + SHIFT_SAMPLES * (max(stride, 2) - 1)


def _normalise(log_mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """log_mel (B, T, 80) with zero mean and unit variance (ddof 1) of each bin over the clip's frames; padding is 0."""
    mask = (torch.arange(log_mel.shape[1], device=log_mel.device) < frames[:, None])[..., None]
    count = frames[:, None, None].to(log_mel.dtype)
    mean = (log_mel * mask).sum(1, keepdim=True) / count
    variance = ((log_mel - mean).square() * mask).sum(1, keepdim=True) / (count - 1)
    return ((log_mel - mean) * torch.rsqrt(variance + 1e-7)).masked_fill(~mask, 0.0)


def mel(hertz: np.ndarray | float) -> np.ndarray:
    """Frequencies (Hz, any shape) on Kaldi's mel scale, in the same shape."""
    return 1127.0 * np.log(1.0 + np.asarray(hertz) / 700.0)


def hertz_of_bins() -> np.ndarray:
    """(80,) float64, the centre of each mel bin."""
    return 700.0 * np.expm1(_mel_edges()[1:-1] / 1127.0)


def _mel_edges() -> np.ndarray:
    return np.linspace(mel(_LOWEST_HZ), mel(SAMPLE_RATE / 2), MEL_BINS + 2)


def _mel_filters() -> np.ndarray:
    """(257, 80) triangles that are linear on Kaldi's mel scale, 20 Hz to 8 kHz."""
    edges = _mel_edges()
    bins = mel(np.arange(FFT_SAMPLES // 2 + 1) * SAMPLE_RATE / FFT_SAMPLES)
    width = np.diff(edges)
    distance = edges[None, :] - bins[:, None]
    falling, rising = -distance[:, :-2] / width[:-1], distance[:, 2:] / width[1:]
    return np.maximum(0.0, np.minimum(falling, rising))
