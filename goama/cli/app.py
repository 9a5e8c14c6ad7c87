"""The command line: one verb, one function. Heavy libraries are imported when a verb needs them, not before."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from goama import __version__
from goama.cli import corpora, first_steps, recordings, runs
from goama.cli.terminal import err, out
from goama.errors import GoamaError

app = typer.Typer(
    help="An hour of transcribed recordings in any language becomes a speech recogniser.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(first_steps.voices, name="voices")
for _verb in (
    corpora.check,
    corpora.prepare,
    corpora.shard,
    runs.train,
    runs.report,
    runs.evaluate,
    recordings.transcribe,
    first_steps.doctor,
    first_steps.demo,
):
    app.command()(_verb)


def main() -> None:
    """Run the command line; a user's mistake is one sentence and status 2, a bug keeps its traceback."""
    # Before torch is loaded: its threads wait a little and then sleep, fast alone and fair on a shared machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        app(standalone_mode=True)
    except GoamaError as error:
        _fail(str(error))
    except OSError as error:
        sentence = _surroundings(error)
        if sentence is None:
            raise
        _fail(sentence)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


def _fail(sentence: str) -> None:
    err.print(f"goama: {sentence}", markup=False)
    sys.exit(2)


def _surroundings(error: OSError) -> str | None:
    """A sentence for the faults of disks and permissions; None for what may be a bug."""
    where = error.filename or "the output"
    return {
        errno.ENOSPC: f"{where}: the disk is full; free some space (`goama doctor` shows it) and run the command again",
        errno.EDQUOT: f"{where}: your disk quota is used up; free some space and run the command again",
        errno.EFBIG: f"{where}: the file grew larger than the system allows; free some space or raise the limit",
        errno.EACCES: f"{where}: no permission to write or read here; choose another place with -o",
        errno.EPERM: f"{where}: the system does not allow this; choose another place with -o",
        errno.EROFS: f"{where}: this file system is read-only; choose another place with -o",
        errno.ENOENT: f"{where}: no such file or folder; check the path",
        errno.EEXIST: f"{where}: a file of this name is in the way; choose another place with -o",
        errno.ENOTDIR: f"{where}: a part of this path is a file, not a folder; choose another place with -o",
        errno.EISDIR: f"{where}: this is a folder, a file is needed",
        errno.ENAMETOOLONG: f"{where}: this name is too long for the file system",
    }.get(error.errno or 0)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"goama {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
