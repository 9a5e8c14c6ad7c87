"""A folder, a file or a Hub id becomes a stream of clips; its format is recognised by its files.

No sound is decoded here. Errors of the source as a whole are raised before its first clip; an error in one row or
annotation becomes that clip's `fault`.
"""

from __future__ import annotations

import glob
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.annotations import Parse, read_annotations
from goama.sources.clip import DAMAGED, OVERLAPS, SPEAKER_LABELS, Choices, Columns, Source, SourceClip
from goama.sources.columns import split_in_name
from goama.sources.elan import read_elan
from goama.sources.hub import DATA_SUFFIXES, read_hub, read_parquet
from goama.sources.kaldi import kaldi_folders, read_kaldi
from goama.sources.manifest import (
    Manifest,
    common_voice_files,
    is_common_voice,
    is_ljspeech,
    metadata_files,
    read_audiofolder,
    read_common_voice,
    read_common_voice_table,
    read_ljspeech,
    read_manifests,
)
from goama.sources.sound_files import SoundFiles
from goama.sources.subtitles import read_subtitles
from goama.sources.table import TABLES, UNREAD_SPREADSHEETS, WORKBOOK_SUFFIXES, open_table
from goama.sources.textgrid import read_textgrid

__all__ = ["FORMATS", "Choices", "Columns", "Source", "SourceClip", "read_source"]

_ANNOTATIONS = {
    "elan": ("ELAN", ".eaf", read_elan),
    "textgrid": ("Praat TextGrid", ".textgrid", read_textgrid),
    "srt": ("SubRip subtitles", ".srt", read_subtitles),
    "vtt": ("WebVTT subtitles", ".vtt", read_subtitles),
}
FORMATS = ("ljspeech", "audiofolder", "common-voice", "kaldi", "parquet", *_ANNOTATIONS, "table")
"""Formats of a folder; the first that matches is taken."""

