"""The user's own replacements: a table of what is typed and what to write, read from a file and applied to text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from goama.errors import GoamaError

CHOICE, UNKNOWN = " | ", "?"
"""The separator of several readings of a number, and the mark for no reading: both still need a decision."""

_ANYWHERE = "*"
_MOST_PASSES = 10  # because a result may match again: ll → l in alllways


@dataclass(frozen=True)
class Replacement:
    """Write `written` for `typed`, which is a whole word or phrase, or with `anywhere` also part of a word.

    `typed` in lower case is found in any case; with capitals only as it is.
    """

    typed: str
    written: str
    anywhere: bool = False


def read_replacements(path: str | Path) -> tuple[Replacement, ...]:
    """The entries of a UTF-8 table with two columns separated by a tab or two spaces; blank lines are skipped.

    The first column is a whole word or phrase (`10`, `dr.`, `%`). A single letter, or text between asterisks
    (`*ch*`), is also replaced inside words. An empty second column removes the text.
    Raises `GoamaError` with the line when it has not two columns, repeats an entry, or leaves the reading of a number
    open; also when the file cannot be read or is empty.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise GoamaError(f"{path} cannot be read ({error.strerror}); give a table with two columns") from error
    except UnicodeDecodeError as error:
        raise GoamaError(f"{path}: not UTF-8 text; save the table again with encoding UTF-8") from error
    entries: dict[str, tuple[int, Replacement]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        columns = line.split("\t") if "\t" in line else re.split(" {2,}", line.strip())  # a tab copied from a screen
        if len(columns) != 2:
            raise GoamaError(
                f"{path}:{number}: {len(columns)} {'column' if len(columns) == 1 else 'columns'}; each line holds what "
                "is typed, one tab, and what to write"
            )
        entry = _entry(*columns)
        if not entry.typed:
            raise GoamaError(f"{path}:{number}: the first column is empty; it holds what to replace")
        if entry.typed.isdecimal() and (CHOICE in entry.written or entry.written == UNKNOWN):
            how = "leave one of them" if CHOICE in entry.written else f"write them in the place of {UNKNOWN}"
            raise GoamaError(
                f"{path}:{number}: the words for {entry.typed} are still to be chosen; {how}, or delete the line"
            )
        if entry.typed in entries:
            raise GoamaError(f"{path}:{number}: {entry.typed!r} is there already, in line {entries[entry.typed][0]}")
        entries[entry.typed] = number, entry
    if not entries:
        raise GoamaError(f"{path}: the table is empty; each line holds what is typed, one tab, and what to write")
    return tuple(entry for _, entry in entries.values())


def _entry(typed: str, written: str) -> Replacement:
    typed, written = (" ".join(unicodedata.normalize("NFC", column).split()) for column in (typed, written))
    if len(typed) > 2 and typed.startswith(_ANYWHERE) and typed.endswith(_ANYWHERE):
        return Replacement(typed[1:-1], written, anywhere=True)
    return Replacement(typed, written, anywhere=_is_one_letter(typed))


def _is_one_letter(text: str) -> bool:
    """Whether it is one letter with its marks, or one mark. A digit is not: it is a number."""
    kinds = [unicodedata.category(character)[0] for character in text]
    return bool(kinds) and kinds[0] in "LM" and all(kind == "M" for kind in kinds[1:])


class Replacer:
    """Applies replacements to text: longer entries before shorter ones, whole words before parts of words."""

    def __init__(self, table: Iterable[Replacement], punctuation: str) -> None:
        """`punctuation`: characters that count as a space between the words of an entry."""
        entries = sorted(table, key=lambda entry: -len(entry.typed))
        letter = _letter()
        self._words = {e.typed: e for e in entries if not e.anywhere and re.fullmatch(f"{letter}+", e.typed)}
        self._phrases = [e for e in entries if not e.anywhere and e.typed not in self._words]
        self._pieces = [e for e in entries if e.anywhere]
        parting = rf"[\s{character_ranges(punctuation)}]+"

        def phrase(entry: Replacement) -> str:
            start = f"(?<!{letter})" if re.match(letter, entry.typed) else ""
            end = f"(?!{letter})" if re.match(letter, entry.typed[-1]) else ""
            return start + parting.join(_in_its_case(part, entry) for part in entry.typed.split(" ")) + end

        # Single words are looked up in a dictionary, because a table may hold thousands of numbers.
        self._word_pattern = re.compile("|".join([*(f"({phrase(e)})" for e in self._phrases), f"{letter}+"]))
        self._piece_pattern = re.compile("|".join(f"({_in_its_case(e.typed, e)})" for e in self._pieces) or "(?!)")

    def __call__(self, text: str) -> str:
        """The text with all replacements; repeated, because a result may form a new match with its neighbours."""
        for _ in range(_MOST_PASSES):
            changed = self.once(text)
            if changed == text:
                break
            text = changed
        return text

    def once(self, text: str) -> str:
        """The text after one pass over words and one over parts of words."""
        return self._piece_pattern.sub(self._piece, self._word_pattern.sub(self._word, text))

    def _word(self, match: re.Match[str]) -> str:
        if match.lastindex:
            entry: Replacement | None = self._phrases[match.lastindex - 1]
        else:
            entry = self._words.get(match[0]) or self._words.get(match[0].lower())
        if entry is None:
            return match[0]
        before, after = match.string[: match.start()], match.string[match.end() :]
        space_before = "" if not before or before[-1].isspace() else " "
        return space_before + entry.written + ("" if not after or after[0].isspace() else " ")

    def _piece(self, match: re.Match[str]) -> str:
        return self._pieces[(match.lastindex or 1) - 1].written


def _in_its_case(text: str, entry: Replacement) -> str:
    return re.escape(text) if entry.typed != entry.typed.lower() else f"(?i:{re.escape(text)})"


def words_in(text: str) -> list[str]:
    """The words of a text: runs of letters, marks and digits."""
    return re.findall(f"{_letter()}+", text)


@cache
def _letter() -> str:
    """A pattern for one letter, digit or combining mark, which `\\w` does not match."""
    return rf"[\w{character_ranges(c for c in map(chr, range(0x1FB00)) if unicodedata.category(c)[0] == 'M')}]"


def character_ranges(characters: Iterable[str]) -> str:
    """These characters as the inside of a bracket expression."""
    # Ranges, because a bracket expression of thousands of single characters is ten times slower.
    ranges: list[list[str]] = []
    for character in sorted(characters):
        if ranges and ord(character) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = character
        else:
            ranges.append([character, character])
    return "".join(f"{re.escape(first)}-{re.escape(last)}" for first, last in ranges)
