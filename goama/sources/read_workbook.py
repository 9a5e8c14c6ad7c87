"""The rows of a sheet as JSON lines: `python -m goama.sources.read_workbook FILE [SHEET]`.

Input is untrusted, so this runs in a process of its own: an .xlsx of 10 kB with two cells in opposite corners makes
the parser allocate 400 GB. The rows go to stdout; {"sheets": [...], "sheet": "...", "merged": 0}, or one sentence
and the exit status `REFUSED`, to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from goama.errors import GoamaError

_LARGEST_MEMORY = 2 << 30  # bytes of address space; 100,000 clips with ten columns need a tenth
LONGEST_S = 120  # seconds of processor time
REFUSED = 3

_LARGEST_OUTPUT = 1 << 30  # bytes of JSON
_LARGEST_UNPACKED = 256 << 20  # bytes; 100,000 clips with ten columns need 40 MB
_HIGHEST_COMPRESSION = 200  # times; real workbooks reach 30, a zip bomb 1000
_ANY_COMPRESSION = 10 << 20  # bytes unpacked below which the compression does not matter
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # also the container of an .xlsx with a password
_MOST_ROWS = 1_048_576  # Excel's own limit


def main() -> None:
    """Print the rows of sys.argv: FILE [SHEET]."""
    path, sheet = Path(sys.argv[1]), (sys.argv[2] if len(sys.argv) > 2 else None)
    try:
        _limit_this_process()
        _print_rows(path, sheet)
    except GoamaError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{path}: cannot be read ({error.strerror})")
    except MemoryError:
        _refuse(str(too_costly(path)))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the parser met something it does not expect
            raise
        _refuse(str(_not_a_workbook(path, error)))


def too_costly(path: Path) -> GoamaError:
    """The error for a workbook that exceeds the limit on memory or time."""
    return GoamaError(
        f"{path}: reading this workbook needs more than {_LARGEST_MEMORY >> 30} GB of memory or {LONGEST_S} s, or it "
        "is damaged; save the sheet as CSV"
    )


def _refuse(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr, flush=True)
    os._exit(REFUSED)  # without writing what is left of the rows: a full disk would change the status


def _limit_this_process() -> None:
    try:
        import resource
    except ImportError:  # Windows: only the size of the unpacked file is limited
        return
    for kind, limit in (
        (resource.RLIMIT_AS, _LARGEST_MEMORY),
        (resource.RLIMIT_CPU, LONGEST_S),
        (resource.RLIMIT_FSIZE, _LARGEST_OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        _, highest = resource.getrlimit(kind)
        allowed = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        with suppress(ValueError, OSError):  # macOS cannot limit the memory of a process
            resource.setrlimit(kind, (allowed, allowed))


def _print_rows(path: Path, wanted: str | None) -> None:
    _refuse_zip_bomb(path)
    try:
        with path.open("rb") as file, CalamineWorkbook.from_filelike(file) as workbook:
            pages = [page for page in workbook.sheets_metadata if page.typ == SheetTypeEnum.WorkSheet]
            pages.sort(key=lambda page: page.visible != SheetVisibleEnum.Visible)
            names = [page.name for page in pages]
            if not names:
                raise GoamaError(f"{path}: this workbook has no sheet with cells")
            if wanted is not None and wanted not in names:
                raise GoamaError(f"{path}: no sheet {wanted!r}; the sheets are: {', '.join(names[:20])}")
            name = names[0] if wanted is None else wanted
            sheet = workbook.get_sheet_by_name(name)
            merged = _merged_below(sheet)
            for number, values in _rows(sheet, merged, path):
                print(json.dumps([number, values], default=str))
    except PasswordError as error:
        raise GoamaError(f"{path}: this workbook has a password; save it without one") from error
    except CalamineError as error:
        raise _not_a_workbook(path, error) from error
    sys.stdout.flush()
    facts = {"sheets": names, "sheet": name, "merged": len(merged)}
    print(json.dumps(facts), file=sys.stderr)


def _merged_below(sheet: CalamineSheet) -> list[tuple[int, int, int]]:
    """(first row, last row, index in the row's values), from 0, of merged cells that span several rows, sorted."""
    ranges = sheet.merged_cell_ranges or []  # None where the format's parser does not tell, as of .ods
    first_column = sheet.start[1] if sheet.start else 0
    return sorted((top, bottom, left - first_column) for (top, left), (bottom, _) in ranges if bottom > top)


def _rows(sheet: CalamineSheet, merged: list[tuple[int, int, int]], path: Path) -> Iterator[tuple[int, list[Any]]]:
    """(row number from 1, values) of each row that is not blank; a merged cell's value stands in each of its rows."""
    if sheet.end is not None and sheet.end[0] >= _MOST_ROWS:
        raise GoamaError(f"{path}: the sheet {sheet.name!r} has more rows than Excel itself allows ({_MOST_ROWS})")
    waiting = deque(merged)
    spanning: dict[int, tuple[int, Any]] = {}  # column -> last row of the merged cell, its value
    for number, values in enumerate(sheet.iter_rows(), start=1):
        is_blank = all(value == "" for value in values)
        while waiting and waiting[0][0] < number:
            _, last, column = waiting.popleft()
            if column < len(values):
                spanning[column] = (last, values[column])
        for column, (last, value) in list(spanning.items()):
            if number - 1 > last:
                del spanning[column]
            elif not is_blank:
                values[column] = value
        if not is_blank:
            yield number, [_whole(value) for value in values]


def _refuse_zip_bomb(path: Path) -> None:
    """What the archive's directory promises is checked here, what it hides meets the limit on memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError):
        return  # an .xls, or damaged: the parser says so
    packed = path.stat().st_size
    if unpacked > _LARGEST_UNPACKED or unpacked > max(_ANY_COMPRESSION, _HIGHEST_COMPRESSION * packed):
        raise GoamaError(
            f"{path}: {packed} bytes that would unpack to {unpacked}, more than any table of clips; save it as CSV"
        )


def _not_a_workbook(path: Path, error: BaseException) -> GoamaError:
    with path.open("rb") as file:
        beginning = file.read(4096)
    if beginning.startswith(_OLD_EXCEL):
        return GoamaError(
            f"{path}: a workbook with a password, or a damaged one of an old Excel; save it as .xlsx without password"
        )
    if beginning and not beginning.startswith(b"PK") and b"\0" not in beginning:
        return GoamaError(f"{path}: this is text, not a workbook; rename it to .csv or .tsv")
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:150]
    return GoamaError(f"{path}: not a workbook, or a damaged one ({reason}); save it again as .xlsx, or as CSV")


def _whole(value: Any) -> Any:
    """Spreadsheets have no integers: the id 7 may come as 7.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


if __name__ == "__main__":
    main()
