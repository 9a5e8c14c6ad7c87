"""At which scale a file of floating-point samples was written: full scale 1, or the integers of 16, 24 or 32 bits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama.errors import GoamaError
from goama.sound.repairs import SCALED, Repair

if TYPE_CHECKING:
    import numpy as np

FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")
_BLOCK_FRAMES = 1 << 18

_LOUDEST_FLOAT = 16.0
"""Floating-point recordings may go beyond full scale, by 24 dB at most: louder ones are not at scale 1."""

_INTEGERS = ((256.0, 1.5 * 2**15, 16), (2.0**18, 1.5 * 2**23, 24), (2.0**26, 1.5 * 2**31, 32))
"""Peaks (from, to) of speech in integers of so many bits: from 42 dB below full scale to 3.5 dB above it."""

_MANY, _FEW = 0.2, 0.01
"""Shares of the samples that are beyond 1: of integers nearly all are; a few are damage."""


def divisor_of(peak: float, beyond_one: float, name: str) -> float:
    """What samples must be divided by, so that full scale is 1.

    peak: the greatest absolute value. beyond_one: the share of the samples, zeros left aside, that are beyond ±1.
    Raises `GoamaError` where the scale cannot be told.
    """
    if peak <= 1.0 or beyond_one < _FEW or (peak <= _LOUDEST_FLOAT and beyond_one < _MANY):
        return 1.0
    if beyond_one >= _MANY:
        for lowest, highest, bits in _INTEGERS:
            if lowest < peak <= highest:
                return float(2 ** (bits - 1))
    raise GoamaError(
        f"{name}: floating-point samples of up to {peak:.6g}, and {100 * beyond_one:.0f} % of them beyond 1: their "
        "scale cannot be told; divide them so that full scale is 1, or convert the original recording again"
    )


def scale_of(blocks: Iterable[np.ndarray], name: str) -> float:
    """The divisor (see `divisor_of`) of blocks of samples of any shape; samples that are not finite do not count."""
    import numpy as np

    peak, beyond, nonzero = 0.0, 0, 0
    for block in blocks:
        size = np.abs(block)
        size = size[np.isfinite(size)]
        if size.size:
            peak = max(peak, float(size.max()))
            beyond += int(np.count_nonzero(size > 1.0))
            nonzero += int(np.count_nonzero(size))
    return divisor_of(peak, beyond / nonzero if nonzero else 0.0, name)


def repair_of(divisor: float) -> Repair:
    """The sentence on samples that were divided."""
    bits = round(divisor).bit_length()
    return Repair(
        SCALED, f"its floating-point samples hold {bits}-bit values (full scale {divisor:.0f}, not 1): divided by that"
    )


_KNOWN: dict[tuple[str, int, int], float] = {}
"""Divisors by path, size and time of change: pieces of one recording ask for the same again and again."""

_MOST_KNOWN = 1000


def scale_of_file(file: Any, path: Path | None, name: str) -> float:
    """The divisor of an open libsndfile file, which is read to its end and wound back; remembered for a path."""
    facts = path.stat() if path else None
    key = (str(path), facts.st_size, facts.st_mtime_ns) if facts else None
    if key is not None and key in _KNOWN:
        return _KNOWN[key]
    divisor = _measured(file, name)
    if key is not None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = divisor
    return divisor


def _measured(file: Any, name: str) -> float:
    import soundfile

    try:
        return scale_of(file.blocks(_BLOCK_FRAMES, dtype="float64"), name)
    except soundfile.SoundFileError:
        return 1.0  # the file breaks off, which is said where its samples are taken
    finally:
        file.seek(0)
