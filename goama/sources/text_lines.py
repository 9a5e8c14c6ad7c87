"""A text file becomes numbered lines: UTF-8, or UTF-16 with its mark; lines end as on Unix, Windows or an old Mac.

Input is untrusted: over-long lines and other encodings are rejected.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from goama.errors import GoamaError

LONGEST_LINE = 1_000_000  # bytes; a clip's row is a thousand times shorter
_AS_UTF_8 = ' with encoding UTF-8 (in Excel: the file type "CSV UTF-8")'


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line) of a file in UTF-8, or in UTF-16 with a byte order mark; every line end is given as `\\n`.

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
                yield number, _utf8(line.encode("latin-1"), path, number)
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
            raise GoamaError(f"{path}:{number + 1}: damaged UTF-16 text; save the file again{_AS_UTF_8}") from error


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
