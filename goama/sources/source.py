"""A folder, a file or a Hub id becomes a stream of clips; its format is recognised by its files.

No sound is decoded here. Errors of the source as a whole are raised before its first clip; an error in one row or
annotation becomes that clip's `fault`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from goama.errors import GoamaError
from goama.hub import is_hub_name
from goama.sources.clip import DAMAGED, OVERLAPS, SPEAKER_LABELS, Choices, Columns, Source, SourceClip
from goama.sources.file_source import kind_of_file, read_file
from goama.sources.folder_source import kind_of_folder, only_source_below, read_folder
from goama.sources.formats import ANNOTATIONS, FORMATS, SUBTITLES
from goama.sources.hub import DATA_SUFFIXES, hub_folder, read_hub
from goama.sources.overlaps import apart
from goama.sources.table import TABLES

__all__ = ["FORMATS", "Choices", "Columns", "Source", "SourceClip", "read_source"]


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
        below = None if choices.format else only_source_below(path)
        path = below or path
        kind, others = kind_of_folder(path, choices.format)
        _refuse_unused(kind, source, columns, name, choices)
        opened = read_folder(kind, path, columns, name, choices)
        if others:
            also = f"the folder could also be read as {', '.join(others)}: --format {others[0].split(' ')[0]}"
            opened = replace(opened, notes=(*opened.notes, also))
        if below:
            opened = replace(opened, notes=(f"{source} itself holds no clips; {below} in it does", *opened.notes))
    elif path.is_file():
        kind = kind_of_file(path, choices.format)
        _refuse_unused(kind, source, columns, name, choices)
        opened = read_file(kind, path, columns, choices)
    else:
        looks_local = path.suffix.lower() in (*TABLES, *DATA_SUFFIXES) or path.parent.is_dir()
        if not is_hub_name(source) or looks_local or choices.format:
            raise GoamaError(
                f"{source}: no such file or folder; give a folder, a table (CSV, TSV, JSONL, XLSX, XLS, ODS), an "
                "annotated recording (.eaf, .TextGrid, .srt, .vtt) or a Hub data set id (owner/name)"
            )
        folder = hub_folder(source)
        if folder is not None:
            copy = _opened(str(folder), columns, name, choices)
            return replace(copy, taken=f"a copy of the Hub data set {source}: {copy.taken}")
        _refuse_unused("hub", source, columns, name, choices)
        return read_hub(source, name, columns, choices.where)
    read_once = ("parquet", "saved-dataset", *ANNOTATIONS)  # cost too much to read twice, or were read already
    if kind not in read_once:
        opened = apart(opened, choices.overlaps)
        opened = replace(opened, notes=(*opened.notes, *opened.after_reading()))
    return opened


def _refuse_unused(kind: str, source: str, columns: Columns, name: str | None, choices: Choices) -> None:
    """Raises `GoamaError` for an option that has no effect on this kind of source."""
    tables, tiers = ("audiofolder", "ljspeech", "common-voice", "spontaneous-speech", "table"), ("elan", "textgrid")
    with_columns = (*tables, "saved-dataset", "parquet", "hub")
    meant_for = (
        ("--tier", choices.tiers, tiers),
        ("--recording", choices.recording, ("elan",)),
        ("--overlaps", choices.overlaps, (*tables, "kaldi", *ANNOTATIONS)),
        ("--speaker-labels", choices.speaker_labels, SUBTITLES),
        ("--sheet", choices.sheet, ("audiofolder", "table")),
        ("--delimiter", choices.delimiter, ("audiofolder", "table")),
        ("--name", name, ("parquet", "hub")),
        ("--audio-folder", choices.audio_folder, FORMATS),
        ("--where", choices.where, with_columns),
        ("a column", columns != Columns(), with_columns),
    )
    for option, given, kinds in meant_for:
        if given and kind not in kinds:
            raise GoamaError(f"{source}: read as {kind}, which does not use {option}; remove it, or choose a --format")
