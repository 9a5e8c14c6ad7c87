"""Cues that repeat each other: copies, one text with other words marked, and captions that roll or grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_TOUCHING_S = 0.05
_LONGEST_PAUSE_S = 2.0  # after it captions begin anew
_FEWEST_REPEATS, _REPEATING_SHARE = 2, 0.5


@dataclass(frozen=True)
class Cue:
    """Lines of text with their time (s); `marked`: the text with its formatting."""

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None
    marked: str = ""

    @property
    def words(self) -> list[str]:
        """The words of all lines."""
        return [word for line in self.lines for word in line.split()]


def merged(cues: Sequence[Cue]) -> tuple[list[Cue], list[str]]:
    """The cues without copies, and with cues joined that show one text with one word after the other marked; notes.

    Copies have the same times and text (layers of a style). Whisper's `--highlight_words` and karaoke repeat a text
    for each word.
    """
    kept: list[Cue] = []
    copies = marked = 0
    for cue in cues:
        last = kept[-1] if kept else None
        if last and cue.lines and cue.lines == last.lines:
            if (cue.start, cue.end) == (last.start, last.end):
                copies += 1
                continue
            if cue.marked != last.marked and abs(cue.start - last.end) <= _TOUCHING_S:
                marked += 1
                kept[-1] = replace(last, end=max(last.end, cue.end), marked=cue.marked)
                continue
        kept.append(cue)
    notes = []
    if copies:
        notes.append(f"copies of the cue before them, with the same times and text, are left out: {copies}")
    if marked:
        notes.append(
            f"cues that repeat the text of the cue before them with another word marked are joined to it: {marked}"
        )
    return kept, notes


def unrolled(cues: Sequence[Cue]) -> tuple[list[Cue], list[str]]:
    """The cues, or, of captions that roll or grow, each word once at the time when it appeared; notes.

    Captions roll when at least half of the cues begin with what the cue before them showed, and some go on from there.
    """
    shared = [0, *(_shared(before, cue) for before, cue in pairwise(cues))]
    repeats = sum(count > 0 for count in shared)
    goes_on = any(0 < count < len(cue.words) for count, cue in zip(shared, cues, strict=True))
    if not goes_on or repeats < max(_FEWEST_REPEATS, _REPEATING_SHARE * (len(cues) - 1)):
        return list(cues), []
    new = [
        replace(cue, lines=_without(cue.lines, count))
        for cue, count in zip(cues, shared, strict=True)
        if count < len(cue.words)
    ]
    for index, (cue, following) in enumerate(pairwise(new)):
        if cue.start < following.start < cue.end:
            new[index] = replace(cue, end=following.start)
    return new, [
        f"these captions roll: {repeats} of {len(cues)} cues repeat what the cue before them shows; each word is "
        f"taken once, which leaves {len(new)} cues"
    ]


def _shared(before: Cue, cue: Cue) -> int:
    """How many words at the beginning of a cue are those at the end of the cue before it, in whole lines or all."""
    if cue.start - before.end > _LONGEST_PAUSE_S:
        return 0
    shown, words = before.words, cue.words
    best = len(shown) if shown and words[: len(shown)] == shown else 0
    count = 0
    for line in cue.lines:
        count += len(line.split())
        if count and shown[-count:] == words[:count]:
            best = max(best, count)
    return best


def _without(lines: Sequence[str], count: int) -> tuple[str, ...]:
    """The lines without their first words."""
    left = []
    for line in lines:
        words = line.split()
        if count < len(words):
            left.append(" ".join(words[count:]) if count else line)
        count = max(0, count - len(words))
    return tuple(left)
