"""The formats of sources: their names, and those of annotation files with their suffixes and parsers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from goama.sources.annotations import Parse
from goama.sources.clip import Choices
from goama.sources.elan import read_elan
from goama.sources.subtitles import read_subtitles
from goama.sources.textgrid import read_textgrid

ANNOTATIONS = {
    "elan": ("ELAN", ".eaf", read_elan),
    "textgrid": ("Praat TextGrid", ".textgrid", read_textgrid),
    "srt": ("SubRip subtitles", ".srt", read_subtitles),
    "vtt": ("WebVTT subtitles", ".vtt", read_subtitles),
}
"""Format -> its name for people, the suffix of its files, their parser."""

SUBTITLES = ("srt", "vtt")

FORMATS = (
    "ljspeech",
    "audiofolder",
    "common-voice",
    "spontaneous-speech",
    "kaldi",
    "saved-dataset",
    "parquet",
    *ANNOTATIONS,
    "librispeech",
    "table",
    "txt",
)
"""Formats of a folder; the first that matches is taken."""

FORMATS_OF_FILES = ("table", "common-voice", "spontaneous-speech", "parquet", *ANNOTATIONS)
"""Formats that a single file can have."""


def annotation_kind(path: Path) -> str | None:
    """The format of an annotation file by its suffix; None for other files."""
    suffix = path.suffix.lower()
    return next((kind for kind, (_, ending, _) in ANNOTATIONS.items() if suffix == ending), None)


def parser_of(kind: str, choices: Choices) -> Parse:
    """What parses a file of an annotation format, with the choices that concern it."""
    if kind in SUBTITLES:
        return partial(read_subtitles, labels=choices.speaker_labels)
    return ANNOTATIONS[kind][2]
