"""Sound files in, 16 kHz mono float32 out: soundfile where it can seek, PyAV for all else, soxr to resample.

Every failure is a `GoamaError` that names the file and says what is wrong with it.
"""

from __future__ import annotations

import atexit
import contextlib
import difflib
import io
import math
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama.errors import GoamaError
from goama.sound.running_decoder import LeftRunning, RunningDecoder
from goama.sound.truncation import truncation

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE = 16_000
"""Hz; what every encoder goama knows was trained on."""

MAX_SECONDS = 12 * 3600
"""A single file longer than this is refused before it is decoded: it would not fit in memory."""

_RATES = range(1_000, 1_000_001)
"""Hz; a header that claims another rate is damaged, and would ask for absurd amounts of memory."""

_MOST_VALUES_A_SECOND = 800_000
"""All channels together (8 at 96 kHz): more is no recording of speech, and a few kB of such silence fill the memory."""

_HEADERLESS = {".g722": "g722", ".gsm": "gsm"}
"""Formats without a header of their own, and the name FFmpeg's demuxer gives them."""

_CONTAINERS = (
    "mov,mp4,m4a,3gp,matroska,webm,mp3,aac,ac3,amr,amrnb,amrwb,asf,avi,flv,ogg,flac,wav,w64,aiff,au,caf,voc,"
    "wv,tta,ape,mpeg,mpegts,g722,gsm"
)
"""What FFmpeg may take a file for. Never a playlist: its demuxers open the files and addresses named inside."""

SOUND_SUFFIXES = (
    ".wav", ".flac", ".aiff", ".aif", ".w64", ".caf", ".au",
    ".m4a", ".opus", ".ogg", ".oga", ".mp3", ".aac", ".wma", ".amr", ".awb", ".g722", ".gsm",
    ".mp4", ".webm", ".mkv", ".mov", ".3gp", ".avi", ".mpg", ".mpeg",
)  # fmt: skip
"""What a recording may end in; where one name is there with several, the first of these is taken."""

_SEEKABLE = {"WAV", "WAVEX", "FLAC", "AIFF", "AU", "CAF", "W64", "RF64"}
_UNKNOWN_FRAMES = 1 << 62  # what libsndfile says of a FLAC that was made by a pipe; it cannot read those


_running = LeftRunning()
atexit.register(_running.forget)  # while the libraries that decode are still there


class TruncatedSoundError(GoamaError):
    """A part of the recording is missing."""


class TooLongSoundError(GoamaError):
    """Longer than the caller takes in one piece."""


class OutsideRecordingError(GoamaError):
    """The piece wanted does not lie within its recording."""


@dataclass(frozen=True)
class Audio:
    """Decoded sound: `samples` (N,) float32 at 16 kHz, full scale is 1, and what the file was before."""

    samples: np.ndarray
    native_rate: int
    native_channels: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class _Wanted:
    """Which piece of a recording to decode, and what to call the recording in messages."""

    name: str
    offset: float
    duration: float | None
    longest_s: float

    @property
    def whole(self) -> bool:
        return not self.offset and self.duration is None

    def check(self, total: float) -> None:
        """`total`: seconds that the recording has, as far as they are known before decoding."""
        end = total if self.duration is None else self.offset + self.duration
        if (self.offset and self.offset >= total) or end > total + 0.05:
            raise OutsideRecordingError(
                f"{self.name}: the clip from {self.offset:.2f} s to {end:.2f} s does not lie within the "
                f"recording's {total:.2f} s"
            )
        self.refuse_if_too_long(end - self.offset)

    def refuse_if_too_long(self, seconds: float) -> None:
        if seconds > self.longest_s:
            long = f"{seconds / 3600:.0f} h" if seconds >= 3 * 3600 else f"{seconds:.0f} s"
            most = f"{self.longest_s / 3600:.0f} h" if self.longest_s >= 3600 else f"{self.longest_s:.0f} s"
            raise TooLongSoundError(f"{self.name}: {long} in one piece; cut it into pieces of at most {most}")


def read_audio(
    source: Path | str | bytes,
    *,
    offset: float = 0.0,
    duration: float | None = None,
    longest_s: float = MAX_SECONDS,
    name: str | None = None,
) -> Audio:
    """Decode a sound file, or its bytes, to mono at 16 kHz.

    `offset` and `duration` (seconds) cut a piece out; the rest of a long recording is not decoded where its
    format allows. Channels are averaged. What is longer than `longest_s` is refused before it is decoded.
    `name` stands for the source in messages; a path is its own name.

    Raises `GoamaError` when the file is missing, empty, not sound, truncated, too long, or holds no samples.
    """
    name = name or (str(source) if not isinstance(source, bytes) else "audio bytes")
    samples, rate = decode_audio(source, offset=offset, duration=duration, longest_s=longest_s, name=name)
    mono = to_16_khz_mono(samples, rate)
    if not len(mono):
        raise GoamaError(f"{name}: the recording holds no samples; remove this clip or record it again")
    return Audio(mono, rate, samples.shape[1])


