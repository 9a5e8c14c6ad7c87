"""Acoustic fingerprints find copies of a clip, also encoded again: a few bytes a second, compared in pairs.

Signs of differences of band energies over time and frequency, after Haitsma and Kalker (ISMIR 2002).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from goama.sound.audio import SAMPLE_RATE

_HOP = 256  # 16 ms: the frames of a copy are shifted by at most 8 ms
_WINDOW_SAMPLES = 2048  # 128 ms, in which a shift of 8 ms changes little
_STEP_FRAMES = 2  # a bit describes a change over 32 ms
_LOWEST_HZ, _HIGHEST_HZ = 200.0, 3400.0  # the band that telephone codecs keep
_BANDS = 17  # 16 differences: two bytes a frame

_SAME_SHORT, _SAME_LONG = 0.15, 0.25  # clips of up to one second, of two seconds and more
"""Largest shares of bits that may differ between copies. Measured on Dutch, Italian, Romanian and Russian clips: 0.00
to 0.18 after MP3, Ogg, AAC, μ-law or another rate and gain, 0.06 to 0.28 after the coarsest MP3 and GSM, up to 0.32
after Opus at 12 kbit/s; from 0.39 on between other clips, but from 0.20 on between one-second words of one voice that
differ in a letter."""

_LENGTH_TOLERANCE, _LAG_FRAMES = 0.02, 16
"""Relative tolerance of lengths; and frames (a quarter of a second) of silence that an encoder may add."""

_SKETCH = (8, 8)  # cells in time and frequency
_SKETCH_RANGE = 5.0  # nepers of energy, 43 dB: pauses are silent in one encoding and hiss in another
SIMILAR_SKETCH = 0.6
"""Lowest correlation of sketches at which bits are compared: 1 % of all pairs reach it, and so did all copies."""

_SKETCHES_AT_ONCE = 256

_GLANCE_FRAMES, _GLANCE_LAGS = 4, 2
"""The coarse comparison takes every fourth frame and every second lag: about thirty times cheaper."""
_GLANCE_MARGIN = 0.1
"""Margin of the coarse comparison: 437 copies of a second and more had at most 0.064 more differing bits in it."""
_SHORTEST_GLANCE = 64  # frames, one second: of shorter copies a glance saw up to 0.12 more

_EDGES = np.round(np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1) * _WINDOW_SAMPLES / SAMPLE_RATE).astype(int)
_HANN = np.hanning(_WINDOW_SAMPLES).astype(np.float32)


@dataclass(frozen=True)
class Fingerprint:
    """bits: (frames,) uint16, one every 16 ms: bit b is set if band b gains on band b + 1 within 32 ms.

    sketch: (64,) float16, log energies in 8 x 8 cells of the whole clip, which rule most pairs out quickly.
    """

    bits: np.ndarray
    sketch: np.ndarray


def fingerprint(mono: np.ndarray) -> Fingerprint:
    """The fingerprint of a clip (N,) at 16 kHz; it does not depend on gain."""
    shortest = _WINDOW_SAMPLES + (_SKETCH[0] + _STEP_FRAMES) * _HOP
    if len(mono) < shortest:
        mono = np.pad(mono, (0, shortest - len(mono)))
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW_SAMPLES)[::_HOP] * _HANN
    spectrum = np.fft.rfft(frames, axis=1)[:, : _EDGES[-1]]
    power = spectrum.real**2 + spectrum.imag**2
    bands = np.log(np.add.reduceat(power, _EDGES[:-1], axis=1) + 1e-10)
    across = bands[:, :-1] - bands[:, 1:]
    bits = across[_STEP_FRAMES:] > across[:-_STEP_FRAMES]
    audible = np.maximum(bands, bands.max() - 2 * _SKETCH_RANGE)
    cells = [part.mean(axis=0) for part in np.array_split(audible, _SKETCH[0])]
    sketch = np.array([[part.mean() for part in np.array_split(cell, _SKETCH[1])] for cell in cells])
    return Fingerprint(np.packbits(bits, axis=1).view(np.uint16)[:, 0], (sketch - sketch.mean()).ravel().astype("f2"))


def find_copies(prints: Sequence[Fingerprint]) -> Iterator[tuple[int, int, float]]:
    """(first, second, share of bits that differ) of each pair of clips with the same sound, first < second."""
    order = sorted(range(len(prints)), key=lambda index: len(prints[index].bits))
    if len(order) < 2:
        return
    lengths = np.array([len(prints[index].bits) for index in order])
    ends = np.searchsorted(lengths, lengths * (1 + _LENGTH_TOLERANCE) + _LAG_FRAMES, side="right")
    one_after_another = np.concatenate([prints[index].bits for index in order])
    begins = np.cumsum(lengths) - lengths
    sketches = np.array([prints[index].sketch for index in order], dtype=np.float32)
    if len(order) > 2:
        sketches -= sketches.mean(axis=0)  # what all speech has in common does not distinguish clips
    sketches /= np.maximum(np.linalg.norm(sketches, axis=1, keepdims=True), 1e-6)
    for start in range(0, len(order), _SKETCHES_AT_ONCE):
        stop = min(start + _SKETCHES_AT_ONCE, len(order))
        similar = sketches[start:stop] @ sketches[start : ends[stop - 1]].T >= SIMILAR_SKETCH
        for one in range(start, stop):
            others = one + 1 + np.flatnonzero(similar[one - start, one + 1 - start : ends[one] - start])
            tolerated = _tolerated(int(lengths[one]))
            seen = _bits_that_differ_at_a_glance(int(lengths[one]), one_after_another, begins[one], begins[others])
            for other in others[seen <= tolerated + _GLANCE_MARGIN]:
                differ = bits_that_differ(prints[order[one]].bits, prints[order[other]].bits)
                if differ <= tolerated:
                    first, second = sorted((order[one], order[int(other)]))
                    yield first, second, differ


def _bits_that_differ_at_a_glance(frames: int, bits: np.ndarray, begin: int, others: np.ndarray) -> np.ndarray:
    """`bits_that_differ` of one clip and each of the others (N,), coarsely; 0 where the clip is too short for that.

    bits: those of all clips, one after another; the clip begins at `begin`, the others, which are not shorter, at
    `others` (N,).
    """
    if frames < _SHORTEST_GLANCE or not len(others):
        return np.zeros(len(others))
    compared = np.arange(_LAG_FRAMES, frames - _LAG_FRAMES, _GLANCE_FRAMES)
    lags = np.arange(-_LAG_FRAMES, _LAG_FRAMES + 1, _GLANCE_LAGS)
    differ = np.empty((len(lags), len(others)))
    for row, lag in enumerate(lags):
        there = bits[others[:, None] + (compared + lag)]
        differ[row] = np.bitwise_count(there ^ bits[begin + compared]).mean(axis=1)
    return differ.min(axis=0) / (_BANDS - 1)


def _tolerated(frames: int) -> float:
    seconds = frames * _HOP / SAMPLE_RATE
    return min(_SAME_LONG, max(_SAME_SHORT, _SAME_SHORT + (_SAME_LONG - _SAME_SHORT) * (seconds - 1.0)))


def bits_that_differ(one: np.ndarray, other: np.ndarray) -> float:
    """The smallest share of bits that differ between two (T,) uint16 over lags of up to a quarter of a second.

    1 where their lengths do not fit.
    """
    smallest = 1.0
    shortest = 0.8 * min(len(one), len(other))
    for lag in range(-_LAG_FRAMES, _LAG_FRAMES + 1):
        left, right = one[max(0, lag) :], other[max(0, -lag) :]
        overlap = min(len(left), len(right))
        if overlap >= shortest:
            differ = float(np.bitwise_count(left[:overlap] ^ right[:overlap]).mean()) / (_BANDS - 1)
            smallest = min(smallest, differ)
    return smallest
