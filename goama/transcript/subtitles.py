"""Transcripts as subtitles: words become cues that can be read in the time they stand, as SRT and WebVTT.

The cuts are those of least cost over the whole recording, found by dynamic programming.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise

from goama.transcript.layout import Layout, SubtitleLimits
from goama.transcript.transcript import Transcript, Word

_PAUSE_S = 0.3
"""A gap between words that viewers hear: a good place for a cut."""

_CUE_COST, _CUT_WITHOUT_PAUSE, _PAUSE_INSIDE, _TOO_FAST = 1.0, 0.5, 2.0, 10.0
"""Costs of a cue, of a cut where nobody pauses, of a second of pause inside, of a second less than reading takes."""

_UNEVEN = 0.5
"""Cost of a cue with hardly any text: of two cuts alike, the one that shares the text evenly."""


@dataclass(frozen=True)
class Cue:
    """Lines that stand from `start` to `end` (s)."""

    start: float
    end: float
    lines: tuple[str, ...]


def to_srt(transcript: Transcript, layout: Layout) -> str:
    """SubRip subtitles."""
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n" + "".join(line + "\n" for line in cue.lines)
        for number, cue in enumerate(cues(transcript, layout.subtitles), start=1)
    )


def to_vtt(transcript: Transcript, layout: Layout) -> str:
    """WebVTT subtitles."""
    blocks = (
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        + "".join(escape(line, quote=False) + "\n" for line in cue.lines)
        for cue in cues(transcript, layout.subtitles)
    )
    return "WEBVTT\n" + "".join(blocks)


def cues(transcript: Transcript, limits: SubtitleLimits = SubtitleLimits()) -> list[Cue]:
    """The subtitles of a transcript.

    Lines, their number and the longest time are kept always, except that a word longer than a line stands alone. A
    cue stays into the pause after it until it can be read; where speech leaves no time, it is shorter than that.
    """
    cutter = _Cutter(transcript.words, limits)
    best: list[tuple[float, int]] = [(0.0, 0)]  # least cost of the words before each place, and its last cue's start
    for end in range(1, len(transcript.words) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            if end - start > 1 and not cutter.fits(start, end):
                break
            options.append((best[start][0] + cutter.cost(start, end), start))
        best.append(min(options))
    cut: list[Cue] = []
    end = len(transcript.words)
    while end:
        start = best[end][1]
        cut.append(cutter.cue(start, end))
        end = start
    return cut[::-1]


class _Cutter:
    """What a cue of the words from `start` to `end` (excluded) would be; its state are lengths, summed once."""

    def __init__(self, words: Sequence[Word], limits: SubtitleLimits):
        self._words, self._limits = words, limits
        lengths = (_length(word.text) for word in words)
        self._offsets = list(accumulate((length + 1 for length in lengths), initial=0))
        gaps = (max(0.0, after.start - before.end) for before, after in pairwise(words))
        self._pauses = list(accumulate((gap if gap > _PAUSE_S else 0.0 for gap in gaps), initial=0.0))

    def fits(self, start: int, end: int) -> bool:
        """Whether these words, two at least, keep the limits of lines and of the longest time."""
        if self._words[end - 1].end - self._words[start].start > self._limits.longest_s:
            return False
        longest = self._length(start, end)
        if longest > self._limits.line_characters and self._limits.lines > 1:
            split = self._split(start, end)
            longest = max(self._length(start, split), self._length(split, end))
        return longest <= self._limits.line_characters

    def cue(self, start: int, end: int) -> Cue:
        """The cue of these words, with two lines of about the same length where one would be too long."""
        texts = [word.text for word in self._words[start:end]]
        if end - start == 1 or self._length(start, end) <= self._limits.line_characters:
            return Cue(self._words[start].start, self._stays_until(start, end), (" ".join(texts),))
        split = self._split(start, end) - start
        lines = " ".join(texts[:split]), " ".join(texts[split:])
        return Cue(self._words[start].start, self._stays_until(start, end), lines)

    def cost(self, start: int, end: int) -> float:
        """How bad the cue of these words is."""
        words, limits = self._words, self._limits
        without_pause = end < len(words) and words[end].start - words[end - 1].end < _PAUSE_S
        fullness = self._length(start, end) / (limits.lines * limits.line_characters)
        short = self._reading_s(start, end) - (self._stays_until(start, end) - words[start].start)
        return (
            _CUE_COST
            + _CUT_WITHOUT_PAUSE * without_pause
            + _PAUSE_INSIDE * (self._pauses[end - 1] - self._pauses[start])
            + _TOO_FAST * max(0.0, short)
            + _UNEVEN * (1 - min(1.0, fullness)) ** 2
        )

    def _length(self, start: int, end: int) -> int:
        return self._offsets[end] - self._offsets[start] - 1

    def _split(self, start: int, end: int) -> int:
        """The first word of the second line."""
        middle = (self._offsets[start] + self._offsets[end]) / 2
        after = bisect(self._offsets, middle, start + 1, end - 1)
        places = {max(start + 1, after - 1), after}
        return min(places, key=lambda place: max(self._length(start, place), self._length(place, end)))

    def _stays_until(self, start: int, end: int) -> float:
        """The end of the cue: when it has been read, if the word that follows allows it."""
        begins = self._words[start].start
        latest = begins + self._limits.longest_s
        spoken = min(self._words[end - 1].end, latest)
        if end < len(self._words):
            following = self._words[end].start
            spoken = min(spoken, max(begins, following))
            latest = min(latest, following - self._limits.gap_s)
        return max(spoken, min(begins + self._reading_s(start, end), latest))

    def _reading_s(self, start: int, end: int) -> float:
        return max(self._limits.shortest_s, self._length(start, end) / self._limits.characters_per_second)


def _length(text: str) -> int:
    """Characters that take room: diacritics that combine do not."""
    return sum(not unicodedata.combining(character) for character in text)


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