def decode_audio(
    source: Path | str | bytes,
    *,
    offset: float = 0.0,
    duration: float | None = None,
    longest_s: float = MAX_SECONDS,
    name: str | None = None,
) -> tuple[np.ndarray, int]:
    """(N, channels) float32 and its rate: the sound as its file has it; arguments and errors as `read_audio`'s."""
    name = name or (str(source) if not isinstance(source, bytes) else "audio bytes")
    if not (math.isfinite(offset) and offset >= 0) or not (duration is None or 0 < duration < math.inf):
        raise GoamaError(f"{name}: a clip from {offset} s that lasts {duration} s is not possible")
    if not isinstance(source, bytes):
        source = Path(source)
    wanted = _Wanted(name, offset, duration, longest_s)
    try:
        if isinstance(source, Path):
            _require_file(source)
        return _decode(source, wanted)
    except OSError as error:  # permissions, names that no file system takes, a disk that fails
        raise GoamaError(f"{name}: the file cannot be read ({error.strerror or error})") from error


def to_16_khz_mono(samples: np.ndarray, rate: int) -> np.ndarray:
    """(N, channels) at `rate` becomes (M,) float32 at 16 kHz: channels averaged."""
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    return _to_16_khz(mono, rate) if len(mono) else mono


def write_flac(path: Path, samples: np.ndarray) -> None:
    """Write `samples` (N,) float32 in [-1, 1] as 16-bit mono FLAC at 16 kHz.

    Raises `OSError` with the file's name when the disk is full or refuses it.
    """
    import numpy as np
    import soundfile

    encoded = io.BytesIO()  # libsndfile says nothing when a disk takes only a part; Python's own files do
    soundfile.write(encoded, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    try:
        path.write_bytes(encoded.getbuffer())
    except OSError as error:
        error.filename = str(path)
        raise


def _require_file(path: Path) -> None:
    if not path.exists():
        similar = similar_name(path)
        raise GoamaError(f"{path}: no such file; {f'did you mean {similar!r}?' if similar else 'check the path'}")
    if path.is_dir():
        raise GoamaError(f"{path}: this is a folder, a sound file is needed")
    if not path.is_file():
        raise GoamaError(f"{path}: this is a device or a pipe, a sound file is needed")
    if path.stat().st_size == 0:
        raise GoamaError(f"{path}: the file is empty (0 bytes); copy it again from its origin")


_FEW = 200  # names that may be compared one by one, for each file that is missing


def similar_name(path: Path) -> str | None:
    """A file of the same folder that may be meant: the same letters and numbers, or nearly, the same numbers."""
    names = _names_in(path.parent)
    letters = _letters(path.name)
    if same := names.get(letters):
        return same
    if len(names) > _FEW:
        return None
    close = difflib.get_close_matches(letters, [other for other in names if _numbers(other) == _numbers(letters)], n=1)
    return names[close[0]] if close else None


@lru_cache(maxsize=16)
def _names_in(folder: Path) -> dict[str, str]:
    """A folder's sound files by their letters and numbers; listed once, however many of its files are missing."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return {}
    return {_letters(name): name for name in names if name.lower().endswith(SOUND_SUFFIXES)}


def _letters(name: str) -> str:
    stem = unicodedata.normalize("NFKD", Path(name).stem).casefold()
    return "".join(character for character in stem if character.isalnum())


def _numbers(letters: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", letters)]


def _decode(source: Path | bytes, wanted: _Wanted) -> tuple[np.ndarray, int]:
    """(N, channels) float32 at the native rate: the piece wanted."""
    if isinstance(source, bytes) or wanted.duration is None:
        return _decode_from_the_beginning(source, wanted)
    running = _running.find(source)
    if running is None or not running.reaches(round(wanted.offset * running.rate)):
        with _sound_file(source) as file:
            if file is not None:
                return _decode_with_soundfile(file, wanted), file.samplerate
        track = _SoundTrack(source, wanted.name)
        running = RunningDecoder(track.blocks(), track.rate)
    _running.leave(source, None)  # should it fail, it is not read on
    samples = _piece_of(running, wanted)
    _running.leave(source, running)
    return samples, running.rate


def _decode_from_the_beginning(source: Path | bytes, wanted: _Wanted) -> tuple[np.ndarray, int]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as handle:
        cut_off = truncation(handle) if wanted.whole else None  # a piece from the part that is there is good
    if cut_off:
        raise _truncated(wanted.name, cut_off)
    with _sound_file(source) as file:
        if file is not None:
            return _decode_with_soundfile(file, wanted), file.samplerate
    return _decode_with_av(source, wanted)


@contextmanager
def _sound_file(source: Path | bytes) -> Iterator[Any]:
    """The file opened by libsndfile; None where that cannot read it, or cannot seek in it to the very sample.

    libsndfile 1.2 gives up in the middle of one good Opus file in twenty, and MP3 read in blocks comes out broken.
    """
    import soundfile

    file = None
    if isinstance(source, bytes) or source.suffix.lower() not in _HEADERLESS:
        # TypeError: a name that ends in .raw
        with contextlib.suppress(soundfile.SoundFileError, TypeError):
            file = soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    if file is None:
        yield None
        return
    with file:  # GSM 6.10 in a WAV is not seekable
        yield file if file.format in _SEEKABLE and file.seekable() and file.frames < _UNKNOWN_FRAMES else None


def _piece_of(running: RunningDecoder, wanted: _Wanted) -> np.ndarray:
    assert wanted.duration is not None
    rate = running.rate
    wanted.refuse_if_too_long(wanted.duration)
    samples = running.read(round(wanted.offset * rate), round((wanted.offset + wanted.duration) * rate))
    if running.total is not None:
        wanted.check(running.total / rate)
    return samples


def _truncated(name: str, how: str) -> TruncatedSoundError:
    return TruncatedSoundError(f"{name}: truncated, {how}; copy the file again from its origin")


def _only(seconds: float, of_seconds: float) -> str:
    return f"{seconds:.2f} s of the {of_seconds:.2f} s that its header promises are there"


def _decode_with_soundfile(file: Any, wanted: _Wanted) -> np.ndarray:
    import soundfile

    rate = _plausible(file.samplerate, file.channels, wanted.name)
    wanted.check(file.frames / rate)
    start = round(wanted.offset * rate)
    most = file.frames - start if wanted.duration is None else min(round(wanted.duration * rate), file.frames - start)
    try:
        if start:
            file.seek(start)
        samples = file.read(most, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise TruncatedSoundError(
            f"{wanted.name}: the sound breaks off in the middle (truncated or damaged file); "
            "copy the file again from its origin"
        ) from error
    if len(samples) < most - rate // 100:
        raise _truncated(wanted.name, _only(len(samples) / rate, most / rate))
    return samples


def _decode_with_av(source: Path | bytes, wanted: _Wanted) -> tuple[np.ndarray, int]:
    """The recording is decoded as a whole, whatever piece is wanted."""
    import numpy as np

    track = _SoundTrack(source, wanted.name)
    rate = track.rate
    if track.seconds and wanted.duration is None:
        wanted.refuse_if_too_long(track.seconds - wanted.offset)
    pieces, read = [], 0
    for block in track.blocks():
        pieces.append(block)
        read += len(block)
        if wanted.duration is None:
            wanted.refuse_if_too_long(read / rate - wanted.offset)
    if not pieces:
        raise GoamaError(f"{wanted.name}: the recording holds no samples; remove this clip or record it again")
    if wanted.whole and read / rate < track.promised_s - 0.25:
        raise _truncated(wanted.name, _only(read / rate, track.promised_s))
    wanted.check(read / rate)
    start = round(wanted.offset * rate)
    end = None if wanted.duration is None else round((wanted.offset + wanted.duration) * rate)
    return np.concatenate(pieces)[start:end], rate


class _SoundTrack:
    """The first sound track of a file, as FFmpeg decodes it.

    `seconds`: how long the container says it is, 0 where it does not; `promised_s`: the same, where that is exact.
    """

    def __init__(self, source: Path | bytes, name: str) -> None:
        import av

        self._name = name
        demuxer = _HEADERLESS.get(source.suffix.lower()) if isinstance(source, Path) else None
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
        self.rate = _plausible(stream.rate, stream.channels, name)
        self.seconds = (self._container.duration or 0) / 1e6
        exact = "mp4" in self._container.format.name and stream.duration and stream.time_base
        self.promised_s = float(stream.duration * stream.time_base) if exact else 0.0

    def blocks(self) -> Iterator[np.ndarray]:
        """(n, channels) float32 a frame of the codec each, from the first sample on."""
        import av
        import numpy as np

        resampler = av.AudioResampler(format="fltp")  # native rate: soxr resamples better than swr
        read = 0
        try:
            for frame in self._container.decode(self._stream):
                for piece in resampler.resample(frame):
                    read += piece.samples
                    yield np.ascontiguousarray(piece.to_ndarray().T)
        except (av.FFmpegError, ValueError) as error:  # ValueError: the rate or the channels change on the way
            if read:
                raise TruncatedSoundError(
                    f"{self._name}: the sound breaks off after {read / self.rate:.2f} s "
                    f"(truncated or damaged file: {_cause(error)})"
                ) from error
            raise _no_sound(self._name, error) from error


def _no_sound(name: str, error: Exception) -> GoamaError:
    return GoamaError(f"{name}: this is not a sound file that can be read ({_cause(error)})")


def _plausible(rate: int | None, channels: int, name: str) -> int:
    if rate not in _RATES:
        raise GoamaError(f"{name}: a sample rate of {rate} Hz is not sound; the file is damaged")
    if rate * channels > _MOST_VALUES_A_SECOND:  # type: ignore[operator]
        raise GoamaError(f"{name}: {channels} channels at {rate} Hz are more than speech needs; convert it to one")
    return int(rate)  # type: ignore[arg-type]


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).split(":")[0].strip() or type(error).__name__


def _to_16_khz(mono: np.ndarray, rate: int) -> np.ndarray:
    import numpy as np
    import soxr

    if not np.isfinite(mono).all():
        mono = np.nan_to_num(mono, nan=0.0, posinf=1.0, neginf=-1.0)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(mono, dtype=np.float32)
