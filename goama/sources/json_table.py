"""JSON becomes columns and rows: one object a line (JSONL), or one document that holds all of them."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.sources.columns import SPLIT_NAMES, USUAL_NAMES
from goama.sources.row import Row
from goama.sources.text_lines import CUT_OFF, CUT_OFF_FAULT, text_lines

MOST_COLUMNS = 1_000
_LOOKED_AT = 4_096  # bytes, to see whether the file is a list
_LARGEST_DOCUMENT = 64_000_000  # bytes: a document is parsed as a whole, and takes about six times as much memory

_NAMES_IN_A_ROW = {*USUAL_NAMES["audio"], *USUAL_NAMES["text"]}  # an object with one of them is itself a clip


def json_rows(path: Path) -> Callable[[], Iterator[Row]]:
    """The rows of a JSON file, to be read any number of times.

    A file whose first line is a whole object is JSONL and is read line by line. Any other is one document: a list of
    objects, an object that holds one such list, a table by columns or by ids (as pandas writes them), or several
    objects over many lines each (as jq prints them).

    A line or an entry that is no object is a faulty row. Raises `GoamaError` when a document is not JSON, too large, or
    holds no rows.
    """
    if _is_document(path):
        rows = _document_rows(path)
        return lambda: iter(rows)
    return lambda: _lines(path)


def json_columns(path: Path, rows: Iterator[Row]) -> list[str]:
    """All names in the rows, in the order in which they appear; a row may lack some of them.

    Raises `GoamaError` when there are more than a table of clips can have.
    """
    columns: dict[str, None] = {}
    for row in rows:
        columns.update(dict.fromkeys(row.cells))
        if len(columns) > MOST_COLUMNS:
            raise GoamaError(
                f"{path}:{row.number}: more than {MOST_COLUMNS} different names; this is no table of clips"
            )
    return list(columns)


def _is_document(path: Path) -> bool:
    """Whether a file begins with a list, with only a part of an object, or is one line that holds several objects."""
    with path.open("rb") as file:
        beginning = file.read(_LOOKED_AT)
    if _text(beginning).lstrip()[:1] == "[":
        return True
    lines = (line for _, line in text_lines(path) if line.strip())
    first = next(lines, "")
    if first.lstrip()[:1] != "{":
        return False
    try:
        value = json.loads(first.rstrip())
    except RecursionError:
        return False
    except json.JSONDecodeError as error:
        is_beginning = error.pos >= len(first.rstrip())
        return is_beginning and (first.rstrip().endswith("[") or not isinstance(_parsed(next(lines, ""))[0], dict))
    except ValueError:
        return False
    return _rows_inside(value) is not None and next(lines, None) is None


def _text(content: bytes) -> str:
    is_utf_16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace")


def _lines(path: Path) -> Iterator[Row]:
    for number, line in text_lines(path):
        if not line.strip():
            continue
        value, wrong = _parsed(line.removesuffix(CUT_OFF).rstrip().removesuffix(","))
        if wrong:
            is_last = not line.endswith("\n")
            wrong = f"not a JSON object ({wrong}); " + (
                CUT_OFF_FAULT if is_last else "a manifest has one object a line"
            )
            yield Row(number, fault=wrong)
        else:
            yield _row(number, value)


def _parsed(line: str) -> tuple[Any, str | None]:
    """(the value in the line, what is wrong with it)."""
    try:
        return json.loads(line), None
    except json.JSONDecodeError as error:
        return None, f"{error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:
        return None, str(error)


def _row(number: int, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(number, value)
    return Row(number, fault=f"a clip is a JSON object, this is a {type(value).__name__}")


def _document_rows(path: Path) -> list[Row]:
    size = path.stat().st_size
    if size > _LARGEST_DOCUMENT:
        raise GoamaError(
            f"{path}: one JSON document of {size / 1e6:.0f} MB; write one object a line instead: "
            f"jq -c '.[]' {path.name} > {path.stem}.jsonl"
        )
    text = _text(path.read_bytes())
    if "\ufffd" in text or "\0" in text:
        for _ in text_lines(path):  # says which line is not UTF-8
            pass
    values = list(_values(path, text))
    rows = values if len(values) > 1 else _rows_of(values[0])
    if rows is None:
        raise GoamaError(
            f"{path}: a JSON document without a list of clips; a manifest is a list of objects, or one object a line"
        )
    return [_row(number, value) for number, value in enumerate(rows, start=1)]


def _values(path: Path, text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(), 0
    while text := text[at:].lstrip():
        try:
            value, at = decoder.raw_decode(text)
        except (ValueError, RecursionError) as error:
            where, what = f"{path}", str(error)
            if isinstance(error, json.JSONDecodeError):
                where, what = f"{path}:{error.lineno}", f"{error.msg} at column {error.colno}"
            raise GoamaError(f"{where}: not JSON ({what}); a manifest is a list of objects, or one a line") from error
        yield value


def _rows_of(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    inside = _rows_inside(value)
    return inside if inside is not None else [value]


def _rows_inside(value: Any) -> list[Any] | None:
    """The rows that an object holds: its lists of objects by split, its one list of objects, its columns, or its
    objects by id; None if neither."""
    if not isinstance(value, dict) or not value:
        return None
    if all(name.lower() in SPLIT_NAMES and isinstance(inner, list) for name, inner in value.items()):
        return [row | {"split": name} if isinstance(row, dict) else row for name, rows in value.items() for row in rows]
    if set(value) == {"columns", "index", "data"} and all(isinstance(inner, list) for inner in value.values()):
        return [
            dict(zip(map(str, value["columns"]), row, strict=False)) for row in value["data"] if isinstance(row, list)
        ]
    lists = [inner for inner in value.values() if isinstance(inner, list)]
    of_objects = [inner for inner in lists if inner and all(isinstance(row, dict) for row in inner)]
    if len(of_objects) == 1 and not any(name.lower() in _NAMES_IN_A_ROW for name in value):
        return of_objects[0]
    if len(lists) == len(value) > 1 and len({len(column) for column in lists}) == 1:
        return [dict(zip(value, cells, strict=True)) for cells in zip(*lists, strict=True)]
    objects = [inner for inner in value.values() if isinstance(inner, dict)]
    if len(objects) != len(value):
        return None
    if len(objects) > 1 and all(objects) and all(list(inner) == list(objects[0]) for inner in objects):
        numbered = all(name.isdigit() for name in objects[0])  # pandas' to_json: {column: {row number: cell}}
        if numbered:
            return [{column: value[column][number] for column in value} for number in objects[0]]
    return [{"id": name, **inner} for name, inner in value.items()]
