"""Atomic writing of files and folders: written under a temporary name, then renamed."""

from __future__ import annotations

import shutil
from pathlib import Path


def write_beside(path: Path, content: str) -> None:
    """Writes a text file atomically: a reader never sees a part of it."""
    beside = path.with_name(path.name + ".partial")
    beside.write_text(content, encoding="utf-8")
    beside.replace(path)


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
