"""The first sound track of any file that FFmpeg decodes, in blocks at its own rate, at the times of its container.

What cannot be decoded is replaced by silence, so that the times of what follows stay true.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from goama.errors import GoamaError
from goama.sound.repairs import CUT_OFF, DAMAGED, GAP, JUMP, RUBBISH, Repair, Repairs, clock_time

if TYPE_CHECKING:
    import numpy as np

HEADERLESS = {".g722": "g722", ".gsm": "gsm"}
"""Suffixes of formats without a header, and the names of FFmpeg's demuxers for them."""

_AFTER_RUBBISH = {".mp3": "mp3", ".aac": "aac"}
"""Suffixes of streams of frames, and their demuxers, which find the first frame behind whatever lies before it."""

_CONTAINERS = (
    "mov,mp4,m4a,3gp,matroska,webm,mp3,aac,ac3,amr,amrnb,amrwb,asf,avi,flv,ogg,flac,wav,w64,aiff,au,caf,voc,"
    "wv,tta,ape,mpeg,mpegts,g722,gsm"
)
"""Demuxers that FFmpeg may use. No playlists: their demuxers open the files and addresses named inside."""

_PROBED_US = str(60_000_000)  # sound may begin a minute after the pictures

_RATES = range(1_000, 1_000_001)
"""Hz; a header with another rate is damaged, and decoding at such a rate could fill the memory."""

_BLOCK_FRAMES = 1 << 15  # a codec's own frames are so short that handling each costs more than decoding it

_MOST_VALUES_A_SECOND = 800_000
"""All channels together (8 at 96 kHz): no recording of speech has more, and a few kB of silence would fill memory."""


_CLOCKS = {"mov", "mp4", "matroska", "webm", "ogg", "avi", "asf", "flv", "mpeg", "mpegts"}
"""Demuxers of containers whose packets have times of their own, which count: a late start and a gap are silence."""

_START_ANYWHERE = {"mpeg", "mpegts"}
"""Their clocks begin at any time; players show 0 where the first picture or sound is."""

_TOLERANCE_S = 0.05  # containers round their times to milliseconds or frames; encoders put some samples before
_LONGEST_GAP_S = 3600.0  # a live stream that was recorded from its middle on begins hours after its clock's 0
_MOST_SILENCE_S = 12 * 3600.0
_BACK_TO_START_S = 1.0  # samples before the clock's 0 are no part of the film, unless its clock is wrong altogether
_MOST_ERRORS = 20_000  # packets that cannot be decoded
_MOST_ERRORS_IN_A_ROW = 2_000
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")  # between two files that were joined; no sound is lost


