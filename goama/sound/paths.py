"""Paths of sound files: the suffixes they have, and one sentence for a path that is no sound file.

A missing file is often a file whose name differs a little: `similar_name` finds it.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from goama.errors import GoamaError
from goama.files import is_readable

SOUND_SUFFIXES = (
    ".wav", ".flac", ".aiff", ".aif", ".w64", ".caf", ".au",
    ".snd", ".bwf", ".m4a", ".m4b", ".opus", ".ogg", ".oga", ".spx", ".mp3", ".mp2", ".aac", ".wma", ".mka", ".amr",
    ".awb", ".g722", ".gsm", ".mp4", ".m4v", ".webm", ".mkv", ".mov", ".3gp", ".avi", ".mpg", ".mpeg", ".ts", ".mts",
    ".m2ts", ".flv", ".wmv",
)  # fmt: skip
"""Suffixes of recordings; where files of one name have several, the first of these is taken."""

_MOST_NAMES_COMPARED = 200  # in a folder; comparing more, for each missing file, would take long


def for_libsndfile(path: Path) -> str | bytes:
    """The path as soundfile takes it, also where the bytes of its name are not UTF-8."""
    return str(path) if is_readable(str(path)) else os.fsencode(path)


def require_sound_file(path: Path) -> None:
    """Raises `GoamaError` when the path is missing, a folder, a device or empty."""
    if not path.exists():
        similar = similar_name(path)
        raise GoamaError(f"{path}: no such file; {f'did you mean {similar!r}?' if similar else 'check the path'}")
    if path.is_dir():
        raise GoamaError(f"{path}: this is a folder, a sound file is needed")
    if not path.is_file():
        raise GoamaError(f"{path}: this is a device or a pipe, a sound file is needed")
    if path.stat().st_size == 0:
        raise GoamaError(f"{path}: the file is empty (0 bytes); copy it again from its origin")


def similar_name(path: Path) -> str | None:
    """The name of a sound file in the same folder that is probably meant, or None.

    It has the same letters and digits, or nearly the same letters and the same numbers.
    """
    names = _sound_files_in(path.parent)
    letters = _letters(path.name)
    if same := names.get(letters):
        return same
    if len(names) > _MOST_NAMES_COMPARED:
        return None
    close = difflib.get_close_matches(letters, [other for other in names if _numbers(other) == _numbers(letters)], n=1)
    return names[close[0]] if close else None


@lru_cache(maxsize=16)
def _sound_files_in(folder: Path) -> dict[str, str]:
    """Letters and digits of a name -> the name; the folder is listed once, however many of its files are missing."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return {}
    return {_letters(name): name for name in names if name.lower().endswith(SOUND_SUFFIXES)}


def _letters(name: str) -> str:
    stem = unicodedata.normalize("NFKD", Path(name).stem).casefold()
    return "".join(character for character in stem if character.isalnum())


def _numbers(letters: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", letters)]