_SUBTITLES = ("srt", "vtt")

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_DEEPEST = 4  # folders in folders that are searched for annotation files
_MOST_ENTRIES = 200_000
_SOUND = (b"RIFF", b"fLaC", b"OggS", b"ID3")
_ARCHIVES = (b"PK", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")
_LISTED_TABLES = (".jsonl", ".ndjson", ".csv", ".tsv", *WORKBOOK_SUFFIXES)


def read_source(
    source: str, columns: Columns | None = None, *, name: str | None = None, choices: Choices | None = None
) -> Source:
    """The clips of a folder, a file or a Hub data set id (`name`: its configuration); the last is streamed.

    Only what tells clips apart is kept in memory. Raises `GoamaError` when the source cannot be found or read, its
    columns or tiers are not those named, or an id is used twice: of a data set when that row is reached, of
    everything else at once.
    """
    columns, choices = columns or Columns(), choices or Choices()
    for option, given, possible in (
        ("--overlaps", choices.overlaps, OVERLAPS),
        ("--speaker-labels", choices.speaker_labels, SPEAKER_LABELS),
        ("--damaged", choices.damaged, DAMAGED),
    ):
        if given is not None and given not in possible:
            raise GoamaError(f"{option} {given}: possible are {', '.join(possible)}")
    opened = _opened(source, columns, name, choices)
    return _mending(opened) if choices.damaged == "mend" else opened


def _mending(source: Source) -> Source:
    return replace(source, read=lambda: (replace(clip, mend=True) for clip in source.read()))


def _opened(source: str, columns: Columns, name: str | None, choices: Choices) -> Source:
    path = Path(source)
    if choices.audio_folder and not choices.audio_folder.is_dir():
        raise GoamaError(f"--audio-folder {choices.audio_folder}: there is no such folder")
    if path.is_dir():
        kind, others = _kind_of_folder(path, choices.format)
        _refuse_unused(kind, source, columns, name, choices)
        opened = _read_folder(kind, path, columns, name, choices)
        if others:
            also = f"the folder could also be read as {', '.join(others)}: --format {others[0].split(' ')[0]}"
            opened = replace(opened, notes=(*opened.notes, also))
    elif path.is_file():
        kind = _kind_of_file(path, choices.format)
        _refuse_unused(kind, source, columns, name, choices)
        opened = _read_file(kind, path, columns, choices)
    else:
        looks_local = path.suffix.lower() in (*TABLES, *DATA_SUFFIXES) or path.parent.is_dir()
        if not _HUB_ID.fullmatch(source) or looks_local or choices.format:
            raise GoamaError(
                f"{source}: no such file or folder; give a folder, a table (CSV, TSV, JSONL, XLSX, XLS, ODS), an "
                "annotated recording (.eaf, .TextGrid, .srt, .vtt) or a Hub data set id (owner/name)"
            )
        _refuse_unused("hub", source, columns, name, choices)
        return read_hub(source, name, columns)
    if kind not in ("parquet", *_ANNOTATIONS):  # those cost too much to read twice, or were read already
        count = sum(1 for _ in opened)
        opened = replace(opened, notes=(*opened.notes, *opened.after_reading()), count=count)
    return opened


def _refuse_unused(kind: str, source: str, columns: Columns, name: str | None, choices: Choices) -> None:
    """Raises `GoamaError` for an option that has no effect on this kind of source."""
    tables, tiers = ("audiofolder", "ljspeech", "common-voice", "table"), ("elan", "textgrid")
    meant_for = (
        ("--tier", choices.tiers, tiers),
        ("--recording", choices.recording, ("elan",)),
        ("--overlaps", choices.overlaps, tuple(_ANNOTATIONS)),
        ("--speaker-labels", choices.speaker_labels, _SUBTITLES),
        ("--sheet", choices.sheet, ("audiofolder", "table")),
        ("--delimiter", choices.delimiter, ("audiofolder", "table")),
        ("--name", name, ("parquet", "hub")),
        ("--audio-folder", choices.audio_folder, FORMATS),
        ("a column", columns != Columns(), (*tables, "parquet", "hub")),
    )
    for option, given, kinds in meant_for:
        if given and kind not in kinds:
            raise GoamaError(f"{source}: read as {kind}, which does not use {option}; remove it, or choose a --format")


# --- folders


def _kind_of_folder(folder: Path, wanted: str | None) -> tuple[str, list[str]]:
    """The format of the folder, and the other formats that match."""
    if wanted is not None:
        if wanted not in FORMATS:
            raise GoamaError(f"--format {wanted}: formats are {', '.join(FORMATS)}")
        return wanted, []
    try:
        kinds = [kind for kind in FORMATS if kind not in _ANNOTATIONS and kind != "table" and _is(kind, folder)]
        annotated = {} if kinds else _annotation_files(folder)
        kinds += [kind for kind in _ANNOTATIONS if annotated.get(kind)]
        if not kinds and _tables(folder):
            kinds = ["table"]
    except OSError as error:
        raise GoamaError(f"{folder}: cannot be read ({error.strerror})") from error
    if not kinds:
        sounds = sum(file.suffix.lower() in SOUND_SUFFIXES for file in _files(folder))
        if sounds:
            raise GoamaError(
                f"{folder}: {sounds} sound file{'s' if sounds > 1 else ''}, but no transcripts: write metadata.csv "
                "with the columns file_name (relative to the folder) and text, or put what docs/sources.md lists here"
            )
        raise GoamaError(
            f"{folder}: no metadata.jsonl or metadata.csv in this folder; write one with the columns "
            "file_name (relative to the folder) and text, or name one of the sources that docs/sources.md lists"
        )
    if kinds[0] == "ljspeech":
        kinds.remove("audiofolder")  # its metadata.csv names no columns
    return kinds[0], [f"{kind} ({len(annotated[kind])} files)" if kind in annotated else kind for kind in kinds[1:]]


def _is(kind: str, folder: Path) -> bool:
    if kind == "audiofolder":
        return bool(metadata_files(folder))
    if kind == "ljspeech":
        return is_ljspeech(folder)
    if kind == "common-voice":
        return bool(common_voice_files(folder))
    if kind == "kaldi":
        return bool(kaldi_folders(folder))
    patterns = [depth + "*" + suffix for depth in ("", "*/", "*/*/") for suffix in DATA_SUFFIXES]
    return any(any(folder.glob(pattern)) for pattern in patterns)


def _read_folder(kind: str, folder: Path, columns: Columns, name: str | None, choices: Choices) -> Source:
    audio_folder = choices.audio_folder
    if kind != "table" and kind not in _ANNOTATIONS and not _is(kind, folder):
        raise GoamaError(f"{folder}: --format {kind}, but this folder has none of its files")
    if kind == "audiofolder":
        return read_audiofolder(folder, columns, audio_folder, choices.delimiter, choices.sheet)
    if kind == "ljspeech":
        return read_ljspeech(folder, columns, audio_folder)
    if kind == "common-voice":
        return read_common_voice(folder, columns, audio_folder)
    if kind == "kaldi":
        return read_kaldi(folder, audio_folder)
    if kind == "parquet":
        return read_parquet(folder, name, columns, audio_folder)
    sounds = SoundFiles.of_folder(folder, audio_folder)
    if kind == "table":
        tables = _tables(folder)
        if not tables:
            raise GoamaError(f"{folder}: --format table, but there is no CSV, TSV, JSONL, XLSX, XLS or ODS file in it")
        splits = [split_in_name(table.name) for table in tables] if len(tables) > 1 else [None]
        if None in splits[1:] or len(set(splits)) < len(splits):
            raise GoamaError(
                f"{folder}: {len(tables)} tables lie here; name one of them as the source: "
                + ", ".join(table.name for table in tables[:10])
            )
        manifests = [
            Manifest(open_table(table, delimiter=choices.delimiter, sheet=choices.sheet), split, sounds)
            for table, split in zip(tables, splits, strict=True)
        ]
        return read_manifests("table", manifests, columns)
    title, _, _ = _ANNOTATIONS[kind]
    files = _annotation_files(folder)[kind]
    if not files:
        raise GoamaError(f"{folder}: --format {kind}, but there is no {_ANNOTATIONS[kind][1]} file in this folder")
    return read_annotations(title, files, folder, _parser(kind, choices), choices, sounds)


def _parser(kind: str, choices: Choices) -> Parse:
    if kind in _SUBTITLES:
        return partial(read_subtitles, labels=choices.speaker_labels)
    return _ANNOTATIONS[kind][2]


def _tables(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _LISTED_TABLES and not file.name.startswith((".", "~$")) and file.is_file()
    )


def _annotation_files(folder: Path) -> dict[str, list[Path]]:
    """The annotation files in a folder and its sub-folders, by format."""
    found: dict[str, list[Path]] = {kind: [] for kind in _ANNOTATIONS}
    by_suffix = {suffix: found[kind] for kind, (_, suffix, _) in _ANNOTATIONS.items()}
    for file in _files(folder):
        kind = by_suffix.get(file.suffix.lower())
        if kind is not None:
            kind.append(file)
    return {kind: sorted(files) for kind, files in found.items()}


def _files(folder: Path) -> Iterator[Path]:
    entries = 0
    for place, folders, names in os.walk(folder):
        entries += len(folders) + len(names)
        if entries > _MOST_ENTRIES:
            raise GoamaError(f"{folder}: more than {_MOST_ENTRIES} files lie in it; name a smaller folder, or the file")
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = [name for name in folders if not name.startswith(".")] if depth < _DEEPEST - 1 else []
        yield from (Path(place, name) for name in names if not name.startswith("."))


# --- files


def _kind_of_file(path: Path, wanted: str | None) -> str:
    if wanted is not None and wanted not in ("table", "common-voice", "parquet", *_ANNOTATIONS):
        raise GoamaError(
            f"--format {wanted}: {path} is a file; for files the formats are table, common-voice, parquet, "
            f"{', '.join(_ANNOTATIONS)}"
        )
    if wanted is not None:
        return wanted
    suffix = path.suffix.lower()
    kind = _annotation_kind(path)
    if kind:
        return kind
    if suffix in DATA_SUFFIXES:
        return "parquet"
    if suffix not in (*WORKBOOK_SUFFIXES, *UNREAD_SPREADSHEETS):
        _refuse_other_kinds(path)
    return "common-voice" if is_common_voice(path) else "table"


def _refuse_other_kinds(path: Path) -> None:
    """Raises `GoamaError`, with what to do, for files that are no source, such as recordings and archives."""
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
        members: list[str] = []
        if beginning.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # it is read as a table, and the fault is said there
    if path.suffix.lower() in SOUND_SUFFIXES or beginning.startswith(_SOUND):
        beside = [p for p in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*")) if _annotation_kind(p)]
        raise GoamaError(
            f"{path}: a recording without transcripts; "
            + (
                f"{beside[0].name} beside it has them: name that as the source"
                if beside
                else "name a table with the columns file_name and text, or the .eaf, .TextGrid, .srt or .vtt that says "
                "what is said in it"
            )
        )
    if "xl/workbook.xml" in members:
        raise GoamaError(f"{path}: an Excel workbook under another name; rename it to {path.stem}.xlsx")
    if "word/document.xml" in members:
        raise GoamaError(f"{path}: a Word document; copy its table into a spreadsheet and save that as .xlsx or CSV")
    if beginning.startswith(_ARCHIVES):
        raise GoamaError(f"{path}: an archive; unpack it first, and name the folder")


def _annotation_kind(path: Path) -> str | None:
    suffix = path.suffix.lower()
    return next((kind for kind, (_, ending, _) in _ANNOTATIONS.items() if suffix == ending), None)


def _read_file(kind: str, path: Path, columns: Columns, choices: Choices) -> Source:
    if kind in _ANNOTATIONS:
        title, _, _ = _ANNOTATIONS[kind]
        sounds = SoundFiles.of_file(path, choices.audio_folder)
        return read_annotations(title, [path], None, _parser(kind, choices), choices, sounds)
    if kind == "parquet":
        return read_parquet(path, None, columns, choices.audio_folder)
    if kind == "common-voice":
        return read_common_voice_table(path, columns, choices.audio_folder)
    table = open_table(path, delimiter=choices.delimiter, sheet=choices.sheet)
    return read_manifests("table", [Manifest(table, None, SoundFiles.of_file(path, choices.audio_folder))], columns)
