"""Confusions as a page shows them: a matrix of characters, and lists of characters and words with their counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from goama.evaluation.confusions import SPACE, Confusions, Pair

NOTHING = "∅"
"""In the place of a word or character that the other text lacks."""

_MATRIX = 18  # characters
_LISTED = 12
_RED, _GREEN = 45.0, 40.0  # percent of the colour in the fullest cell: text stays readable on it, also when dark


@dataclass(frozen=True)
class MatrixCell:
    """A count of the matrix; `shade` is the percentage of its colour, `token` finds the clips."""

    count: int
    shade: float
    right: bool
    token: str
    written: str


@dataclass(frozen=True)
class MatrixRow:
    """What was written for a character; `total` is how often it was said."""

    name: str
    is_letter: bool
    cells: tuple[MatrixCell, ...]
    total: int


@dataclass(frozen=True)
class Matrix:
    """The characters with the most errors: a row for what was said, a column for what was written."""

    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True)
class Tally:
    """The most frequent errors of a kind: (texts to show, token to find, count, count relative to the first)."""

    title: str
    total: int
    rows: tuple[tuple[tuple[str, ...], str, int, float], ...]


def token(reference: str | None, hypothesis: str | None) -> str:
    """`e→a`, `∅→e`: what the page's search finds clips by."""
    return f"{NOTHING if reference is None else reference}→{NOTHING if hypothesis is None else hypothesis}"


def confusion_matrix(found: Confusions) -> Matrix | None:
    """The matrix of the characters with the most errors; None without any."""
    involved: Counter[str] = Counter()
    for (said, written), count in found.characters.items():
        for character in (said, written):
            if character is not None:
                involved[character] += count
    if not involved:
        return None
    letters = sorted((character for character, _ in involved.most_common(_MATRIX)), key=lambda c: (c == SPACE, c))
    rows = {letter: _row_counts(found, letter, letters) for letter in [*letters, None]}
    totals: dict[str | None, int] = {letter: found.occurrences.get(letter, 0) for letter in letters}
    totals[None] = sum(rows[None].values())
    largest = max(
        (
            count / totals[said]
            for said, counts in rows.items()
            for written, count in counts.items()
            if written != said and said is not None and totals[said] > 0
        ),
        default=1.0,
    )

    def cell(said: str | None, written: str | None, name: str) -> MatrixCell:
        count, total = rows[said].get(written, 0), totals[said]
        share = count / total if total else 0.0
        right = said == written and said is not None
        shade = _GREEN * share if right else _RED * math.sqrt(min(1.0, share / largest)) if largest else 0.0
        findable = name != "others"
        return MatrixCell(count, shade, right, token(said, written) if findable else "", name)

    def row(said: str | None) -> MatrixRow:
        cells = [cell(said, letter, letter) for letter in letters]
        cells += [cell(said, None, "missing") if said is not None else MatrixCell(0, 0.0, False, "", "missing")]
        cells += [cell(said, _OTHERS, "others")]
        return MatrixRow(said or "added", said is not None, tuple(cells), totals[said])

    return Matrix(tuple(letters), tuple(row(letter) for letter in [*letters, None]))


_OTHERS = "others"  # no single character, so none is called so


def _row_counts(found: Confusions, said: str | None, letters: list[str]) -> dict[str | None, int]:
    """How often each of `letters` was written for a character, how often nothing, others, or the right one."""
    counts: Counter[str | None] = Counter()
    for (reference, hypothesis), count in found.characters.items():
        if reference == said:
            counts[hypothesis if hypothesis is None or hypothesis in letters else _OTHERS] += count
    if said is not None:
        counts[said] = found.occurrences.get(said, 0) - sum(counts.values())
    return counts


def tallies(found: Confusions) -> list[Tally]:
    """Lists of confused, missing and added words, then characters."""
    lists = []
    for what, counts in (("Words", found.words), ("Characters", found.characters)):
        lists += [
            _tally(f"{what} confused", counts, lambda pair: None not in pair),
            _tally(f"{what} missing", counts, lambda pair: pair[1] is None),
            _tally(f"{what} added", counts, lambda pair: pair[0] is None),
        ]
    return lists


def _tally(title: str, counts: Mapping[Pair, int], wanted: Callable[[Pair], bool]) -> Tally:
    chosen = [(pair, count) for pair, count in counts.items() if wanted(pair)]
    most = max((count for _, count in chosen), default=1)
    rows = tuple(
        (tuple(text for text in pair if text is not None), token(*pair), count, count / most)
        for pair, count in chosen[:_LISTED]
    )
    return Tally(title, sum(count for _, count in chosen), rows)
