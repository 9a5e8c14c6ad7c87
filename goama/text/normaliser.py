"""From a transcript as typed to the text that a recogniser learns: lower case, no silent signs, one spelling.

A normaliser is an ordered list of named rules. It is saved with the model, so that training text, references and
text for a language model are spelled alike.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.text.languages import (
    APOSTROPHES,
    MODIFIER_APOSTROPHES,
    LetterRule,
    Orthography,
    orthography,
)
from goama.text.replacements import Replacement, character_ranges

FORMAT_VERSION = 1

STANDARD_RULES = (
    "nfc",
    "remove-control-characters",
    "restore-letters",
    "unify-apostrophes",
    "unify-quotes",
    "remove-punctuation",
    "lowercase",
    "collapse-spaces",
)

REPLACE = "replace"
"""The rule of the user's own table; it precedes remove-punctuation, so that abbreviations and % can be spelled out."""


@dataclass(frozen=True)
class Normaliser:
    """An ordered list of named rules and the character tables they use. It is idempotent.

    Diacritics are never removed, nor are characters that are read out (% & + = € ° § @ №, digits): they stay in the
    text, where the audit and the vocabulary's report show them. Text is NFC after every rule, so composed and
    decomposed input give the same output.
    """

    language: str | None
    rules: tuple[str, ...]
    tables: Orthography = field(default_factory=lambda: orthography(None), repr=False)

    def __post_init__(self) -> None:
        for name in self.rules:
            if name not in RULES:
                raise GoamaError(f"The normaliser has no rule {name!r}; the rules are {', '.join(RULES)}.")

    @classmethod
    def for_language(cls, language: str | None) -> Normaliser:
        """The standard rules with the tables of a language ("nl", "nl-NL", "mos_Latn"; None if it is unknown).

        Raises `GoamaError` when `language` is not a language tag.
        """
        tag = None if language is None else language.replace("_", "-")
        return cls(tag, STANDARD_RULES, orthography(language))

    def replacing(self, replacements: Iterable[Replacement]) -> Normaliser:
        """This normaliser with the user's table as the rule `replace`, instead of the table it had.

        Raises `GoamaError` when the result of an entry would itself be replaced: a normaliser is idempotent.
        """
        rules = [name for name in self.rules if name != REPLACE]
        bare = Normaliser(self.language, tuple(rules), replace(self.tables, replacements=()))
        place = rules.index("remove-punctuation") if "remove-punctuation" in rules else len(rules)
        before = replace(bare, rules=tuple(rules[:place]))
        table = tuple(replace(entry, typed=before(entry.typed), written=bare(entry.written)) for entry in replacements)
        if not table:
            return bare
        rules.insert(place, REPLACE)
        made = Normaliser(self.language, tuple(rules), replace(self.tables, replacements=table))
        for entry in table:
            if made.tables.replacer.once(entry.written) != entry.written:
                raise GoamaError(
                    f"{entry.typed!r} cannot be replaced by {entry.written!r}, because the table replaces that in its "
                    "turn; write the final form at once"
                )
        return made

    def __call__(self, text: str) -> str:
        """The normalised text."""
        for name in self.rules:
            text = self._apply(name, text)
        return text

    def steps(self, text: str) -> list[tuple[str, str]]:
        """(rule name, text after the rule) for each rule in order."""
        after: list[tuple[str, str]] = []
        for name in self.rules:
            text = self._apply(name, text)
            after.append((name, text))
        return after

    def _apply(self, name: str, text: str) -> str:
        # Removing a character may join a letter and its accent, hence NFC after every rule.
        return unicodedata.normalize("NFC", RULES[name](text, self.tables))

    def to_dict(self) -> dict[str, Any]:
        """The content of normaliser.json."""
        return {
            "format": "goama-normaliser",
            "version": FORMAT_VERSION,
            "language": self.language,
            "rules": list(self.rules),
            "unicode": unicodedata.unidata_version,
            "tables": self._tables_to_dict(),
        }

    def _tables_to_dict(self) -> dict[str, Any]:
        tables = asdict(self.tables)
        if not self.tables.replacements:
            del tables["replacements"]  # an older goama, which has no replacements, can read the file
        return tables

    @classmethod
    def from_dict(cls, data: Any, *, source: str = "the normaliser") -> Normaliser:
        """The normaliser described by the result of `to_dict`; `source` names the file in errors.

        Raises `GoamaError` when the data are incomplete, damaged or from a newer goama.
        """
        if not isinstance(data, dict) or data.get("format") != "goama-normaliser":
            raise GoamaError(f"{source} is not a goama normaliser; copy normaliser.json from the model again.")
        version = data.get("version")
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise GoamaError(
                f"{source} has format version {version!r} and this goama reads up to {FORMAT_VERSION}; update goama."
            )
        unknown = [name for name in data.get("rules", ()) if name not in RULES]
        if unknown:
            raise GoamaError(f"{source} asks for the rule {unknown[0]!r}, which this goama lacks; update goama.")
        try:
            tables = {name: _frozen(value) for name, value in data["tables"].items()}
            tables["letter_rules"] = tuple(LetterRule(**rule) for rule in tables["letter_rules"])
            tables["replacements"] = tuple(Replacement(**entry) for entry in tables.get("replacements", ()))
            for name, default in vars(Orthography()).items():
                if type(tables[name]) is not type(default):
                    raise TypeError(f"its table {name} is a {type(tables[name]).__name__}")
            return cls(data["language"], tuple(data["rules"]), Orthography(**tables))
        except (KeyError, TypeError, AttributeError) as error:
            raise GoamaError(
                f"{source} is incomplete or damaged ({error}); copy normaliser.json from the model again."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the normaliser as JSON; the file is complete or not there."""
        path = Path(path)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n", "utf-8")
        beside.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Normaliser:
        """The normaliser in a file that `save` wrote.

        Raises `GoamaError` when the file cannot be read, is damaged or from a newer goama.
        """
        path = Path(path)
        try:
            data = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise GoamaError(f"{path} cannot be read ({error.strerror}); give the file of a normaliser.") from error
        except ValueError as error:
            raise GoamaError(f"{path} is not valid JSON ({error}); copy it from the model again.") from error
        return cls.from_dict(data, source=str(path))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _nfc(text: str, tables: Orthography) -> str:
    return unicodedata.normalize("NFC", text)


def _remove_control_characters(text: str, tables: Orthography) -> str:
    """All white space becomes U+0020; control characters and `silent_inside_words` are removed.

    Zero-width joiners stay where they change the shape of a letter, as in Persian and Sinhala.
    """
    silent = tables.silent_inside_words
    if text.isprintable() and not _any_of(silent).search(text):
        return text  # the common case: no controls, joiners or spaces other than U+0020
    text = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace()
        or character in "\u200c\u200d"
        or (character not in silent and unicodedata.category(character) not in ("Cc", "Cf", "Cs"))
    )
    return re.sub("[\u200c\u200d]+", _joiner, text)


def _joiner(match: re.Match[str]) -> str:
    # All marks of the letter count, not only the last, because NFC may reorder them later.
    start = match.start() - 1
    while start > 0 and unicodedata.category(match.string[start])[0] == "M":
        start -= 1
    cluster = match.string[max(start, 0) : match.start()]
    if not any(_is_letter(character) and _has_joining_script(character) for character in cluster):
        return ""
    # In older Malayalam and Sinhala spelling some words end in a virama and a joiner.
    closes = any(unicodedata.combining(character) == 9 for character in cluster)
    return match[0][0] if closes or _is_letter(_neighbours(match)[1]) else ""


def _has_joining_script(character: str) -> bool:
    """Whether the script is Arabic, Indic, Khmer, Mongolian or one between them; not Latin, Greek, Cyrillic, Hebrew."""
    return (
        "\u0600" <= character <= "\u109f"
        or "\u1700" <= character <= "\u1c7f"
        or "\ua800" <= character <= "\uabff"
        or "\ufb50" <= character <= "\ufefc"
        or "\U00010a00" <= character <= "\U00011fff"
        or "\U0001e900" <= character <= "\U0001e95f"
    )


def _restore_letters(text: str, tables: Orthography) -> str:
    """Characters typed instead of a letter that keyboards lack become that letter: 'ōlelo → ʻōlelo, l•l → l·l."""
    for rule in tables.letter_rules:

        def letter(match: re.Match[str], rule: LetterRule = rule) -> str:
            before, after = _neighbours(match)
            fits = _fits(before, rule.after) and _fits(after, rule.before)
            return rule.letter if fits else match[0]

        text = _any_of(rule.typed_as).sub(letter, text)
    return text


def _fits(neighbour: str, wanted: str) -> bool:
    return not wanted or (_is_letter(neighbour) if wanted == "*" else neighbour != "" and neighbour in wanted)


def _unify_apostrophes(text: str, tables: Orthography) -> str:
    return _any_of(tables.apostrophes).sub("'", text)


def _unify_quotes(text: str, tables: Orthography) -> str:
    return _any_of(tables.quotes).sub('"', text)


def _replace(text: str, tables: Orthography) -> str:
    return tables.replacer(text) if tables.replacements else text


def _remove_punctuation(text: str, tables: Orthography) -> str:
    """Punctuation becomes a space, unless it belongs to a word by the tables of the language."""
    if "-" in tables.kept_inside_words:
        text = _any_of(tables.hyphens).sub("-", text)

    def keep_or_part(match: re.Match[str]) -> str:
        before, after = _neighbours(match)
        sign = match[0]
        if sign in tables.kept_inside_words and _is_letter(before) and _is_letter(after):
            return sign
        if sign == "'" and _is_letter(after) and not _is_letter(before):
            return sign if _listed(_word_after(match), tables.initial_apostrophe) else " "
        if sign == "'" and _is_letter(before) and not _is_letter(after):
            return sign if _listed(_word_before(match), tables.final_apostrophe) else " "
        return " "

    return _any_of(tables.punctuation).sub(keep_or_part, text)


def _listed(word: str, words: tuple[str, ...]) -> bool:
    return "*" in words or word.lower() in words


def _word_after(match: re.Match[str]) -> str:
    end = match.end()
    while end < len(match.string) and _is_letter(match.string[end]):
        end += 1
    return match.string[match.end() : end]


def _word_before(match: re.Match[str]) -> str:
    start = match.start()
    while start > 0 and _is_letter(match.string[start - 1]):
        start -= 1
    return match.string[start : match.start()]


def _lowercase(text: str, tables: Orthography) -> str:
    if tables.dotless_i:
        # lower() turns İ into i\u0307 because it does not know the language; both are i here.
        text = re.sub("i\u0307+", "i", text.replace("İ", "i").replace("I", "ı"))
    return text.lower()


def _collapse_spaces(text: str, tables: Orthography) -> str:
    return " ".join(text.split())


RULES: dict[str, Callable[[str, Orthography], str]] = {
    "nfc": _nfc,
    "remove-control-characters": _remove_control_characters,
    "restore-letters": _restore_letters,
    "unify-apostrophes": _unify_apostrophes,
    "unify-quotes": _unify_quotes,
    REPLACE: _replace,
    "remove-punctuation": _remove_punctuation,
    "lowercase": _lowercase,
    "collapse-spaces": _collapse_spaces,
}


def _neighbours(match: re.Match[str]) -> tuple[str, str]:
    """(character before the match, character after it); "" at the ends of the text."""
    return match.string[max(match.start() - 1, 0) : match.start()], match.string[match.end() : match.end() + 1]


def _is_letter(character: str) -> bool:
    """Whether it is a letter, mark or digit; apostrophes that Unicode calls letters do not count."""
    return (
        character != ""
        and unicodedata.category(character)[0] in "LMN"
        and character not in APOSTROPHES + MODIFIER_APOSTROPHES
    )


@cache
def _any_of(characters: str) -> re.Pattern[str]:
    """A pattern for one of these characters; if there are none, a pattern that never matches."""
    inside = character_ranges(characters)
    return re.compile(f"[{inside}]" if inside else "(?!)")
