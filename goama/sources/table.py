"""A table (JSONL, CSV, TSV or a workbook) becomes columns and numbered rows.

Input is untrusted: over-long lines, rows, headers and sheets are rejected. Files are read row by row.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.json_table import MOST_COLUMNS, json_columns, json_rows
from goama.sources.row import Row
from goama.sources.text_lines import CUT_OFF, CUT_OFF_FAULT, text_lines
from goama.sources.workbook import open_workbook

JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")
TABLES = (*JSON_SUFFIXES, ".csv", ".tsv", ".txt", *WORKBOOK_SUFFIXES)
UNREAD_SPREADSHEETS = (".numbers", ".xlsb")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}

_LONGEST_ROW = 1_000_000  # characters of a CSV row that goes over several lines

IsClip = Callable[[Sequence[str]], bool]


def _always_header(cells: Sequence[str]) -> bool:
    return False


@dataclass(frozen=True)
class Table:
    """A table whose rows can be read any number of times."""

    path: Path
    columns: list[str]
    rows: Callable[[], Iterator[Row]]
    """Each row that is not blank."""
    how: str = ""
    """What was guessed, for the user: the delimiter or the sheet."""
    hint: str = ""
    """Appended to an error about missing columns: another sheet or delimiter to try."""
    has_header: bool = True
    """False: the first row is a clip already, and `columns` are numbers: "1", "2", …"""


def open_table(
    path: Path,
    *,
    delimiter: str | None = None,
    sheet: str | None = None,
    quotes: bool | None = None,
    is_clip: IsClip = _always_header,
) -> Table:
    """The table in a file, with its columns; its rows are read later, when `rows` is called.

    path:       a file with one of the suffixes in `TABLES`
    delimiter:  a character or a name from `DELIMITERS`; None: named by a first line `sep=;`, else the candidate that
                is most frequent in the header
    sheet:      a sheet of a workbook; None: the first that is not hidden
    quotes:     whether fields may be quoted; None: found out for a TSV file, true for others
    is_clip:    whether the cells of a first row are a clip's, so that the table has no header

    A row that cannot be told apart is faulty, and the others are read. Raises `GoamaError` with the line when the file
    is neither UTF-8 nor UTF-16 with a byte order mark, is not JSON, CSV or a workbook, or exceeds a limit; for a line
    below the header, when `rows` gets there. Also when the delimiter or the sheet does not apply to the file.
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
            return _open_workbook(path, sheet, is_clip)
        if suffix in JSON_SUFFIXES:
            rows = json_rows(path)
            return Table(path, json_columns(path, rows()), rows)
        return _open_csv(path, delimiter, quotes, is_clip)
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error


# --- CSV


@dataclass(frozen=True)
class _Layout:
    """The dialect of a CSV file."""

    delimiter: str
    quotes: bool
    skipped: int = 0
    """Number of lines above the header."""


def _open_csv(path: Path, delimiter: str | None, quotes: bool | None, is_clip: IsClip) -> Table:
    lines = [line for _, line in islice(text_lines(path), 2)]
    told = re.fullmatch(r'"?sep=(.)"?\s*', lines[0]) if lines else None  # a hint that Excel understands
    header = "".join(lines[1:]) if told else "".join(lines[:1])
    if not header.strip():
        raise GoamaError(f"{path}: the file is empty; its first line must name the columns")
    if delimiter is None:
        delimiter = told[1] if told else delimiter_of(header)
        if not told and not is_clip(header.rstrip("\n").split(delimiter)):  # commas of a text may outnumber it
            delimiter = next((d for d in "\t|;," if d in header and is_clip(header.rstrip("\n").split(d))), delimiter)
    delimiter = DELIMITERS.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise GoamaError(f"--delimiter {delimiter}: one character is needed, or one of {', '.join(DELIMITERS)}")
    layout = _Layout(delimiter, quotes is not False, 1 if told else 0)
    if quotes is None and delimiter == "\t" and not _is_quoted(path, layout):
        layout = replace(layout, quotes=False)
    first = next(_split_csv(path, layout), None)
    if first is None:
        raise GoamaError(f"{path}: the file is empty; its first line must name the columns")
    number, cells, fault = first
    if fault:
        raise GoamaError(f"{path}:{number}: {fault}")
    headerless = is_clip(cells)
    names = _numbers(cells) if headerless else _column_names(cells, path, number)
    name = next((name for name, character in DELIMITERS.items() if character == delimiter), delimiter)
    hint = ""
    other = delimiter_of(names[0])
    if len(names) == 1 and other in names[0]:
        other = next(name for name, character in DELIMITERS.items() if character == other)
        hint = f"; that is one column: is the {other} what stands between them (--delimiter {other})?"
    how = f"{name} between the fields"
    return Table(path, names, lambda: _csv_rows(path, layout, names, headerless), how, hint, not headerless)


def delimiter_of(header: str) -> str:
    """The most frequent of the usual delimiters in a header line; a comma if there is none."""
    return max(",\t;|", key=header.count)


def _is_quoted(path: Path, layout: _Layout) -> bool:
    """Whether the file can be parsed with quoted fields. In many TSV files a quote is an ordinary character."""
    return not any(fault for _, _, fault in _split_csv(path, layout))


