"""The first sound track of any file that FFmpeg decodes, in blocks at its own rate."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from goama.errors import GoamaError
from goama.sound.piece import TruncatedSoundError

if TYPE_CHECKING:
    import numpy as np

HEADERLESS = {".g722": "g722", ".gsm": "gsm"}
"""Suffixes of formats without a header, and the names of FFmpeg's demuxers for them."""

_CONTAINERS = (
    "mov,mp4,m4a,3gp,matroska,webm,mp3,aac,ac3,amr,amrnb,amrwb,asf,avi,flv,ogg,flac,wav,w64,aiff,au,caf,voc,"
    "wv,tta,ape,mpeg,mpegts,g722,gsm"
)
"""Demuxers that FFmpeg may use. No playlists: their demuxers open the files and addresses named inside."""

_RATES = range(1_000, 1_000_001)
"""Hz; a header with another rate is damaged, and decoding at such a rate could fill the memory."""

_BLOCK_FRAMES = 1 << 15  # a codec's own frames are so short that handling each costs more than decoding it

_MOST_VALUES_A_SECOND = 800_000
"""All channels together (8 at 96 kHz): no recording of speech has more, and a few kB of silence would fill memory."""


class SoundTrack:
    """A sound track that is open for reading.

    rate, channels: as stored. seconds: the container's word for its length, 0 if it has none; promised_s: the same
    where it is exact, else 0. Raises `GoamaError` when the file has no sound that can be decoded.
    """

    def __init__(self, source: Path | bytes, name: str) -> None:
        import av

        self._name = name
        demuxer = HEADERLESS.get(source.suffix.lower()) if isinstance(source, Path) else None
        handle = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        try:
            self._container = av.open(
                handle, format=demuxer, metadata_errors="ignore", options={"format_whitelist": _CONTAINERS}
            )
        except (av.FFmpegError, ValueError) as error:
            handle.close()
            raise _no_sound(name, error) from error
        if not self._container.streams.audio:
            raise GoamaError(f"{name}: the file holds no sound track")
        self._stream = stream = self._container.streams.audio[0]
        if stream.codec_context is None:
            raise GoamaError(f"{name}: the sound is coded in a way that cannot be read; convert it to WAV or FLAC")
        self.rate = plausible_rate(stream.rate, stream.channels, name)
        self.channels = int(stream.channels)
        self.seconds = (self._container.duration or 0) / 1e6
        exact = "mp4" in self._container.format.name and stream.duration and stream.time_base
        self.promised_s = float(stream.duration * stream.time_base) if exact else 0.0

    def blocks(self) -> Iterator[np.ndarray]:
        """(N, channels) float32, from the first sample on, in blocks of about a second.

        Raises `GoamaError` where the sound breaks off or cannot be decoded.
        """
        import av
        import numpy as np

        resampler = av.AudioResampler(format="fltp")  # keeps the rate: soxr resamples better than swr
        read = given = 0
        frames: list[np.ndarray] = []
        try:
            for frame in self._container.decode(self._stream):
                for part in resampler.resample(frame):
                    frames.append(part.to_ndarray())
                    read += part.samples
                if read - given >= _BLOCK_FRAMES:
                    yield np.ascontiguousarray(np.concatenate(frames, axis=1).T)
                    given, frames = read, []
        except (av.FFmpegError, ValueError) as error:  # ValueError: the rate or the channels change on the way
            if read:
                raise TruncatedSoundError(
                    f"{self._name}: the sound breaks off after {read / self.rate:.2f} s "
                    f"(truncated or damaged file: {_cause(error)})"
                ) from error
            raise _no_sound(self._name, error) from error
        if frames:
            yield np.ascontiguousarray(np.concatenate(frames, axis=1).T)


def plausible_rate(rate: int | None, channels: int, name: str) -> int:
    """The rate of a header; raises `GoamaError` when no recording has such a rate or so many channels."""
    if rate not in _RATES:
        raise GoamaError(f"{name}: a sample rate of {rate} Hz is not sound; the file is damaged")
    if rate * channels > _MOST_VALUES_A_SECOND:  # type: ignore[operator]
        raise GoamaError(f"{name}: {channels} channels at {rate} Hz are more than speech needs; convert it to one")
    return int(rate)  # type: ignore[arg-type]


def _no_sound(name: str, error: Exception) -> GoamaError:
    return GoamaError(f"{name}: this is not a sound file that can be read ({_cause(error)})")


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).split(":")[0].strip() or type(error).__name__
