"""Subtitles (.srt, .vtt) become one tier without a name; each cue is an annotation."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from goama.errors import GoamaError
from goama.sources.annotation_file import Annotation, AnnotationFile, Tier
from goama.sources.cues import Cue, merged, unrolled
from goama.sources.speaker_labels import take_speakers

_LARGEST = 64 << 20  # bytes; a day of speech needs two million
_LONGEST_LINE = 100_000  # characters
_MOST_CUES = 100_000

_TIME = r"(?:(\d{1,4})\s?:\s?)?(\d{1,2})\s?:\s?(\d{1,2})\s?[.,]\s?(\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*(?:-{{1,3}}|[–—])>\s*{_TIME}(?:\s|$)")
_CLOCK = re.compile(r"\d\s?:\s?\d")
_TAG = re.compile(r"</?[A-Za-z0-9][^<>]{0,200}>|\{\\[^{}]{0,200}\}")
_NEW_LINE, _SPACE = re.compile(r"\\[Nn]"), re.compile(r"\\h")  # left over from .ass subtitles
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,200})>")
_NOT_A_CUE = re.compile(r"(NOTE|STYLE|REGION)(\s|$)")
_NUMBER = re.compile(r"[\[(#]?(\d{1,7})[\])#:.]?")


def read_subtitles(path: Path, labels: str | None = None) -> AnnotationFile:
    """The cues of a file as one tier: texts without formatting; a WebVTT voice (`<v Awa>`) is the speaker.

    A cue lasts until the next one's number and times: text after an empty line belongs to it. Lines that rolling
    captions show twice are taken once. `labels`: what to do with names before a colon, see `take_speakers`.
    Raises `GoamaError` with the line when a time cannot be read; also when the file has no cues or exceeds a limit.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise GoamaError(f"{path}: larger than {_LARGEST >> 20} MB, which no subtitles are; not read")
        with path.open("rb") as file:
            utf_16 = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
        with path.open(encoding="utf-16" if utf_16 else "utf-8-sig") as file:
            blocks = _Blocks(path)
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), ""), start=1):
                blocks.add(number, line)
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeError as error:
        raise GoamaError(f"{path}: not UTF-8 text; save it again with encoding UTF-8") from error
    if not blocks.cues:
        raise GoamaError(f"{path}: no subtitles in it; a cue has its times as 00:00:01,000 --> 00:00:02,500")
    cues, notes_on_copies = merged([_cleaned(cue) for cue in blocks.cues])
    cues, notes_on_rolling = unrolled(cues)
    cues, notes_on_speakers = take_speakers(cues, labels)
    annotations = [Annotation(cue.start, cue.end, "\n".join(cue.lines), cue.speaker) for cue in cues]
    notes = (*blocks.notes(), *notes_on_copies, *notes_on_rolling, *notes_on_speakers)
    return AnnotationFile([Tier("", annotations)], notes=tuple(f"{path.name}: {note}" for note in notes))


@dataclass
class _Raw:
    """A cue as it stands: its times, its number in the file, the line of its times, the lines that follow."""

    start: float
    end: float
    number: int | None
    place: int
    lines: list[str] = field(default_factory=list)


