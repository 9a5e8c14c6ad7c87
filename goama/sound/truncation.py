"""How much of a sound file is missing: what its header promises against the bytes that are there.

libsndfile reads a WAV, Ogg or MP3 file that was cut short as if it ended there. WAV and AIFF headers hold the size
of the sound, an Ogg page its own size, and most MP3 files the size of the stream, so the cut can be known.
The decoder of FLAC notices a cut itself. Of files that were joined end to end, it reads the first one alone, as of
WAV and AIFF.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from goama.sound.unknown_size import is_unknown

_LARGEST_OGG_PAGE = 27 + 255 + 255 * 255
_FILES = (b"RIFF", b"RF64", b"FORM")  # each begins a file of its own
_FLAC = b"fLaC\0\0\0\x22"
_MP3_TOLERANCE = 0.02  # encoders disagree on whether the header's own frame counts
_CHUNK_TOLERANCE = 320  # bytes; 10 ms of 16 kHz PCM: careless recorders miscount by a few


@dataclass(frozen=True)
class Truncation:
    """What shows that a file was cut off, as the end of a sentence; `share` of it is missing, if that is known."""

    sentence: str
    share: float = 0.0
    remedy: str = "copy the file again from its origin"


def truncation(file: BinaryIO) -> Truncation | None:
    """What shows that the file was cut off; None where nothing does."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _cut_chunk(file, size, "<", b"data")
    if head[:4] == b"FORM" and head[8:] in {b"AIFF", b"AIFC"}:
        return _cut_chunk(file, size, ">", b"SSND")
    if head[:4] == b"fLaC":
        return _joined_flac(file, size)
    if head[:4] == b"OggS":
        return _cut_ogg(file, size)
    if head[:3] == b"ID3" or head[:1] == b"\xff":
        return _cut_mp3(file, size)
    return None


def _cut_chunk(file: BinaryIO, size: int, endian: str, sound: bytes) -> Truncation | None:
    """RIFF and IFF are chunks: name, size, content padded to an even number of bytes."""
    position = 12
    while position + 8 <= size:
        file.seek(position)
        chunk, promised = struct.unpack(f"{endian}4sI", file.read(8))
        if chunk == sound:
            there = size - position - 8
            if not is_unknown(promised, there) and there < promised - _CHUNK_TOLERANCE:
                return _missing(there, promised)
        elif chunk in _FILES:
            return _joined(position, size)
        position += 8 + promised + (promised & 1)
    return None


def _joined_flac(file: BinaryIO, size: int) -> Truncation | None:
    """Where the mark and the first header of another FLAC file follow."""
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            second = content.find(_FLAC, len(_FLAC))
    except (OSError, ValueError):  # bytes in memory
        file.seek(0)
        second = file.read().find(_FLAC, len(_FLAC))
    return _joined(second, size) if second > 0 else None


def _joined(second: int, size: int) -> Truncation:
    return Truncation(
        "several files were joined in it end to end, of which only the first is read",
        1 - second / size,
        "join recordings with an audio program: sox a.wav b.wav joined.wav",
    )


def _cut_ogg(file: BinaryIO, size: int) -> Truncation | None:
    """The last page must be whole (RFC 3533, section 6): a table of segment sizes, then that many bytes."""
    file.seek(max(0, size - _LARGEST_OGG_PAGE))
    tail = file.read()
    page = tail.rfind(b"OggS\0")
    if page < 0:
        return None
    segments = tail[page + 27 : page + 27 + tail[page + 26]] if len(tail) >= page + 27 else b""
    whole = segments and len(segments) == tail[page + 26] and len(tail) >= page + 27 + len(segments) + sum(segments)
    return None if whole else Truncation("its last Ogg page is cut off")


def _cut_mp3(file: BinaryIO, size: int) -> Truncation | None:
    """The first frame of most files is a Xing or Info header: flags, [frames], [bytes of the whole stream]."""
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    file.seek(start)
    frame = file.read(200)
    for tag in (b"Xing", b"Info"):
        found = frame.find(tag)
        if 0 < found <= 38 and len(frame) >= found + 16:
            flags = frame[found + 7]
            (promised,) = struct.unpack_from(">I", frame, found + (12 if flags & 1 else 8))
            there = size - start
            return _missing(there, promised) if flags & 2 and there < (1 - _MP3_TOLERANCE) * promised else None
    return None


def _missing(there: int, promised: int) -> Truncation:
    share = 1 - there / promised
    return Truncation(f"{max(1, round(100 * share))} % of the sound that its header promises is missing", share)
