"""A workbook becomes rows of values; one that is made to fill the memory is refused before openpyxl sees it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.sources.xml import parse_xml

_LARGEST = 256 << 20  # bytes unpacked; 100,000 clips with ten columns need 40 MB
_HIGHEST_COMPRESSION = 200  # times; real workbooks reach 30, a zip bomb 1000
_HARMLESS = 10 << 20  # bytes unpacked that need no such judgement
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_MOST_ROWS = 1_048_576  # Excel's own limit
_MOST_ELEMENTS_AT_ONCE = 500_000  # openpyxl holds a row, a string or all of the styles in memory


@dataclass(frozen=True)
class Workbook:
    """An opened workbook; `titles`: its sheets, those that are hidden last."""

    path: Path
    titles: list[str]
    _opened: Any

    def rows(self, title: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """(number, values) of each row that is not blank, from the top, as wide as it is filled; formulas
        are what they were last worked out to.

        Raises `GoamaError` when the sheet is damaged or pretends to be larger than Excel allows.
        """
        worksheet = self._opened[title]
        worksheet.reset_dimensions()  # what a file says of its size may be wrong
        try:
            for number, values in enumerate(worksheet.iter_rows(values_only=True), start=1):
                if number > _MOST_ROWS:
                    raise GoamaError(f"{self.path}: the sheet {title!r} has more rows than Excel itself allows")
                if any(values):
                    yield number, tuple(map(_whole, values))
        except GoamaError:
            raise
        except Exception as error:  # openpyxl raises whatever its code meets in damaged XML
            raise _damaged(self.path, error) from error


def open_workbook(path: Path) -> Workbook:
    """Raises `GoamaError` when this is not a workbook, damaged, or unpacks to more than any table of clips."""
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_bombs(path, archive)
    except zipfile.BadZipFile as error:
        with path.open("rb") as file:
            beginning = file.read(4096)
        if beginning.startswith(_OLD_OFFICE):
            raise GoamaError(
                f"{path}: a workbook of an old Excel, or one with a password; save it as .xlsx without password"
            ) from error
        if beginning and not beginning.startswith(b"PK") and b"\0" not in beginning:
            raise GoamaError(f"{path}: this is text, not a workbook; rename it to .csv or .tsv") from error
        raise _damaged(path, error) from error
    except (NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise _damaged(path, error) from error
    from openpyxl import load_workbook

    try:
        opened = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        sheets = sorted(opened.worksheets, key=lambda sheet: sheet.sheet_state != "visible")
        titles = [sheet.title for sheet in sheets]
    except OSError:
        raise
    except Exception as error:  # as above
        raise _damaged(path, error) from error
    if not titles:
        raise GoamaError(f"{path}: this workbook has no sheet with cells")
    return Workbook(path, titles, opened)


def _refuse_bombs(path: Path, archive: zipfile.ZipFile) -> None:
    """zipfile unpacks no more of a member than the archive's directory promises, so its sum is a true bound."""
    packed, unpacked = path.stat().st_size, sum(member.file_size for member in archive.infolist())
    if unpacked > _LARGEST or unpacked > max(_HARMLESS, _HIGHEST_COMPRESSION * packed):
        raise GoamaError(
            f"{path}: {packed} bytes that would unpack to {unpacked}, more than any table of clips; save it as CSV"
        )
    for member in archive.infolist():
        if not member.filename.endswith((".xml", ".rels")):
            continue
        at_once = 0

        def start(tag: str, _: dict[str, str], *, name: str = member.filename) -> None:
            nonlocal at_once
            local = tag.rpartition(":")[2]
            at_once = 0 if local in ("row", "si") else at_once + 1
            if at_once > _MOST_ELEMENTS_AT_ONCE:
                raise GoamaError(f"{path}: {name} in it is no part of a table of clips (too many cells in one row)")

        with archive.open(member) as file:
            parse_xml(file, f"{path}:{member.filename}", start=start)  # type: ignore[arg-type]


def _damaged(path: Path, error: Exception) -> GoamaError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:150]
    return GoamaError(f"{path}: not an .xlsx workbook, or a damaged one ({reason}); save it again, or as CSV")


def _whole(value: Any) -> Any:
    """Spreadsheets know no whole numbers: the id 7 may come as 7.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
