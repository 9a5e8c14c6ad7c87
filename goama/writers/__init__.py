"""Transcripts to files, one format a function: `WRITERS` maps the name on the command line to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from goama.recognition.transcript import Transcript


def to_txt(transcript: Transcript) -> str:
    """One line a segment."""
    return "".join(segment.text + "\n" for segment in transcript.segments)


def to_json(transcript: Transcript) -> str:
    """`audio`, `duration`, `text`, and `segments` of `start`, `end`, `text` and `words`; times in seconds."""
    segments = [
        {
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "words": [asdict(word) for word in segment.words],
        }
        for segment in transcript.segments
    ]
    whole = {
        "audio": transcript.audio,
        "duration": transcript.duration,
        "text": transcript.text,
        "segments": segments,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


WRITERS: dict[str, Callable[[Transcript], str]] = {"txt": to_txt, "json": to_json}
