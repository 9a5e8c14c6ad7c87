"""Transcripts as text of each output format; `WRITERS` maps the name of a format to its function."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goama.errors import GoamaError
from goama.files import write_beside
from goama.transcript.transcript import Transcript


@dataclass(frozen=True)
class Layout:
    """What a user can choose about the files: nothing yet."""


def to_txt(transcript: Transcript, layout: Layout) -> str:
    """The text of each segment on a line of its own."""
    return "".join(segment.text + "\n" for segment in transcript.segments)


def to_json(transcript: Transcript, layout: Layout) -> str:
    """A JSON object with `audio`, `duration`, `text` and `segments` (`start`, `end`, `text`, `words`); times in s."""
    segments = [
        {
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "words": [
                {"text": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
                for word in segment.words
            ],
        }
        for segment in transcript.segments
    ]
    whole = {
        "audio": transcript.audio,
        "duration": transcript.duration,
        "text": transcript.text,
        "segments": segments,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


WRITERS: dict[str, Callable[[Transcript, Layout], str]] = {"txt": to_txt, "json": to_json}
"""The content of a file of each format; its name is the file's ending, except that `textgrid` is `.TextGrid`."""


def ending(format: str) -> str:
    """The ending of the files of a format, with its dot."""
    return ".TextGrid" if format == "textgrid" else f".{format}"


def save(transcript: Transcript, path: Path, layout: Layout = Layout()) -> None:
    """Writes a transcript atomically, in the format of the path's ending.

    Raises `GoamaError` when the ending names no format, or the file cannot be written.
    """
    format = path.suffix[1:].lower()
    if format not in WRITERS:
        raise GoamaError(f"{path}: its ending names no format; possible are {', '.join(map(ending, WRITERS))}")
    try:
        write_beside(path, WRITERS[format](transcript, layout))
    except OSError as error:
        raise GoamaError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
