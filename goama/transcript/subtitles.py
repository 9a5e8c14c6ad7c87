"""Transcripts as subtitles: words become cues that can be read in the time they stand, as SRT and WebVTT.

The cuts are those of least cost over the whole recording, found by dynamic programming.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

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
    words = transcript.words
    best: list[tuple[float, int]] = [(0.0, 0)]  # least cost of the words before each place, and its last cue's start
    for end in range(1, len(words) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            members = words[start:end]
            if len(members) > 1 and not _fits(members, limits):
                break
            following = words[end].start if end < len(words) else None
            options.append((best[start][0] + _cost(members, following, limits), start))
        best.append(min(options))
    bounds = []
    end = len(words)
    while end:
        start = best[end][1]
        bounds.append((start, end))
        end = start
    return [
        _cue(words[start:end], words[end].start if end < len(words) else None, limits)
        for start, end in reversed(bounds)
    ]


def _fits(words: Sequence[Word], limits: SubtitleLimits) -> bool:
    return words[-1].end - words[0].start <= limits.longest_s and _lines(words, limits) is not None


def _lines(words: Sequence[Word], limits: SubtitleLimits) -> tuple[str, ...] | None:
    """The words in as few lines as they need, the two of two as even as can be; None if they need more."""
    text = " ".join(word.text for word in words)
    if len(words) == 1 or _length(text) <= limits.line_characters:
        return (text,)
    if limits.lines < 2 or _length(text) > 2 * limits.line_characters + 1:
        return None
    splits = [
        (" ".join(word.text for word in words[:place]), " ".join(word.text for word in words[place:]))
        for place in range(1, len(words))
    ]
    evenest = min(splits, key=lambda lines: max(map(_length, lines)))
    return evenest if max(map(_length, evenest)) <= limits.line_characters else None


def _length(text: str) -> int:
    """Characters that take room: diacritics that combine do not."""
    return sum(not unicodedata.combining(character) for character in text)


def _cue(words: Sequence[Word], following: float | None, limits: SubtitleLimits) -> Cue:
    """A cue that stands until it can be read, if the start of the following word, None after the last, allows it."""
    start, spoken = words[0].start, min(words[-1].end, words[0].start + limits.longest_s)
    latest = start + limits.longest_s
    if following is not None:
        spoken = min(spoken, max(start, following))
        latest = min(latest, following - limits.gap_s)
    end = max(spoken, min(start + _reading_s(words, limits), latest))
    return Cue(start, end, _lines(words, limits) or ())


def _reading_s(words: Sequence[Word], limits: SubtitleLimits) -> float:
    characters = _length(" ".join(word.text for word in words))
    return max(limits.shortest_s, characters / limits.characters_per_second)


def _cost(words: Sequence[Word], following: float | None, limits: SubtitleLimits) -> float:
    cue = _cue(words, following, limits)
    gaps = (after.start - before.end for before, after in pairwise(words))
    inside = sum(gap for gap in gaps if gap > _PAUSE_S)
    without_pause = following is not None and following - words[-1].end < _PAUSE_S
    fullness = sum(map(_length, cue.lines)) / (limits.lines * limits.line_characters)
    return (
        _CUE_COST
        + _CUT_WITHOUT_PAUSE * without_pause
        + _PAUSE_INSIDE * inside
        + _TOO_FAST * max(0.0, _reading_s(words, limits) - (cue.end - cue.start))
        + _UNEVEN * (1 - min(1.0, fullness)) ** 2
    )


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
