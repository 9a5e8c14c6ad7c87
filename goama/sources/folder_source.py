"""A folder becomes a source: which format its files have, and how each format is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.annotations import read_annotations
from goama.sources.clip import Choices, Columns, Source
from goama.sources.columns import split_in_name
from goama.sources.common_voice import (
    common_voice_files,
    is_reported,
    read_common_voice,
    read_spontaneous_speech,
    spontaneous_speech_files,
)
from goama.sources.formats import ANNOTATIONS, FORMATS, parser_of
from goama.sources.hub import DATA_SUFFIXES, read_parquet
from goama.sources.kaldi import kaldi_folders, read_kaldi
from goama.sources.manifest import (
    Manifest,
    is_ljspeech,
    metadata_files,
    read_audiofolder,
    read_ljspeech,
    read_manifests,
)
from goama.sources.saved import is_saved, read_saved
from goama.sources.sound_files import SoundFiles
from goama.sources.table import WORKBOOK_SUFFIXES
from goama.sources.transcript_files import librispeech_files, read_librispeech, read_text_files, text_files

_DEEPEST = 4  # folders in folders that are searched for annotation files
_MOST_ENTRIES = 200_000
_MOST_CHILDREN = 1_000
_BY_SUFFIX = (*ANNOTATIONS, "librispeech", "txt")
_OWN_LAYOUT = tuple(kind for kind in FORMATS if kind not in (*_BY_SUFFIX, "table"))
_LISTED_TABLES = (".jsonl", ".ndjson", ".csv", ".tsv", *WORKBOOK_SUFFIXES)


def kind_of_folder(folder: Path, wanted: str | None) -> tuple[str, list[str]]:
    """The format of the folder, `wanted` if that is given, and the other formats that match.

    Raises `GoamaError` when none matches.
    """
    if wanted is not None:
        if wanted not in FORMATS:
            raise GoamaError(f"--format {wanted}: formats are {', '.join(FORMATS)}")
        return wanted, []
    try:
        kinds = [kind for kind in _OWN_LAYOUT if _is(kind, folder)]
        listed = {} if kinds else _files_by_format(folder)
        kinds += [kind for kind in _BY_SUFFIX if listed.get(kind)]
        if (not kinds or kinds == ["txt"]) and _tables(folder):
            kinds = ["table", *kinds]
    except OSError as error:
        raise GoamaError(f"{folder}: cannot be read ({error.strerror})") from error
    if not kinds:
        sounds = sum(file.suffix.lower() in SOUND_SUFFIXES for file in _files(folder))
        if sounds:
            raise GoamaError(
                f"{folder}: {sounds} sound file{'s' if sounds > 1 else ''}, but no transcripts: write metadata.csv "
                "with the columns file_name (relative to the folder) and text, or put clip.txt beside each clip.wav, "
                "or what else docs/sources.md lists"
            )
        raise GoamaError(
            f"{folder}: no metadata.jsonl or metadata.csv in this folder; write one with the columns "
            "file_name (relative to the folder) and text, or name one of the sources that docs/sources.md lists"
        )
    if kinds[0] == "ljspeech":
        kinds.remove("audiofolder")  # its metadata.csv names no columns
    if kinds[0] == "saved-dataset" and "parquet" in kinds:
        kinds.remove("parquet")  # its arrow files, read without what state.json says of them
    return kinds[0], [f"{kind} ({len(listed[kind])} files)" if kind in listed else kind for kind in kinds[1:]]


def only_source_below(folder: Path) -> Path | None:
    """The one sub-folder that is a source, where the folder itself is none; None otherwise.

    Raises `GoamaError` when several are.
    """
    try:
        if any(_is(kind, folder) for kind in _OWN_LAYOUT) or any(_files_by_format(folder).values()) or _tables(folder):
            return None
        children = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
        below = [
            child
            for child in children[:_MOST_CHILDREN]
            if any(_is(kind, child) for kind in _OWN_LAYOUT) or any(t.suffix != ".txt" for t in _tables(child))
        ]
    except OSError:
        return None  # said when the folder itself is read
    if len(below) > 1:
        raise GoamaError(
            f"{folder}: {len(below)} folders in it are sources of clips; name one of them: "
            + ", ".join(child.name for child in below[:20])
        )
    return below[0] if below else None


def _is(kind: str, folder: Path) -> bool:
    if kind == "audiofolder":
        return bool(metadata_files(folder))
    if kind == "ljspeech":
        return is_ljspeech(folder)
    if kind == "common-voice":
        return bool(common_voice_files(folder))
    if kind == "spontaneous-speech":
        return bool(spontaneous_speech_files(folder))
    if kind == "kaldi":
        return bool(kaldi_folders(folder))
    if kind == "saved-dataset":
        return is_saved(folder)
    patterns = [depth + "*" + suffix for depth in ("", "*/", "*/*/") for suffix in DATA_SUFFIXES]
    return any(any(folder.glob(pattern)) for pattern in patterns)


def read_folder(kind: str, folder: Path, columns: Columns, name: str | None, choices: Choices) -> Source:
    """The source in a folder, read as the format `kind`. Raises `GoamaError` when the folder has none of its files."""
    audio_folder = choices.audio_folder
    if kind in _OWN_LAYOUT and not _is(kind, folder):
        raise GoamaError(f"{folder}: --format {kind}, but this folder has none of its files")
    if kind == "audiofolder":
        return read_audiofolder(folder, columns, choices)
    if kind == "ljspeech":
        return read_ljspeech(folder, columns, choices)
    if kind == "common-voice":
        return read_common_voice(folder, columns, choices)
    if kind == "spontaneous-speech":
        return read_spontaneous_speech(spontaneous_speech_files(folder), folder, columns, choices)
    if kind == "kaldi":
        return read_kaldi(folder, audio_folder)
    if kind == "saved-dataset":
        return read_saved(folder, columns, choices)
    if kind == "parquet":
        return read_parquet(folder, name, columns, choices)
    sounds = SoundFiles.of_folder(folder, audio_folder)
    if kind == "table":
        return _read_tables(folder, sounds, columns, choices)
    if kind == "txt":
        return read_text_files(folder, list(_files(folder)), audio_folder)
    files = _files_by_format(folder)[kind]
    suffix = ".trans.txt" if kind == "librispeech" else ANNOTATIONS[kind][1]
    if not files:
        raise GoamaError(f"{folder}: --format {kind}, but there is no {suffix} file in this folder")
    if kind == "librispeech":
        return read_librispeech(folder, files, audio_folder)
    return read_annotations(ANNOTATIONS[kind][0], files, folder, parser_of(kind, choices), choices, sounds)


def _read_tables(folder: Path, sounds: SoundFiles, columns: Columns, choices: Choices) -> Source:
    tables = _tables(folder)
    if not tables:
        raise GoamaError(f"{folder}: --format table, but there is no CSV, TSV, JSONL, XLSX, XLS or ODS file in it")
    splits = [split_in_name(table.name) for table in tables] if len(tables) > 1 else [None]
    line_indexes = all(table.name.startswith("line_index") for table in tables)  # OpenSLR has one for each sex
    if (None in splits[1:] or len(set(splits)) < len(splits)) and not line_indexes:
        raise GoamaError(
            f"{folder}: {len(tables)} tables lie here; name one of them as the source: "
            + ", ".join(table.name for table in tables[:10])
        )
    manifests = [
        Manifest.open(table, sounds, columns, choices, split) for table, split in zip(tables, splits, strict=True)
    ]
    return read_manifests("table", manifests, columns, choices.where)


def _tables(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _LISTED_TABLES
        and not file.name.startswith((".", "~$"))
        and not is_reported(file)
        and file.is_file()
    )


def _files_by_format(folder: Path) -> dict[str, list[Path]]:
    """The files with annotations or transcripts in a folder and its sub-folders, by format."""
    files = list(_files(folder))
    annotated = {
        kind: sorted(file for file in files if file.suffix.lower() == suffix)
        for kind, (_, suffix, _) in ANNOTATIONS.items()
    }
    return annotated | {"librispeech": librispeech_files(files), "txt": text_files(files)}


def _files(folder: Path) -> Iterator[Path]:
    entries = 0
    for place, folders, names in os.walk(folder):
        entries += len(folders) + len(names)
        if entries > _MOST_ENTRIES:
            raise GoamaError(f"{folder}: more than {_MOST_ENTRIES} files lie in it; name a smaller folder, or the file")
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = [name for name in folders if not name.startswith(".")] if depth < _DEEPEST - 1 else []
        yield from (Path(place, name) for name in names if not name.startswith("."))
