"""What in an alignment a person should look at: what is in only one of sound and text, odd words, poor segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from goama.recognition.align import Alignment
from goama.transcript import Segment, Word
from goama.transcript.tables import as_tsv

WITHOUT_SOUND, WITHOUT_TEXT = "text without sound", "sound without text"
STRETCHED, SQUEEZED, POOR = "stretched word", "squeezed word", "poor match"

_ODD_RATIO = 4.0  # of a word's length to the usual length of a word of so many letters
_ODD_S = 0.25  # shorter differences are the imprecision of boundaries
_POOR_TIMES = 3.0  # the recording's own median loss
_POOR_LOSS = 10.0  # nats per second; below it a segment is no worse than a good model's slips


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    kind:   one of the five constants above
    start:  seconds; of text without sound, the time at which it is missing
    value:  in the unit that its kind has: words without sound, seconds without text, the word's length divided by the
            usual one, or nats per second by which the segment is less likely than without the text
    text:   from the text; of sound without text, what the model recognises
    """

    kind: str
    start: float
    end: float
    line: int | None
    value: float
    text: str


def findings(alignment: Alignment) -> list[Finding]:
    """What a person should look at, in the order of time."""
    found = chain(_one_sided(alignment), _odd_words(alignment), _poor_segments(alignment))
    return sorted(found, key=lambda finding: (finding.start, finding.end))


def poor_loss(alignment: Alignment) -> float:
    """Nats per second from which a segment matches poorly, judged by the recording's other segments."""
    losses = [_loss(alignment, segment) for segment in alignment.transcript.segments]
    return max(_POOR_LOSS, _POOR_TIMES * float(np.median(losses)))


def as_table(found: Sequence[Finding]) -> str:
    """The findings as tab-separated text with a heading; times in seconds."""
    rows = ((f"{one.start:.2f}", f"{one.end:.2f}", one.kind, f"{one.value:.1f}", one.line, one.text) for one in found)
    return as_tsv([("start", "end", "finding", "value", "line", "text"), *rows])


def _one_sided(alignment: Alignment) -> Iterator[Finding]:
    for passage in alignment.unspoken:
        yield Finding(WITHOUT_SOUND, passage.time, passage.time, passage.line, passage.words, passage.text)
    for sound in alignment.untold:
        yield Finding(WITHOUT_TEXT, sound.start, sound.end, None, sound.end - sound.start, sound.heard)


def _odd_words(alignment: Alignment) -> Iterator[Finding]:
    words = alignment.transcript.words
    of_a_letter = float(np.median([(word.end - word.start) / _letters(word) for word in words]))
    for segment, line in zip(alignment.transcript.segments, alignment.lines, strict=True):
        for word in segment.words:
            length, usual = word.end - word.start, of_a_letter * max(2, _letters(word))
            if abs(length - usual) > _ODD_S and not 1 / _ODD_RATIO < length / usual < _ODD_RATIO:
                kind = STRETCHED if length > usual else SQUEEZED
                yield Finding(kind, word.start, word.end, line, length / usual, word.text)


def _letters(word: Word) -> int:
    return max(1, len(word.characters))


def _poor_segments(alignment: Alignment) -> Iterator[Finding]:
    limit = poor_loss(alignment)
    for segment, line in zip(alignment.transcript.segments, alignment.lines, strict=True):
        loss = _loss(alignment, segment)
        if loss > limit:
            yield Finding(POOR, segment.start, segment.end, line, loss, segment.text)


def _loss(alignment: Alignment, segment: Segment) -> float:
    return alignment.loss_per_s(segment.start, segment.end)
