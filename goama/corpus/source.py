"""A source somebody already has (audiofolder, JSONL, CSV, TSV, parquet, Hub data set) becomes a stream of clips.

Columns are found by their usual names or given; nothing is decoded here.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from goama.errors import GoamaError


@dataclass(frozen=True)
class SourceClip:
    """One clip as its source gives it: text not normalised, audio not decoded."""

    id: str
    audio: Path | bytes
    text: str
    where: str
    """File and line, or data set and row: what a message names."""
    offset: float | None = None
    duration: float | None = None
    speaker: str | None = None
    split: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Columns:
    """Column names the user gave; None: found by its usual names."""

    id: str | None = None
    audio: str | None = None
    text: str | None = None
    speaker: str | None = None
    split: str | None = None
    language: str | None = None
    offset: str | None = None
    duration: str | None = None


_USUAL_NAMES = {
    "id": ("id", "clip_id", "utt_id", "utterance_id", "segment_id"),
    "audio": ("audio", "file_name", "audio_filepath", "audio_path", "path", "file", "filename", "wav"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text", "raw_transcription"),
    "speaker": ("speaker", "speaker_id", "client_id", "speaker_name"),
    "split": ("split", "subset"),
    "language": ("language", "lang", "locale"),
    "offset": ("offset", "start"),
    "duration": ("duration", "duration_s"),
}

_SPLIT_NAMES = {
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

_METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.tsv")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LONGEST_FIELD = 1_000_000  # characters in one CSV field


def read_source(source: str, columns: Columns | None = None, *, name: str | None = None) -> Iterator[SourceClip]:
    """Stream the clips of a folder, a manifest file or a Hub data set id (`name`: its configuration).

    Raises `GoamaError` when the source cannot be found, its columns are not those named, or an id is used twice.
    """
    columns = columns or Columns()
    path = Path(source)
    if path.is_dir():
        clips = _read_folder(path, columns)
    elif path.is_file():
        clips = _read_manifest(path, columns, split=None)
    elif _HUB_ID.fullmatch(source) and not path.suffix and not path.parent.is_dir():
        clips = _read_hub(source, name, columns)
    else:
        raise GoamaError(
            f"{source}: no such file or folder; give a folder with metadata.jsonl or metadata.csv, "
            "a JSONL, CSV or TSV manifest, or a Hub data set id (owner/name)"
        )
    return _refuse_repeated_ids(clips)


def _refuse_repeated_ids(clips: Iterator[SourceClip]) -> Iterator[SourceClip]:
    first: dict[str, str] = {}
    for clip in clips:
        if clip.id in first:
            raise GoamaError(
                f"{clip.where}: the id {clip.id!r} is used twice (first at {first[clip.id]}); "
                "every clip needs an id of its own"
            )
        first[clip.id] = clip.where
        yield clip


def _read_folder(folder: Path, columns: Columns) -> Iterator[SourceClip]:
    """An audiofolder: a metadata file at the top, or one in each split's folder; else parquet files."""
    at_top = [folder / name for name in _METADATA_FILES if (folder / name).is_file()]
    if at_top:
        yield from _read_manifest(at_top[0], columns, split=None)
        return
    by_split = [
        (child.name, child / name)
        for child in sorted(folder.iterdir())
        if child.is_dir() and child.name.lower() in _SPLIT_NAMES
        for name in _METADATA_FILES
        if (child / name).is_file()
    ]
    if by_split:
        for split, manifest in by_split:
            yield from _read_manifest(manifest, columns, split=_split(split, str(manifest)))
        return
    if any(folder.rglob("*.parquet")) or any(folder.rglob("*.arrow")):
        yield from _read_hub(str(folder), None, columns)
        return
    raise GoamaError(
        f"{folder}: no metadata.jsonl or metadata.csv in this folder; write one with the columns "
        "file_name (relative to the folder) and text"
    )


def _read_manifest(path: Path, columns: Columns, *, split: str | None) -> Iterator[SourceClip]:
    rows = _json_rows(path) if path.suffix.lower() in {".jsonl", ".json", ".ndjson"} else _csv_rows(path)
    found: dict[str, str] | None = None
    read = 0
    for line, row in rows:
        where = f"{path}:{line}"
        if found is None:
            found = find_columns(row.keys(), columns, str(path))
        yield _clip_from_row(row, found, where, base=path.parent, split=split)
        read += 1
    if not read:
        raise GoamaError(f"{path}: the manifest holds no clips")


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = _utf8(raw, path, number).strip()
            if not line:
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise GoamaError(
                    f"{path}:{number}: not a JSON object ({error.msg} at column {error.colno}); "
                    "a JSONL manifest has one object a line"
                ) from error
            if not isinstance(row, dict):
                raise GoamaError(f"{path}:{number}: a JSON object is needed, this is a {type(row).__name__}")
            yield number, row


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open("rb") as file:
        lines = (_utf8(raw, path, number) for number, raw in enumerate(file, start=1))
        header = next(lines, "").lstrip("\ufeff")
        if not header.strip():
            raise GoamaError(f"{path}: the file is empty; its first line must name the columns")
        delimiter = max("\t,;", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter))
        reader = csv.reader(lines, delimiter=delimiter)
        try:
            for values in reader:
                number = reader.line_num + 1
                if not any(values):
                    continue
                if len(values) != len(names):
                    raise GoamaError(
                        f"{path}:{number}: {len(values)} fields where the header has {len(names)}; "
                        "put text that contains the delimiter in quotes"
                    )
                yield number, dict(zip(names, values, strict=True))
        except csv.Error as error:
            raise GoamaError(f"{path}:{reader.line_num + 1}: this line is not CSV ({error})") from error


