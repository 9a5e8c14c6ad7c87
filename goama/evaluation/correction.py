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


WORTH_IT = 0.05
"""Correcting is said to save time if it saves this share of the typing."""


@dataclass(frozen=True)
class Work:
    """What there is to do in a clip: `places` are wrong words, `keystrokes` those that correct them."""

    seconds: float
    characters: int
    places: int
    keystrokes: int

    @property
    def typing_s(self) -> float:
        """Seconds to type it from nothing."""
        return LISTENING * self.seconds + SECONDS_PER_CHARACTER * self.characters

    @property
    def correcting_s(self) -> float:
        """Seconds to correct the hypothesis, or to replace it as a whole if that is quicker."""
        correct = SECONDS_PER_PLACE * self.places + SECONDS_PER_CHARACTER * self.keystrokes
        replace = SECONDS_PER_PLACE + SECONDS_PER_CHARACTER * self.characters
        return LISTENING * self.seconds + min(correct, replace)


@dataclass(frozen=True)
class CorrectionTime:
    """Minutes of work for an hour of speech; `saved_interval` is the 95 % interval of what correcting saves.

    quicker: clips that are quicker corrected than typed
    """

    typing_min: float
    correcting_min: float
    saved_interval: tuple[float, float]
    quicker: int
    clips: tuple[Work, ...]

    @property
    def saved_min(self) -> float:
        """Minutes saved by correcting; negative where typing is quicker."""
        return self.typing_min - self.correcting_min

    @property
    def saves_time(self) -> bool:
        """Whether correcting saves at least a twentieth of the typing, and its interval is above 0."""
        return self.saved_interval[0] > 0 and self.saved_min >= WORTH_IT * self.typing_min


def work_of(clip: ClipScore) -> Work:
    """The work in one clip: a wrong word is typed again, a missing one is typed, an added one is deleted."""
    keystrokes = 0
    for pair in align_words(clip.reference, clip.hypothesis):
        if pair.is_right:
            continue
        keystrokes += 1 if pair.reference is None else len(pair.reference) + (pair.hypothesis is None)
    return Work(clip.seconds, clip.characters, clip.word_errors, keystrokes)


def correction_time(clips: Sequence[ClipScore]) -> CorrectionTime | None:
    """The estimate over all clips; None where their length is unknown."""
    works = tuple(work_of(clip) for clip in clips)
    seconds = sum(work.seconds for work in works)
    if not seconds:
        return None
    saved = np.array([(work.typing_s - work.correcting_s, work.seconds) for work in works])
    low, high = bootstrap_interval(saved)
    return CorrectionTime(
        60 * sum(work.typing_s for work in works) / seconds,
        60 * sum(work.correcting_s for work in works) / seconds,
        (60 * low, 60 * high),
        int((saved[:, 0] > 0).sum()),
        works,
    )
