"""A table row becomes a clip: which column holds what, and how sound, times and splits are written.

What is wrong with one row becomes the fault of its clip.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

from goama.errors import GoamaError
from goama.files import is_readable
from goama.sources.clip import RIGHTS, Columns, SourceClip
from goama.sources.sound_cell import sound_in
from goama.sources.sound_files import SoundFiles

USUAL_NAMES = {
    "id": ("id", "clip_id", "utt_id", "utterance_id", "segment_id"),
    "audio": ("audio", "file_name", "audio_filepath", "audio_path", "audio_file", "path", "file", "filename", "wav"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text", "raw_transcription"),
    "speaker": ("speaker", "speaker_id", "client_id", "speaker_name"),
    "split": ("split",),
    "language": ("language", "lang", "locale"),
    "offset": ("offset", "start"),
    "duration": ("duration", "duration_s"),
    "end": ("end", "stop"),
    "licence": ("licence", "license"),
    "consent": ("consent",),
    "source": ("source", "attribution"),
}

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "val": "dev",
    "validation": "dev",
    "development": "dev",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}

_TAGS = "quality_tags"
_NOT_CARRIED = {name for names in USUAL_NAMES.values() for name in names} | {"", "original_text"}
"""Columns with a usual name that were not taken: they would stand beside what was."""

_LONGEST_VALUE, _MOST_FURTHER = 60, 30
_NO_SPLIT = ("unassigned", "none", "null", "nan", "n/a", "-")

_CLOCK = re.compile(r"(?:(\d{1,3}):(?=[0-5]?\d:))?(\d{1,4}):([0-5]?\d(?:[.,]\d+)?)", re.ASCII)
_DECIMAL_COMMA = re.compile(r"0,\d+|\d+,(?:\d{1,2}|\d{4,})", re.ASCII)
_THOUSANDS = re.compile(r"\d+,\d{3}", re.ASCII)


def find_columns(present: Iterable[str], wanted: Columns, where: str) -> dict[str, str]:
    """The column for each field of `Columns`, as {field: column}: the one the user named, else one with a usual name.

    present:  the columns of the table
    wanted:   the columns that the user named
    where:    the table, for error messages
    Raises `GoamaError` when a named column does not exist, or there is none for audio or text.
    """
    present = list(present)
    by_lower = {column_key(column): column for column in reversed(present)}
    found: dict[str, str] = {}
    for field in fields(Columns):
        given = getattr(wanted, field.name)
        if given is not None:
            if given not in present:
                close = difflib.get_close_matches(given, present[:1000], n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise GoamaError(f"{where}: no column {given!r}{hint}; the columns are: {_named(present)}")
            found[field.name] = given
            continue
        usual = next((name for name in USUAL_NAMES[field.name] if name in by_lower), None)
        if usual is not None and not (field.name in RIGHTS and by_lower[usual] in found.values()):
            found[field.name] = by_lower[usual]
    missing = [needed for needed in ("audio", "text") if needed not in found]
    if missing:
        which = "which column holds" if len(missing) == 1 else "which columns hold"
        raise GoamaError(
            f"{where}: {which} the {' and the '.join(missing)}? Name {'it' if len(missing) == 1 else 'them'} with "
            f"{' and '.join(f'--{needed}-column' for needed in missing)}; the columns are: {_named(present)}"
        )
    return found


def column_key(name: str) -> str:
    """A column's name as it is compared with the usual names."""
    return name.strip().lower().replace(" ", "_")


def other_readings(present: Iterable[str], found: Mapping[str, str], wanted: Columns) -> tuple[str, ...]:
    """Sentences about columns that also have a usual name for text or audio and were not taken, and on speakers."""
    present = list(present)
    sentences = []
    for name in ("audio", "text"):
        others = [c for c in present if c.lower() in USUAL_NAMES[name] and c not in found.values()]
        if others and getattr(wanted, name) is None:
            sentences.append(
                f"the {name} was taken from the column {found[name]!r}; "
                f"--{name}-column {others[0]} takes the other{'s' if len(others) > 1 else ''}: {_named(others)}"
            )
    others = [c for c in present if c not in found.values() and column_key(c) not in {*_NOT_CARRIED, _TAGS}]
    if "speaker" not in found and others:
        sentences.append(
            "no column has a usual name for the speaker; if one of these holds speakers, name it with "
            f"--speaker-column: {_named(others)}"
        )
    return tuple(sentences)


def in_words(found: Mapping[str, str]) -> str:
    """The columns as `audio=path, text=sentence`, for the user."""
    return ", ".join(f"{name}={column}" for name, column in found.items())


def _named(columns: list[str]) -> str:
    names = ", ".join(" ".join(column[:60].split()) for column in columns[:20])  # on one line
    return names + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")


