"""Headers of files that were written to a pipe, with no size of the sound in them: the true sizes are put in.

A program that writes to a pipe cannot go back to its header. It leaves 0 there, or a size that no such file has:
0xFFFFFFFF (FFmpeg), 0x7FFFF000 (SoX, eSpeak), 0x7FFFFFFF or 0x80000000 (arecord).
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from typing import BinaryIO

_PLACEHOLDER = 0x7F000000
"""2.1 GB. From here on a size of which not even half is there is a placeholder."""

_ALWAYS_PLACEHOLDER = 0xFFFFFF00
_LONGEST_HEADER = 1 << 20  # bytes before the sound
_PRINTABLE = range(0x20, 0x7F)


def is_unknown(promised: int, there: int) -> bool:
    """Whether the size in a header is none, given the bytes that are there."""
    return promised == 0 or promised >= _ALWAYS_PLACEHOLDER or (promised >= _PLACEHOLDER and there < promised / 2)


def sizes(file: BinaryIO) -> dict[int, bytes]:
    """Byte offset -> the true size, for a WAV, RF64, AU or CAF file whose header has none; empty for all others."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(48)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav(file, size)
    if head[:4] in (b"RF64", b"BW64") and head[8:16] == b"WAVEds64":
        return _rf64(file, size, head)
    if head[:4] == b".snd" and len(head) >= 24:
        start, promised = struct.unpack(">II", head[4:12])
        return {8: b"\xff\xff\xff\xff"} if start < size and is_unknown(promised, size - start) else {}
    if head[:4] == b"caff":
        return _caf(file, size)
    return {}


def _wav(file: BinaryIO, size: int) -> dict[int, bytes]:
    place = _data(file, size, "<4sI", 12)
    if place is None:
        return {}
    at, promised = place
    there = size - at - 8
    if not is_unknown(promised, there) or there >= _ALWAYS_PLACEHOLDER:
        return {}
    if promised == 0 and _is_chunk(file, at + 8, size):
        return {}  # no sound, and other chunks after it
    return {4: struct.pack("<I", size - 8), at + 4: struct.pack("<I", there)}


def _rf64(file: BinaryIO, size: int, head: bytes) -> dict[int, bytes]:
    place = _data(file, size, "<4sI", 12)
    if place is None:
        return {}
    there = size - place[0] - 8
    promised = struct.unpack("<Q", head[28:36])[0]
    if 0 < promised <= there:
        return {}
    return {20: struct.pack("<Q", size - 8), 28: struct.pack("<Q", there)} if promised in (0, 2**64 - 1) else {}


def _caf(file: BinaryIO, size: int) -> dict[int, bytes]:
    place = _data(file, size, ">4sq", 8)
    if place is None:
        return {}
    at, promised = place
    there = size - at - 12
    unknown = promised <= 0 or promised >= 2**62
    return {at + 4: struct.pack(">q", there)} if unknown and there > 4 else {}


def _data(file: BinaryIO, size: int, layout: str, position: int) -> tuple[int, int] | None:
    """Place and stored size of the chunk `data`."""
    length = struct.calcsize(layout)
    while position + length <= min(size, _LONGEST_HEADER):
        file.seek(position)
        name, promised = struct.unpack(layout, file.read(length))
        if name == b"data":
            return position, promised
        if promised < 0:
            return None
        padded = layout[0] == "<" and promised & 1
        position += length + promised + padded
    return None


def _is_chunk(file: BinaryIO, position: int, size: int) -> bool:
    """Whether a chunk that fits in the file begins here."""
    if position + 8 > size:
        return True
    file.seek(position)
    name, length = struct.unpack("<4sI", file.read(8))
    return all(byte in _PRINTABLE for byte in name) and position + 8 + length <= size + 1


class WithSizes(io.RawIOBase):
    """A file in which a few bytes read otherwise than they are stored."""

    def __init__(self, file: BinaryIO, changes: Mapping[int, bytes]) -> None:
        self._file, self._changes = file, changes

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def,override]
        """The number of bytes read, with the changes."""
        start = self._file.tell()
        content = bytearray(self._file.read(len(buffer)))
        for place, change in self._changes.items():
            for at, byte in enumerate(change, start=place - start):
                if 0 <= at < len(content):
                    content[at] = byte
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the file beneath too."""
        self._file.close()
        super().close()
