"""The alphabet on an audit's page: each character with its count and up to two places where it occurs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from goama.audit.findings import ClipFacts, Letter

LETTER_EXAMPLES = 2
RARE_BELOW = 10  # occurrences
_CONTEXT = 40  # characters shown on either side of the letter

Pieces = tuple[tuple[str, bool], ...]
"""A text in pieces: (piece, whether it is the letter)."""


@dataclass(frozen=True)
class LetterTile:
    """A letter as the page shows it, with examples: (clip id, its text in pieces)."""

    shown: str
    name: str
    codes: str
    count: int
    rare: bool
    examples: tuple[tuple[str, Pieces], ...]


@dataclass(frozen=True)
class LetterGroup:
    """The letters, the digits or the other signs."""

    name: str
    letters: tuple[LetterTile, ...]


def letter_tile(letter: Letter, facts: Mapping[str, ClipFacts]) -> LetterTile:
    """The tile of a letter; a combining mark stands on a dotted circle, what cannot be seen is shown by its code."""
    examples: list[tuple[str, Pieces]] = []
    for id in letter.clips:
        clip = facts.get(id)
        if clip and len(examples) < LETTER_EXAMPLES:
            text = clip.normalised if letter.character in clip.normalised else clip.text
            examples.append((id, marked_letter(text, letter.character)))
    first = letter.character[:1]
    category = unicodedata.category(first) if first else "Cn"
    codes = " ".join(f"U+{ord(character):04X}" for character in letter.character)
    shown = codes if category[0] in "ZC" else f"◌{letter.character}" if category[0] == "M" else letter.character
    return LetterTile(shown, letter.name, codes, letter.count, letter.count < RARE_BELOW, tuple(examples))


def marked_letter(text: str, letter: str) -> Pieces:
    """The text around the letter's first occurrence, in pieces; a letter with a further mark is another letter."""
    places = [
        match
        for match in re.finditer(re.escape(letter), text)
        if not unicodedata.category(text[match.end() : match.end() + 1] or " ").startswith("M")
    ]
    if not places:
        return ((text, False),)
    start, end = max(0, places[0].start() - _CONTEXT), min(len(text), places[0].end() + _CONTEXT)
    pieces, at = [("…", False)] if start else [], start
    for match in places:
        if match.end() <= end:
            pieces += [(text[at : match.start()], False), (match[0], True)]
            at = match.end()
    pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    return tuple((piece, marked) for piece, marked in pieces if piece)


def letter_groups(tiles: Iterable[LetterTile]) -> list[LetterGroup]:
    """The tiles by kind, without empty groups."""
    groups: dict[str, list[LetterTile]] = {"Letters": [], "Digits": [], "Other signs": []}
    for tile in tiles:
        kind = unicodedata.category(chr(int(tile.codes[2:].split(" ")[0], 16)))[0] if tile.codes else "S"
        groups["Letters" if kind in "LM" else "Digits" if kind == "N" else "Other signs"].append(tile)
    return [LetterGroup(name, tuple(members)) for name, members in groups.items() if members]
