"""Atomic writing of files and folders: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from goama.errors import GoamaError


def is_readable(name: str) -> bool:
    """Whether a name is text; a file name whose bytes are not UTF-8 is not."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def readable(name: str) -> str:
    """The name as text: bytes that are not UTF-8 become `\\xe9`. For ids, messages, JSON."""

    def shown(character: str) -> str:
        if "\udc80" <= character <= "\udcff":
            return f"\\x{ord(character) - 0xDC00:02x}"
        return "?" if "\ud800" <= character <= "\udfff" else character

    return name if is_readable(name) else "".join(map(shown, name))


def write_beside(path: Path, content: str | bytes) -> None:
    """Writes a file atomically, text as UTF-8: a reader never sees a part of it."""
    beside = path.with_name(path.name + ".partial")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except OSError:  # such as a full disk
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def write_json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, into a folder that is not in its place yet."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def link_or_copy(path: Path, to: Path) -> None:
    """The file again under another name: a hard link, or a copy where the disk has none; makes the folders above it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, to)
    except OSError:
        shutil.copyfile(path, to)


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
    """An empty folder next to `folder`, to be filled and then passed to `replace_folder`."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def replace_folder(partial: Path, folder: Path) -> None:
    """Replaces `folder` by `partial`. If the process is killed in between, `recover_folder` restores the old folder."""
    recover_folder(folder)
    old = _old(folder)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        partial.rename(folder)
    except OSError:
        recover_folder(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Restores the old folder if `replace_folder` was interrupted between its two renames."""
    old = _old(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)


def _old(folder: Path) -> Path:
    return folder.with_name(folder.name + ".old")
