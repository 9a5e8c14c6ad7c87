"""From a transcript as typed to the text that a recogniser learns: lower case, no silent signs, one spelling.

A normaliser is an ordered list of named rules. It is saved with the model, so that training text, references and
text for a language model are spelled alike.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from goama.errors import GoamaError
from goama.text.languages import KEPT_BY_SCRIPT, LetterRule, Orthography, orthography
from goama.text.notes import only_letters
from goama.text.replacements import Replacement
from goama.text.rules import RULES

FORMAT_VERSION = 2
"""1: goama 0.1, without the rules for presentation forms, code points, transcription marks and notes."""

REPLACE = "replace"
"""The rule of the user's own tables; it precedes all rules that remove signs, so that `%`, abbreviations and notes can
be spelled out."""

REMOVE_NOTES = "remove-notes"
"""The rule that drops what is in brackets; a normaliser that keeps those words is without it."""

STANDARD_RULES = (
    "nfc",
    "fold-presentation-forms",
    "remove-control-characters",
    "unify-code-points",
    "restore-letters",
    "unify-apostrophes",
    "unify-quotes",
    "remove-transcription-marks",
    REMOVE_NOTES,
    "remove-lone-marks",
    "remove-punctuation",
    "lowercase",
    "collapse-spaces",
)

_AFTER_TABLES = ("remove-transcription-marks", REMOVE_NOTES, "remove-lone-marks", "remove-punctuation")

_RULES_SINCE_2 = ("unify-code-points", "remove-transcription-marks", REMOVE_NOTES, "remove-lone-marks")
"""Rules that an earlier or later rule may give more to do: `'%uh` is `%uh` once the apostrophe is gone."""

_MOST_PASSES = 10  # three were enough for every text that was tried

_TABLES_SINCE_2 = ("further_replacements", "letter_signs", "variants", "without_lower_case", "lone_marks")


@dataclass(frozen=True)
class Normaliser:
    """An ordered list of named rules and the character tables they use.

    It is idempotent: where a rule may have given an earlier one more to do, all rules are applied again. Normalisers
    of goama 0.1, whose rules never do that, apply theirs once.

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

    def with_brackets_kept(self) -> Normaliser:
        """This normaliser without the rule that drops what is in brackets: the words in them are taken as spoken."""
        return replace(self, rules=tuple(name for name in self.rules if name != REMOVE_NOTES))

    def replacing(self, *tables: Iterable[Replacement]) -> Normaliser:
        """This normaliser with the user's tables, in their order, as the rule `replace`, instead of those it had.

        Raises `GoamaError` when the result of an entry would itself be replaced: a normaliser is idempotent.
        """
        rules = [name for name in self.rules if name != REPLACE]
        bare = Normaliser(self.language, tuple(rules), replace(self.tables, replacements=(), further_replacements=()))
        place = next((n for n, name in enumerate(rules) if name in _AFTER_TABLES), len(rules))
        before = replace(bare, rules=tuple(rules[:place]))
        first, *others = [
            tuple(replace(entry, typed=before(entry.typed), written=bare(entry.written)) for entry in table)
            for table in tables
        ] or [()]
        if not first and not others:
            return bare
        rules.insert(place, REPLACE)
        applied = replace(self.tables, replacements=first, further_replacements=tuple(others))
        _require_final_forms(applied)
        return Normaliser(self.language, tuple(rules), applied)

    def before_punctuation(self, text: str) -> str:
        """The text after the rules for letters, tables and notes, before punctuation and case are touched."""
        for name in self.rules:
            if name == "remove-punctuation":
                break
            text = self._apply(name, text)
        return text

    def until_tables(self, text: str) -> str:
        """The text after the user's tables, with the notes that are left in it."""
        for name in self.rules:
            if name in _AFTER_TABLES:
                break
            text = self._apply(name, text)
        return text

    def __call__(self, text: str) -> str:
        """The normalised text."""
        steps = self.steps(text)
        return steps[-1][1] if steps else text

    def steps(self, text: str) -> list[tuple[str, str]]:
        """(rule name, text after the rule) for each rule in order; more than once where another pass changes it."""
        steps = self._pass(text)
        if not any(name in _RULES_SINCE_2 for name in self.rules):
            return steps
        latest = steps
        for _ in range(_MOST_PASSES):
            if _is_final(latest):
                break
            again = self._pass(latest[-1][1])
            if again[-1][1] == latest[-1][1]:
                break
            steps, latest = steps + again, again
        return steps

    def _pass(self, text: str) -> list[tuple[str, str]]:
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
            del tables["replacements"]
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
            tables["replacements"] = _entries(tables.get("replacements", ()))
            for name in _TABLES_SINCE_2:
                tables.setdefault(name, vars(Orthography())[name])
            tables["letter_signs"] = tuple(LetterRule(**rule) for rule in tables["letter_signs"])
            tables["further_replacements"] = tuple(_entries(table) for table in tables["further_replacements"])
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


def _is_final(steps: Sequence[tuple[str, str]]) -> bool:
    """Whether the text after these steps needs no other pass: it has no signs, and no rule has joined its letters."""
    joined = any(name in _RULES_SINCE_2 and after != before for (_, before), (name, after) in pairwise(steps))
    parted = any("_" in text for _, text in steps)  # a letter to the user's tables, and then a space
    return not joined and not parted and only_letters(steps[-1][1], _WITHIN_WORDS)


_WITHIN_WORDS = " '\u200c\u200d" + KEPT_BY_SCRIPT


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _entries(table: Sequence[dict[str, Any]]) -> tuple[Replacement, ...]:
    return tuple(Replacement(**entry) for entry in table)


def _require_final_forms(tables: Orthography) -> None:
    """Raises `GoamaError` when what an entry writes is not what stays of it after all tables."""
    for number, table in enumerate(tables.replacement_tables):
        for entry in table:
            if tables.replacers[number].once(entry.written) != entry.written:
                raise GoamaError(
                    f"{entry.typed!r} cannot be replaced by {entry.written!r}, because the table replaces that in its "
                    "turn; write the final form at once"
                )
            written = entry.written
            for later in tables.replacers[number + 1 :]:
                written = later(written)
            if any(earlier.once(written) != written for earlier in tables.replacers):
                raise GoamaError(
                    f"{entry.typed!r} becomes {written!r} by the tables in their order, and an earlier table replaces "
                    "that again; take the entry out of one of them"
                )
