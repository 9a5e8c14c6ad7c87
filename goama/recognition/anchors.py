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

    text, word_before = [], []  # the text's units, and for each delimiter the number of words before it
    for number, word in enumerate(words):
        text += [delimiter_id, *word]
        word_before += [number] + [-1] * len(word)
    matches = Levenshtein.opcodes([unit.id for unit in heard], text)
    found: list[tuple[int, Anchor]] = []
    for tag, start, end, text_start, _ in matches:
        if tag != "equal" or end - start < SHORTEST_MATCH:
            continue
        inside = range(start + _ON_EACH_SIDE, end - _ON_EACH_SIDE)
        between = [place for place in inside if heard[place].id == delimiter_id]
        if not between:
            continue
        place = min(between, key=lambda place: abs(2 * place - start - end))
        frame = (heard[place].start + heard[place].end) // 2
        found.append((end - start, Anchor(frame, word_before[text_start + place - start])))
    return _apart(found, round(_APART_S / frame_shift_s))


def _apart(found: Sequence[tuple[int, Anchor]], frames: int) -> list[Anchor]:
    """Of anchors that are close to each other, the one in the longest match."""
    kept: list[tuple[int, Anchor]] = []
    for length, anchor in found:
        if kept and anchor.frame - kept[-1][1].frame < frames:
            if length > kept[-1][0]:
                kept[-1] = (length, anchor)
        else:
            kept.append((length, anchor))
    return [anchor for _, anchor in kept]
