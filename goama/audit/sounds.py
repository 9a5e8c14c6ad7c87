"""Remembers where the sound of each audited clip is, so that the audit's page can play it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from goama.audit.findings import ClipFacts
from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE, read_audio
from goama.sources.source import SourceClip

_MOST_BYTES = 256_000_000  # of sound that lies inside a data set, not in files of its own


class Sounds:
    """Gives the clips it was made of; called with a clip's facts afterwards, returns its sound."""

    def __init__(self, clips: Iterable[SourceClip]):
        self._clips = clips
        self._places: dict[str, tuple[Path | bytes, float | None, float | None]] = {}
        self._kept_bytes = 0

    def __iter__(self) -> Iterator[SourceClip]:
        for clip in self._clips:
            if isinstance(clip.audio, bytes):
                self._kept_bytes += len(clip.audio)
            if isinstance(clip.audio, Path) or self._kept_bytes <= _MOST_BYTES:
                self._places[clip.id] = (clip.audio, clip.offset, clip.duration)
            yield clip

    def __call__(self, facts: ClipFacts) -> bytes | None:
        """The bytes of a clip's sound file; None where the sound cannot be read or was not kept."""
        import soundfile

        if facts.id not in self._places:
            return None
        audio, offset, duration = self._places[facts.id]
        try:
            if offset is None and duration is None:
                return audio.read_bytes() if isinstance(audio, Path) else audio
            samples = read_audio(audio, offset=offset or 0.0, duration=duration).samples
        except (GoamaError, OSError):
            return None
        piece = io.BytesIO()
        soundfile.write(piece, samples, SAMPLE_RATE, format="WAV")
        return piece.getvalue()
