"""Tables of sound files and transcripts become clips: any manifest, audiofolder, LJSpeech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.clip import Choices, Columns, Source, SourceClip
from goama.sources.columns import (
    SPLIT_NAMES,
    clip_from_row,
    find_columns,
    has_decimal_comma,
    in_words,
    other_readings,
)
from goama.sources.headerless import first_row_is_a_clip, guess_columns
from goama.sources.row import Row
from goama.sources.sound_files import SoundFiles
from goama.sources.table import Table, open_table
from goama.sources.text_lines import CUT_OFF, CUT_OFF_FAULT, text_lines
from goama.sources.where import Where, parse_where

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.tsv", "metadata.xlsx")
_ROWS_FOR_COMMA = 1_000  # rows that decide whether commas are decimal commas
_LJSPEECH_COLUMNS = ["id", "transcription", "normalized_transcription"]


@dataclass(frozen=True)
class Manifest:
    """A table, the split that its file or folder name gives (or None), and what finds its sound files."""

    table: Table
    split: str | None
    sounds: SoundFiles

    @classmethod
    def open(
        cls, path: Path, sounds: SoundFiles, columns: Columns, choices: Choices, split: str | None = None
    ) -> Manifest:
        """The table in a file, with a header or without one. Raises `GoamaError` when it cannot be read."""
        is_clip = first_row_is_a_clip(path, sounds, columns)
        return cls(open_table(path, delimiter=choices.delimiter, sheet=choices.sheet, is_clip=is_clip), split, sounds)


def read_manifests(kind: str, manifests: Sequence[Manifest], columns: Columns, where: str | None = None) -> Source:
    """The clips of several tables in their order; columns are found in each table.

    where: a condition on columns, which the rows must meet; see `parse_where`

    Raises `GoamaError` when there is no table, a table is empty or a column is missing, when no row of a table can be
    read, or the condition cannot be understood; also when more than half of the rows of a table are faulty.
    """
    if not manifests:
        raise GoamaError(f"{kind}: no table to read")
    condition = parse_where(where) if where else None
    found = [_columns_of(manifest, columns, condition) for manifest in manifests]
    rows, met = Counter[str](), Counter[str]()

    def clips() -> Iterator[SourceClip]:
        rows.clear()
        met.clear()
        for manifest, there in zip(manifests, found, strict=True):
            table, sounds, split = manifest.table, manifest.sounds, manifest.split
            cells = (row.cells for row in table.rows() if not row.fault)
            comma = has_decimal_comma(islice(cells, _ROWS_FOR_COMMA), there)
            for row in table.rows():
                where = f"{table.path}:{row.number}"
                if row.fault:
                    yield SourceClip(f"{split or 'row'}-{row.number}", b"", "", where, id_given=False, fault=row.fault)
                    continue
                rows[kind] += 1
                if condition and not condition(row.cells):
                    continue
                met[kind] += 1
                yield clip_from_row(row.cells, there, where, sounds=sounds, split=split, decimal_comma=comma)

    def after_reading() -> tuple[str, ...]:
        notes = [note for manifest in manifests for note in manifest.sounds.notes()]
        if condition:
            notes.append(
                f"--where {condition.text!r}: {met[kind]} of {rows[kind]} rows meet it; the others are no clips"
            )
        return tuple(dict.fromkeys(notes))

    first = manifests[0].table
    names = ", ".join(_name(manifest.table.path, len(manifests)) for manifest in manifests)
    how = f" ({first.how})" if first.how else ""
    return Source(
        f"{kind}: {names}{how}; columns {in_words(found[0])}",
        clips,
        other_readings(first.columns, found[0], columns) if first.has_header else (_numbered(first, found[0]),),
        after_reading=after_reading,
    )


def _columns_of(manifest: Manifest, columns: Columns, condition: Where | None) -> dict[str, str]:
    """The column for each field, as `find_columns` gives it. Raises `GoamaError`, see `read_manifests`."""
    table = manifest.table
    try:
        first = next(table.rows(), None)
        if first is None:
            raise GoamaError(f"{table.path}: the manifest holds no clips")
        _refuse_unreadable(table)
        if not table.has_header:
            columns = guess_columns(table, manifest.sounds, columns)
        there = find_columns(table.columns, columns, str(table.path))
    except GoamaError as error:
        raise GoamaError(f"{error}{table.hint}") from error
    if condition:
        condition.check_columns(table.columns, str(table.path))
    if manifest.split and columns.split is None:
        there.pop("split", None)  # the folder's split wins over a column that the user did not name
    return there


def _refuse_unreadable(table: Table) -> None:
    """Raises `GoamaError` when most rows of a table are faulty: it is written in another way than goama takes it."""
    rows, faulty = 0, list[Row]()
    for row in table.rows():
        rows += 1
        if row.fault:
            faulty.append(row)
    if 2 * len(faulty) > rows:
        raise GoamaError(
            f"{table.path}:{faulty[0].number}: {faulty[0].fault}; {len(faulty)} of {rows} rows cannot be read"
        )


def _numbered(table: Table, found: Mapping[str, str]) -> str:
    return (
        f"{table.path.name} has no header, so its first line is a clip and its columns are numbered: "
        f"{in_words(found)} of {len(table.columns)}; --text-column, --audio-column and --speaker-column take others"
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


def read_audiofolder(folder: Path, columns: Columns, choices: Choices) -> Source:
    """The clips of a folder with metadata files, in the folder itself or in one sub-folder for each split.

    Raises `GoamaError` when a metadata file cannot be read, is empty or lacks a column.
    """
    if (folder / "corpus.json").is_file() and columns.text is None:
        columns = replace(columns, text="original_text")  # prepare a corpus again from its original text
    manifests = [
        Manifest.open(
            path, SoundFiles.of_folder(folder, choices.audio_folder, base=path.parent), columns, choices, split
        )
        for path, split in metadata_files(folder)
    ]
    return read_manifests("audiofolder", manifests, columns, choices.where)


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


def read_ljspeech(folder: Path, columns: Columns, choices: Choices) -> Source:
    """The clips of a folder in LJSpeech's layout: file name without suffix | text | text with numbers spelt out.

    A line with another number of fields than the first is a faulty clip. Raises `GoamaError` when no line is right.
    """
    metadata = folder / "metadata.csv"
    first = next((line for _, line in text_lines(metadata)), "")
    names = _LJSPEECH_COLUMNS[: first.count("|") + 1]

    def rows() -> Iterator[Row]:
        for number, line in text_lines(metadata):
            fields = line.rstrip("\r\n").split("|")
            if fields == [""]:
                continue
            if line.endswith(CUT_OFF):
                yield Row(number, fault=CUT_OFF_FAULT)
            elif len(fields) == len(names):
                yield Row(number, dict(zip(names, fields, strict=True)) | {"file": fields[0]})
            else:
                yield Row(number, fault=f"{len(fields)} fields where the first line has {len(names)}")

    columns = replace(columns, text=columns.text or names[-1], audio=columns.audio or "file")
    table = Table(metadata, [*names, "file"], rows)
    manifest = Manifest(table, None, _ljspeech_sounds(folder, choices.audio_folder))
    source = read_manifests("LJSpeech", [manifest], columns, choices.where)
    if [columns.text] == names[2:]:
        note = "texts with numbers spelt out were taken; --text-column transcription takes those as printed"
        source = replace(source, notes=(*source.notes, note))
    return source


def _ljspeech_sounds(folder: Path, audio_folder: Path | None) -> SoundFiles:
    sounds = (file.suffix for file in islice((folder / "wavs").iterdir(), 1000) if file.suffix in SOUND_SUFFIXES)
    return SoundFiles.of_folder(folder, audio_folder, base=folder / "wavs", suffix=next(sounds, ".wav"))
