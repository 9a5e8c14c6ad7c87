"""Transcripts as an HTML page: words coloured by confidence, each a click away from its sound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from goama.html import page_templates
from goama.transcript.layout import Layout, recording_path
from goama.transcript.transcript import Transcript, Word

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class _Level:
    """Confidences from `least` on; `style` is the class of such words."""

    least: float
    style: str
    name: str


_LEVELS = (
    _Level(0.9, "sure", "90 % and more"),
    _Level(0.7, "likely", "70 to 89 %"),
    _Level(0.5, "doubtful", "50 to 69 %"),
    _Level(0.0, "unlikely", "less than 50 %"),
)


def to_html(transcript: Transcript, layout: Layout) -> str:
    """A page that loads nothing but the recording, which it plays from where it lies."""
    words = transcript.words
    counts = [(level, sum(_level(word) is level for word in words)) for level in _LEVELS]
    has_sound = Path(transcript.audio).is_file()
    return _template().render(
        name=Path(transcript.audio).name,
        transcript=transcript,
        sound=quote(recording_path(transcript.audio, layout)) if has_sound else None,
        counts=counts,
        level=_level,
        clock=_clock,
        percent=lambda confidence: f"{100 * confidence:.0f} %",
    )


def _level(word: Word) -> _Level:
    return next(level for level in _LEVELS if word.confidence >= level.least)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


@cache
def _template() -> Template:
    policy = "default-src 'none'; media-src 'self' file: data:; style-src 'unsafe-inline'"
    return page_templates(_HERE, policy).get_template("page.html.jinja")
