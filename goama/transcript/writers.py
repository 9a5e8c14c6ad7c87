"""The file formats of transcripts; `WRITERS` maps the name of a format to the function that makes its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from goama.errors import GoamaError
from goama.files import write_beside
from goama.transcript.elan import add_to_eaf, to_eaf
from goama.transcript.json_format import to_json
from goama.transcript.layout import Layout
from goama.transcript.page import to_html
from goama.transcript.subtitles import to_srt, to_vtt
from goama.transcript.tables import to_ctm, to_tsv, to_txt
from goama.transcript.textgrid import to_textgrid
from goama.transcript.transcript import Transcript

WRITERS: dict[str, Callable[[Transcript, Layout], str]] = {
    "txt": to_txt,
    "json": to_json,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "ctm": to_ctm,
    "textgrid": to_textgrid,
    "eaf": to_eaf,
    "html": to_html,
}


@dataclass(frozen=True)
class Saved:
    """A file that was written; for an .eaf that was there before, its new tiers and its copy as it was."""

    path: Path
    tiers: tuple[str, ...] = ()
    backup: Path | None = None

    @property
    def sentence(self) -> str:
        """What was written, for the screen."""
        if self.backup is None:
            return str(self.path)
        return f"{self.path}: tiers added: {', '.join(self.tiers)}; as it was: {self.backup.name}"


def ending(format: str) -> str:
    """The ending of the files of a format, with its dot."""
    return ".TextGrid" if format == "textgrid" else f".{format}"


def save(transcript: Transcript, path: Path, layout: Layout = Layout()) -> Saved:
    """The file that was written atomically, in the format of the path's ending.

    An existing .eaf gets the transcript as further tiers; other files are replaced. Raises `GoamaError` when the
    ending names no format, the file cannot be written, or an existing .eaf cannot be read.
    """
    format = path.suffix[1:].lower()
    if format not in WRITERS:
        raise GoamaError(f"{path}: its ending names no format; possible are {', '.join(map(ending, WRITERS))}")
    layout = replace(layout, folder=path.parent)
    if format == "eaf" and path.exists():
        added = add_to_eaf(transcript, path, layout)
        return Saved(path, added.tiers, added.backup)
    content = WRITERS[format](transcript, layout)
    try:
        write_beside(path, content)
    except OSError as error:
        raise GoamaError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    return Saved(path)
