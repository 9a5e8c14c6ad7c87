"""Mozilla's exports become clips: Common Voice (`clips/`) and its Spontaneous Speech (`audios/`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from goama.errors import GoamaError
from goama.sources.clip import Choices, Columns, Source, SourceClip
from goama.sources.columns import SPLIT_NAMES
from goama.sources.manifest import Manifest, read_manifests
from goama.sources.row import Row
from goama.sources.sound_files import SoundFiles
from goama.sources.table import Table, open_table
from goama.sources.text_lines import text_lines

_SPLIT_TABLES = ("train.tsv", "dev.tsv", "test.tsv")
_TABLES = ("validated.tsv", *_SPLIT_TABLES)
_DOUBTFUL = {
    "invalidated": "listeners of Common Voice rejected these clips: the words are wrong, or cannot be heard; "
    "validated.tsv has those that they confirmed",
    "other": "these clips have not been judged by two listeners yet; validated.tsv has those that were confirmed",
}
"""Tables of an export that hold no confirmed clips, and what is said of them."""

_REPORTED = "ss-reported-audios"


# --- Common Voice


def common_voice_files(folder: Path) -> list[Path]:
    """The existing tables of a Common Voice export; empty if the folder is none."""
    if not (folder / "clips").is_dir():
        return []
    return [folder / name for name in _TABLES if (folder / name).is_file()]


def is_common_voice(table: Path) -> bool:
    """Whether a table belongs to a Common Voice export: clips/ is beside it, and its header has the columns.

    Raises `GoamaError` when its first line is not text.
    """
    if table.suffix.lower() != ".tsv" or not (table.parent / "clips").is_dir():
        return False
    return {"client_id", "path", "sentence"} <= set(_header(table))


def _header(table: Path) -> list[str]:
    return next((line for _, line in text_lines(table)), "").rstrip("\n").split("\t")


def read_common_voice(folder: Path, columns: Columns, choices: Choices) -> Source:
    """The clips of an export: its own splits train.tsv, dev.tsv and test.tsv if any has rows, else validated.tsv.

    Raises `GoamaError` when no table has a row, or a table cannot be read.
    """
    files = common_voice_files(folder)
    tables = {file.name: open_table(file, delimiter="tab", quotes=False) for file in files}
    filled = [name for name in tables if next(tables[name].rows(), None) is not None]
    taken = [name for name in _SPLIT_TABLES if name in filled] or filled
    if not taken:
        raise GoamaError(f"{folder}: a Common Voice export without one sentence in {', '.join(tables) or 'it'}")
    sounds = SoundFiles.of_folder(folder, choices.audio_folder, base=folder / "clips", suffix=".mp3")
    manifests = [Manifest(tables[name], SPLIT_NAMES.get(name.removesuffix(".tsv")), sounds) for name in taken]
    source = read_manifests("Common Voice", manifests, columns, choices.where)
    if "validated.tsv" in filled and "validated.tsv" not in taken:
        more = f"its own splits were taken; {folder / 'validated.tsv'} as the source takes all that was validated"
        source = replace(source, notes=(*source.notes, more))
    return source


def read_common_voice_table(table: Path, columns: Columns, choices: Choices) -> Source:
    """The clips of one table of an export; train.tsv, dev.tsv and test.tsv give their split, others none.

    Raises `GoamaError` when the table cannot be read, is empty or lacks a column.
    """
    sounds = SoundFiles.of_file(table, choices.audio_folder, base=table.parent / "clips", suffix=".mp3")
    split = SPLIT_NAMES.get(table.stem)
    opened = open_table(table, delimiter="tab", quotes=False)
    source = read_manifests("Common Voice", [Manifest(opened, split, sounds)], columns, choices.where)
    doubt = _DOUBTFUL.get(table.stem.lower())
    return replace(source, notes=(*source.notes, f"{table.name}: {doubt}")) if doubt else source


# --- Spontaneous Speech


def spontaneous_speech_files(folder: Path) -> list[Path]:
    """The tables ss-corpus-*.tsv of a Spontaneous Speech export; empty if the folder is none."""
    if not (folder / "audios").is_dir():
        return []
    return [file for file in sorted(folder.glob("ss-corpus-*.tsv")) if file.is_file()]


def is_spontaneous_speech(table: Path) -> bool:
    """Whether a table is the corpus of a Spontaneous Speech export.

    Raises `GoamaError` when its first line is not text, and for the list of the recordings that people reported.
    """
    if is_reported(table):
        raise GoamaError(
            f"{table}: the recordings that people reported as offensive or wrong; they are no material to learn from: "
            "name the folder, or its ss-corpus-*.tsv"
        )
    if table.suffix.lower() != ".tsv" or not (table.parent / "audios").is_dir():
        return False
    return {"client_id", "audio_file", "transcription"} <= set(_header(table))


def is_reported(table: Path) -> bool:
    """Whether a table lists recordings that people reported; it is never a source."""
    return table.name.lower().startswith(_REPORTED)


def read_spontaneous_speech(files: list[Path], folder: Path | None, columns: Columns, choices: Choices) -> Source:
    """The clips of the tables ss-corpus-*.tsv; `folder`: the source, None where it is one table.

    Durations are in ms. A recording that ss-reported-audios-*.tsv lists is left out by name; that table is used for
    nothing else. Raises `GoamaError` when a table cannot be read, is empty or lacks a column.
    """
    place = files[0].parent
    make = SoundFiles.of_folder if folder else SoundFiles.of_file
    sounds = make(folder or files[0], choices.audio_folder, base=place / "audios", suffix=".mp3")
    columns = replace(columns, text=columns.text or "transcription", audio=columns.audio or "audio_file")
    manifests = [Manifest(_in_seconds(open_table(file, delimiter="tab", quotes=False)), None, sounds) for file in files]
    if columns.id is None and all("audio_id" in manifest.table.columns for manifest in manifests):
        columns = replace(columns, id="audio_id")
    source = read_manifests("Spontaneous Speech", manifests, columns, choices.where)
    reported = _reported_files(place)
    tagged = Counter[str]()

    def clips() -> Iterator[SourceClip]:
        tagged.clear()
        for clip in source.read():
            tagged.update(set(clip.tags))
            name = clip.audio.name if isinstance(clip.audio, Path) else ""
            if {name, Path(name).stem, clip.id} & reported:
                clip = replace(clip, fault="people reported this recording (ss-reported-audios); it is never used")
            yield clip

    def after_reading() -> tuple[str, ...]:
        notes = source.after_reading()
        if tagged:
            counted = ", ".join(f"{tag} ×{count}" for tag, count in tagged.most_common(8))
            notes += (
                f"quality tags of the export: {counted}; --where \"quality_tags == ''\" takes only clips without",
            )
        return notes

    return replace(source, read=clips, after_reading=after_reading)


def _in_seconds(table: Table) -> Table:
    """The table with a column `duration` (s) made of `duration_ms`."""
    if "duration_ms" not in table.columns or "duration" in table.columns:
        return table

    def rows() -> Iterator[Row]:
        for row in table.rows():
            if row.fault:
                yield row
                continue
            try:
                seconds = f"{float(row.cells['duration_ms']) / 1000:.3f}"
            except ValueError:
                seconds = ""
            yield Row(row.number, row.cells | {"duration": seconds})

    return replace(table, columns=[*table.columns, "duration"], rows=rows)


def _reported_files(folder: Path) -> set[str]:
    """Names and ids of the recordings that people reported."""
    names: set[str] = set()
    for file in sorted(folder.glob(f"{_REPORTED}*.tsv")):
        try:
            table = open_table(file, delimiter="tab", quotes=False)
            columns = [column for column in ("audio_file", "audio_id", "path") if column in table.columns]
            for row in table.rows():
                names.update(str(row.cells[column]) for column in columns if not row.fault and row.cells[column])
        except GoamaError:
            continue  # it is no part of the corpus: a damaged one must not stop it
    return names - {""}
