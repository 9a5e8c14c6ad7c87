"""The recordings that a command was given: files, the sound files of folders, standard input; and how far it is."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from goama.cli.terminal import err
from goama.errors import GoamaError
from goama.files import readable
from goama.sound.nominal_length import nominal_seconds
from goama.sound.paths import SOUND_SUFFIXES

STDIN = Path("-")


@dataclass(frozen=True)
class Recording:
    """A recording that was named, or lies in a folder that was named.

    name:   what messages and transcripts call it
    place:  where its outputs lie below the output folder, without a suffix
    """

    path: Path
    name: str
    place: Path


@contextmanager
def recordings(paths: Sequence[Path]) -> Iterator[list[Recording]]:
    """The recordings named, and those in the folders named, which keep their sub-folders; `-` is standard input.

    Standard input is kept in a temporary file, so that every format can be read. Raises `GoamaError` for a folder
    without sound files, and where nothing is piped in.
    """
    with ExitStack() as stack:
        found: list[Recording] = []
        for path in paths:
            if path == STDIN:
                found.append(Recording(stack.enter_context(_standard_input()), "stdin", Path("stdin")))
            elif path.is_dir():
                found += _in_folder(path)
            else:
                found.append(Recording(path, readable(str(path)), Path(path.stem)))
        yield found


def _in_folder(folder: Path) -> Iterator[Recording]:
    """The sound files in a folder but for hidden ones: on a disk of a Mac each has one beside it (`._tape.wav`)."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SOUND_SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise GoamaError(f"{folder}: no sound file lies in this folder")
    for file in files:
        yield Recording(file, readable(str(file)), file.relative_to(folder).with_suffix(""))


@contextmanager
def _standard_input() -> Iterator[Path]:
    if sys.stdin.isatty():
        raise GoamaError("-: nothing is piped in; pipe a sound file into the command, or name its path")
    with tempfile.TemporaryDirectory(prefix="goama-") as folder:
        file = Path(folder, "stdin")
        with file.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        if not file.stat().st_size:
            raise GoamaError("-: nothing came through the pipe; look at the command before it")
        yield file


class Progress:
    """Shows how much of all sound is done, and the time left; state: which recordings are finished."""

    def __init__(self, status: Callable[[str], None], what: str, paths: Sequence[Path]):
        """`what` is done to the recordings: "transcribing"."""
        self._status, self._what = status, what
        self._lengths = [(nominal_seconds(path) or 0.0) if err.is_terminal else 0.0 for path in paths]
        self._finished = [False] * len(paths)
        self._started = time.monotonic()

    def finish(self, number: int) -> None:
        """The recording with this number is done, or failed."""
        self._finished[number] = True

    def show(self, seconds: Sequence[float]) -> None:
        """`seconds`: how much of each recording is done."""
        line = f"{self._what}, {sum(self._finished)} of {len(self._finished)} recordings done"
        total = sum(self._lengths)
        if total:
            done = sum(
                length if finished else min(length, part)
                for length, finished, part in zip(self._lengths, self._finished, seconds, strict=True)
            )
            share = done / total
            left = round((time.monotonic() - self._started) * (1 / share - 1)) if share else 0
            line += f", {done / 60:.1f} of {total / 60:.1f} min of sound ({100 * share:.0f} %), "
            line += f"{left // 60}:{left % 60:02d} left"
        self._status(line)
