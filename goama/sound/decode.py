"""A sound file, or its bytes, becomes blocks of samples as stored: libsndfile where it can seek, else FFmpeg."""

from __future__ import annotations

import atexit
import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from goama.errors import GoamaError
from goama.sound.ffmpeg import HEADERLESS, SoundTrack, plausible_rate
from goama.sound.paths import for_libsndfile, require_sound_file
from goama.sound.piece import Piece, TruncatedSoundError
from goama.sound.repairs import CUT_OFF, DAMAGED, Repair, Repairs
from goama.sound.scale import FLOAT_SUBTYPES, repair_of, scale_of_file
from goama.sound.sequential_decoder import OpenDecoder, SequentialDecoder
from goama.sound.truncation import truncation
from goama.sound.unknown_size import WithSizes, sizes

if TYPE_CHECKING:
    import numpy as np

_BLOCK_FRAMES = 1 << 18  # 6 to 16 s: nearly every clip is one block, and an hour never lies in memory
_SEEKABLE = {"WAV", "WAVEX", "FLAC", "AIFF", "AU", "CAF", "W64", "RF64"}
_SEEKABLE_BEGINNINGS = (b"RIFF", b"RF64", b"riff", b"fLaC", b"FORM", b".snd", b"dns.", b"caff")  # of their files
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's length of a FLAC that was written to a pipe; it cannot read those
_SHORTER_S = 0.01  # decoded less than the header's length by up to this: rounding
_SHORTER_THAN_PROMISED_S = 0.25  # the same for containers
_MOST_MISSING = 0.5  # of a recording that is used all the same

_open_decoder = OpenDecoder()
atexit.register(_open_decoder.close)  # before the libraries that decode are unloaded


@dataclass(frozen=True)
class Decoded:
    """Sound as stored: `blocks` (N, channels) float32 at `rate`, to be iterated once.

    Iterating raises `GoamaError` where the sound turns out to be cut off, too long or not to hold the piece.
    `repairs`: of the whole recording as far as it was decoded.
    """

    rate: int
    channels: int
    blocks: Iterator[np.ndarray]
    repairs: Repairs


def decode(source: Path | bytes, piece: Piece, *, past_damage: bool = False) -> Decoded:
    """A piece of a recording; the rest of a long recording is not decoded where its format allows.

    `past_damage`: of a recording that was cut off take what is there, if that is at least half, and note the rest in
    `repairs`. Raises `GoamaError` when the source is missing, empty, not sound, truncated or too long, or does not
    hold the piece; `OSError` when it cannot be read.
    """
    if isinstance(source, Path):
        require_sound_file(source)
    if piece.duration is not None:
        piece.check_length(piece.duration)
    if isinstance(source, Path) and piece.duration is not None:
        return _decode_piece(source, piece)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as handle:
        cut_off = truncation(handle) if piece.is_whole else None  # a piece of the part that is there is good
    if cut_off and (not past_damage or cut_off.share > _MOST_MISSING):
        raise _truncated(piece.name, cut_off.sentence, cut_off.remedy)
    file = _seekable_file(source)
    decoded = _with_soundfile(file, piece, source) if file else _with_ffmpeg(source, piece, past_damage)
    if cut_off:
        decoded.repairs.of_whole.append(Repair(CUT_OFF, f"cut off: {cut_off.sentence}"))
    return decoded


def length_in_header(path: Path) -> float | None:
    """The length of a recording (s) where its header states it exactly, else None.

    Raises `GoamaError` or `OSError` when the file cannot be read.
    """
    file = _seekable_file(path)
    if file:
        with file:
            return file.frames / file.samplerate if file.samplerate else None
    if path.suffix.lower() in HEADERLESS:
        return None
    return SoundTrack(_source_for_ffmpeg(path), str(path)).length_s


def _decode_piece(path: Path, piece: Piece) -> Decoded:
    """From the open decoder where it has not passed the piece, from a file that can be sought in, or from a new one."""
    decoder = _open_decoder.of(path)
    if decoder is None or not decoder.reaches(piece.frames(decoder.rate)[0]):
        file = _seekable_file(path)
        if file:
            return _with_soundfile(file, piece, path)
        track = SoundTrack(_source_for_ffmpeg(path), piece.name)
        decoder = SequentialDecoder(track.blocks(), track.rate, track.channels, track.repairs)
    return Decoded(decoder.rate, decoder.channels, _read_on(decoder, path, piece), decoder.repairs)


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
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as beginning:
        if not beginning.read(4).startswith(_SEEKABLE_BEGINNINGS):
            return None
    handle = _with_true_sizes(source)
    opened = handle or (io.BytesIO(source) if isinstance(source, bytes) else for_libsndfile(source))
    file = None
    with contextlib.suppress(soundfile.SoundFileError, TypeError):  # TypeError: a name that ends in .raw
        file = soundfile.SoundFile(opened)
    if file is None:
        return None
    if file.format in _SEEKABLE and file.seekable() and file.frames < _UNKNOWN_FRAMES:  # GSM 6.10 in a WAV is not
        return file
    file.close()
    return None


