"""What is confused with what: characters, words, and errors that are only marks, case, punctuation or spaces."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz.distance import Levenshtein

from goama.evaluation.alignment import WordPair, align_words
from goama.evaluation.scores import ClipScore
from goama.text.vocabulary import segment

SPACE = "␣"
"""A space among characters."""

_BASE_CLASSES = (0, 9, 103, 118)
"""Combining classes of marks that are letters: vowel signs of Indian scripts, virama, Thai and Lao vowels."""

TOGETHER = "several of these"

Pair = tuple[str | None, str | None]
"""What the reference has, None where something was inserted; what the hypothesis has, None where it was deleted."""


@dataclass(frozen=True)
class SlightErrors:
    """Word errors of one kind that leave the letters as they are; `examples`: (reference, hypothesis) to count."""

    kind: str
    word_errors: int
    examples: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Confusions:
    """Errors counted over clips, the most frequent first; `occurrences`: of each character in the references."""

    characters: Mapping[Pair, int]
    words: Mapping[Pair, int]
    occurrences: Mapping[str, int]
    slight: tuple[SlightErrors, ...]

    @property
    def slight_word_errors(self) -> int:
        """Word errors that are only marks, case, punctuation or spaces."""
        return sum(kind.word_errors for kind in self.slight)


def confusions(clips: Iterable[ClipScore]) -> Confusions:
    """The confusions of all clips."""
    characters: Counter[Pair] = Counter()
    words: Counter[Pair] = Counter()
    occurrences: Counter[str] = Counter()
    slight: dict[str, Counter[tuple[str, str]]] = {}
    errors: Counter[str] = Counter()
    for clip in clips:
        occurrences.update(units(clip.reference))
        characters.update(character_errors(clip.reference, clip.hypothesis))
        pairs = align_words(clip.reference, clip.hypothesis)
        words.update((pair.reference, pair.hypothesis) for pair in pairs if not pair.is_right)
        for kind, reference, hypothesis, count in slight_errors(pairs):
            slight.setdefault(kind, Counter())[reference, hypothesis] += 1
            errors[kind] += count
    kinds = (SlightErrors(kind, count, _ranked(slight[kind])) for kind, count in errors.most_common())
    return Confusions(_ranked(characters), _ranked(words), occurrences, tuple(kinds))


def _ranked(counts: Counter[Any]) -> dict[Any, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], str(entry[0]))))


def units(text: str) -> list[str]:
    """The characters of a text, each with its combining marks; spaces are `␣`."""
    return segment(SPACE.join(text.split()))


def character_errors(reference: str, hypothesis: str) -> list[Pair]:
    """Every wrong, deleted and inserted character of a clip."""
    said, written = units(reference), units(hypothesis)
    return [
        (None if edit.tag == "insert" else said[edit.src_pos], None if edit.tag == "delete" else written[edit.dest_pos])
        for edit in Levenshtein.editops(said, written)
    ]


def slight_errors(pairs: Sequence[WordPair]) -> list[tuple[str, str, str, int]]:
    """(kind, reference, hypothesis, word errors) where words differ only in marks, case, punctuation or spaces."""
    found = []
    at = 0
    while at < len(pairs):
        width = _width_of_slight_error(pairs[at:])
        if width:
            window = pairs[at : at + width]
            reference = " ".join(pair.reference for pair in window if pair.reference is not None)
            hypothesis = " ".join(pair.hypothesis for pair in window if pair.hypothesis is not None)
            kind = kind_of_slight_error(reference, hypothesis)
            if kind:
                found.append((kind, reference, hypothesis, width))
        at += width or 1
    return found


def _width_of_slight_error(pairs: Sequence[WordPair]) -> int:
    """How many wrong pairs from the first on have the same letters on both sides; 0: none."""
    reference = hypothesis = ""
    for width, pair in enumerate(pairs, start=1):
        if pair.is_right:
            return 0
        reference, hypothesis = reference + _letters(pair.reference or ""), hypothesis + _letters(pair.hypothesis or "")
        if not reference.startswith(hypothesis) and not hypothesis.startswith(reference):
            return 0
        if reference == hypothesis:
            return width if reference else 0
    return 0


def kind_of_slight_error(reference: str, hypothesis: str) -> str | None:
    """The one thing in which two texts differ: case, marks, punctuation, spaces, or several of these; None: letters."""
    if not _letters(reference) or _letters(reference) != _letters(hypothesis):
        return None
    return next((kind for kind, fold in _FOLDS.items() if fold(reference) == fold(hypothesis)), TOGETHER)


def _letters(text: str) -> str:
    for fold in _FOLDS.values():
        text = fold(text)
    return text


def _without_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(c for c in decomposed if unicodedata.combining(c) in _BASE_CLASSES)


def _without_punctuation(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] != "P")


_FOLDS: dict[str, Callable[[str], str]] = {
    "case": str.casefold,
    "marks": _without_marks,
    "punctuation": _without_punctuation,
    "spaces": lambda text: "".join(text.split()),
}
