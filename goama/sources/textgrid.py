"""A Praat TextGrid, in the long or the short format, in UTF-8 or UTF-16, becomes tiers.

Praat's codes for special symbols (`\\ng` for ŋ) are decoded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from goama.errors import GoamaError
from goama.sources.annotation_file import Annotation, AnnotationFile, Tier
from goama.sources.praat_symbols import decoded

_LARGEST = 128 << 20  # bytes; ten hours with a tier of phones need half of that
_LONGEST_LINE = 1_000_000  # characters
_LONGEST_TEXT = 100_000  # characters in one interval
_MOST_INTERVALS = 1_000_000

# Praat reads only free-standing numbers, "texts" and <flags>. The rest of the long format, such as `intervals [1]:`
# and `xmin =`, is there for people; without it the file is in the short format.
_TOKEN = re.compile(r'(?<!\S)(?:"((?:[^"]|"")*)("?)|(<\w+>)(?!\S)|([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)%?(?!\S)|(!))')

Token = float | str


def read_textgrid(path: Path) -> AnnotationFile:
    """The tiers in the order of the file; the annotations of a tier of points have no duration.

    Raises `GoamaError` with the line when the file is not a TextGrid, is incomplete, or exceeds a limit.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise GoamaError(f"{path}: larger than {_LARGEST >> 20} MB, which no TextGrid of a recording is; not read")
        with path.open(encoding=_encoding(path), newline="\n") as file:
            tokens = _Tokens(path, file)
            if (
                tokens.text("its type") not in ("ooTextFile", "ooTextFile short")
                or tokens.text("its class") != "TextGrid"
            ):
                raise GoamaError(f"{path}: not a TextGrid; save it in Praat as a text file")
            span = tokens.number("the start"), tokens.number("the end")
            unknown: Counter[str] = Counter()
            tiers, symbols = _tiers(tokens, unknown)
            return AnnotationFile(tiers, span=span, notes=tuple(_notes(path.name, symbols, unknown)))
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeError as error:
        raise GoamaError(
            f"{path}: neither UTF-8 nor UTF-16; in Praat set Text writing preferences to UTF-8 and save it again"
        ) from error


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(4)
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if beginning[:1] == b"\0":
        return "utf-16-be"
    if beginning[1:2] == b"\0":
        return "utf-16-le"
    return "utf-8-sig"


def _notes(name: str, symbols: int, unknown: Counter[str]) -> Iterator[str]:
    if symbols:
        yield f"{name}: {symbols} special symbols that Praat writes with a backslash are read as it shows them"
    if unknown:
        shown = ", ".join(f"{code} {count}" for code, count in unknown.most_common(8))
        yield (
            f"{name}: backslash codes that Praat does not know stay as they are ({shown}); correct them in Praat, or "
            "with --replace"
        )


def _tiers(tokens: _Tokens, unknown: Counter[str]) -> tuple[list[Tier], int]:
    """The tiers, and how many special symbols were decoded."""
    if tokens.next("whether it has tiers") != "<exists>":
        return [], 0
    tiers, intervals, symbols = [], 0, 0
    for _ in range(tokens.count("the number of tiers")):
        kind, name = tokens.text("the class of a tier"), tokens.text("the name of a tier")
        tokens.number("the start of a tier"), tokens.number("the end of a tier")
        count = tokens.count("the number of intervals")
        intervals += count
        if intervals > _MOST_INTERVALS:
            raise GoamaError(f"{tokens.where}: {intervals} intervals are more than a recording of days has; not read")
        annotations = []
        for _ in range(count):
            start = tokens.number("the start of an interval")
            end = tokens.number("the end of an interval") if kind == "IntervalTier" else start
            text, count = decoded(tokens.text("the text of an interval"), unknown)
            symbols += count
            annotations.append(Annotation(start, end, text))
        tiers.append(Tier(name, annotations, marks_points=kind != "IntervalTier"))
    return tiers, symbols


class _Tokens:
    """The numbers, texts and flags of a TextGrid in their order; `what`, in errors, is what should come next."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file, self._line = path, file, 0
        self._tokens = self._read()

    @property
    def where(self) -> str:
        return f"{self._path}:{self._line}"

    def next(self, what: str) -> Token:
        try:
            return next(self._tokens)
        except StopIteration:
            raise GoamaError(
                f"{self.where}: the TextGrid breaks off where {what} should be; copy it again, or save it in Praat "
                "as a text file"
            ) from None

    def text(self, what: str) -> str:
        token = self.next(what)
        if not isinstance(token, str):
            raise GoamaError(f"{self.where}: the number {token} where {what} should be; save it again in Praat")
        return token

    def number(self, what: str) -> float:
        token = self.next(what)
        if not isinstance(token, float):
            raise GoamaError(f"{self.where}: {token[:40]!r} where {what} should be; save it again in Praat")
        return token

    def count(self, what: str) -> int:
        number = self.number(what)
        if not number.is_integer() or number < 0:
            raise GoamaError(f"{self.where}: {number} is not {what}; save it again in Praat")
        return int(number)

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(_LONGEST_LINE + 1):
            self._line += 1
            if len(line) > _LONGEST_LINE:
                raise GoamaError(f"{self.where}: this line is longer than {_LONGEST_LINE} characters; not read")
            yield line

    def _read(self) -> Iterator[Token]:
        lines = self._lines()
        for line in lines:
            position = 0
            while token := _TOKEN.search(line, position):
                position = token.end()
                text, closed, flag, number, comment = token.groups()
                if comment:
                    break
                if number:
                    yield _float(number, self)
                elif flag:
                    yield flag
                else:
                    if not closed:
                        more, line, position = self._rest_of_text(lines)
                        text += more
                    yield text.replace('""', '"')

    def _rest_of_text(self, lines: Iterator[str]) -> tuple[str, str, int]:
        """(the rest of a text that goes over several lines, its last line, the position after the text)."""
        pieces: list[str] = []
        characters = 0
        for line in lines:
            end = re.match(r'((?:[^"]|"")*)"(?!")', line)
            if end:
                return "".join(pieces) + end[1], line, end.end()
            pieces.append(line)
            characters += len(line)
            if characters > _LONGEST_TEXT:
                break
        raise GoamaError(f"{self.where}: a text in quotes does not end; save it again in Praat")


def _float(text: str, tokens: _Tokens) -> float:
    try:
        return float(text)
    except ValueError:
        raise GoamaError(f"{tokens.where}: {text[:40]!r} is not a number; save it again in Praat") from None
