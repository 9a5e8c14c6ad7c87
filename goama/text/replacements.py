"""The user's own table, what is typed and what is to be written: reading it, and replacing by it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from goama.errors import GoamaError

CHOICE, UNKNOWN = " | ", "?"
"""Between readings of a number, and in the place of one: the table is not finished yet."""

_ANYWHERE = "*"
_MOST_PASSES = 10  # over their own result: ll → l in alllways


@dataclass(frozen=True)
class Replacement:
    """A word of its own, or, `anywhere`, a piece inside words too, that is to be written otherwise.

    `typed` without capitals is found in any case, with capitals only as it is.
    """

    typed: str
    written: str
    anywhere: bool = False


def read_replacements(path: str | Path) -> tuple[Replacement, ...]:
    """The entries of a UTF-8 file with two columns parted by a tab, or by two spaces; blank lines do not count.

    An entry is a word, or several, that stands by itself: `10`, `dr.`, `%`. A single letter, or a piece between
    asterisks (`*ch*`), is replaced inside words too. An empty second column removes it. Raises `GoamaError` with
    the line where there are not two columns, something is listed twice, or a number's words are still to be chosen.
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
        columns = line.split("\t") if "\t" in line else re.split(" {2,}", line.strip())  # as a screen shows a tab
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
    """A letter with its marks, or a mark alone: no digit, which is a number when it stands by itself."""
    kinds = [unicodedata.category(character)[0] for character in text]
    return bool(kinds) and kinds[0] in "LM" and all(kind == "M" for kind in kinds[1:])


class Replacer:
    """Replaces by a table: longer entries before shorter ones, words before pieces of words."""

    def __init__(self, table: Iterable[Replacement], punctuation: str) -> None:
        """`punctuation`: signs that count as a space between the words of an entry, because they will become one."""
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

        # A word is looked up whole: a table may hold thousands of numbers.
        self._word_pattern = re.compile("|".join([*(f"({phrase(e)})" for e in self._phrases), f"{letter}+"]))
        self._piece_pattern = re.compile("|".join(f"({_in_its_case(e.typed, e)})" for e in self._pieces) or "(?!)")

    def __call__(self, text: str) -> str:
        """Until nothing is left to replace: what a replacement leaves may meet its neighbours."""
        for _ in range(_MOST_PASSES):
            changed = self.once(text)
            if changed == text:
                break
            text = changed
        return text

    def once(self, text: str) -> str:
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
    """Runs of letters, marks and digits."""
    return re.findall(f"{_letter()}+", text)


@cache
def _letter() -> str:
    """A pattern for one letter, digit or combining mark, which is a letter to a reader but not to `\\w`."""
    return rf"[\w{character_ranges(c for c in map(chr, range(0x1FB00)) if unicodedata.category(c)[0] == 'M')}]"


def character_ranges(characters: Iterable[str]) -> str:
    """These characters as the inside of a bracket expression."""
    # Written as ranges: thousands of single emoji are tried one by one at each letter, ten times slower.
    ranges: list[list[str]] = []
    for character in sorted(characters):
        if ranges and ord(character) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = character
        else:
            ranges.append([character, character])
    return "".join(f"{re.escape(first)}-{re.escape(last)}" for first, last in ranges)
