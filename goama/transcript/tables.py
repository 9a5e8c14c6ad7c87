"""Transcripts as plain text and as tables: a line for each segment (txt, TSV) or word (CTM)."""

from __future__ import annotations

import re
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
        f"{audio}\t{segment.start:.3f}\t{segment.end:.3f}\t{segment.text}\t{segment.confidence:.4f}\n"
        for segment in transcript.segments
    )
    return "audio\tstart\tend\ttext\tconfidence\n" + "".join(rows)


def to_ctm(transcript: Transcript, layout: Layout) -> str:
    """NIST's time-marked words: recording, channel, start (s), duration (s), word, confidence; one line for each word.

    The recording is its file name without ending; spaces in it become `_`, as CTM separates by spaces.
    """
    recording = re.sub(r"\s", "_", Path(transcript.audio).stem) or "recording"
    return "".join(
        f"{recording} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.confidence:.4f}\n"
        for word in transcript.words
    )
