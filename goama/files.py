"""Files and folders appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goama.errors import GoamaError


def write_beside(path: Path, content: str) -> None:
    """Write a text file so that a reader never meets half of it."""
    beside = path.with_name(path.name + ".partial")
    beside.write_text(content, encoding="utf-8")
    beside.replace(path)


def write_json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, into a folder that is not in its place yet."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


@contextmanager
def folder_beside(folder: Path) -> Iterator[Path]:
    """An empty folder to fill: at the end it takes the place of `folder`, after any error it is removed.

    Raises `GoamaError` when it cannot be made.
    """
    try:
        partial = empty_partial(folder)
    except OSError as error:
        raise GoamaError(f"{folder}: cannot be made ({error.strerror}); choose another place with -o") from error
    try:
        yield partial
        replace_folder(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def empty_partial(folder: Path) -> Path:
    """An empty folder beside `folder` to be filled and then given to `replace_folder`."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def replace_folder(partial: Path, folder: Path) -> None:
    """Put `partial` where `folder` is. Killed between its renames, `recover_folder` brings the old one back."""
    recover_folder(folder)
    retired = _retired(folder)
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        folder.rename(retired)
    try:
        partial.rename(folder)
    except OSError:
        recover_folder(folder)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Undo half a `replace_folder`: the folder that was retired stands in its place again."""
    retired = _retired(folder)
    if retired.exists() and not folder.exists():
        retired.rename(folder)


def _retired(folder: Path) -> Path:
    return folder.with_name(folder.name + ".old")
