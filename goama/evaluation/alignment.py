"""Reference and hypothesis side by side: pairs of words, and the pieces in which the words of a pair differ.

The pairs have exactly as many errors as WER counts. Of the many such alignments the one is taken whose paired words
have the most similar spelling, so that `het is` against `het was` pairs `is` with `was`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from goama.text.vocabulary import segment

Pieces = tuple[tuple[str, bool], ...]
"""A text in pieces: (piece, whether it differs)."""


@dataclass(frozen=True)
class WordPair:
    """A word of the reference and the word of the hypothesis in its place; None where one of them has no word."""

    reference: str | None
    hypothesis: str | None

    @property
    def is_right(self) -> bool:
        """Whether both are the same word."""
        return self.reference == self.hypothesis


_ERROR, _GAP = 1_000_000, 500
"""The cost of an error, and what a word without a partner costs besides; words that differ in all letters: 1000."""


def align_words(reference: str, hypothesis: str) -> tuple[WordPair, ...]:
    """The words of both texts in pairs, in their order; as many pairs differ as the texts have word errors."""
    said, written = reference.split(), hypothesis.split()
    costs = [[column * (_ERROR + _GAP) for column in range(len(written) + 1)]]
    steps: list[list[tuple[int, int]]] = [[(0, 1)] * (len(written) + 1)]
    """Of each cell how many words of reference and hypothesis the last pair takes."""
    for row, word in enumerate(said, start=1):
        costs.append([row * (_ERROR + _GAP)])
        steps.append([(1, 0)])
        for column, other in enumerate(written, start=1):
            cost, step = min(
                (costs[row - 1][column - 1] + _difference(word, other), (1, 1)),
                (costs[row - 1][column] + _ERROR + _GAP, (1, 0)),
                (costs[row][column - 1] + _ERROR + _GAP, (0, 1)),
            )
            costs[row].append(cost)
            steps[row].append(step)
    pairs = []
    row, column = len(said), len(written)
    while row or column:
        down, right = steps[row][column]
        row, column = row - down, column - right
        pairs.append(WordPair(said[row] if down else None, written[column] if right else None))
    return tuple(reversed(pairs))


def _difference(word: str, other: str) -> int:
    if word == other:
        return 0
    return _ERROR + round(1000 * Levenshtein.normalized_distance(word, other))


def marked(reference: str, hypothesis: str) -> tuple[Pieces, Pieces]:
    """Both texts in pieces, those marked that the other lacks; combining marks stay on their letters."""
    units, others = segment(reference), segment(hypothesis)
    missed: list[tuple[str, bool]] = []
    wrong: list[tuple[str, bool]] = []
    for edit in Levenshtein.opcodes(units, others):
        differs = edit.tag != "equal"
        missed.append(("".join(units[edit.src_start : edit.src_end]), differs))
        wrong.append(("".join(others[edit.dest_start : edit.dest_end]), differs))
    return _joined(missed), _joined(wrong)


def _joined(pieces: Sequence[tuple[str, bool]]) -> Pieces:
    joined: list[tuple[str, bool]] = []
    for text, differs in pieces:
        if not text:
            continue
        if joined and joined[-1][1] == differs:
            joined[-1] = (joined[-1][0] + text, differs)
        else:
            joined.append((text, differs))
    return tuple(joined)
