"""How long it takes to correct the transcripts of an hour of speech, and to type them: an estimate from edit counts.

The times of single actions are those of the keystroke-level model (Card, Moran and Newell 1980, table 1) for a typist
of 40 English words a minute. The estimate has been compared with no measurement of goama's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goama.evaluation.alignment import align_words
from goama.evaluation.scores import ClipScore, bootstrap_interval

SECONDS_PER_CHARACTER = 0.28
SECONDS_PER_PLACE = 1.35 + 0.4 + 1.1 + 0.2 + 0.4
"""To see a wrong word, take the mouse, point at the word, click, and come back to the keys: 3.45 s."""

LISTENING = 1.0
"""How often the speech is heard, in either case; pauses in which one types are counted as typing."""


@dataclass(frozen=True)
class Work:
    """What there is to do in some clips: `places` are wrong words, `keystrokes` those that correct them."""

    seconds: float
    characters: int
    places: int
    keystrokes: int

    @property
    def typing_s(self) -> float:
        """Seconds to type all from nothing."""
        return LISTENING * self.seconds + SECONDS_PER_CHARACTER * self.characters

    @property
    def correcting_s(self) -> float:
        """Seconds to correct the hypotheses."""
        typed = SECONDS_PER_CHARACTER * self.keystrokes
        return LISTENING * self.seconds + SECONDS_PER_PLACE * self.places + typed


@dataclass(frozen=True)
class CorrectionTime:
    """Minutes of work for an hour of speech; `saved_interval` is the 95 % interval of what correcting saves."""

    typing_min: float
    correcting_min: float
    saved_interval: tuple[float, float]
    work: Work

    @property
    def saved_min(self) -> float:
        """Minutes saved by correcting; negative where typing is quicker."""
        return self.typing_min - self.correcting_min

    @property
    def answer(self) -> str:
        """Whether it saves time: `yes`, `no`, or `unclear` where the interval contains 0."""
        low, high = self.saved_interval
        return "yes" if low > 0 else "no" if high < 0 else "unclear"


def work_of(clip: ClipScore) -> Work:
    """The work in one clip: a wrong word is typed again, a missing one is typed, an inserted one is deleted."""
    keystrokes = 0
    for pair in align_words(clip.reference, clip.hypothesis):
        if pair.is_right:
            continue
        keystrokes += 1 if pair.reference is None else len(pair.reference) + (pair.hypothesis is None)
    return Work(clip.seconds, clip.characters, clip.word_errors, keystrokes)


def correction_time(clips: Sequence[ClipScore]) -> CorrectionTime | None:
    """The estimate over all clips; None where their length is unknown."""
    works = [work_of(clip) for clip in clips]
    seconds = sum(work.seconds for work in works)
    if not seconds:
        return None
    total = Work(
        seconds,
        sum(work.characters for work in works),
        sum(work.places for work in works),
        sum(work.keystrokes for work in works),
    )
    saved = np.array([(work.typing_s - work.correcting_s, work.seconds) for work in works])
    low, high = bootstrap_interval(saved)
    return CorrectionTime(
        60 * total.typing_s / seconds, 60 * total.correcting_s / seconds, (60 * low, 60 * high), total
    )
