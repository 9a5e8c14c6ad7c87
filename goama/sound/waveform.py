"""Samples that a program passes in become a waveform: (N,) float32 with full scale 1, or an error that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np

from goama.errors import GoamaError

_LOUDEST = 64.0  # of full scale: no mixing of channels gets there, whole numbers in a float array do


def as_waveform(samples: Any, name: str = "waveform") -> np.ndarray:
    """The samples (N,) as float32: whole numbers (int16, int32, uint8) are divided by their full scale.

    Raises `GoamaError` for anything but one channel of finite numbers, for floats that are not scaled to 1, and for
    other whole numbers, whose full scale is not known.
    """
    if isinstance(samples, (str, bytes)):
        raise GoamaError(f"{name}: samples are needed, not a {type(samples).__name__}; transcribe() takes a path")
    if hasattr(samples, "detach"):  # a tensor
        samples = samples.detach().cpu()
    try:
        array = np.asarray(samples)
    except ValueError as error:
        raise GoamaError(f"{name}: samples of one channel are needed, (N,) at 16 kHz") from error
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise GoamaError(
            f"{name}: samples of one channel are needed, (N,) at 16 kHz, not an array {array.shape} of {array.dtype}; "
            "average the channels first"
        )
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128) / 128
    if array.dtype in (np.int64, np.uint64, np.uint16, np.uint32, np.int8):
        raise GoamaError(f"{name}: what full scale is cannot be told of {array.dtype}; give int16, or floats up to 1")
    if array.dtype.kind in "iu":
        return (array / float(1 << (8 * array.dtype.itemsize - 1))).astype(np.float32)
    if not np.isfinite(array).all():
        raise GoamaError(f"{name}: {np.count_nonzero(~np.isfinite(array))} samples are not finite numbers (NaN)")
    if array.size and abs(array).max() > _LOUDEST:
        raise GoamaError(
            f"{name}: samples up to {abs(array).max():.0f}, where full scale is 1; divide 16-bit samples by 32768"
        )
    return array.astype(np.float32, copy=False)
