"""The text that belongs to a recording: its words as typed, and as the model's units."""

from __future__ import annotations

from dataclasses import dataclass

from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class TextWord:
    """One word: `text` as typed, its `units` in the vocabulary, and the `line` it stands on, counted from 1."""

    text: str
    units: tuple[int, ...]
    line: int


def text_words(text: str, normaliser: Normaliser, vocabulary: Vocabulary) -> tuple[TextWord, ...]:
    """The words of a text that are spoken: without those that the normaliser drops, such as notes and lone signs.

    A word keeps its capitals and punctuation. Where the normaliser makes several words of one, or one of several, they
    are given as it writes them.
    """
    units: dict[str, tuple[int, ...]] = {}
    normalised: dict[str, list[str]] = {}
    words = []
    for number, line in enumerate(text.splitlines(), 1):
        typed = line.split()
        for word in typed:
            if word not in normalised:
                normalised[word] = normaliser(word).split()
        spoken = normaliser(line).split()
        one_by_one = [(word, normalised[word]) for word in typed if normalised[word]]
        if [part for _, parts in one_by_one for part in parts] == spoken:
            pairs = [(word if len(parts) == 1 else part, part) for word, parts in one_by_one for part in parts]
        else:
            pairs = [(part, part) for part in spoken]
        for shown, written in pairs:
            if written not in units:
                units[written] = tuple(vocabulary.encode(written))
            words.append(TextWord(shown, units[written], number))
    return tuple(words)
