"""The command line: one verb, one function. Heavy libraries are imported when a verb needs them, not before."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from goama import __version__
from goama.cli import alignment, corpora, decoding, first_steps, recordings, runs
from goama.cli.terminal import err, out
from goama.errors import GoamaError
from goama.files import readable

app = typer.Typer(
    help="Train a speech recogniser from an hour of transcribed recordings in any language.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",  # what "rich" takes for its own markup, such as [default: starter], disappears
)
app.add_typer(first_steps.voices, name="voices")
for _verb in (
    corpora.check,
    corpora.prepare,
    corpora.shard,
    runs.train,
    runs.distil,
    runs.report,
    decoding.ngram,
    decoding.tune,
    runs.evaluate,
    recordings.transcribe,
    recordings.search,
    alignment.align,
    first_steps.doctor,
    first_steps.demo,
):
    app.command()(_verb)


def main() -> None:
    """Run the command line. A user's mistake gives one sentence and exit status 2; a bug keeps its traceback."""
    # Set before torch is loaded. Its idle threads spin briefly, then sleep: fast alone, fair on a shared machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    _print_any_name()
    try:
        app(standalone_mode=True)
    except GoamaError as error:
        _fail(str(error))
    except OSError as error:
        sentence = sentence_for(error, sys.argv[1:])
        if sentence is None:
            raise
        _fail(sentence)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


def _print_any_name() -> None:
    """Shows a character that the screen has no code for, such as a byte of a name that is not UTF-8, as `\\xe9`."""

    def as_escapes(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        shown = readable(error.object[error.start : error.end])
        encoding = error.encoding if error.encoding != "charmap" else "ascii"
        return shown.encode(encoding, "backslashreplace").decode(encoding), error.end

    codecs.register_error("readable", as_escapes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="readable")


def _fail(sentence: str) -> None:
    err.print(f"goama: {sentence}", markup=False)
    sys.exit(2)


_FULL_DISK = {
    errno.ENOSPC: "the disk is full; free some space (`goama doctor` shows it) and run the command again",
    errno.EDQUOT: "your disk quota is used up; free some space and run the command again",
    errno.EFBIG: "the file grew larger than the system allows; free some space or raise the limit",
}
_NO_PERMISSION = {
    errno.EACCES: "no permission to write or read here; choose another place with -o",
    errno.EPERM: "the system does not allow this; choose another place with -o",
    errno.EROFS: "this file system is read-only; choose another place with -o",
}
_WRONG_PATH = {
    errno.ENOENT: "no such file or folder; check the path",
    errno.EEXIST: "a file of this name is in the way; choose another place with -o",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another place with -o",
    errno.EISDIR: "this is a folder, a file is needed",
    errno.ENAMETOOLONG: "this name is too long for the file system",
}


def sentence_for(error: OSError, words: Sequence[str]) -> str | None:
    """A sentence for an error that the user can mend; None for one that may be a bug.

    words:  the command line, whose paths are the user's

    A full disk is always the user's. Missing permission is, if the path is one of theirs, inside one or above one.
    A wrong path is, if it is one of theirs or above one, or inside one that is wrong in the same way.
    """
    code, where = error.errno or 0, error.filename
    if code in _FULL_DISK:
        return f"{where or 'the output'}: {_FULL_DISK[code]}"
    if not isinstance(where, str):
        return None
    values = [word.partition("=")[2] if word.startswith("-") else word for word in words]
    given = [Path(value).absolute() for value in values if value]
    path = Path(where.removesuffix(".partial").removesuffix(".old")).absolute()
    at_or_above = any(own.is_relative_to(path) for own in given)
    above = [own for own in given if path.is_relative_to(own)]
    if code in _NO_PERMISSION and (at_or_above or above):
        return f"{where}: {_NO_PERMISSION[code]}"
    if code in _WRONG_PATH and (at_or_above or any(_errno_of(own) == code for own in above)):
        return f"{where}: {_WRONG_PATH[code]}"
    return None


def _errno_of(path: Path) -> int | None:
    try:
        path.lstat()
    except OSError as error:
        return error.errno
    return None


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
