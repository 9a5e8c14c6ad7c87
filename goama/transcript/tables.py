"""Transcripts as plain text and as tables: a line for each segment (txt, TSV) or word (CTM)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from goama.transcript.layout import Layout, recording_path
from goama.transcript.transcript import Transcript


def to_txt(transcript: Transcript, layout: Layout) -> str:
    """The text of each segment on a line of its own."""
    return "".join(segment.text + "\n" for segment in transcript.segments)


def to_tsv(transcript: Transcript, layout: Layout) -> str:
    """A table with the columns audio, start, end (s), text, confidence: one row for each segment.

    `goama prepare` reads it, so that a table corrected in a spreadsheet becomes training data.
    """
    audio = re.sub(r"[\t\r\n]", " ", recording_path(transcript.audio, layout))
    rows = (
        (audio, f"{segment.start:.3f}", f"{segment.end:.3f}", segment.text, f"{segment.confidence:.4f}")
        for segment in transcript.segments
    )
    return as_tsv([("audio", "start", "end", "text", "confidence"), *rows])


def as_tsv(rows: Iterable[Sequence[object]]) -> str:
    """Rows as tab-separated text; a value with a quotation mark is quoted, as spreadsheets and goama read it."""
    table = StringIO()
    csv.writer(table, delimiter="\t", lineterminator="\n").writerows(rows)
    return table.getvalue()


def to_ctm(transcript: Transcript, layout: Layout) -> str:
    """NIST's time-marked words: recording, channel, start (s), duration (s), word, confidence; one line for each word.

    The recording is its file name without ending; spaces in it become `_`, as CTM separates by spaces.
    """
    recording = re.sub(r"\s", "_", Path(transcript.audio).stem) or "recording"
    return "".join(
        f"{recording} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.confidence:.4f}\n"
        for word in transcript.words
    )
