"""Transcripts as JSON, in the versioned format that `transcript.schema.json` describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from goama.transcript.layout import Layout
from goama.transcript.transcript import Character, Segment, Transcript, Word

VERSION = 1
"""Raised when a reader of the old version would misread the new; fields may be added without."""

SCHEMA_FILE = Path(__file__).parent / "transcript.schema.json"


def to_json(transcript: Transcript, layout: Layout) -> str:
    """A JSON object with `audio`, `duration`, `text` and `segments` of `words` of `characters`; times in s."""
    content = {
        "format": "goama-transcript",
        "version": VERSION,
        "audio": transcript.audio,
        "duration": transcript.duration,
        "calibrated": transcript.calibrated,
        "repairs": list(transcript.repairs),
        "text": transcript.text,
        "segments": [_segment(segment) for segment in transcript.segments],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "confidence": round(segment.confidence, 4),
        "words": [
            _timed(word) | {"characters": [_timed(character) for character in word.characters]}
            for word in segment.words
        ],
    }


def _timed(item: Word | Character) -> dict[str, Any]:
    return {"text": item.text, "start": item.start, "end": item.end, "confidence": item.confidence}
