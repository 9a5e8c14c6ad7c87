"""Tables of sound files and transcripts become clips: any manifest, audiofolder, Common Voice, LJSpeech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.clip import Columns, Source, SourceClip
from goama.sources.columns import (
    SPLIT_NAMES,
    clip_from_row,
    find_columns,
    has_decimal_comma,
    in_words,
    other_readings,
)
from goama.sources.sound_files import SoundFiles
from goama.sources.table import Table, open_table, text_lines

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.tsv", "metadata.xlsx")
COMMON_VOICE_SPLITS = ("train.tsv", "dev.tsv", "test.tsv")
COMMON_VOICE_FILES = ("validated.tsv", *COMMON_VOICE_SPLITS)
_ROWS_FOR_COMMA = 1_000  # rows that decide whether commas are decimal commas
_LJSPEECH_COLUMNS = ["id", "transcription", "normalized_transcription"]


@dataclass(frozen=True)
class Manifest:
    """A table, the split that its file or folder name gives (or None), and what finds its sound files."""

    table: Table
    split: str | None
    sounds: SoundFiles


def read_manifests(kind: str, manifests: Sequence[Manifest], columns: Columns) -> Source:
    """The clips of several tables in their order; columns are found in each table.

    Raises `GoamaError` when there is no table, a table is empty or a column is missing.
    """
    if not manifests:
        raise GoamaError(f"{kind}: no table to read")
    found = []
    for manifest in manifests:
        table = manifest.table
        try:
            there = find_columns(table.columns, columns, str(table.path))
            if next(table.rows(), None) is None:
                raise GoamaError(f"{table.path}: the manifest holds no clips")
        except GoamaError as error:
            raise GoamaError(f"{error}{table.hint}") from error
        if manifest.split and columns.split is None:
            there.pop("split", None)  # the folder's split wins over a column that the user did not name
        found.append(there)

    def clips() -> Iterator[SourceClip]:
        for manifest, there in zip(manifests, found, strict=True):
            table, sounds, split = manifest.table, manifest.sounds, manifest.split
            comma = has_decimal_comma((row for _, row in islice(table.rows(), _ROWS_FOR_COMMA)), there)
            for line, row in table.rows():
                where = f"{table.path}:{line}"
                yield clip_from_row(row, there, where, sounds=sounds, split=split, decimal_comma=comma)

    first = manifests[0].table
    names = ", ".join(_name(manifest.table.path, len(manifests)) for manifest in manifests)
    how = f" ({first.how})" if first.how else ""
    return Source(
        f"{kind}: {names}{how}; columns {in_words(found[0])}",
        clips,
        other_readings(first.columns, found[0], columns),
        after_reading=lambda: tuple(dict.fromkeys(note for manifest in manifests for note in manifest.sounds.notes())),
    )


def _name(path: Path, of: int) -> str:
    return path.name if of == 1 or path.name not in METADATA_FILES else f"{path.parent.name}/{path.name}"


# --- audiofolder


def metadata_files(folder: Path) -> list[tuple[Path, str | None]]:
    """(metadata file, split) of the folder itself, else of each sub-folder named like a split; empty if none."""
    at_top = [folder / name for name in METADATA_FILES if (folder / name).is_file()]
    if at_top:
        return [(at_top[0], None)]
    return [
        (child / name, split)
        for child, split in folders_of_splits(folder)
        for name in METADATA_FILES
        if (child / name).is_file()
    ]


def folders_of_splits(folder: Path) -> list[tuple[Path, str]]:
    """(sub-folder, split) of the sub-folders named like splits, in the order train, dev, test."""
    children = [
        (child, SPLIT_NAMES[child.name.lower()])
        for child in folder.iterdir()
        if child.name.lower() in SPLIT_NAMES and child.is_dir()
    ]
    return sorted(children, key=lambda pair: (("train", "dev", "test").index(pair[1]), pair[0].name))


def read_audiofolder(
    folder: Path, columns: Columns, audio_folder: Path | None, delimiter: str | None, sheet: str | None
) -> Source:
    """The clips of a folder with metadata files, in the folder itself or in one sub-folder for each split.

    Raises `GoamaError` when a metadata file cannot be read, is empty or lacks a column.
    """
    if (folder / "corpus.json").is_file() and columns.text is None:
        columns = replace(columns, text="original_text")  # prepare a corpus again from its original text
    manifests = [
        Manifest(
            open_table(path, delimiter=delimiter, sheet=sheet),
            split,
            SoundFiles.of_folder(folder, audio_folder, base=path.parent),
        )
        for path, split in metadata_files(folder)
    ]
    return read_manifests("audiofolder", manifests, columns)


# --- Common Voice


def common_voice_files(folder: Path) -> list[Path]:
    """The existing tables of a Common Voice export; empty if the folder is none."""
    if not (folder / "clips").is_dir():
        return []
    return [folder / name for name in COMMON_VOICE_FILES if (folder / name).is_file()]


def is_common_voice(table: Path) -> bool:
    """Whether a table belongs to a Common Voice export: clips/ is beside it, and its header has the columns.

    Raises `GoamaError` when its first line is not text.
    """
    if table.suffix.lower() != ".tsv" or not (table.parent / "clips").is_dir():
        return False
    header = next((line for _, line in text_lines(table)), "").rstrip("\r\n").split("\t")
    return {"client_id", "path", "sentence"} <= set(header)


def read_common_voice(folder: Path, columns: Columns, audio_folder: Path | None) -> Source:
    """The clips of an export: its own splits train.tsv, dev.tsv and test.tsv if any has rows, else validated.tsv.

    Raises `GoamaError` when no table has a row, or a table cannot be read.
    """
    files = common_voice_files(folder)
    tables = {file.name: open_table(file, delimiter="tab", quotes=False) for file in files}
    filled = [name for name in tables if next(tables[name].rows(), None) is not None]
    taken = [name for name in COMMON_VOICE_SPLITS if name in filled] or filled
    if not taken:
        raise GoamaError(f"{folder}: a Common Voice export without one sentence in {', '.join(tables) or 'it'}")
    sounds = SoundFiles.of_folder(folder, audio_folder, base=folder / "clips", suffix=".mp3")
    manifests = [Manifest(tables[name], SPLIT_NAMES.get(name.removesuffix(".tsv")), sounds) for name in taken]
    source = read_manifests("Common Voice", manifests, columns)
    if "validated.tsv" in filled and "validated.tsv" not in taken:
        more = f"its own splits were taken; {folder / 'validated.tsv'} as the source takes all that was validated"
        source = replace(source, notes=(*source.notes, more))
    return source


def read_common_voice_table(table: Path, columns: Columns, audio_folder: Path | None) -> Source:
    """The clips of one table of an export; train.tsv, dev.tsv and test.tsv give their split, others none.

    Raises `GoamaError` when the table cannot be read, is empty or lacks a column.
    """
    sounds = SoundFiles.of_file(table, audio_folder, base=table.parent / "clips", suffix=".mp3")
    split = SPLIT_NAMES.get(table.stem)
    opened = open_table(table, delimiter="tab", quotes=False)
    return read_manifests("Common Voice", [Manifest(opened, split, sounds)], columns)


# --- LJSpeech


def is_ljspeech(folder: Path) -> bool:
    """Whether a folder has LJSpeech's layout: metadata.csv with two or three fields between `|`, and wavs/.

    Raises `GoamaError` when the first line of metadata.csv is not text.
    """
    metadata = folder / "metadata.csv"
    if not metadata.is_file() or not (folder / "wavs").is_dir():
        return False
    first = next((line for _, line in text_lines(metadata)), "")
    fields = first.rstrip("\r\n").split("|")
    return len(fields) in (2, 3) and _ljspeech_sounds(folder, None).path(fields[0]).is_file()


def read_ljspeech(folder: Path, columns: Columns, audio_folder: Path | None) -> Source:
    """The clips of a folder in LJSpeech's layout: file name without suffix | text | text with numbers spelt out.

    Raises `GoamaError` with the line when a line has another number of fields than the first.
    """
    metadata = folder / "metadata.csv"
    first = next((line for _, line in text_lines(metadata)), "")
    names = _LJSPEECH_COLUMNS[: first.count("|") + 1]

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in text_lines(metadata):
            fields = line.rstrip("\r\n").split("|")
            if fields == [""]:
                continue
            if len(fields) != len(names):
                raise GoamaError(f"{metadata}:{number}: {len(fields)} fields where the first line has {len(names)}")
            yield number, dict(zip(names, fields, strict=True)) | {"file": fields[0]}

    columns = replace(columns, text=columns.text or names[-1], audio=columns.audio or "file")
    table = Table(metadata, [*names, "file"], rows)
    source = read_manifests("LJSpeech", [Manifest(table, None, _ljspeech_sounds(folder, audio_folder))], columns)
    if [columns.text] == names[2:]:
        note = "texts with numbers spelt out were taken; --text-column transcription takes those as printed"
        source = replace(source, notes=(*source.notes, note))
    return source


def _ljspeech_sounds(folder: Path, audio_folder: Path | None) -> SoundFiles:
    sounds = (file.suffix for file in islice((folder / "wavs").iterdir(), 1000) if file.suffix in SOUND_SUFFIXES)
    return SoundFiles.of_folder(folder, audio_folder, base=folder / "wavs", suffix=next(sounds, ".wav"))
