"""A JSONL, CSV or TSV file becomes rows with the numbers of their lines; nothing in it is lost without a word."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goama.errors import GoamaError

_JSON = {".jsonl", ".json", ".ndjson"}
TABLES = _JSON | {".csv", ".tsv", ".txt"}
_LONGEST_FIELD = 1_000_000  # characters in one CSV field


def read_table(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """(number of its first line, row) of every row; the delimiter of a CSV is the one its header has most of.

    Raises `GoamaError` with the line when the file is not UTF-8, not JSON or CSV, or has rows of unequal length.
    """
    try:
        return list(_json_rows(path) if path.suffix.lower() in _JSON else _csv_rows(path))
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = _utf8(raw, path, number).strip()
            if not line:
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


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        lines = [_utf8(raw, path, number) for number, raw in enumerate(file, start=1)]
    if not lines or not lines[0].strip():
        raise GoamaError(f"{path}: the file is empty; its first line must name the columns")
    delimiter = max("\t,;", key=lines[0].count)
    try:
        rows = list(_split_csv(lines, delimiter, csv.QUOTE_MINIMAL, path))
    except GoamaError:
        if delimiter != "\t":
            raise
        rows = list(_split_csv(lines, delimiter, csv.QUOTE_NONE, path))  # many TSV files know no quotes
    names = [name.strip() for name in rows[0][1]]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise GoamaError(f"{path}:{rows[0][0]}: two columns are named {twice!r}; give each a name of its own")
    for number, values in rows[1:]:
        if len(values) != len(names):
            raise GoamaError(
                f"{path}:{number}: {len(values)} fields where the header has {len(names)}; "
                "put text that contains the delimiter in quotes"
            )
        yield number, dict(zip(names, values, strict=True))


def _split_csv(lines: list[str], delimiter: str, quoting: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, fields) of each row that is not blank; a quote that never closes is an error."""
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    number = 1
    try:
        for values in reader:
            if any(values):
                yield number, values
            number = reader.line_num + 1
    except csv.Error as error:
        raise GoamaError(
            f"{path}:{number}: this line is not CSV ({error}); a quote inside quoted text is written twice"
        ) from error


def _utf8(raw: bytes, path: Path, number: int) -> str:
    try:
        if b"\0" in raw:
            raise GoamaError(f"{path}:{number}: not text; a source is a folder, a JSONL, CSV or TSV manifest in UTF-8")
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise GoamaError(f"{path}:{number}: not UTF-8 text; save the file again with encoding UTF-8") from error
    return text.removeprefix("\ufeff") if number == 1 else text
