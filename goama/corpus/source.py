"""A source somebody already has (audiofolder, JSONL, CSV, TSV, parquet, Hub data set) becomes a stream of clips.

Columns are found by their usual names or given; nothing is decoded here. What is wrong with a source as a whole is
said before its first clip; what is wrong with one row goes along as that clip's `fault`.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from goama.corpus.table import TABLES, read_table
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
    id_given: bool = True
    """False: the id was made of the file's name, and may be changed where two files have the same name."""
    fault: str | None = None
    """What is wrong with the row itself; such a clip is left out."""


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
    end: str | None = None


_USUAL_NAMES = {
    "id": ("id", "clip_id", "utt_id", "utterance_id", "segment_id"),
    "audio": ("audio", "file_name", "audio_filepath", "audio_path", "path", "file", "filename", "wav"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text", "raw_transcription"),
    "speaker": ("speaker", "speaker_id", "client_id", "speaker_name"),
    "split": ("split",),
    "language": ("language", "lang", "locale"),
    "offset": ("offset", "start"),
    "duration": ("duration", "duration_s"),
    "end": ("end", "stop"),
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
_HUB_TIMEOUT_S = 10.0


def read_source(source: str, columns: Columns | None = None, *, name: str | None = None) -> Iterator[SourceClip]:
    """The clips of a folder, a manifest file or a Hub data set id (`name`: its configuration); the last is streamed.

    Raises `GoamaError` when the source cannot be found or read, its columns are not those named, or an id is
    used twice: of a folder or manifest at once, of a data set when that row is reached.
    """
    columns = columns or Columns()
    path = Path(source)
    if path.is_dir():
        return _read_folder(path, columns)
    if path.is_file():
        return _read_manifests([(path, None)], columns)
    looks_local = path.suffix.lower() in TABLES or path.parent.is_dir()
    if _HUB_ID.fullmatch(source) and not looks_local:
        return _with_ids_of_their_own(_read_hub(source, name, columns))
    raise GoamaError(
        f"{source}: no such file or folder; give a folder with metadata.jsonl or metadata.csv, "
        "a JSONL, CSV or TSV manifest, or a Hub data set id (owner/name)"
    )


def _with_ids_of_their_own(clips: Iterable[SourceClip]) -> Iterator[SourceClip]:
    """Refuse an id or a recording that is listed twice; tell apart files that only have the same name."""
    first: dict[str, SourceClip] = {}
    for clip in clips:
        twin = first.get(clip.id)
        if twin and clip.id_given and twin.id_given:
            raise GoamaError(
                f"{clip.where}: the id {clip.id!r} is used twice (first at {twin.where}); "
                "every clip needs an id of its own"
            )
        if twin and isinstance(clip.audio, Path) and not clip.fault and _piece(clip) == _piece(twin):
            raise GoamaError(
                f"{clip.where}: {clip.audio} is listed twice (first at {twin.where}); remove one of the two rows"
            )
        if twin:
            number = 2
            while f"{clip.id}-{number}" in first:
                number += 1
            clip = replace(clip, id=f"{clip.id}-{number}")
        first[clip.id] = replace(clip, audio=b"") if isinstance(clip.audio, bytes) else clip
        yield clip


def _piece(clip: SourceClip) -> tuple[Path | bytes, float | None, float | None]:
    return clip.audio, clip.offset, clip.duration


def _read_folder(folder: Path, columns: Columns) -> Iterator[SourceClip]:
    """An audiofolder: a metadata file at the top, or one in each split's folder; else parquet files."""
    if (folder / "corpus.json").is_file() and columns.text is None:
        columns = replace(columns, text="original_text")  # a corpus is prepared again from what people wrote
    at_top = [folder / name for name in _METADATA_FILES if (folder / name).is_file()]
    if at_top:
        return _read_manifests([(at_top[0], None)], columns)
    by_split: list[tuple[Path, str | None]] = [
        (child / name, _SPLIT_NAMES[child.name.lower()])
        for child in sorted(folder.iterdir(), key=_order_of_split)
        if child.is_dir() and child.name.lower() in _SPLIT_NAMES
        for name in _METADATA_FILES
        if (child / name).is_file()
    ]
    if by_split:
        return _read_manifests(by_split, columns)
    if any(any(folder.glob(depth + kind)) for depth in ("", "*/", "*/*/") for kind in ("*.parquet", "*.arrow")):
        return _with_ids_of_their_own(_read_hub(str(folder), None, columns))
    raise GoamaError(
        f"{folder}: no metadata.jsonl or metadata.csv in this folder; write one with the columns "
        "file_name (relative to the folder) and text"
    )


def _order_of_split(folder: Path) -> tuple[int, str]:
    """Train, dev, test: the order that a corpus is written in."""
    split = _SPLIT_NAMES.get(folder.name.lower(), "")
    return ("train", "dev", "test", "").index(split), folder.name


def _read_manifests(manifests: list[tuple[Path, str | None]], columns: Columns) -> Iterator[SourceClip]:
    """Every row of every (manifest, split of its folder) is read before the first clip is given out."""
    clips = [clip for path, split in manifests for clip in _manifest_clips(path, columns, split)]
    return iter(list(_with_ids_of_their_own(clips)))


def _manifest_clips(path: Path, columns: Columns, split: str | None) -> Iterator[SourceClip]:
    rows = read_table(path)
    if not rows:
        raise GoamaError(f"{path}: the manifest holds no clips")
    present = dict.fromkeys(column for _, row in rows for column in row)  # a JSON row may lack what others have
    found = find_columns(present, columns, str(path))
    if split and columns.split is None:
        found.pop("split", None)  # the folder's word counts more than a column's that nobody named
    for line, row in rows:
        yield _clip_from_row(row, found, f"{path}:{line}", base=path.parent, split=split)


def find_columns(present: Iterable[str], wanted: Columns, where: str) -> dict[str, str]:
    """Map goama's names to the source's; `GoamaError` when audio or text is missing or a given name is unknown."""
    present = list(present)
    found: dict[str, str] = {}
    for field in fields(Columns):
        given = getattr(wanted, field.name)
        if given is not None:
            if given not in present:
                close = difflib.get_close_matches(given, present, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise GoamaError(f"{where}: no column {given!r}{hint}; the columns are: {', '.join(present[:20])}")
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

    faults = []
    audio, stem = _audio(value("audio"), base)
    if audio is None:
        faults.append(f"the column {found['audio']!r} is empty: every clip needs its sound")
    text = value("text")
    if isinstance(text, (list, dict)):
        faults.append(f"the column {found['text']!r} holds a {type(text).__name__}, not text")
        text = None
    offset, duration, fault = _place(value("offset"), value("duration"), value("end"))
    if fault:
        faults.append(fault)
    if offset is not None and stem:
        stem += f"__{offset:.2f}"
    identity = _string(value("id"))
    return SourceClip(
        id=identity or stem or f"{split or 'row'}-{where.rsplit(':', 1)[-1].rsplit(' ', 1)[-1]}",
        audio=audio if audio is not None else b"",
        text=_string(text) or "",
        where=where,
        offset=offset,
        duration=duration,
        speaker=_string(value("speaker")),
        split=_split(_string(value("split")), where) or split,
        language=_string(value("language")),
        id_given=identity is not None,
        fault="; ".join(faults) or None,
    )


def _audio(value: Any, base: Path | None) -> tuple[Path | bytes | None, str]:
    """Where the sound is, or the sound itself, and a name for it."""
    if isinstance(value, dict):  # datasets' Audio(decode=False)
        data, path = value.get("bytes"), _string(value.get("path"))
        stem = os.path.splitext(os.path.basename(path))[0] if path else ""  # noqa: PTH122, PTH119 - may be no path
        return data if data is not None else Path(path) if path else None, stem
    path = _string(value)
    if path is None:
        return None, ""
    stem = os.path.splitext(path)[0].lstrip("./\\").replace("/", "__").replace("\\", "__")  # noqa: PTH122
    return (Path(path) if base is None else base / path), stem


def _string(value: Any) -> str | None:
    """None for what spreadsheets and JSON writers put where nothing is."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value).encode("utf-8", errors="replace").decode("utf-8")  # half a surrogate pair is no character


def _place(offset: Any, duration: Any, end: Any) -> tuple[float | None, float | None, str | None]:
    """(offset, duration, what is wrong with them), in seconds; an end counts where no duration is."""
    numbers: list[float | None] = []
    for name, value in (("offset", offset), ("duration", duration), ("end", end)):
        text = _string(value)
        try:
            seconds = None if text is None else float(text)
        except ValueError:
            seconds = math.nan
        if seconds is not None and not 0 <= seconds < math.inf:
            return None, None, f"the {name} {value!r} is not a number of seconds"
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
    try:
        return _SPLIT_NAMES[name.strip().lower()]
    except KeyError as error:
        raise GoamaError(f"{where}: unknown split {name!r}; splits are train, dev (or validation) and test") from error


def _read_hub(source: str, name: str | None, columns: Columns) -> Iterator[SourceClip]:
    """A Hub data set, streamed, or a local folder of parquet files; audio stays encoded bytes."""
    if not Path(source).is_dir():
        _ask_hub(source)
    import datasets

    try:
        loaded = datasets.load_dataset(source, name, streaming=True)
    except Exception as error:  # datasets and its transports raise dozens of kinds
        raise GoamaError(
            f"{source}: this data set cannot be opened ({_reason(error)}); check the id, log in with "
            "`hf auth login` if it is gated, or download it and pass its folder"
        ) from error
    splits = {split: _split_of_data_set(split) for split in loaded}
    known = any(splits.values())
    for split, rows in loaded.items():
        if known and splits[split] is None:
            yield SourceClip(
                id=f"{split}/*",
                audio=b"",
                text="",
                where=f"{source} {split}",
                fault=f"the whole split {split!r} was not read: it is none of train, dev (or validation) and test",
            )
        else:
            yield from read_dataset(rows, columns, source, split=splits[split])


def _ask_hub(source: str) -> None:
    """One short question first: `datasets` itself tries an unreachable Hub for minutes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        HfApi().dataset_info(source, timeout=_HUB_TIMEOUT_S)
    except OfflineModeIsEnabled:
        return  # it may be in the cache
    except RepositoryNotFoundError as error:
        raise GoamaError(
            f"{source}: neither a folder here nor a data set on the Hub; check the id, "
            "or log in with `hf auth login` if it is private"
        ) from error
    except Exception as error:
        raise GoamaError(
            f"{source}: there is no such folder here, and the Hub cannot be asked ({_reason(error)}); check the "
            "network (`goama doctor` tells), or set HF_HUB_OFFLINE=1 if this machine has the data set in its cache"
        ) from error


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _split_of_data_set(name: str) -> str | None:
    """`validation`, `train.clean.100` and `test_other` say what they are; `validated` or `full` do not."""
    return _SPLIT_NAMES.get(re.split(r"[^a-z]", name.lower())[0])


def read_dataset(rows: Any, columns: Columns, source: str, *, split: str | None) -> Iterator[SourceClip]:
    """The clips of a `datasets` (iterable) data set; `split` is the one they are in, None where it is nothing's name.

    Raises `GoamaError` when a column is missing, or the rows cannot be read to their end.
    """
    import datasets

    found: dict[str, str] = {}
    number = 0
    try:
        if rows.features:
            found = find_columns(rows.features, columns, source)
            if isinstance(rows.features[found["audio"]], datasets.Audio):
                rows = rows.cast_column(found["audio"], datasets.Audio(decode=False))
        for number, row in enumerate(rows):
            found = found or find_columns(row, columns, source)
            if split and columns.split is None:
                found.pop("split", None)
            where = f"{source} {split or ''} row {number}".replace("  ", " ")
            yield _clip_from_row(row, found, where, base=None, split=split)
    except GoamaError:
        raise
    except Exception as error:  # the network, a damaged shard, a decoder that is not installed
        raise GoamaError(f"{source}: reading stopped at row {number} ({_reason(error)})") from error