class _Blocks:
    """Takes the lines of a file one by one and parts them into cues."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_vtt = path.suffix.lower() == ".vtt"
        self.cues: list[_Raw] = []
        self._before: list[str] = []
        """Lines that belong to no cue, since the last cue."""
        self._first_before = 0
        self._in_cue = False
        self._skipping = False  # inside a comment or a style sheet
        self._in_header = False
        self._at_start = True  # of a block: the line before is empty
        self._outside: list[int] = []
        """Numbers of lines with text that belong to no cue."""

    def add(self, number: int, raw: str) -> None:
        """Raises `GoamaError` where the line is no line of subtitles."""
        if len(raw) > _LONGEST_LINE or len(self.cues) > _MOST_CUES:
            raise GoamaError(f"{self._path}:{number}: longer than subtitles are (a line, or their number); not read")
        line = raw.strip()
        if number == 1 and line.startswith("WEBVTT"):
            self._is_vtt = self._skipping = self._in_header = True
            return
        begins_comment = self._is_vtt and self._at_start and bool(_NOT_A_CUE.match(line))
        if not raw.strip("\r\n"):
            self._skipping, self._in_header, self._at_start = False, False, True
        elif begins_comment:
            self._in_cue, self._skipping = False, True
        times = None if self._skipping and not self._in_header else self._times(number, line)
        if times:
            number_of_cue = self._take_header(self.cues[-1].lines if self._in_cue else self._before)
            self._leave_before()
            self.cues.append(_Raw(*times, number_of_cue, number))
            self._in_cue, self._skipping, self._in_header, self._at_start = True, False, False, False
            return
        if raw.strip("\r\n"):
            self._at_start = False
        if self._skipping or (not line and raw.strip("\r\n")):
            return  # spaces alone are neither text nor an empty line
        if self._in_cue:
            self.cues[-1].lines.append(line)
        else:
            if not self._before:
                self._first_before = number
            self._before.append(line)

    def _times(self, number: int, line: str) -> tuple[float, float] | None:
        found = _TIMES.match(line)
        if found:
            parts = found.groups()
            return _seconds(parts[:4]), _seconds(parts[4:])
        if "-->" in line and not self._in_header and (not self._in_cue or _CLOCK.search(line)):
            raise GoamaError(
                f"{self._path}:{number}: {line[:60]!r} is not a time; 00:00:01,000 --> 00:00:02,500 is one"
            )
        return None

    def _take_header(self, lines: list[str]) -> int | None:
        """Remove the number or name of the next cue from the end of the lines before its times; its number."""
        end = len(lines)
        while end and not lines[end - 1]:
            end -= 1
        if not end:
            return None
        directly = end == len(lines)
        numbered = _NUMBER.fullmatch(lines[end - 1])
        last = self.cues[-1].number if self.cues else 0
        if numbered and (directly or (last is not None and int(numbered[1]) == last + 1)):
            del lines[end - 1 :]
            return int(numbered[1])
        if self._is_vtt and directly and (end == 1 or not lines[end - 2]) and not (self._in_cue and end == 1):
            del lines[end - 1 :]
        return None

    def _leave_before(self) -> None:
        """Note the text before a cue that belongs to none."""
        self._outside += [self._first_before + at for at, line in enumerate(self._before) if line]
        self._before.clear()

    def notes(self) -> Iterator[str]:
        """Sentences on empty lines inside cues and on text outside of them."""
        self._leave_before()
        broken = [cue.place for cue in self.cues if _has_gap(cue.lines)]
        if broken:
            yield (
                f"{_cues(broken)} an empty line inside; the text after it is kept as part of the cue ({_lines(broken)})"
            )
        if self._outside:
            yield f"text that belongs to no cue is not read ({_lines(self._outside)})"


def _has_gap(lines: list[str]) -> bool:
    text = [index for index, line in enumerate(lines) if line]
    return bool(text) and text[-1] + 1 != len(text)


def _cues(places: list[int]) -> str:
    return "1 cue has" if len(places) == 1 else f"{len(places)} cues have"


def _lines(places: list[int]) -> str:
    shown = ", ".join(map(str, places[:5])) + (f" and {len(places) - 5} more" if len(places) > 5 else "")
    return f"line {shown}" if len(places) == 1 else f"lines {shown}"


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction}")


def _cleaned(raw: _Raw) -> Cue:
    marked = _SPACE.sub(" ", _NEW_LINE.sub("\n", "\n".join(line for line in raw.lines if line)))
    voices = {voice.strip() for voice in _VOICE.findall(marked)}
    lines = tuple(line.strip() for line in html.unescape(_TAG.sub("", marked)).split("\n") if line.strip())
    return Cue(raw.start, raw.end, lines, voices.pop() if len(voices) == 1 else None, marked)
