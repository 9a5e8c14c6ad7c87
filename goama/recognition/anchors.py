"""Where a long recording and its text surely meet: between two words that were recognised as the text has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goama.recognition.units import Unit

SHORTEST_MATCH = 15
"""Units in a row that are recognised as they stand in the text, delimiters included; by chance they hardly are."""

_ON_EACH_SIDE = 4
_APART_S = 5.0


@dataclass(frozen=True)
class Anchor:
    """A frame between two words: `words` of the text lie before it."""

    frame: int
    words: int


def find_anchors(
    heard: Sequence[Unit], words: Sequence[Sequence[int]], delimiter_id: int, frame_shift_s: float
) -> list[Anchor]:
    """The anchors in the order of time, at least 5 s apart; none where the model recognises too little.

    heard:  what the model recognises without the text
    words:  the units of each word of the text
    """
    from rapidfuzz.distance import Levenshtein

    text: list[int] = []
    words_before: list[int] = []  # of each delimiter
    for number, word in enumerate(words):
        text += [delimiter_id, *word]
        words_before += [number] + [-1] * len(word)
    found: list[tuple[int, Anchor]] = []
    for match in Levenshtein.opcodes([unit.id for unit in heard], text):
        start, end = match.src_start, match.src_end
        if match.tag != "equal" or end - start < SHORTEST_MATCH:
            continue
        for place in range(start + _ON_EACH_SIDE, end - _ON_EACH_SIDE):
            unit = heard[place]
            if unit.id == delimiter_id:
                words_here = words_before[match.dest_start + place - start]
                found.append((min(place - start, end - place), Anchor((unit.start + unit.end) // 2, words_here)))
    return _apart(found, round(_APART_S / frame_shift_s))


def _apart(found: Sequence[tuple[int, Anchor]], frames: int) -> list[Anchor]:
    """Of anchors that are close to each other, the one that is farthest from the ends of its match."""
    kept: list[tuple[int, Anchor]] = []
    for distance, anchor in found:
        if kept and anchor.frame - kept[-1][1].frame < frames:
            if distance > kept[-1][0]:
                kept[-1] = (distance, anchor)
        else:
            kept.append((distance, anchor))
    return [anchor for _, anchor in kept]
