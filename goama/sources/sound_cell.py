"""The sound in a cell of a table or data set: the name of a file, the bytes of one, or samples with their rate."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from goama.sources.sound_files import SoundFiles

_RATE_NAMES = ("sampling_rate", "sample_rate", "samplerate", "rate", "sr")
_RATES = (1_000, 768_000)
_LONGEST_NAME = 65_536


def sound_in(value: Any, rate: Any, sounds: SoundFiles | None) -> tuple[Path | bytes | None, str, str | None]:
    """(path or encoded bytes of the sound, name for the clip, fault); all empty for an empty cell.

    value:  a file name; bytes of a sound file; samples (N,) or (N, channels); or a struct of these as `datasets` has it
    rate:   sampling rate of samples, where another column says it; else None
    """
    name = None
    if isinstance(value, dict):
        name = value.get("path") if isinstance(value.get("path"), str) else None
        rate = next((value[key] for key in _RATE_NAMES if value.get(key) is not None), rate)
        value = next((value[key] for key in ("bytes", "array") if value.get(key) is not None), name)
        stem = os.path.splitext(os.path.basename(name))[0] if name else ""  # noqa: PTH122, PTH119 - may be no path
    else:
        stem = stem_of(value) if isinstance(value, str) else ""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), stem, None if len(value) else "this row holds 0 bytes of sound"
    if isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        data, fault = _encoded(value, rate)
        return data, stem, fault
    if value is None or value == "" or value != value:
        return None, "", None
    if not isinstance(value, str):
        value = str(value) if isinstance(value, (int, float)) else None
    if value is None:
        return None, stem, "this row's sound is neither a file name, nor bytes, nor samples with their rate"
    if sounds is None:
        return None, stem, f"this row holds the name {value[:80]!r} but not its sound; download the data set first"
    if len(value) > _LONGEST_NAME:
        return None, "", f"this row's sound is a text of {len(value)} characters, not the name of a file"
    path = sounds.path(value)
    return path, stem, sounds.fault(path)


def stem_of(name: str) -> str:
    """A clip id from the name of a file: its folders and name, joined by `__`, without suffix."""
    stem = os.path.splitext(name)[0]  # noqa: PTH122
    return stem.lstrip("./\\").replace("/", "__").replace("\\", "__")


def _encoded(samples: Any, rate: Any) -> tuple[bytes | None, str | None]:
    """(samples as a WAV file of float32, None), or (None, fault)."""
    import numpy as np
    import soundfile

    try:
        hertz = round(float(rate))
    except (TypeError, ValueError, OverflowError):
        return None, "this row holds samples without their rate; give them as {array, sampling_rate}"
    try:
        array = np.asarray(samples)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.size == 0 and array.dtype != object:
        return None, "this row holds 0 samples"
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2):
        return None, "this row's samples are not one list of numbers, or one for each channel"
    if not _RATES[0] <= hertz <= _RATES[1]:
        return None, f"this row's samples have the rate {hertz} Hz, which no recording has"
    if array.dtype.kind in "iu":
        array = _scaled(array)
        if array is None:
            return None, "this row's samples are whole numbers beyond 32 bits"
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T  # (channels, N), as torchaudio has it
    file = io.BytesIO()
    soundfile.write(file, array.astype(np.float32), hertz, format="WAV", subtype="FLOAT")
    return file.getvalue(), None


def _scaled(array: Any) -> Any:
    """Whole numbers as float with full scale 1: lists do not say how many bits they had, so the values decide."""
    import numpy as np

    if array.dtype == np.uint8:
        return array.astype(np.float32) / 128 - 1
    peak = int(np.abs(array.astype(np.int64)).max())
    bits = next((bits for bits in (16, 24, 32) if peak <= 1 << (bits - 1)), None)
    return None if bits is None else array.astype(np.float64) / float(1 << (bits - 1))