class SoundTrack:
    """A sound track that is open for reading.

    rate, channels: as stored. seconds: the container's word for its length, 0 if it has none; promised_s: the same
    where it is exact, else 0; length_s: by a container with a clock, from its 0 to its end, else None. repairs: what
    was mended so far. Raises `GoamaError` when the file has no sound that can be decoded.
    """

    def __init__(self, source: Path | BinaryIO, name: str) -> None:
        import av

        self._name = name
        demuxer = HEADERLESS.get(source.suffix.lower()) if isinstance(source, Path) else None
        handle = source.open("rb") if isinstance(source, Path) else source
        try:
            self._container = _open(handle, demuxer)
        except (av.FFmpegError, ValueError) as error:
            by_suffix = _AFTER_RUBBISH.get(source.suffix.lower()) if isinstance(source, Path) else None
            try:
                if by_suffix is None:
                    raise
                handle.seek(0)
                self._container = _open(handle, by_suffix)
            except (av.FFmpegError, ValueError):
                handle.close()
                raise _no_sound(name, error) from error
        if not self._container.streams.audio:
            raise GoamaError(f"{name}: the file holds no sound track")
        self._stream = stream = self._container.streams.audio[0]
        if stream.codec_context is None:
            raise GoamaError(f"{name}: the sound is coded in a way that cannot be read; convert it to WAV or FLAC")
        self.rate = plausible_rate(stream.rate, stream.channels, name)
        self.channels = int(stream.channels)
        self._layout = stream.layout.name
        self.seconds = (self._container.duration or 0) / 1e6
        formats = set(self._container.format.name.split(","))
        exact = "mp4" in formats and stream.duration and stream.time_base
        self.promised_s = float(stream.duration * stream.time_base) if exact else 0.0
        ends = self._container.duration is not None and formats & _CLOCKS
        self.length_s = self.seconds + max(0, self._container.start_time or 0) / 1e6 if ends else None
        self.repairs = Repairs()
        start = (self._container.start_time or 0) / 1e6 if formats & _START_ANYWHERE else 0.0
        self._clock_start: float | None = start if formats & _CLOCKS else None

    def blocks(self) -> Iterator[np.ndarray]:
        """(N, channels) float32, from the clock's 0 on, in blocks of about a second, until nothing can be decoded.

        Sound that cannot be decoded, and gaps in the container's clock, are silence and noted in `repairs`.
        Raises `GoamaError` where nothing at all can be decoded.
        """
        import numpy as np

        pending: list[np.ndarray] = []
        held = 0
        for part in self._parts():
            for piece in part if isinstance(part, Silence) else (part,):
                pending.append(piece)
                held += piece.shape[1]
                if held >= _BLOCK_FRAMES:
                    yield np.ascontiguousarray(np.concatenate(pending, axis=1).T)
                    pending, held = [], 0
        if pending:
            yield np.ascontiguousarray(np.concatenate(pending, axis=1).T)

    def _parts(self) -> Iterator[np.ndarray | Silence]:
        """(channels, N) float32 of each decoded frame, and the silence between two."""
        read = good = 0  # frames given; of them decoded
        good_bytes = 0
        lost_s, lost_bytes = 0.0, 0  # in packets that failed since the last good one
        errors = in_a_row = 0
        first_error: Exception | None = None
        for packet in self._packets():
            if isinstance(packet, Exception):
                first_error = first_error or packet
                errors, in_a_row = errors + 1, in_a_row + 1
                if errors > _MOST_ERRORS or in_a_row > _MOST_ERRORS_IN_A_ROW:
                    break
                continue
            try:
                frames = packet.decode()
            except (av_error(), ValueError) as error:
                first_error = first_error or error
                errors, in_a_row = errors + 1, in_a_row + 1
                if errors > _MOST_ERRORS or in_a_row > _MOST_ERRORS_IN_A_ROW:
                    break
                lost_bytes += packet.size
                if not bytes(packet)[:8].startswith(_TAGS):
                    one = float(packet.duration * packet.time_base) if packet.duration and packet.time_base else 0.0
                    lost_s += max(one, packet.size * good / self.rate / good_bytes if good_bytes else 0.0)
                continue
            good_bytes += packet.size
            for frame in frames:
                samples = self._samples(frame)
                silence, early = self._silence_before(frame, read, good, lost_s)
                if silence:
                    yield Silence(self.channels, silence)
                    read += silence
                samples = samples[:, early:]
                lost_s, lost_bytes, in_a_row = 0.0, 0, 0
                read += samples.shape[1]
                good += samples.shape[1]
                yield samples
        if not good and first_error:
            raise _no_sound(self._name, first_error) from first_error
        self._note_end(read, lost_s, lost_bytes, in_a_row)

    def _packets(self) -> Iterator[Any]:
        """The packets of the track, and the errors between them: after an error FFmpeg goes on where it can."""
        packets = self._container.demux(self._stream)
        for _ in range(_MOST_ERRORS_IN_A_ROW):
            try:
                yield from packets
                return
            except (av_error(), ValueError) as error:
                yield error
                packets = self._container.demux(self._stream)

    def _samples(self, frame: Any) -> np.ndarray:
        """(channels, N) float32 at the track's rate; files that were joined may change rate and channels on the way."""
        import av

        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form != self._form:
            change = frame.sample_rate != self.rate or frame.layout.nb_channels != self.channels
            target = {"layout": self._layout, "rate": self.rate} if change else {}
            self._form, self._resampler = form, av.AudioResampler(format="fltp", **target)
        import numpy as np

        parts = [part.to_ndarray() for part in self._resampler.resample(frame)]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self.channels, 0), np.float32)

    _form: tuple[str, str, int] | None = None
    _resampler: Any = None

    def _silence_before(self, frame: Any, read: int, good: int, lost_s: float) -> tuple[int, int]:
        """Frames of silence that belong before a frame, and how many of its own samples lie before the clock's 0."""
        kind, seconds = DAMAGED, lost_s if good else 0.0
        if self._clock_start is not None and frame.pts is not None and frame.time_base is not None:
            late = float(frame.pts * frame.time_base) - self._clock_start - read / self.rate
            if not good and -_BACK_TO_START_S < late < -_TOLERANCE_S:
                return 0, round(-late * self.rate)
            if late < -_TOLERANCE_S or late > _LONGEST_GAP_S:  # another recording follows, or a live stream
                if not any(repair.kind == JUMP for repair in self.repairs.of_whole):
                    jump = f"its clock jumps by {late:.1f} s at {clock_time(read / self.rate)}"
                    self.repairs.of_whole.append(Repair(JUMP, f"{jump}; times are counted on from there"))
                self._clock_start += late
                late = lost_s
            kind, seconds = DAMAGED if lost_s else GAP, late if late > _TOLERANCE_S else 0.0
        silence = round(min(seconds, _LONGEST_GAP_S) * self.rate)
        if silence:
            self.repairs.silence(kind, read / self.rate, silence / self.rate)
            self._silence_s += silence / self.rate
            if self._silence_s > _MOST_SILENCE_S:
                raise GoamaError(f"{self._name}: the clock of this file is damaged: it has gaps of many hours")
        return silence, 0

    _silence_s = 0.0

    def _note_end(self, read: int, lost_s: float, lost_bytes: int, in_a_row: int) -> None:
        if not in_a_row:
            return
        if self._clock_start is None:
            sentence = f"the last {lost_bytes} bytes of the file are not sound" if lost_bytes else "it ends in damage"
            self.repairs.of_whole.append(Repair(RUBBISH, sentence))
        else:
            sentence = f"the sound breaks off after {clock_time(read / self.rate)}: truncated or damaged"
            self.repairs.of_whole.append(Repair(CUT_OFF, sentence, lost_s))


class Silence:
    """Iterating gives `frames` of silence (channels, N) in pieces that fit in memory."""

    def __init__(self, channels: int, frames: int) -> None:
        self._channels, self._frames = channels, frames

    def __iter__(self) -> Iterator[np.ndarray]:
        import numpy as np

        for start in range(0, self._frames, _BLOCK_FRAMES):
            yield np.zeros((self._channels, min(_BLOCK_FRAMES, self._frames - start)), np.float32)


def _open(handle: BinaryIO, demuxer: str | None) -> Any:
    import av

    options = {"format_whitelist": _CONTAINERS, "analyzeduration": _PROBED_US}
    return av.open(handle, format=demuxer, metadata_errors="ignore", options=options)


def av_error() -> type[Exception]:
    """FFmpeg's error; PyAV is imported when it is needed."""
    import av

    return av.FFmpegError


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