def _csv_rows(path: Path, layout: _Layout, names: list[str], headerless: bool) -> Iterator[Row]:
    rows = _split_csv(path, layout)
    first = "first row" if headerless else "header"
    if not headerless:
        next(rows)
    for number, values, fault in rows:
        if fault:
            yield Row(number, fault=fault)
            continue
        while len(values) > len(names) and not values[-1].strip():
            values.pop()
        if len(values) == len(names):
            yield Row(number, dict(zip(names, values, strict=True)))
            continue
        name = "tab" if layout.delimiter == "\t" else "delimiter"
        quoted, plain = f"put text that contains the {name} in quotes", f"put one {name} between two fields"
        remedy = quoted if layout.quotes else plain
        yield Row(number, fault=f"{len(values)} fields where the {first} has {len(names)}; {remedy}")


_Line = tuple[int, str]


def _split_csv(path: Path, layout: _Layout) -> Iterator[tuple[int, list[str], str | None]]:
    """(number of the row's first line, fields, what is wrong with it) of each row that is not blank.

    Where quotes do not pair, the first line alone is faulty, and the next line begins a row.
    """
    quoting: Any = csv.QUOTE_MINIMAL if layout.quotes else csv.QUOTE_NONE
    later, again, taken = islice(text_lines(path), layout.skipped, None), deque[_Line](), list[_Line]()

    def lines() -> Iterator[str]:
        characters = 0
        while line := again.popleft() if again else next(later, None):
            taken.append(line)
            characters = len(line[1]) + (characters if len(taken) > 1 else 0)
            if characters > _LONGEST_ROW:  # the csv module's own limit is shared by the whole process
                raise csv.Error(f"field larger than {_LONGEST_ROW} characters")
            yield line[1]

    columns, at_end = 0, False
    while not at_end:
        wrong = None
        try:
            for values in csv.reader(lines(), delimiter=layout.delimiter, quoting=quoting, strict=True):
                columns = columns or len(values)
                if len(taken) > 1 and any(_is_row(line, layout, columns) for line in _inside_quotes(taken)):
                    raise csv.Error("a quote that opens here takes in the rows below")
                if any(values):
                    yield taken[0][0], values, CUT_OFF_FAULT if taken[-1][1].endswith(CUT_OFF) else None
                taken.clear()
        except csv.Error as error:
            wrong = f"this line is not CSV ({error}); a quote inside quoted text is written twice"
        if wrong:
            (number, _), *below = taken
            again.extendleft(reversed(below))
            taken.clear()
            yield number, [], wrong
        at_end = not wrong


def _inside_quotes(lines: Sequence[_Line]) -> list[str]:
    """What a quoted field has of the lines below the first; the last of them ends with its closing quote."""
    *between, (_, last) = lines[1:]
    return [*(line for _, line in between), last[: max(last.rfind('"'), 0)]]


def _is_row(line: str, layout: _Layout, columns: int) -> bool:
    """Whether a line inside a quoted field is a row of its own: as many fields, and one that names a sound file."""
    cells = line.rstrip("\n").split(layout.delimiter)
    return len(cells) == columns and any(cell.strip(' "').lower().endswith(SOUND_SUFFIXES) for cell in cells)


def _column_names(values: list[Any], path: Path, number: int) -> list[str]:
    if len(values) > MOST_COLUMNS:
        raise GoamaError(f"{path}:{number}: more than {MOST_COLUMNS} columns; this is no table of clips")
    names = ["" if value is None else str(value).strip() for value in values]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise GoamaError(f"{path}:{number}: two columns are named {twice!r}; give each a name of its own")
    return names


def _numbers(values: Sequence[Any]) -> list[str]:
    return [str(number) for number in range(1, len(values) + 1)]


# --- workbooks


def _open_workbook(path: Path, sheet: str | None, is_clip: IsClip) -> Table:
    workbook = open_workbook(path, sheet)
    others = [name for name in workbook.sheets if name != workbook.sheet]
    shown = ", ".join(map(repr, others[:5])) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    hint = f"; this is the sheet {workbook.sheet!r}, and --sheet takes another: {shown}" if others else ""
    header = next(workbook.rows(), None)
    if header is None:
        raise GoamaError(f"{path}: the sheet {workbook.sheet!r} is empty; its first row must name the columns{hint}")
    cells = _without_empty_end(header[1])
    headerless = is_clip([str(cell) for cell in cells])
    names = _numbers(cells) if headerless else _column_names(cells, path, header[0])
    how = f"sheet {workbook.sheet!r}" + (f" (--sheet takes another: {', '.join(others[:5])})" if others else "")
    if workbook.merged:
        how += f"; each merged cell counts for all rows that it spans (merged cells: {workbook.merged})"
    return Table(
        path, names, lambda: _workbook_rows(workbook.rows(), names, headerless), how, hint, has_header=not headerless
    )


def _without_empty_end(values: list[Any]) -> list[Any]:
    filled = [number for number, value in enumerate(values, start=1) if value != ""]
    return values[: filled[-1]]


def _workbook_rows(rows: Iterator[tuple[int, list[Any]]], names: list[str], headerless: bool) -> Iterator[Row]:
    if not headerless:
        next(rows)
    for number, values in rows:
        if any(value != "" for value in values[len(names) :]):
            yield Row(number, fault="more cells than the header has; the sheet's first row must name every column")
        else:
            yield Row(number, dict(zip(names, values, strict=False)))
