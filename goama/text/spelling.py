"""The user's choices of spelling, and the normaliser that follows from them and from the texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from goama.errors import GoamaError
from goama.text.conventions import lone_marks, marks_in
from goama.text.languages import LetterRule
from goama.text.normaliser import Normaliser
from goama.text.replacements import Replacement

BRACKETS = ("drop", "keep", "leave-out")


@dataclass(frozen=True)
class Spelling:
    """What the user says about the transcripts.

    letters:   signs that are letters (`--letters`), besides those of the language
    brackets:  what becomes of text in brackets: `drop` it, `keep` its words, `leave-out` the clip
    tables:    replacements, applied in this order
    """

    letters: tuple[LetterRule, ...] = ()
    brackets: str = "drop"
    tables: tuple[tuple[Replacement, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.brackets not in BRACKETS:
            raise GoamaError(f"--brackets {self.brackets}: possible are {', '.join(BRACKETS)}")

    def normaliser(self, language: str | None, texts: Sequence[str] = ()) -> Normaliser:
        """The rules for a language with these choices; `texts` show which signs stand alone as marks.

        Raises `GoamaError` when the language is no language tag, or a table would replace its own result.
        """
        standard = Normaliser.for_language(language)
        signs = (*standard.tables.letter_signs, *self.letters)
        marks = marks_in(texts) if self.brackets != "keep" else ()
        tables = replace(standard.tables, letter_signs=signs, lone_marks=lone_marks(marks))
        made = replace(standard, tables=tables)
        if self.brackets == "keep":
            made = made.with_brackets_kept()
        return made.replacing(*self.tables)
