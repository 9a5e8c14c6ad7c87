"""Sound files in, 16 kHz mono float32 out: soundfile first, PyAV for what libsndfile cannot read, soxr to resample.

Every failure is a `GoamaError` that names the file and says what is wrong with it.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama.errors import GoamaError

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE = 16_000
"""Hz; what every encoder goama knows was trained on."""

MAX_SECONDS = 12 * 3600
"""A single file longer than this is refused before it is decoded: it would not fit in memory."""

_HEADERLESS = {".g722": "g722", ".gsm": "gsm"}
"""Formats without a header of their own, and the name FFmpeg's demuxer gives them."""


@dataclass(frozen=True)
class Audio:
    """Decoded sound: `samples` (N,) float32 in [-1, 1] at 16 kHz, and what the file was before."""

    samples: np.ndarray
    native_rate: int
    native_channels: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def read_audio(
    source: Path | str | bytes,
    *,
    offset: float = 0.0,
    duration: float | None = None,
    name: str | None = None,
) -> Audio:
    """Decode a sound file, or its bytes, to mono at 16 kHz.

    `offset` and `duration` (seconds) cut a piece out. Channels are averaged. `name` stands for the
    source in messages; a path is its own name.

    Raises `GoamaError` when the file is missing, empty, not sound, truncated, or holds no samples.
    """
    name = name or (str(source) if not isinstance(source, bytes) else "audio bytes")
    if not isinstance(source, bytes):
        source = Path(source)
        _require_file(source)
    samples, rate = _decode(source, name)
    channels = samples.shape[1]
    mono = samples.mean(axis=1) if channels > 1 else samples[:, 0]
    if offset or duration is not None:
        mono = _cut(mono, rate, offset, duration, name)
    if not len(mono):
        raise GoamaError(f"{name}: the recording holds no samples; remove this clip or record it again")
    return Audio(_to_16_khz(mono, rate), rate, channels)


def write_flac(path: Path, samples: np.ndarray) -> None:
    """Write `samples` (N,) float32 in [-1, 1] as 16-bit mono FLAC at 16 kHz."""
    import numpy as np
    import soundfile

    soundfile.write(path, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16", format="FLAC")


def _require_file(path: Path) -> None:
    if not path.exists():
        raise GoamaError(f"{path}: no such file; check the path, relative paths start from the manifest's folder")
    if path.is_dir():
        raise GoamaError(f"{path}: this is a folder, a sound file is needed")
    if path.stat().st_size == 0:
        raise GoamaError(f"{path}: the file is empty (0 bytes); copy it again from its origin")


def _decode(source: Path | bytes, name: str) -> tuple[np.ndarray, int]:
    """(N, channels) float32 at the native rate."""
    import soundfile

    if isinstance(source, Path) and source.suffix.lower() in _HEADERLESS:
        return _decode_with_av(source, name, _HEADERLESS[source.suffix.lower()])
    handle: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with soundfile.SoundFile(handle) as file:
            _refuse_if_too_long(file.frames / file.samplerate, name)
            expected = max(file.frames, _promised_frames(source))
            samples = file.read(dtype="float32", always_2d=True)
            rate, lossless = file.samplerate, file.format in {"WAV", "FLAC", "AIFF", "W64", "CAF"}
    except soundfile.LibsndfileError as error:
        if "lost sync" in str(error).lower() or "decoder" in str(error).lower():
            raise GoamaError(f"{name}: the sound breaks off in the middle (truncated or damaged file)") from error
        return _decode_with_av(source, name)
    if lossless and len(samples) < expected - rate // 100:
        raise GoamaError(
            f"{name}: truncated, {len(samples) / rate:.2f} s of the {expected / rate:.2f} s its header "
            "promises; copy the file again from its origin"
        )
    return samples, rate


def _promised_frames(source: Path | bytes) -> int:
    """Frames that a RIFF header promises; libsndfile silently believes the file's size instead. 0 if unknown."""
    if isinstance(source, bytes):
        head = source[:4096]
    else:
        with source.open("rb") as file:
            head = file.read(4096)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    position, block_align = 12, 0
    while position + 8 <= len(head):
        chunk, size = head[position : position + 4], struct.unpack_from("<I", head, position + 4)[0]
        if chunk == b"fmt " and position + 24 <= len(head):
            encoding, block_align = struct.unpack_from("<H10xH", head, position + 8)
            if encoding not in (1, 3, 0xFFFE):  # PCM, float, extensible: one block is one frame
                return 0
        if chunk == b"data":
            streamed = size >= 0xFFFFFF00 or size == 0  # written by a recorder that could not seek back
            return 0 if streamed or not block_align else size // block_align
        position += 8 + size + (size & 1)
    return 0


def _decode_with_av(source: Path | bytes, name: str, demuxer: str | None = None) -> tuple[np.ndarray, int]:
    import av
    import numpy as np

    handle: Any = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        with av.open(handle, format=demuxer) as container:
            if not container.streams.audio:
                raise GoamaError(f"{name}: the file holds no sound track")
            stream = container.streams.audio[0]
            if container.duration:
                _refuse_if_too_long(container.duration / 1e6, name)
            resampler = av.AudioResampler(format="fltp")  # native rate: soxr resamples better than swr
            pieces = [piece.to_ndarray() for frame in container.decode(stream) for piece in resampler.resample(frame)]
            rate = stream.rate
    except av.FFmpegError as error:
        raise GoamaError(f"{name}: this is not a sound file that can be read ({_cause(error)})") from error
    if not pieces:
        raise GoamaError(f"{name}: the recording holds no samples; remove this clip or record it again")
    return np.ascontiguousarray(np.concatenate(pieces, axis=1).T), rate


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).split(":")[0].strip() or type(error).__name__


def _refuse_if_too_long(seconds: float, name: str) -> None:
    if seconds > MAX_SECONDS:
        raise GoamaError(
            f"{name}: {seconds / 3600:.0f} h in one file; cut it into files of at most {MAX_SECONDS // 3600} h"
        )


def _cut(mono: np.ndarray, rate: int, offset: float, duration: float | None, name: str) -> np.ndarray:
    total = len(mono) / rate
    end = total if duration is None else offset + duration
    if offset < 0 or offset >= total or end > total + 0.05:
        raise GoamaError(
            f"{name}: the clip from {offset:.2f} s to {end:.2f} s does not lie within the recording's {total:.2f} s"
        )
    return mono[round(offset * rate) : round(end * rate)]


def _to_16_khz(mono: np.ndarray, rate: int) -> np.ndarray:
    import numpy as np
    import soxr

    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    if not np.isfinite(mono).all():
        mono = np.nan_to_num(mono, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.ascontiguousarray(mono, dtype=np.float32)
