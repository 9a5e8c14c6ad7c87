"""A single file becomes a source: a table, annotations of one recording, or a part of a data set.

Files that are no source, such as recordings and archives, are refused with what to do instead.
"""

from __future__ import annotations

import glob
import zipfile
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.annotations import read_annotations
from goama.sources.clip import Choices, Columns, Source
from goama.sources.common_voice import (
    is_common_voice,
    is_spontaneous_speech,
    read_common_voice_table,
    read_spontaneous_speech,
)
from goama.sources.formats import ANNOTATIONS, FORMATS_OF_FILES, annotation_kind, parser_of
from goama.sources.hub import DATA_SUFFIXES, read_parquet
from goama.sources.manifest import Manifest, read_manifests
from goama.sources.sound_files import SoundFiles
from goama.sources.table import UNREAD_SPREADSHEETS, WORKBOOK_SUFFIXES

_SOUND = (b"RIFF", b"fLaC", b"OggS", b"ID3")
_TO_SRT = (".ass", ".ssa", ".sbv", ".ttml", ".dfxp", ".lrc", ".smi", ".sami", ".sub", ".stl")
_TO_ELAN = {
    ".cha": "CLAN (CHAT)",
    ".trs": "Transcriber",
    ".exb": "EXMARaLDA",
    ".flextext": "FLEx",
    ".toolbox": "Toolbox",
    ".anvil": "Anvil",
}
_ARCHIVES = (b"PK", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")


def kind_of_file(path: Path, wanted: str | None) -> str:
    """The format of the file, `wanted` if that is given. Raises `GoamaError` when it is no source of clips."""
    if wanted is not None and wanted not in FORMATS_OF_FILES:
        raise GoamaError(
            f"--format {wanted}: {path} is a file; for files the formats are {', '.join(FORMATS_OF_FILES)}"
        )
    spontaneous = is_spontaneous_speech(path)
    if wanted is not None:
        return wanted
    suffix = path.suffix.lower()
    kind = annotation_kind(path)
    if kind:
        return kind
    if suffix in DATA_SUFFIXES:
        return "parquet"
    if suffix not in (*WORKBOOK_SUFFIXES, *UNREAD_SPREADSHEETS):
        _refuse_other_kinds(path)
    if spontaneous:
        return "spontaneous-speech"
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
        beside = [p for p in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*")) if annotation_kind(p)]
        raise GoamaError(
            f"{path}: a recording without transcripts; "
            + (
                f"{beside[0].name} beside it has them: name that as the source"
                if beside
                else "name a table with the columns file_name and text, or the .eaf, .TextGrid, .srt or .vtt that says "
                "what is said in it"
            )
        )
    if path.suffix.lower() in _TO_SRT:
        raise GoamaError(
            f"{path}: subtitles of a kind that is not read; save them as .srt in a subtitle editor, or with ffmpeg "
            f"where it knows them: ffmpeg -i {path.name} {path.stem}.srt"
        )
    if path.suffix.lower() in _TO_ELAN:
        raise GoamaError(
            f"{path}: a transcript of {_TO_ELAN[path.suffix.lower()]}, which is not read; import it in ELAN "
            "(File, Import) or export it from its program for ELAN, and name the .eaf file"
        )
    if "xl/workbook.xml" in members:
        raise GoamaError(f"{path}: an Excel workbook under another name; rename it to {path.stem}.xlsx")
    if "word/document.xml" in members:
        raise GoamaError(f"{path}: a Word document; copy its table into a spreadsheet and save that as .xlsx or CSV")
    if beginning.startswith(_ARCHIVES):
        raise GoamaError(f"{path}: an archive; unpack it first, and name the folder")


def read_file(kind: str, path: Path, columns: Columns, choices: Choices) -> Source:
    """The source in a file, read as the format `kind`. Raises `GoamaError` when it cannot be read."""
    if kind in ANNOTATIONS:
        title, _, _ = ANNOTATIONS[kind]
        sounds = SoundFiles.of_file(path, choices.audio_folder)
        return read_annotations(title, [path], None, parser_of(kind, choices), choices, sounds)
    if kind == "parquet":
        return read_parquet(path, None, columns, choices)
    if kind == "common-voice":
        return read_common_voice_table(path, columns, choices)
    if kind == "spontaneous-speech":
        return read_spontaneous_speech([path], None, columns, choices)
    manifest = Manifest.open(path, SoundFiles.of_file(path, choices.audio_folder), columns, choices)
    return read_manifests("table", [manifest], columns, choices.where)
