"""The result of recognition: a transcript has segments, a segment has words, a word has times and a confidence."""

from __future__ import annotations

from dataclasses import dataclass

from goama.html import facts_html


@dataclass(frozen=True)
class Word:
    """One word: `start` and `end` in seconds from the start of the recording, `confidence` in [0, 1]."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Segment:
    """Words without a long pause between them."""

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


@dataclass(frozen=True)
class Transcript:
    """The words of one recording; `audio` names it, `duration` is its length in seconds.

    `repairs`: sentences on what was mended as it was read, such as seconds that were lost.
    """

    audio: str
    duration: float
    segments: tuple[Segment, ...]
    repairs: tuple[str, ...] = ()

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
