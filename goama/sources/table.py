"""A table (JSONL, CSV, TSV or a workbook) becomes columns and numbered rows.

Input is untrusted: over-long lines, rows, headers and sheets are rejected. Files are read row by row.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.sources.workbook import open_workbook

JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")
TABLES = (*JSON_SUFFIXES, ".csv", ".tsv", ".txt", *WORKBOOK_SUFFIXES)
UNREAD_SPREADSHEETS = (".numbers", ".xlsb")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}

LONGEST_LINE = 1_000_000  # bytes; a clip's row is a thousand times shorter
_LONGEST_ROW = 1_000_000  # characters of a CSV row that goes over several lines
_MOST_COLUMNS = 1_000
_AS_UTF_8 = ' with encoding UTF-8 (in Excel: the file type "CSV UTF-8")'

Row = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """A table whose rows can be read any number of times."""

    path: Path
    columns: list[str]
    rows: Callable[[], Iterator[Row]]
    """(number of the row's first line, row) for each row that is not blank."""
    how: str = ""
    """What was guessed, for the user: the delimiter or the sheet."""
    hint: str = ""
    """Appended to an error about missing columns: another sheet or delimiter to try."""


def open_table(
    path: Path, *, delimiter: str | None = None, sheet: str | None = None, quotes: bool | None = None
) -> Table:
    """The table in a file, with its columns; its rows are read later, when `rows` is called.

    path:       a file with one of the suffixes in `TABLES`
    delimiter:  a character or a name from `DELIMITERS`; None: named by a first line `sep=;`, else the candidate that
                is most frequent in the header
    sheet:      a sheet of a workbook; None: the first that is not hidden
    quotes:     whether fields may be quoted; None: found out for a TSV file, true for others

    Raises `GoamaError` with the line when the file is neither UTF-8 nor UTF-16 with a byte order mark, is not JSON,
    CSV or a workbook, has rows of unequal length, or exceeds a limit; for a line below the header, when `rows` gets
    there. Also when the delimiter or the sheet does not apply to the file.
    """
    suffix = path.suffix.lower()
    if suffix in UNREAD_SPREADSHEETS:
        raise GoamaError(f"{path}: {suffix} is not read; save it as .xlsx or CSV")
    if sheet is not None and suffix not in WORKBOOK_SUFFIXES:
        raise GoamaError(f"{path}: not a workbook, so --sheet does not apply; remove it")
    if delimiter is not None and suffix in (*WORKBOOK_SUFFIXES, *JSON_SUFFIXES):
        raise GoamaError(f"{path}: its fields have no delimiter, so --delimiter does not apply; remove it")
    try:
        if suffix in WORKBOOK_SUFFIXES:
            return _open_workbook(path, sheet)
        if suffix in JSON_SUFFIXES:
            return _open_json(path)
        return _open_csv(path, delimiter, quotes)
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line with its line end) of a file in UTF-8, or in UTF-16 with a byte order mark.

    Raises `GoamaError` with the line when the encoding is another one or a line is longer than `LONGEST_LINE`.
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
    columns: dict[str, None] = {}  # in order; a row may lack some of them
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
    """The dialect of a CSV file."""

    delimiter: str
    quotes: bool
    skipped: int = 0
    """Number of lines above the header."""


def _open_csv(path: Path, delimiter: str | None, quotes: bool | None) -> Table:
    lines = [line for _, line in islice(text_lines(path), 2)]
    told = re.fullmatch(r'"?sep=(.)"?\s*', lines[0]) if lines else None  # a hint that Excel understands
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
    """The most frequent of the usual delimiters in a header line; a comma if there is none."""
    return max(",\t;|", key=header.count)


def _is_quoted(path: Path, layout: _Layout) -> bool:
    """Whether the file can be parsed with quoted fields. In many TSV files a quote is an ordinary character."""
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
    """(number of the row's first line, fields) of each row that is not blank; an unclosed quote is an error."""
    quoting: Any = csv.QUOTE_MINIMAL if layout.quotes else csv.QUOTE_NONE
    number, characters = 1 + layout.skipped, 0

    def lines() -> Iterator[str]:
        nonlocal characters
        for _, line in islice(text_lines(path), layout.skipped, None):
            characters += len(line)
            if characters > _LONGEST_ROW:  # the csv module's own limit is shared by the whole process
                raise csv.Error(f"field larger than {_LONGEST_ROW} characters")
            yield line

    reader = csv.reader(lines(), delimiter=layout.delimiter, quoting=quoting, strict=True)
    try:
        for values in reader:
            if any(values):
                yield number, values
            number, characters = reader.line_num + 1 + layout.skipped, 0
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


# --- workbooks


def _open_workbook(path: Path, sheet: str | None) -> Table:
    workbook = open_workbook(path, sheet)
    others = [name for name in workbook.sheets if name != workbook.sheet]
    shown = ", ".join(map(repr, others[:5])) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    hint = f"; this is the sheet {workbook.sheet!r}, and --sheet takes another: {shown}" if others else ""
    header = next(workbook.rows(), None)
    if header is None:
        raise GoamaError(f"{path}: the sheet {workbook.sheet!r} is empty; its first row must name the columns{hint}")
    names = _column_names(_without_empty_end(header[1]), path, header[0])
    how = f"sheet {workbook.sheet!r}" + (f" (--sheet takes another: {', '.join(others[:5])})" if others else "")
    return Table(path, names, lambda: _workbook_rows(path, workbook.rows(), names), how, hint)


def _without_empty_end(values: list[Any]) -> list[Any]:
    filled = [number for number, value in enumerate(values, start=1) if value != ""]
    return values[: filled[-1]]


def _workbook_rows(path: Path, rows: Iterator[tuple[int, list[Any]]], names: list[str]) -> Iterator[Row]:
    next(rows)
    for number, values in rows:
        if any(value != "" for value in values[len(names) :]):
            raise GoamaError(
                f"{path}:{number}: more cells than the header has; the sheet's first row must name every column"
            )
        yield number, dict(zip(names, values, strict=False))
