"""Sound files in, 16 kHz mono float32 out: read as a whole, or streamed in blocks.

Every failure is a `GoamaError` that names the file and says what is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goama.errors import GoamaError
from goama.sound.decode import Decoded, decode
from goama.sound.piece import Piece
from goama.sound.repairs import NOT_FINITE, Repair
from goama.sound.resample import SAMPLE_RATE, to_16_khz_mono

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MAX_SECONDS", "SAMPLE_RATE", "Audio", "read_audio", "stream_audio"]

MAX_SECONDS = 12 * 3600
"""A recording longer than this is refused before it is decoded, unless it is streamed without a limit."""


_MOST_RUNS = 1000  # of samples that are not finite, noted in one block


@dataclass(frozen=True)
class Audio:
    """Decoded sound: `samples` (N,) float32 at 16 kHz, full scale is 1, and what the file was before.

    `native`: (M, native_channels) float32 at `native_rate`, the sound as stored; None unless it was asked for.
    `repairs`: what was mended while it was decoded.
    """

    samples: np.ndarray
    native_rate: int
    native_channels: int
    native: np.ndarray | None = None
    repairs: tuple[Repair, ...] = ()

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.samples) / SAMPLE_RATE


def read_audio(
    source: Path | str | bytes,
    *,
    offset: float = 0.0,
    duration: float | None = None,
    longest_s: float = MAX_SECONDS,
    name: str | None = None,
    keep_native: bool = False,
) -> Audio:
    """A sound file, or its bytes, decoded to mono at 16 kHz; channels are averaged.

    `offset` and `duration` (seconds) choose a piece; the rest of a long recording is not decoded where its format
    allows. What is longer than `longest_s` is refused before it is decoded. `name` stands for the source in messages;
    a path is its own name. `keep_native` also gives the sound as stored.

    Memory: the result, and one block of the sound as stored. Raises `GoamaError` when the file is missing, empty, not
    sound, truncated, too long, or holds no samples.
    """
    import numpy as np

    name = name or _name_of(source)
    samples = bytearray()  # grows in place: a list of blocks would be in memory twice when it is joined
    native: list[np.ndarray] = []
    with _readable(name):
        decoded = decode(_path_or_bytes(source), _piece(name, offset, duration, longest_s))
        finite = _finite(decoded, offset)
        blocks = _kept(finite, native) if keep_native else finite
        for block in to_16_khz_mono(blocks, decoded.rate):
            samples += block.data
    if not samples:
        raise GoamaError(f"{name}: the recording holds no samples; remove this clip or record it again")
    return Audio(
        np.frombuffer(samples, dtype=np.float32),
        decoded.rate,
        decoded.channels,
        (native[0] if len(native) == 1 else np.concatenate(native)) if keep_native else None,
        decoded.repairs.within(offset, math.inf if duration is None else offset + duration),
    )


def stream_audio(
    source: Path | str | bytes,
    *,
    longest_s: float = MAX_SECONDS,
    name: str | None = None,
    repairs: list[Repair] | None = None,
) -> Iterator[np.ndarray]:
    """A whole sound file as blocks (N,) float32 at 16 kHz mono: joined, what `read_audio` gives as `samples`.

    The blocks are of any length, as the file is coded. A recording of which a part is missing or damaged is read as
    far as it goes, if that is at least half; `repairs` is filled at its end. Raises `GoamaError` as `read_audio` does
    otherwise: at the first block where that can be known, else at the end.
    """
    name = name or _name_of(source)
    read = 0
    with _readable(name):
        decoded = decode(_path_or_bytes(source), _piece(name, 0.0, None, longest_s), past_damage=True)
        for block in to_16_khz_mono(_finite(decoded, 0.0), decoded.rate):
            read += len(block)
            yield block
        if repairs is not None:
            repairs += decoded.repairs.within(0.0, math.inf)
    if not read:
        raise GoamaError(f"{name}: the recording holds no samples; remove this clip or record it again")


def _name_of(source: Path | str | bytes) -> str:
    return "audio bytes" if isinstance(source, bytes) else str(source)


def _path_or_bytes(source: Path | str | bytes) -> Path | bytes:
    return source if isinstance(source, bytes) else Path(source)


def _piece(name: str, offset: float, duration: float | None, longest_s: float) -> Piece:
    if not (math.isfinite(offset) and offset >= 0) or not (duration is None or 0 < duration < math.inf):
        raise GoamaError(f"{name}: a clip from {offset} s that lasts {duration} s is not possible")
    return Piece(name, offset, duration, longest_s)


def _finite(decoded: Decoded, offset: float) -> Iterator[np.ndarray]:
    """The blocks with 0 in place of samples that are not finite numbers, which are noted."""
    import numpy as np

    at = offset
    for block in decoded.blocks:
        broken = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(broken):
            for run in np.split(broken, np.flatnonzero(np.diff(broken) > 1) + 1)[:_MOST_RUNS]:
                decoded.repairs.silence(NOT_FINITE, at + run[0] / decoded.rate, len(run) / decoded.rate)
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        at += len(block) / decoded.rate
        yield block


def _kept(blocks: Iterator[np.ndarray], kept: list[np.ndarray]) -> Iterator[np.ndarray]:
    for block in blocks:
        kept.append(block)
        yield block


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turns the operating system's errors into one sentence: permissions, impossible names, a disk that fails."""
    try:
        yield
    except OSError as error:
        raise GoamaError(f"{name}: the file cannot be read ({error.strerror or error})") from error