def clip_from_row(
    row: Mapping[str, Any],
    found: dict[str, str],
    where: str,
    *,
    sounds: SoundFiles | None,
    split: str | None,
    decimal_comma: bool = False,
) -> SourceClip:
    """The clip of a row.

    row:            {column: value}
    found:          {field: column}, as `find_columns` returns it
    where:          file and line, for messages
    sounds:         finds sound files by name; None for a data set, whose rows hold the sound itself
    split:          the split of rows that name none
    decimal_comma:  1,234 means 1.234
    Raises `GoamaError` when the row names a split other than train, dev and test.
    """

    def value(name: str) -> Any:
        column = found.get(name)
        return None if column is None else row.get(column)

    faults = []
    audio, stem, fault = sound_in(value("audio"), _rate_beside(row), sounds)
    if audio is None and fault is None:
        fault = f"the column {found['audio']!r} is empty: every clip needs its sound"
    if fault:
        faults.append(fault)
    text = value("text")
    if isinstance(text, (list, dict)):
        faults.append(f"the column {found['text']!r} holds a {type(text).__name__}, not text")
        text = None
    offset, duration, fault = _place(value("offset"), value("duration"), value("end"), decimal_comma)
    if fault:
        faults.append(fault)
    if offset is not None and stem:
        stem += f"__{offset:.2f}"
    identity = _string(value("id"))
    rights: dict[str, Any] = {name: _one_line(value(name)) for name in RIGHTS}
    return SourceClip(
        id=identity or stem or f"{split or 'row'}-{where.rsplit(':', 1)[-1].rsplit(' ', 1)[-1]}",
        audio=audio if audio is not None else b"",
        text=_string(text) or "",
        where=where,
        offset=offset,
        duration=duration,
        speaker=_one_line(value("speaker")),
        split=_split(_string(value("split")), where) or split,
        language=_string(value("language")),
        id_given=identity is not None,
        fault="; ".join(faults) or None,
        tags=_tags(row.get(_TAGS)),
        columns=_further_columns(row, found),
        **rights,
    )


def _further_columns(row: Mapping[str, Any], found: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Short values of columns that are no field of a clip, such as an age or a dialect."""
    taken = {*found.values(), _TAGS}
    further = []
    for column, value in row.items():
        if column in taken or column.isdigit() or column_key(column) in _NOT_CARRIED:  # a number: it has no name
            continue
        if not isinstance(value, str | int | float):
            continue
        text = " ".join(str(value).split())
        if text and len(text) <= _LONGEST_VALUE and len(column) <= _LONGEST_VALUE and is_readable(column + text):
            further.append(_shared(column, text))
    return tuple(further[:_MOST_FURTHER])


@lru_cache(maxsize=100_000)
def _shared(column: str, value: str) -> tuple[str, str]:
    """The same pair for all clips that have it: a data set may have a million clips of two dialects."""
    return column, value


def _one_line(value: Any) -> str | None:
    text = " ".join((_string(value) or "").split())
    return text or None


def _tags(value: Any) -> tuple[str, ...]:
    """The quality tags of a Common Voice export, which separates them by commas, bars or semicolons."""
    words = value if isinstance(value, list) else re.split(r"[,;|]", _string(value) or "")
    return tuple(word for word in (str(word).strip(" []'\"") for word in words) if word)


def _rate_beside(row: Mapping[str, Any]) -> Any:
    return next((row[name] for name in ("sampling_rate", "sample_rate", "sr") if row.get(name)), None)


def _string(value: Any) -> str | None:
    """The value as text; None for the empty values of spreadsheets and JSON writers."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value).encode("utf-8", errors="replace").decode("utf-8")  # unpaired surrogates become ?


def has_decimal_comma(rows: Iterable[Mapping[str, Any]], found: Mapping[str, str]) -> bool:
    """Whether a time in these rows certainly has a decimal comma: 0,4 or 12,25 (1,234 may also be 1234)."""
    places = [found[name] for name in ("offset", "duration", "end") if name in found]
    if not places:
        return False
    return any(_DECIMAL_COMMA.fullmatch((_string(row.get(column)) or "").strip()) for row in rows for column in places)


def _seconds(text: str, decimal_comma: bool) -> float:
    """Seconds from 12.5, 12,5 or a time such as 0:00:12.5; NaN for any other text."""
    text = text.strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    if _DECIMAL_COMMA.fullmatch(text) or (decimal_comma and _THOUSANDS.fullmatch(text)):
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return math.nan


def _place(offset: Any, duration: Any, end: Any, decimal_comma: bool) -> tuple[float | None, float | None, str | None]:
    """(offset (s), duration (s), fault); `end` is used if there is no duration."""
    numbers: list[float | None] = []
    for name, value in (("offset", offset), ("duration", duration), ("end", end)):
        text = _string(value)
        seconds = None if text is None else _seconds(text, decimal_comma)
        if text is not None and seconds is not None and not 0 <= seconds < math.inf:
            if _THOUSANDS.fullmatch(text.strip()):
                plain = text.strip()
                return (
                    None,
                    None,
                    f"the {name} {text!r} may be {plain.replace(',', '.')} or {plain.replace(',', '')} seconds: write "
                    "it with a point, or without the comma",
                )
            shown = value if isinstance(value, (str, int, float)) else str(value)
            return None, None, f"the {name} {shown!r:.60} is not a number of seconds; 12.5 is one, and 0:00:12.5"
        numbers.append(seconds)
    start, length, stop = numbers
    if stop is not None and length is None:
        length = stop - (start or 0.0)
        start = start or 0.0
    if start is not None and length is not None and length <= 0:
        return None, None, f"the clip would last {length:.2f} s"
    return start, length, None


def _split(name: str | None, where: str) -> str | None:
    if name is None:
        return None
    if name.strip().lower() in _NO_SPLIT:
        return None
    try:
        return SPLIT_NAMES[name.strip().lower()]
    except KeyError as error:
        raise GoamaError(
            f"{where}: unknown split {name[:60]!r}; splits are train, dev (or validation) and test"
        ) from error


def split_in_name(name: str) -> str | None:
    """The split that a file name begins with, as `validation` and `train.clean.100` do; None for `validated`."""
    return SPLIT_NAMES.get(re.split(r"[^a-z]", name.lower())[0])
