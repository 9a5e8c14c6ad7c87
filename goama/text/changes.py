"""A preview of what a normaliser changes in a collection of texts, with proposals for more replacements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from goama.text.languages import LOOK_ALIKES
from goama.text.normaliser import Normaliser
from goama.text.replacements import Replacement

EXAMPLES = 5
_RARE = 0.1  # of the count of the letter that looks the same
_NUMBER = re.compile(r"\d+")


@dataclass
class RuleChange:
    """The number of transcripts that a rule changes, with examples (before, after), the most varied ones first."""

    rule: str
    texts: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    _shown: set[str] = field(default_factory=set, repr=False)
    _novel: int = field(default=0, repr=False)

    def add(self, before: str, after: str) -> None:
        """Count a changed transcript; keep it as an example if there is room or it changes other characters."""
        self.texts += 1
        one, two = Counter(before), Counter(after)
        touched = {*(one - two), *(two - one)}
        if touched - self._shown and self._novel < EXAMPLES:
            self.examples.insert(self._novel, (before, after))
            self._novel += 1
        elif len(self.examples) < EXAMPLES:
            self.examples.append((before, after))
        self._shown |= touched
        del self.examples[EXAMPLES:]


@dataclass(frozen=True)
class Proposal:
    """A replacement that the texts suggest: a rare letter by a frequent one that looks the same, with both counts."""

    replacement: Replacement
    count: int
    twin_count: int


@dataclass(frozen=True)
class TextChanges:
    """What the rules change in the texts of one language.

    rules:         the rules that change something, in the order of the normaliser
    disappearing:  characters that are in no text afterwards, with their counts before
    appearing:     characters that were in no text before, with their counts after
    numbers:       numbers that stay in digits, with their counts
    proposals:     replacements for the user to decide on; none is applied
    letters:       how often each letter occurs in the normalised texts
    """

    texts: int
    rules: tuple[RuleChange, ...]
    disappearing: Counter[str]
    appearing: Counter[str]
    numbers: Counter[str]
    texts_with_numbers: int
    proposals: tuple[Proposal, ...]
    letters: Counter[str]


def numbers_in(text: str, letter_digits: str = "") -> list[str]:
    """The numbers in digits of any script, in their order.

    letter_digits: digits that are letters where they touch one, as in Skwxwú7mesh.
    """
    if letter_digits and any(digit in text for digit in letter_digits):
        text = re.sub(rf"(?<=[^\W\d_])[{letter_digits}]+|[{letter_digits}]+(?=[^\W\d_])", "", text)
    return _NUMBER.findall(text)


def text_changes(normaliser: Normaliser, texts: Iterable[str]) -> TextChanges:
    """What the rules change in these texts, counted rule by rule."""
    rules = {name: RuleChange(name) for name in normaliser.rules}
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    count = with_numbers = 0
    for text in texts:
        count += 1
        before.update(text)
        counted: set[str] = set()  # a rule that is applied again changes the same transcript
        for name, changed in normaliser.steps(text):
            if changed != text and name not in counted:
                rules[name].add(text, changed)
                counted.add(name)
            text = changed
        after.update(text)
        found = numbers_in(text, normaliser.tables.letter_digits)
        numbers.update(found)
        with_numbers += bool(found)
    return TextChanges(
        count,
        tuple(change for change in rules.values() if change.texts),
        Counter({character: n for character, n in before.items() if character not in after}),
        Counter({character: n for character, n in after.items() if character not in before}),
        numbers,
        with_numbers,
        _look_alikes(after),
        Counter({character: count for character, count in after.items() if character.isalpha()}),
    )


def _look_alikes(counts: Counter[str]) -> tuple[Proposal, ...]:
    """Replacements for letters that are rare compared to one that looks the same, by count."""
    best: dict[str, Proposal] = {}
    for group in LOOK_ALIKES:
        there = sorted((character for character in group if counts[character]), key=lambda c: -counts[c])
        for character in there[1:]:
            twin = there[0]
            known = best.get(character)
            rare = counts[character] <= _RARE * counts[twin]
            if rare and (known is None or known.twin_count < counts[twin]):
                replacement = Replacement(character, twin, anywhere=True)
                best[character] = Proposal(replacement, counts[character], counts[twin])
    return tuple(sorted(best.values(), key=lambda proposal: -proposal.count))
