"""Units with frames, which every decoder and the aligner produce, become words with times, in segments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from goama.text.vocabulary import Vocabulary
from goama.transcript import Character, Segment, Word

PAUSE_S = 0.8
"""Silence between two words that starts a new segment."""


@dataclass(frozen=True)
class Unit:
    """One unit of the vocabulary that is no blank: its frames, `end` excluded, and the mean of their log-probabilities.

    Word delimiters are units; two words without one between them would be one word.
    """

    id: int
    start: int
    end: int
    log_probability: float


def segments_of(units: Iterable[Unit], vocabulary: Vocabulary, frame_shift_s: float) -> tuple[Segment, ...]:
    """Words with times, cut into segments at pauses, of units in the order of time.

    A word reaches from the first frame of its first unit to the last frame of its last. Its confidence is the
    geometric mean of its units' probabilities, and a unit's is the geometric mean over its frames: a unit that is held
    long counts no more than another, and blanks do not count. CTC peaks are short: times are good to about two frames.
    """
    segments: list[list[Word]] = []
    for word in _words(units, vocabulary, frame_shift_s):
        if segments and word.start - segments[-1][-1].end < PAUSE_S:
            segments[-1].append(word)
        else:
            segments.append([word])
    return tuple(Segment(tuple(members)) for members in segments)


def _words(units: Iterable[Unit], vocabulary: Vocabulary, frame_shift_s: float) -> Iterable[Word]:
    """The words between delimiters, without units that write nothing."""
    for is_delimiter, run in groupby(units, key=lambda unit: unit.id == vocabulary.delimiter_id):
        spoken = [unit for unit in run if unit.id != vocabulary.unk_id and unit.id not in vocabulary.silent_ids]
        if not is_delimiter and spoken:
            yield word_of(spoken, vocabulary, frame_shift_s)


def word_of(units: Sequence[Unit], vocabulary: Vocabulary, frame_shift_s: float) -> Word:
    """The word of these units, at least one, without delimiters."""
    characters = tuple(
        Character(
            text=vocabulary.tokens[unit.id],
            start=round(unit.start * frame_shift_s, 3),
            end=round(unit.end * frame_shift_s, 3),
            confidence=round(math.exp(unit.log_probability), 4),
        )
        for unit in units
    )
    return Word(
        text="".join(character.text for character in characters),
        start=characters[0].start,
        end=characters[-1].end,
        confidence=round(math.exp(sum(unit.log_probability for unit in units) / len(units)), 4),
        characters=characters,
    )
