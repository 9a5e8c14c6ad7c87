"""A text file becomes numbered lines: UTF-8, or UTF-16 with its mark; lines end as on Unix, Windows or an old Mac.

Input is untrusted: over-long lines and other encodings are rejected. A last line that was not written to its end is
marked, so that readers leave out its clip.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from goama.errors import GoamaError

LONGEST_LINE = 1_000_000  # bytes; a clip's row is a thousand times shorter
CUT_OFF = "\ufffd"
"""Ends the last line of a file whose writer was stopped within that line."""
CUT_OFF_FAULT = "the file ends within this line: the program that wrote it was stopped; write the line again"
_BLOCK = 4_096  # bytes; a writer that is stopped leaves whole blocks
_AS_UTF_8 = ' with encoding UTF-8 (in Excel: the file type "CSV UTF-8")'


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line) of a file in UTF-8, or in UTF-16 with a byte order mark; every line end is given as `\\n`.

    The last line ends in `CUT_OFF` if it breaks off within a character, is filled up with NULs, or has no line end
    where a block of the disk ends.
    Raises `GoamaError` with the line when the encoding is another one or a line is longer than `LONGEST_LINE`.
    """
    try:
        with path.open("rb") as file:
            is_utf_16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if is_utf_16:
            yield from _utf_16_lines(path)
            return
        with path.open(encoding="latin-1", newline=None) as bytes_as_text:  # each byte is one character
            number = 0
            while line := bytes_as_text.readline(LONGEST_LINE + 1):
                number += 1
                _refuse_too_long(line, path, number)
                raw = line.encode("latin-1")
                torn = None if line.endswith("\n") else _torn_bytes(raw, number, path.stat().st_size)
                yield number, _utf8(raw[: len(raw) - (torn or 0)], path, number) + ("" if torn is None else CUT_OFF)
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error


def _utf_16_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-16", newline=None) as file:
        number = 0
        try:
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                _refuse_too_long(line, path, number)
                if "\0" in line:
                    raise _not_text(path, number)
                yield number, line
        except UnicodeError as error:
            if isinstance(error, UnicodeDecodeError) and error.reason == "truncated data":
                yield number + 1, CUT_OFF
                return
            raise GoamaError(f"{path}:{number + 1}: damaged UTF-16 text; save the file again{_AS_UTF_8}") from error


def _torn_bytes(raw: bytes, number: int, size: int) -> int | None:
    """How many bytes at the end of the last line of a file of `size` bytes are no text; None if it is complete."""
    written = len(raw.rstrip(b"\0"))
    if written < len(raw) and (written or number > 1):
        return len(raw) - written
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(raw)
    except UnicodeDecodeError:
        return None  # another encoding
    incomplete, _ = decoder.getstate()
    return len(incomplete) if incomplete or size % _BLOCK == 0 else None


def _refuse_too_long(line: str, path: Path, number: int) -> None:
    if len(line) > LONGEST_LINE:
        raise GoamaError(
            f"{path}:{number}: this line is longer than {LONGEST_LINE} bytes; a source has one clip a line"
        )


def _not_text(path: Path, number: int) -> GoamaError:
    return GoamaError(f"{path}:{number}: not text; a source is a folder or a file that docs/sources.md lists")


def _utf8(raw: bytes, path: Path, number: int) -> str:
    try:
        if b"\0" in raw:
            if number == 1 and 2 * raw.count(b"\0") in range(len(raw) - 2, len(raw) + 3):
                raise GoamaError(f"{path}: UTF-16 text without its mark; save the file again{_AS_UTF_8}")
            raise _not_text(path, number)
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise GoamaError(f"{path}:{number}: not UTF-8 text; save the file again{_AS_UTF_8}") from error
    return text.removeprefix("\ufeff") if number == 1 else text
