"""A clip's bandwidth, and whether its spectrum ends in an edge, as telephones and strong compression leave it.

Speech without s, f or sh falls off gently towards its highest sounds; what was cut off ends within a few hundred Hz.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goama.sound.activity import FRAME_SAMPLES, SPEECH_BELOW_LOUD_DB
from goama.sound.audio import SAMPLE_RATE

_FFT_SAMPLES = 512
_BIN_HZ = SAMPLE_RATE / _FFT_SAMPLES
_MOST_FRAMES = 1000  # 20 s: a long-term spectrum needs no more

_INAUDIBLE_DB = 60.0
_QUANTISATION_DB = -93.0
"""The bandwidth ends where all that lies above is 60 dB under the whole (no voice, but what resampling leaves), or is
no louder than the rounding of 16-bit samples, -98 dB."""

EDGE_DB = 25.0
"""From just below an edge to the loudest of all that lies above: smooth spectra fall by up to 20 dB on the way."""

_EDGE_IN_NOISE_DB = 30.0
_LEAST_NOISE_FRAMES = 8
_NOISY_SHARE = 0.25
"""Frames with a quarter as much power from 2 to 3.5 kHz as from 0.2 to 1 kHz are s, f, sh, a burst, or the hiss of the
room: they reach up to 8 kHz where nothing stops them. Eight of them tell of one clip alone that something did."""

_EDGE_BINS = 16  # 500 Hz: the width of a resampler's or an encoder's edge
_LEVEL_BINS = 8  # 250 Hz: one harmonic of the highest voice, so that no gap between two is an edge
_EDGE_FROM_BIN = 80  # 2.5 kHz
_TOP_BIN = 236  # 7.4 kHz: beyond it every resampler's own filter begins
_LEAST_ABOVE_BINS = 24  # 750 Hz that are seen to be empty

_WINDOW = np.hanning(_FFT_SAMPLES).astype(np.float32)
_TO_FULL_SCALE = 2.0 / (_FFT_SAMPLES * float((_WINDOW**2).sum()))  # Parseval: to the mean square of the samples


@dataclass(frozen=True)
class Edge:
    """Where a spectrum falls by `fall_db` within 500 Hz and stays there; `in_noise`: its noisy frames do so too."""

    hz: float
    fall_db: float
    in_noise: bool


@dataclass(frozen=True)
class Bandwidth:
    """hz: above it a clip has nothing to hear, at most 8000; edge: the one it ends in, if it does."""

    hz: float
    edge: Edge | None


def bandwidth(mono: np.ndarray, levels: np.ndarray) -> Bandwidth:
    """The bandwidth of a clip (N,) at 16 kHz, given its levels (T,) in dB for frames of 20 ms.

    Measured over its speech, fricatives included, so that what a clip holds up there at any time counts.
    """
    loud = np.percentile(levels, 95)
    frames = np.arange(max(0, (len(mono) - _FFT_SAMPLES) // FRAME_SAMPLES + 1))
    frames = frames[:: max(1, -(-len(frames) // _MOST_FRAMES))]
    speech = levels[frames] >= loud - SPEECH_BELOW_LOUD_DB
    if not speech.any():
        return Bandwidth(SAMPLE_RATE / 2, None)
    waves = np.lib.stride_tricks.sliding_window_view(mono, _FFT_SAMPLES)[frames * FRAME_SAMPLES]
    spectrum = np.fft.rfft((waves - waves.mean(axis=1, keepdims=True)) * _WINDOW, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) * _TO_FULL_SCALE
    spoken = power[speech].mean(axis=0)
    return Bandwidth(_highest(spoken), _edge(spoken, power))


def _highest(power: np.ndarray) -> float:
    above = np.cumsum(power[::-1])[::-1]
    nothing = max(above[0] * 10 ** (-_INAUDIBLE_DB / 10), 10 ** (_QUANTISATION_DB / 10))
    audible = np.flatnonzero(above > nothing)
    return float(audible[-1]) * _BIN_HZ if len(audible) else SAMPLE_RATE / 2


def _edge(spoken: np.ndarray, power: np.ndarray) -> Edge | None:
    hz, fall = _steepest(spoken)
    if fall < EDGE_DB:
        return None
    noisy = power[power[:, 64:112].sum(axis=1) > _NOISY_SHARE * power[:, 6:32].sum(axis=1)]
    if len(noisy) < _LEAST_NOISE_FRAMES:
        return Edge(hz, fall, in_noise=False)
    noise_hz, noise_fall = _steepest(noisy.mean(axis=0))
    at_the_same_place = abs(noise_hz - hz) <= _EDGE_BINS * _BIN_HZ
    return Edge(hz, fall, in_noise=noise_fall >= _EDGE_IN_NOISE_DB and at_the_same_place)


def _steepest(power: np.ndarray) -> tuple[float, float]:
    """(Hz, dB): the greatest fall within 500 Hz after which nothing rises again, and the middle of its way down."""
    box = np.ones(_LEVEL_BINS) / _LEVEL_BINS
    level = 10.0 * np.log10(np.convolve(power[:_TOP_BIN], box, "valid") + 1e-15)  # of the 250 Hz from each bin on
    loudest_above = np.maximum.accumulate(level[::-1])[::-1]
    places = np.arange(_EDGE_FROM_BIN, _TOP_BIN - _LEAST_ABOVE_BINS - _EDGE_BINS)
    below, above = level[places - _LEVEL_BINS], loudest_above[places + _EDGE_BINS]
    steepest = int((below - above).argmax())
    way = level[places[steepest] - _LEVEL_BINS : places[steepest] + _EDGE_BINS]
    middle = int((way < (below[steepest] + above[steepest]) / 2).argmax())
    return float(places[steepest] - _LEVEL_BINS / 2 + middle) * _BIN_HZ, float(below[steepest] - above[steepest])
