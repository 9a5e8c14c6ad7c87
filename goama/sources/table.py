"""A JSONL, CSV, TSV or XLSX file becomes rows with the numbers of their lines; nothing in it is lost without a word.

Files are read row by row, and whoever made them: a line, a header or a sheet without end is refused, not loaded.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.sources.xlsx import open_workbook

JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
XLSX_SUFFIXES = (".xlsx", ".xlsm")
TABLES = (*JSON_SUFFIXES, ".csv", ".tsv", ".txt", *XLSX_SUFFIXES)
OLD_SPREADSHEETS = (".xls", ".ods", ".numbers")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}

LONGEST_LINE = 1_000_000  # bytes; a clip's row is a thousand times shorter
_LONGEST_FIELD = 1_000_000  # characters in one CSV field
_MOST_COLUMNS = 1_000
_AS_UTF_8 = ' with encoding UTF-8 (in Excel: the file type "CSV UTF-8")'

Row = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """A table that can be read from its beginning again and again."""

    path: Path
    columns: list[str]
    rows: Callable[[], Iterator[Row]]
    """(number of its first line, row) of every row that is not blank."""
    how: str = ""
    """What had to be guessed to read it, in words."""
    hint: str = ""
    """The end of a sentence: where clips may be that are not found in it."""


def open_table(
    path: Path, *, delimiter: str | None = None, sheet: str | None = None, quotes: bool | None = None
) -> Table:
    """Find out a table's columns; its rows are read when they are asked for.

    The delimiter is the one that the header has most of, or that Excel's `sep=;` in the first line names; the sheet
    of a workbook is the first; unless they are given. `quotes` None: as the file seems to have them.

    Raises `GoamaError` with the line when the file is neither UTF-8 nor UTF-16 with its mark, not JSON or CSV, has
    rows of unequal length or exceeds a limit; of a line that is not the header, when its row is reached. And where a
    delimiter or a sheet is given that the file cannot have.
    """
    suffix = path.suffix.lower()
    if suffix in OLD_SPREADSHEETS:
        raise GoamaError(f"{path}: {suffix} is not read; save it as .xlsx or CSV")
    if sheet is not None and suffix not in XLSX_SUFFIXES:
        raise GoamaError(f"{path}: not a workbook, so --sheet means nothing; leave it away")
    if delimiter is not None and suffix in (*XLSX_SUFFIXES, *JSON_SUFFIXES):
        raise GoamaError(f"{path}: has no delimiters between its fields, so --delimiter means nothing; leave it away")
    try:
        if suffix in XLSX_SUFFIXES:
            return _open_xlsx(path, sheet)
        if suffix in JSON_SUFFIXES:
            return _open_json(path)
        return _open_csv(path, delimiter, quotes)
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, line with its end) of a file in UTF-8, or in UTF-16 with its mark (Excel's "Unicode text").

    Raises `GoamaError` where it is something else or a line has no end.
    """
    try:
        with path.open("rb") as file:
            if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                yield from _utf_16_lines(path)
                return
            file.seek(0)
            number = 0
            while raw := file.readline(LONGEST_LINE + 1):
                number += 1
                _refuse_too_long(raw, path, number)
                yield number, _utf8(raw, path, number)
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error


def _utf_16_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-16", newline="\n") as file:
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


def _refuse_too_long(line: bytes | str, path: Path, number: int) -> None:
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


# --- JSONL


def _open_json(path: Path) -> Table:
    columns: dict[str, None] = {}  # a row may lack what others have
    for number, row in _json_rows(path):
        columns.update(dict.fromkeys(row))
        if len(columns) > _MOST_COLUMNS:
            raise GoamaError(f"{path}:{number}: more than {_MOST_COLUMNS} different names; this is no table of clips")
    return Table(path, list(columns), lambda: _json_rows(path))


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in text_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise GoamaError(
                f"{path}:{number}: not a JSON object ({what}); a JSONL manifest has one object a line"
            ) from error
        if not isinstance(row, dict):
            raise GoamaError(
                f"{path}:{number}: a JSON object is needed, this is a {type(row).__name__}; "
                "a JSONL manifest has one object a line"
            )
        yield number, row


# --- CSV


@dataclass(frozen=True)
class _Layout:
    """How a CSV file is written."""

    delimiter: str
    quotes: bool
    skipped: int = 0
    """Lines above the header."""


