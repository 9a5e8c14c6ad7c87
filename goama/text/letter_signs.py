"""Signs that are letters: those that the user names (`--letters`), and those that the texts suggest."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from goama.errors import GoamaError
from goama.text.codes import split_tag
from goama.text.languages import APOSTROPHES, MODIFIER_APOSTROPHES, PLAIN_APOSTROPHE, LetterRule
from goama.text.normaliser import Normaliser

FEWEST_TEXTS, TEXTS_SHARE = 3, 0.01
"""A sign is proposed where it is part of a word in so many texts, and in this share of them,"""
FEWEST_WORDS = 3
"""in so many different words,"""
INSIDE_SHARE = 0.1
"""and where this share of its occurrences is inside words: a comma without its space is rarer."""

HYPHENS_SHARE = 0.1
"""Of the texts: compounds have a hyphen in most languages."""

EXAMPLES = 4

_ANY_LETTER = "*"
_PUNCTUATION = frozenset(".,:;!?-'\"()/…")
_NEVER = frozenset("'\"-/&_…()[]{}<>" + APOSTROPHES + MODIFIER_APOSTROPHES)
"""Signs with another use inside words in many languages: clitics, compounds, alternatives, notes."""

_USUAL_LETTER = {"|": "ǀ", "?": "ʔ", "!": "ǃ"}
"""The letter that such a sign stands for; | cannot be a letter itself, it parts words in the vocabulary."""
_PALOCHKA = dict.fromkeys("|1!", "Ӏ")
"""In Cyrillic words."""

_PLACES = {"between": ("*", "*"), "start": ("", "*"), "end": ("*", "")}


@dataclass(frozen=True)
class LetterSign:
    """A sign that may be a letter. `words` are examples, `option` is the value of --letters that makes it one."""

    sign: str
    texts: int
    words: tuple[str, ...]
    option: str


@dataclass
class _Uses:
    """Where a sign occurs: all places, and by place the texts and the words that have it as part of a word."""

    everywhere: int = 0
    count: Counter[str] = field(default_factory=Counter)
    texts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    words: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def read_letters(values: Iterable[str]) -> tuple[LetterRule, ...]:
    """The rules of `--letters`: `,` `¸7` `*,` `?=ʔ`, several in one value separated by spaces.

    A punctuation mark is a letter between letters, any other sign wherever it touches one. `*` stands for a letter and
    names the place: `*,` behind a letter, `,*` in front of one. `?=ʔ` writes ʔ for it.
    Raises `GoamaError` when a value names no sign, or a sign that cannot be a letter.
    """
    rules: list[LetterRule] = []
    for word in " ".join(values).split():
        rules += _rules_of(word)
    if not rules and list(values):
        raise GoamaError("--letters: it is empty; give the signs that are letters, such as --letters ','")
    return tuple(dict.fromkeys(rules))


def _rules_of(word: str) -> list[LetterRule]:
    typed, equals, letter = word[:1] + word[1:].partition("=")[0], *word[1:].partition("=")[1:]
    front, behind = typed.startswith(_ANY_LETTER), typed.endswith(_ANY_LETTER)
    signs = typed[front : len(typed) - behind] if len(typed) > 1 else typed
    front, behind = (front, behind) if len(typed) > 1 else (False, False)
    if equals and (len(signs) != 1 or not letter):
        raise GoamaError(f"--letters {word}: one sign, an equals sign and the letter to write, such as '?=ʔ'")
    rules = []
    for sign in unicodedata.normalize("NFC", signs):
        written = letter or sign
        if written == "|" or any(c.isspace() for c in written):
            raise GoamaError(
                f"--letters {word}: {written!r} parts words in the vocabulary; name the letter to write, such as '|=Ӏ'"
            )
        if sign.isalpha() and written == sign:
            raise GoamaError(f"--letters {word}: {sign!r} is a letter already; give the signs that are letters too")
        if front or behind:
            places = [("*" if front else "", "*" if behind else "")]
        elif sign in _PUNCTUATION:  # behind a word it is punctuation, in front of one it may be a letter as ʔ or ǃ is
            places = [_PLACES["start" if letter else "between"]]
        else:
            places = [_PLACES["start"], _PLACES["end"]]
        rules += [LetterRule(written, sign, after, before) for after, before in places]
    return rules


def letter_signs_in(normaliser: Normaliser, texts: Iterable[str]) -> tuple[LetterSign, ...]:
    """Signs that are probably letters, most frequent first; not those that the normaliser has as letters."""
    tables = normaliser.tables
    known = {c for rule in (*tables.letter_rules, *tables.letter_signs) for c in rule.typed_as + rule.letter}
    known |= set(tables.kept_inside_words) | _NEVER
    if split_tag(normaliser.language)[0] not in PLAIN_APOSTROPHE.split():
        known -= (
            set("'-") - {rule.letter for rule in tables.letter_signs} - set(tables.kept_inside_words.replace("'", ""))
        )
        known |= {"'"} if tables.final_apostrophe or tables.initial_apostrophe else set()
    uses: dict[str, _Uses] = defaultdict(_Uses)
    total = 0
    for number, text in enumerate(texts):
        total += 1
        if text.isalpha():
            continue
        cleaned = _without_addresses(normaliser.before_punctuation(text))
        for match in _SIGN.finditer(cleaned):
            if match[0] not in known and not (match[0] == "'" and _is_quoted(cleaned)) and _may_be_a_letter(match[0]):
                _count(uses[match[0]], match, number)
    fewest = max(FEWEST_TEXTS, TEXTS_SHARE * total)
    found = [
        LetterSign(
            sign,
            len(use.texts[place]),
            tuple(list(use.words[place])[:EXAMPLES]),
            _option(sign, place, use.words[place]),
        )
        for sign, use in uses.items()
        for place in (*_PLACES, "anywhere")
        if len(use.texts[place]) >= (max(fewest, HYPHENS_SHARE * total) if sign == "-" else fewest)
        and len(use.words[place]) >= FEWEST_WORDS
        and use.count[place] >= INSIDE_SHARE * use.everywhere
    ]
    best = {proposal.sign: proposal for proposal in sorted(found, key=lambda proposal: proposal.texts)}
    return tuple(sorted(best.values(), key=lambda proposal: -proposal.texts))


_SIGN = re.compile(r"[^\s\w]|(?<!\d)\d(?!\d)")
_ADDRESS = re.compile(
    r"[^\s@]{1,64}@\S{1,200}|(?:https?|ftp)://\S+|\bwww\.\S+|\S{1,64}\.(?:com|org|net|nl|de|fr|eu|ru|uk)\b\S*", re.I
)


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(" ", text) if "." in text else text


def _may_be_a_letter(sign: str) -> bool:
    if sign == "-":
        return True
    kind = unicodedata.category(sign)
    alphabetic = sign < "\u0e00" or "\u2010" <= sign <= "\u2e7f" or "\ua700" <= sign <= "\ua7ff"
    return alphabetic and kind not in ("Pd", "Ps", "Pe", "Pi", "Pf", "Sc", "So", "Mn", "Mc", "Me", "Cf")


def _count(use: _Uses, match: re.Match[str], number: int) -> None:
    text, at = match.string, match.start()
    use.everywhere += 1
    before, after = text[max(at - 1, 0) : at], text[at + 1 : at + 2]
    in_front, behind = _is_letter(before), _is_letter(after)
    word = _word_around(text, at)
    digit = match[0].isdigit()
    if digit and (before + after).isupper() and not text.isupper():
        return  # A4, MP3
    if in_front and behind:
        if match[0] == "'":
            return  # it stays there in every language
        place = "between"
        if match[0] in ".:" and _is_abbreviation(word):
            return
    elif behind and match[0] != "-" and (digit or (at and before.isspace() and not _ends_sentence(text[:at]))):
        place = "start"
    elif in_front and (digit or match[0] == "'" or match[0] not in _PUNCTUATION):
        place = "end"
    else:
        return
    if match[0] not in _PUNCTUATION or match[0] in _USUAL_LETTER:
        place = "anywhere"
    use.count[place] += 1
    use.texts[place].add(number)
    use.words[place][word] += 1


def _is_quoted(text: str) -> bool:
    """Whether apostrophes open and close a quotation in the text."""
    return re.search(r"(?<!\w)'(?=\w)", text) is not None and re.search(r"(?<=[\w.,!?])'(?!\w)", text) is not None


def _word_around(text: str, at: int) -> str:
    start, end = at, at + 1
    while start and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[start:end].rstrip(".,;:!?")


def _is_abbreviation(word: str) -> bool:
    """z.B., i.d.R.; EU:n, which has capitals before the sign and none behind it."""
    parts = [part for part in re.split(r"[^\w']+", word) if part]
    return all(len(part) == 1 for part in parts) or (
        len(parts) > 1 and len(parts[0]) > 1 and parts[0].isupper() and parts[1].islower()
    )


def _ends_sentence(text: str) -> bool:
    return text.rstrip().endswith((".", "!", "?", "…", ":"))


def _is_letter(character: str) -> bool:
    return character != "" and (
        unicodedata.category(character)[0] in "LM" or character in "'" + APOSTROPHES + MODIFIER_APOSTROPHES
    )


def _option(sign: str, place: str, words: Iterable[str]) -> str:
    cyrillic = any("\u0400" <= character <= "\u052f" for word in words for character in word)
    usual = (_USUAL_LETTER | _PALOCHKA) if cyrillic else _USUAL_LETTER
    if sign in usual:
        return f"{sign}={usual[sign]}"
    return {"start": f"{sign}*", "end": f"*{sign}"}.get(place, sign)


def options_for(signs: Sequence[LetterSign]) -> str:
    """The words of a command line that make these signs letters: --letters ',' --letters '|=Ӏ'."""
    quoted = (f"'{sign.option}'" if "'" not in sign.option else f'"{sign.option}"' for sign in signs)
    return " ".join(f"--letters {option}" for option in quoted)