def _utf8(raw: bytes, path: Path, number: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise GoamaError(f"{path}:{number}: not UTF-8 text; save the file again with encoding UTF-8") from error


def find_columns(present: Iterable[str], wanted: Columns, where: str) -> dict[str, str]:
    """Map goama's names to the source's; `GoamaError` when audio or text is missing or a given name is unknown."""
    present = list(present)
    found = {}
    for field in fields(Columns):
        given = getattr(wanted, field.name)
        if given is not None:
            if given not in present:
                close = difflib.get_close_matches(given, present, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise GoamaError(f"{where}: no column {given!r}{hint} The columns are: {', '.join(present[:20])}")
            found[field.name] = given
            continue
        by_lower = {column.lower(): column for column in reversed(present)}
        for usual in _USUAL_NAMES[field.name]:
            if usual in by_lower:
                found[field.name] = by_lower[usual]
                break
    for needed in ("audio", "text"):
        if needed not in found:
            raise GoamaError(
                f"{where}: which column holds the {needed}? Name it with --{needed}-column; "
                f"the columns are: {', '.join(present[:20])}"
            )
    return found


def _clip_from_row(
    row: Mapping[str, Any], found: dict[str, str], where: str, *, base: Path | None, split: str | None
) -> SourceClip:
    def value(name: str) -> Any:
        column = found.get(name)
        return None if column is None else row.get(column)

    audio = value("audio")
    offset, duration = (
        _seconds(value("offset"), "offset", where),
        _seconds(value("duration"), "duration", where),
    )
    identity = value("id")
    if isinstance(audio, dict):  # datasets' Audio(decode=False)
        data, path = audio.get("bytes"), audio.get("path")
        handle: Path | bytes = data if data is not None else Path(path or "")
        stem = Path(path).stem if path else where
    else:
        if not audio:
            raise GoamaError(f"{where}: the column {found['audio']!r} is empty; every clip needs its sound file")
        handle = Path(str(audio)) if base is None else base / str(audio)
        stem = str(Path(str(audio)).with_suffix("")).lstrip("./").replace("/", "__").replace("\\", "__")
        if offset is not None:
            stem += f"__{offset:.2f}"
    return SourceClip(
        id=str(identity) if identity not in (None, "") else stem,
        audio=handle,
        text=_string(value("text")) or "",
        where=where,
        offset=offset,
        duration=duration,
        speaker=_string(value("speaker")),
        split=split or _split(_string(value("split")), where),
        language=_string(value("language")),
    )


def _string(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _seconds(value: Any, column: str, where: str) -> float | None:
    if value in (None, ""):
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise GoamaError(f"{where}: the {column} {value!r} is not a number of seconds") from error


def _split(name: str | None, where: str) -> str | None:
    if name is None:
        return None
    try:
        return _SPLIT_NAMES[name.strip().lower()]
    except KeyError as error:
        raise GoamaError(f"{where}: unknown split {name!r}; splits are train, dev (or validation) and test") from error


def _read_hub(source: str, name: str | None, columns: Columns) -> Iterator[SourceClip]:
    """A Hub data set, streamed, or a local folder of parquet files; audio stays encoded bytes."""
    import datasets

    try:
        loaded = datasets.load_dataset(source, name, streaming=True)
    except Exception as error:  # datasets and its transports raise dozens of kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise GoamaError(
            f"{source}: this data set cannot be opened ({reason[:200]}); check the id and the network "
            "(`goama doctor` tells), log in with `hf auth login` if it is gated, or pass a folder"
        ) from error
    for split, rows in loaded.items():
        yield from read_dataset(rows, columns, source, split=_SPLIT_NAMES.get(split.lower(), "train"))


def read_dataset(rows: Any, columns: Columns, source: str, *, split: str | None) -> Iterator[SourceClip]:
    """The clips of a `datasets` (iterable) data set."""
    import datasets

    names = list(rows.features) if rows.features else list(next(iter(rows)))
    found = find_columns(names, columns, source)
    if rows.features and isinstance(rows.features[found["audio"]], datasets.Audio):
        rows = rows.cast_column(found["audio"], datasets.Audio(decode=False))
    for number, row in enumerate(rows):
        yield _clip_from_row(row, found, f"{source} {split or ''} row {number}", base=None, split=split)