def _open_csv(path: Path, delimiter: str | None, quotes: bool | None) -> Table:
    lines = [line for _, line in islice(text_lines(path), 2)]
    told = re.fullmatch(r'"?sep=(.)"?\s*', lines[0]) if lines else None  # Excel's own, for Excel
    header = "".join(lines[1:]) if told else "".join(lines[:1])
    if not header.strip():
        raise GoamaError(f"{path}: the file is empty; its first line must name the columns")
    if delimiter is None:
        delimiter = told[1] if told else delimiter_of(header)
    delimiter = DELIMITERS.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise GoamaError(f"--delimiter {delimiter}: one character is needed, or one of {', '.join(DELIMITERS)}")
    layout = _Layout(delimiter, quotes is not False, 1 if told else 0)
    if quotes is None and delimiter == "\t" and not _is_quoted(path, layout):
        layout = replace(layout, quotes=False)
    first = next(_split_csv(path, layout), None)
    if first is None:
        raise GoamaError(f"{path}: the file is empty; its first line must name the columns")
    names = _column_names(first[1], path, first[0])
    name = next((name for name, character in DELIMITERS.items() if character == delimiter), delimiter)
    hint = ""
    other = delimiter_of(names[0])
    if len(names) == 1 and other in names[0]:
        other = next(name for name, character in DELIMITERS.items() if character == other)
        hint = f"; that is one column: is the {other} what stands between them (--delimiter {other})?"
    return Table(path, names, lambda: _csv_rows(path, layout, names), f"{name} between the fields", hint)


def delimiter_of(header: str) -> str:
    """The delimiter that a header has most of; a comma where it has none."""
    return max(",\t;|", key=header.count)


def _is_quoted(path: Path, layout: _Layout) -> bool:
    """Many TSV files know no quotes: a quote in them is a letter like others."""
    try:
        for _ in _split_csv(path, layout):
            pass
    except _NotCsvError:
        return False
    return True


def _csv_rows(path: Path, layout: _Layout, names: list[str]) -> Iterator[Row]:
    rows = _split_csv(path, layout)
    next(rows)
    for number, values in rows:
        if len(values) != len(names):
            raise GoamaError(
                f"{path}:{number}: {len(values)} fields where the header has {len(names)}; "
                "put text that contains the delimiter in quotes"
            )
        yield number, dict(zip(names, values, strict=True))


class _NotCsvError(GoamaError):
    pass


def _split_csv(path: Path, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, fields) of each row that is not blank; a quote that never closes is an error."""
    csv.field_size_limit(_LONGEST_FIELD)
    lines = (line for _, line in islice(text_lines(path), layout.skipped, None))
    quoting: Any = csv.QUOTE_MINIMAL if layout.quotes else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=layout.delimiter, quoting=quoting, strict=True)
    number = 1 + layout.skipped
    try:
        for values in reader:
            if any(values):
                yield number, values
            number = reader.line_num + 1 + layout.skipped
    except csv.Error as error:
        raise _NotCsvError(
            f"{path}:{number}: this line is not CSV ({error}); a quote inside quoted text is written twice"
        ) from error


def _column_names(values: list[Any], path: Path, number: int) -> list[str]:
    if len(values) > _MOST_COLUMNS:
        raise GoamaError(f"{path}:{number}: more than {_MOST_COLUMNS} columns; this is no table of clips")
    names = ["" if value is None else str(value).strip() for value in values]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise GoamaError(f"{path}:{number}: two columns are named {twice!r}; give each a name of its own")
    return names


# --- XLSX


def _open_xlsx(path: Path, sheet: str | None) -> Table:
    workbook = open_workbook(path)
    titles = workbook.titles
    if sheet is not None and sheet not in titles:
        raise GoamaError(f"{path}: no sheet {sheet!r}; the sheets are: {', '.join(titles[:20])}")
    title = sheet or titles[0]
    others = [name for name in titles if name != title]
    shown = ", ".join(map(repr, others[:5])) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    hint = f"; this is the sheet {title!r}, and --sheet takes another: {shown}" if others else ""
    header = next(workbook.rows(title), None)
    if header is None:
        raise GoamaError(f"{path}: the sheet {title!r} is empty; its first row must name the columns{hint}")
    names = _column_names(_without_empty_end(header[1]), path, header[0])
    values = _spooled(workbook.rows(title))
    how = f"sheet {title!r}" + (f" (--sheet takes another: {', '.join(others[:5])})" if others else "")
    return Table(path, names, lambda: _xlsx_rows(path, values(), names), how, hint)


def _without_empty_end(values: tuple[Any, ...]) -> list[Any]:
    filled = [number for number, value in enumerate(values, start=1) if value not in (None, "")]
    return list(values[: filled[-1]])


def _spooled(rows: Iterable[tuple[int, Sequence[Any]]]) -> Callable[[], Iterator[tuple[int, list[Any]]]]:
    """Rows that can be read again and again without unpacking the workbook again: they wait in a temporary file."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed, and thereby deleted, with its last reader
    for row in rows:
        file.write(json.dumps(row, default=str).encode() + b"\n")

    def read() -> Iterator[tuple[int, list[Any]]]:
        position = 0
        while True:
            file.seek(position)
            if not (line := file.readline()):
                return
            position += len(line)
            number, values = json.loads(line)
            yield number, values

    return read


def _xlsx_rows(path: Path, rows: Iterator[tuple[int, list[Any]]], names: list[str]) -> Iterator[Row]:
    next(rows)
    for number, values in rows:
        if any(value not in (None, "") for value in values[len(names) :]):
            raise GoamaError(
                f"{path}:{number}: more cells than the header has; the sheet's first row must name every column"
            )
        yield number, dict(zip(names, values, strict=False))
