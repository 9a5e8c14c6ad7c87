"""Subtitles (.srt, .vtt) become one tier without a name; each cue is an annotation."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from goama.errors import GoamaError
from goama.sources.annotation_file import Annotation, AnnotationFile, Tier

_LARGEST = 64 << 20  # bytes; a day of speech needs two million
_LONGEST_LINE = 100_000  # characters
_MOST_CUES = 100_000

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s|$)")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,200})>")
_TAG = re.compile(r"</?[A-Za-z0-9][^<>]{0,200}>|\{\\[^{}]{0,200}\}")
_NOT_A_CUE = re.compile(r"(NOTE|STYLE|REGION)(\s|$)")


def read_subtitles(path: Path) -> AnnotationFile:
    """The cues of a file as one tier: texts without formatting; a WebVTT voice (`<v Awa>`) is the speaker.

    Raises `GoamaError` with the line when a time cannot be read; also when the file has no cues or exceeds a limit.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise GoamaError(f"{path}: larger than {_LARGEST >> 20} MB, which no subtitles are; not read")
        with path.open("rb") as file:
            utf_16 = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
        with path.open(encoding="utf-16" if utf_16 else "utf-8-sig") as file:
            cues = list(_cues(path, iter(lambda: file.readline(_LONGEST_LINE + 1), "")))
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeError as error:
        raise GoamaError(f"{path}: not UTF-8 text; save it again with encoding UTF-8") from error
    if not cues:
        raise GoamaError(f"{path}: no subtitles in it; a cue has its times as 00:00:01,000 --> 00:00:02,500")
    return AnnotationFile([Tier("", cues)])


def _cues(path: Path, lines: Iterator[str]) -> Iterator[Annotation]:
    times: tuple[float, float] | None = None
    texts: list[str] = []
    skipped = False  # inside a comment or a style sheet
    cues = 0
    for number, raw in enumerate(lines, start=1):
        if len(raw) > _LONGEST_LINE or cues > _MOST_CUES:
            raise GoamaError(f"{path}:{number}: longer than subtitles are (a line, or their number); not read")
        line = raw.strip()
        if not times and _NOT_A_CUE.match(line):
            skipped = True
        elif "-->" in line and not skipped:
            if times:  # the blank line between two cues is missing
                yield _cue(times, texts[:-1] if texts and texts[-1].isdigit() else texts)
            found = _TIMES.match(line)
            if not found:
                raise GoamaError(f"{path}:{number}: {line[:60]!r} is not a time; 00:00:01,000 --> 00:00:02,500 is one")
            times, texts = (_seconds(found.groups()[:4]), _seconds(found.groups()[4:])), []
            cues += 1
        elif not line:
            if times:
                yield _cue(times, texts)
            times, texts, skipped = None, [], False
        elif times:
            texts.append(line)
    if times:
        yield _cue(times, texts)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction}")


def _cue(times: tuple[float, float], texts: list[str]) -> Annotation:
    text = "\n".join(texts)
    voice = _VOICE.search(text)
    text = html.unescape(_TAG.sub("", text))
    return Annotation(*times, text, voice[1].strip() if voice else None)
