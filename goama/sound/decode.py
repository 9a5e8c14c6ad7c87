"""A sound file, or its bytes, becomes blocks of samples as stored: libsndfile where it can seek, else FFmpeg."""

from __future__ import annotations

import atexit
import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama.errors import GoamaError
from goama.sound.ffmpeg import HEADERLESS, SoundTrack, plausible_rate
from goama.sound.paths import for_libsndfile, require_sound_file
from goama.sound.piece import Piece, TruncatedSoundError
from goama.sound.sequential_decoder import OpenDecoder, SequentialDecoder
from goama.sound.truncation import truncation

if TYPE_CHECKING:
    import numpy as np

_BLOCK_FRAMES = 1 << 18  # 6 to 16 s: nearly every clip is one block, and an hour never lies in memory
_SEEKABLE = {"WAV", "WAVEX", "FLAC", "AIFF", "AU", "CAF", "W64", "RF64"}
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's length of a FLAC that was written to a pipe; it cannot read those
_SHORTER_S = 0.01  # decoded less than the header's length by up to this: rounding
_SHORTER_THAN_PROMISED_S = 0.25  # the same for containers

_open_decoder = OpenDecoder()
atexit.register(_open_decoder.close)  # before the libraries that decode are unloaded


@dataclass(frozen=True)
class Decoded:
    """Sound as stored: `blocks` (N, channels) float32 at `rate`, to be iterated once.

    Iterating raises `GoamaError` where the sound turns out to be damaged, too long or not to hold the piece.
    """

    rate: int
    channels: int
    blocks: Iterator[np.ndarray]


def decode(source: Path | bytes, piece: Piece) -> Decoded:
    """A piece of a recording; the rest of a long recording is not decoded where its format allows.

    Raises `GoamaError` when the source is missing, empty, not sound, truncated or too long, or does not hold the
    piece; `OSError` when it cannot be read.
    """
    if isinstance(source, Path):
        require_sound_file(source)
    if piece.duration is not None:
        piece.check_length(piece.duration)
    if isinstance(source, Path) and piece.duration is not None:
        return _decode_piece(source, piece)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as handle:
        cut_off = truncation(handle) if piece.is_whole else None  # a piece of the part that is there is good
    if cut_off:
        raise _truncated(piece.name, cut_off)
    file = _seekable_file(source)
    return _with_soundfile(file, piece) if file else _with_ffmpeg(source, piece)


def _decode_piece(path: Path, piece: Piece) -> Decoded:
    """From the open decoder where it has not passed the piece, from a file that can be sought in, or from a new one."""
    decoder = _open_decoder.of(path)
    if decoder is None or not decoder.reaches(piece.frames(decoder.rate)[0]):
        file = _seekable_file(path)
        if file:
            return _with_soundfile(file, piece)
        track = SoundTrack(path, piece.name)
        decoder = SequentialDecoder(track.blocks(), track.rate, track.channels)
    return Decoded(decoder.rate, decoder.channels, _read_on(decoder, path, piece))


def _read_on(decoder: SequentialDecoder, path: Path, piece: Piece) -> Iterator[np.ndarray]:
    start, stop = piece.frames(decoder.rate)
    assert stop is not None
    _open_decoder.close()  # a decoder that fails is not kept
    yield from decoder.read(start, stop)
    _open_decoder.keep(path, decoder)
    if decoder.total is not None:
        piece.check(decoder.total / decoder.rate)


def _seekable_file(source: Path | bytes) -> Any:
    """The file opened by libsndfile; None where libsndfile cannot read it or cannot seek in it to the very sample.

    libsndfile 1.2 gives up in the middle of one good Opus file in twenty, and MP3 read in blocks comes out broken.
    """
    import soundfile

    if isinstance(source, Path) and source.suffix.lower() in HEADERLESS:
        return None
    file = None
    with contextlib.suppress(soundfile.SoundFileError, TypeError):  # TypeError: a name that ends in .raw
        file = soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else for_libsndfile(source))
    if file is None:
        return None
    if file.format in _SEEKABLE and file.seekable() and file.frames < _UNKNOWN_FRAMES:  # GSM 6.10 in a WAV is not
        return file
    file.close()
    return None


def _with_soundfile(file: Any, piece: Piece) -> Decoded:
    try:
        rate = plausible_rate(file.samplerate, file.channels, piece.name)
        piece.check(file.frames / rate)
    except GoamaError:
        file.close()
        raise
    return Decoded(rate, file.channels, _soundfile_blocks(file, piece))


def _soundfile_blocks(file: Any, piece: Piece) -> Iterator[np.ndarray]:
    import soundfile

    rate = file.samplerate
    start = round(piece.offset * rate)
    there = file.frames - start
    wanted = there if piece.duration is None else min(round(piece.duration * rate), there)
    read = 0
    with file:
        try:
            if start:
                file.seek(start)
            while read < wanted:
                block = file.read(min(_BLOCK_FRAMES, wanted - read), dtype="float32", always_2d=True)
                if not len(block):
                    break
                read += len(block)
                yield block
        except soundfile.SoundFileError as error:
            raise TruncatedSoundError(
                f"{piece.name}: the sound breaks off in the middle (truncated or damaged file); "
                "copy the file again from its origin"
            ) from error
    if read < wanted - _SHORTER_S * rate:
        raise _truncated(piece.name, _only(read / rate, wanted / rate))


def _with_ffmpeg(source: Path | bytes, piece: Piece) -> Decoded:
    track = SoundTrack(source, piece.name)
    if track.seconds and piece.duration is None:
        piece.check_length(track.seconds - piece.offset)
    return Decoded(track.rate, track.channels, _track_blocks(track, piece))


def _track_blocks(track: SoundTrack, piece: Piece) -> Iterator[np.ndarray]:
    """The blocks of the piece; what lies before it is decoded too."""
    rate = track.rate
    start, stop = piece.frames(rate)
    read = 0
    for block in track.blocks():
        if read + len(block) > start:
            yield block[max(0, start - read) : None if stop is None else max(0, stop - read)]
        read += len(block)
        if stop is None:
            piece.check_length(read / rate - piece.offset)
        elif read >= stop:
            return
    if not read:
        raise GoamaError(f"{piece.name}: the recording holds no samples; remove this clip or record it again")
    if piece.is_whole and read / rate < track.promised_s - _SHORTER_THAN_PROMISED_S:
        raise _truncated(piece.name, _only(read / rate, track.promised_s))
    piece.check(read / rate)


def _truncated(name: str, how: str) -> TruncatedSoundError:
    return TruncatedSoundError(f"{name}: truncated, {how}; copy the file again from its origin")


def _only(seconds: float, of_seconds: float) -> str:
    return f"{seconds:.2f} s of the {of_seconds:.2f} s that its header promises are there"
