"""A transcript has segments, a segment has words, a word has characters; each with times and a confidence."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from goama.html import facts_html


@dataclass(frozen=True)
class Character:
    """One unit of the vocabulary: `start` and `end` in seconds from the start of the recording.

    confidence:  probability that the model gives it, 0 to 1; not calibrated
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Word:
    """One word: `start` and `end` in seconds from the start of the recording.

    confidence:  0 to 1; where the model folder has a calibration, the probability that the word is right
    characters:  empty where only the word's times are known
    """

    text: str
    start: float
    end: float
    confidence: float
    characters: tuple[Character, ...] = ()


@dataclass(frozen=True)
class Segment:
    """Words without a long pause between them; at least one."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words, with a space between two."""
        return " ".join(word.text for word in self.words)

    @property
    def start(self) -> float:
        """Seconds from the start of the recording to the first word's start."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds from the start of the recording to the last word's end."""
        return self.words[-1].end

    @property
    def confidence(self) -> float:
        """Mean confidence of the words: if they are calibrated, the expected share of right words."""
        return sum(word.confidence for word in self.words) / len(self.words)


@dataclass(frozen=True)
class Transcript:
    """The words of one recording; `audio` names it, `duration` is its length in seconds.

    repairs:     sentences on what was mended as it was read, such as seconds that were lost
    calibrated:  whether a word's confidence is the probability that it is right, fitted on dev clips
    """

    audio: str
    duration: float
    segments: tuple[Segment, ...]
    repairs: tuple[str, ...] = ()
    calibrated: bool = False

    def __repr__(self) -> str:
        return f"Transcript({self.audio!r}, {self.duration:.1f} s, {len(self.words)} words: {self.text[:60]!r})"

    def _repr_html_(self) -> str:
        lines = (f"{segment.start:.1f}–{segment.end:.1f} s  {segment.text}" for segment in self.segments)
        return facts_html(self.audio, [("length", f"{self.duration:.1f} s"), ("words", len(self.words))], lines)

    @property
    def text(self) -> str:
        """The words of all segments, with a space between two."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the transcript in the format of the path's ending, such as `.srt`; see `goama.transcript.writers`.

        Raises `GoamaError` when the ending names no format, or the file cannot be written.
        """
        from goama.transcript.writers import save

        save(self, Path(path))
