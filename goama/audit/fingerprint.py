"""The same sound found again, also after it was encoded anew: a few bytes a second of each clip, compared in pairs.

Signs of differences of band energies over time and frequency, after Haitsma and Kalker (ISMIR 2002).
"""

from __future__ import annotations

import numpy as np

from goama.acoustics.audio import SAMPLE_RATE

_HOP = 512  # 32 ms
_WINDOW_SAMPLES = 2048  # 128 ms: a few milliseconds of codec delay change little
_LOWEST_HZ, _HIGHEST_HZ = 200.0, 3400.0  # what telephone codecs keep
_BANDS = 17  # 16 differences: two bytes a frame

_BINS = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1) * _WINDOW_SAMPLES / SAMPLE_RATE
_EDGES = np.round(_BINS).astype(int)
_HANN = np.hanning(_WINDOW_SAMPLES).astype(np.float32)


def fingerprint(mono: np.ndarray) -> np.ndarray:
    """(frames,) uint16, one every 32 ms: bit b tells whether band b gains on band b + 1 since the last frame."""
    if len(mono) < _WINDOW_SAMPLES + _HOP:
        mono = np.pad(mono, (0, _WINDOW_SAMPLES + _HOP - len(mono)))
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW_SAMPLES)[::_HOP] * _HANN
    spectrum = np.fft.rfft(frames, axis=1)[:, : _EDGES[-1]]
    power = spectrum.real**2 + spectrum.imag**2
    bands = np.log(np.add.reduceat(power, _EDGES[:-1], axis=1) + 1e-10)
    across = bands[:, :-1] - bands[:, 1:]
    bits = np.diff(across, axis=0) > 0
    return np.packbits(bits, axis=1).view(np.uint16)[:, 0]
