"""Transcripts as text of each output format; `WRITERS` maps the name of a format to its function."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from goama.recognition.transcript import Transcript


def to_txt(transcript: Transcript) -> str:
    """The text of each segment on a line of its own."""
    return "".join(segment.text + "\n" for segment in transcript.segments)


def to_json(transcript: Transcript) -> str:
    """A JSON object with `audio`, `duration`, `text` and `segments` (`start`, `end`, `text`, `words`); times in s."""
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
