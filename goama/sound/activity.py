"""Where in a clip there is speech, by the energy of its frames."""

from __future__ import annotations

import numpy as np

FRAME_SAMPLES = 320
"""20 ms at 16 kHz: energies are taken of frames this long."""

FLOOR_DB = -120.0
"""Below anything a recorder can write; the level of digital silence."""

SPEECH_BELOW_LOUD_DB = 30.0
_SPEECH_ABOVE_NOISE_DB = 6.0
"""A frame is speech that is louder than both the pauses and 30 dB under the loud frames: the range between the
open vowels and the weak consonants of one speaker (Fletcher 1953 gives 28 dB)."""

_LONGEST_GAP_FRAMES = 15  # 0.3 s: stops and short pauses within speech belong to it


def frame_power(mono: np.ndarray) -> np.ndarray:
    """(T,) mean square of each 20 ms frame of (N,) at 16 kHz; at least one frame."""
    frames = max(1, len(mono) // FRAME_SAMPLES)
    whole = mono[: frames * FRAME_SAMPLES].reshape(frames, -1)
    return np.einsum("ij,ij->i", whole, whole) / whole.shape[1]


def frame_levels(mono: np.ndarray) -> np.ndarray:
    """(T,) dB relative to full scale of each 20 ms frame of (N,) at 16 kHz, DC removed; at least one frame."""
    return decibels(frame_power(mono) - float(mono.mean()) ** 2)


def decibels(power: np.ndarray) -> np.ndarray:
    """dB relative to full scale of mean squares of any shape, at least `FLOOR_DB`."""
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10)))


def speech_frames(levels: np.ndarray) -> np.ndarray:
    """(T,) bool, the frames with speech, of (T,) dB; gaps of up to 0.3 s within speech belong to it."""
    loud, quiet = np.percentile(levels, [95, 5])
    threshold = max(quiet + _SPEECH_ABOVE_NOISE_DB, loud - SPEECH_BELOW_LOUD_DB)
    speech = levels > min(threshold, loud - 3.0)  # speech without a pause has no quiet frames to compare with
    spoken = np.flatnonzero(speech)
    for gap in np.flatnonzero(np.diff(spoken) > 1):
        if spoken[gap + 1] - spoken[gap] <= _LONGEST_GAP_FRAMES:
            speech[spoken[gap] : spoken[gap + 1]] = True
    return speech