def _with_true_sizes(source: Path | bytes) -> WithSizes | None:
    """The file with the sizes in its header that a program which wrote to a pipe could not know; None: it has them."""
    handle = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    changes = sizes(handle)
    if changes:
        handle.seek(0)
        return WithSizes(handle, changes)
    handle.close()
    return None


def _source_for_ffmpeg(source: Path | bytes) -> Path | BinaryIO:
    handle = _with_true_sizes(source)
    if handle:
        return handle  # type: ignore[return-value]
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _with_soundfile(file: Any, piece: Piece, source: Path | bytes) -> Decoded:
    repairs = Repairs()
    try:
        rate = plausible_rate(file.samplerate, file.channels, piece.name)
        piece.check(file.frames / rate)
        divisor = 1.0
        if file.subtype in FLOAT_SUBTYPES:
            path = source if isinstance(source, Path) else None
            divisor = scale_of_file(file, path, piece.name)
    except GoamaError:
        file.close()
        raise
    if divisor != 1.0:
        repairs.of_whole.append(repair_of(divisor))
    return Decoded(rate, file.channels, _soundfile_blocks(file, piece, divisor), repairs)


def _soundfile_blocks(file: Any, piece: Piece, divisor: float) -> Iterator[np.ndarray]:
    import numpy as np
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
                yield block if divisor == 1.0 else block / np.float32(divisor)
        except soundfile.SoundFileError as error:
            raise TruncatedSoundError(
                f"{piece.name}: the sound breaks off in the middle (truncated or damaged file); "
                "copy the file again from its origin"
            ) from error
    if read < wanted - _SHORTER_S * rate:
        raise _truncated(piece.name, _only(read / rate, wanted / rate))


def _with_ffmpeg(source: Path | bytes, piece: Piece, past_damage: bool) -> Decoded:
    track = SoundTrack(_source_for_ffmpeg(source), piece.name)
    if track.seconds and piece.duration is None:
        piece.check_length(track.seconds - piece.offset)
    return Decoded(track.rate, track.channels, _track_blocks(track, piece, past_damage), track.repairs)


def _track_blocks(track: SoundTrack, piece: Piece, past_damage: bool) -> Iterator[np.ndarray]:
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
    if piece.is_whole:
        _check_whole(track, piece, read / rate, past_damage)
    piece.check(read / rate)


def _check_whole(track: SoundTrack, piece: Piece, seconds: float, past_damage: bool) -> None:
    """Raises `TruncatedSoundError` when the end is missing, or too much of what lies before it."""
    cut_off = next((repair for repair in track.repairs.of_whole if repair.kind == CUT_OFF), None)
    if seconds < track.promised_s - _SHORTER_THAN_PROMISED_S:
        only = _only(seconds, track.promised_s)
        if not past_damage or seconds < (1 - _MOST_MISSING) * track.promised_s:
            raise _truncated(piece.name, only)
        if not cut_off:
            track.repairs.of_whole.append(Repair(CUT_OFF, f"cut off: {only}", track.promised_s - seconds))
    elif cut_off and not past_damage:
        raise TruncatedSoundError(f"{piece.name}: {cut_off.sentence}; copy the file again from its origin")
    damaged = sum(length for kind, _, length in track.repairs.spans if kind == DAMAGED)
    if damaged > _MOST_MISSING * seconds:
        raise TruncatedSoundError(
            f"{piece.name}: damaged, {damaged:.2f} s of its {seconds:.2f} s cannot be decoded; copy the file again "
            "from its origin"
        )


def _truncated(name: str, how: str, remedy: str = "copy the file again from its origin") -> TruncatedSoundError:
    return TruncatedSoundError(f"{name}: truncated, {how}; {remedy}")


def _only(seconds: float, of_seconds: float) -> str:
    return f"{seconds:.2f} s of the {of_seconds:.2f} s that its header promises are there"
