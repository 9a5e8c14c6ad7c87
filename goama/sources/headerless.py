"""A table whose first line is already a clip: its columns are numbered, and those for sound and text are found.

OpenSLR's `line_index.tsv` and `utt_spk_text.tsv` have no header, and many tables that people export have none either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.clip import Columns
from goama.sources.columns import USUAL_NAMES, column_key
from goama.sources.json_table import MOST_COLUMNS
from goama.sources.row import Row
from goama.sources.sound_files import SoundFiles
from goama.sources.table import Table

_WITHOUT_HEADER = re.compile(r"(line_index|utt_spk_text)\b.*|.*[_-]line_index", re.IGNORECASE)
_HEADER_NAMES = {name for names in USUAL_NAMES.values() for name in names}
_ROWS_LOOKED_AT = 200
_LONGEST_NAME = 400  # characters


def first_row_is_a_clip(path: Path, sounds: SoundFiles, columns: Columns) -> Callable[[Sequence[str]], bool]:
    """A test of a table's first row: whether its cells are a clip's and not the names of columns."""
    named = {
        name for name in (columns.audio, columns.text, columns.id, columns.speaker) if name and not name.isdecimal()
    }

    def is_clip(cells: Sequence[str]) -> bool:
        if not 2 <= len(cells) <= MOST_COLUMNS or named & set(cells):
            return False
        if any(cell.strip().lower().endswith(SOUND_SUFFIXES) and _is_there(cell, sounds) for cell in cells):
            return True
        if any(column_key(cell) in _HEADER_NAMES for cell in cells):
            return False
        return bool(_WITHOUT_HEADER.fullmatch(path.stem)) or any(_is_sound(cell, sounds) for cell in cells)

    return is_clip


def guess_columns(table: Table, sounds: SoundFiles, wanted: Columns) -> Columns:
    """The columns of sound and text, by number: the cells that name sound files, and of the others the longest.

    Of three columns the third holds the speaker when its values recur. What the user named stays.
    """
    rows = list(islice((row for row in table.rows() if not row.fault), _ROWS_LOOKED_AT))
    audio = wanted.audio or max(table.columns, key=lambda column: _count(rows, column, sounds))
    others = [column for column in table.columns if column != audio]
    text = wanted.text or max(others, key=lambda column: _letters(rows, column), default=None)
    left = [column for column in others if column != text]
    speaker = wanted.speaker
    if speaker is None and len(left) == 1 and len(rows) > 1:
        values = [str(row.cells[left[0]]) for row in rows]
        if all(values) and len(set(values)) < len(values) and not any("." in value for value in values):
            speaker = left[0]
    return replace(wanted, audio=audio, text=text, speaker=speaker)


def _count(rows: Sequence[Row], column: str, sounds: SoundFiles) -> int:
    return sum(_is_sound(str(row.cells[column]), sounds) for row in rows)


def _letters(rows: Sequence[Row], column: str) -> int:
    return sum(sum(c.isalpha() or c == " " for c in str(row.cells[column])) for row in rows)


def _is_there(cell: str, sounds: SoundFiles) -> bool:
    return len(cell) <= _LONGEST_NAME and sounds.path(cell.strip()).is_file()


def _is_sound(cell: str, sounds: SoundFiles) -> bool:
    name = cell.strip()
    if not name or len(name) > _LONGEST_NAME:
        return False
    return name.lower().endswith(SOUND_SUFFIXES) or sounds.by_stem(name) is not None
