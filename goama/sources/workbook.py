"""A workbook (.xlsx, .xlsm, .xls, .ods) becomes numbered rows of one sheet.

`read_workbook.py` parses it in a process of its own with limits on memory and time, because a small file can be made
to fill the memory. Its rows wait in a temporary file, so that a sheet can be read again without parsing it again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import goama
from goama.errors import GoamaError
from goama.sources.read_workbook import LONGEST_S, REFUSED, too_costly

_WAIT_S = 5 * LONGEST_S  # for a machine that is busy with other things, or that knows no limit on time


@dataclass(frozen=True)
class Workbook:
    """An opened workbook: the names of its sheets, hidden ones last, and the sheet that was read.

    merged: number of merged cells that span several rows; their value stands in each of these rows
    """

    sheets: tuple[str, ...]
    sheet: str
    merged: int
    _rows: IO[bytes]

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """(row number from 1, values) of each row that is not blank; formulas have their last result."""
        position = 0
        while True:
            self._rows.seek(position)
            if not (line := self._rows.readline()):
                return
            position += len(line)
            number, values = json.loads(line)
            yield number, values


def open_workbook(path: Path, sheet: str | None = None) -> Workbook:
    """The workbook with the rows of a sheet; None: of the first that is not hidden.

    Raises `GoamaError` when the file is no workbook, is damaged, has a password, has no such sheet, or exceeds a limit
    (size when unpacked, memory, time, number of rows).
    """
    listing, rows = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed with their last reader
    command = [sys.executable, "-P", "-X", "utf8", "-m", "goama.sources.read_workbook", str(path)]
    importable = [str(Path(goama.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        status: int | None = subprocess.run(
            command if sheet is None else [*command, sheet],
            stdin=subprocess.DEVNULL,
            stdout=rows,
            stderr=listing,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(importable)},
            timeout=_WAIT_S,
        ).returncode
    except subprocess.TimeoutExpired:
        status = None
    listing.seek(0)
    said = listing.read().decode("utf-8", errors="replace")
    if status == REFUSED:
        raise GoamaError(said.strip())
    if status is not None and status > 0:
        raise RuntimeError(f"{path}: reading the workbook failed\n{said}")
    if status != 0:  # stopped by a limit
        raise too_costly(path)
    facts = json.loads(said.splitlines()[-1])
    return Workbook(tuple(facts["sheets"]), facts["sheet"], facts["merged"], rows)
