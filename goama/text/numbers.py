"""A table of the numbers in a collection of texts with their readings in words, for the user to choose from.

The words come from the Unicode Consortium's rules for spelling out numbers (RBNF, as in ICU), for some ninety
languages. A number such as `1990` has several readings, so nothing is replaced before the user has chosen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from goama.errors import GoamaError
from goama.text.code_points import unify_code_points, variants_of
from goama.text.codes import shortest_code
from goama.text.languages import LOOK_ALIKES
from goama.text.replacements import CHOICE, UNKNOWN

_MOST_DIGITS = 15
_YEARS = range(1100, 2100)


def readings(number: str, language: str | None) -> tuple[str, ...]:
    """The readings of a number in words: the counting form first, then genders and, for a year, its readings.

    number:    decimal digits of any script
    language:  a language code

    Empty if the language is unknown, and for numbers that are not read as one number: with a leading 0, or with more
    than 15 digits.
    """
    from unicode_rbnf import FormatPurpose, RbnfEngine
    from unicode_rbnf.engine import NoRuleForNumberError

    if not language or len(number) > _MOST_DIGITS or (len(number) > 1 and int(number[0]) == 0):
        return ()
    engine = None
    given = language.lower().replace("_", "-").split("-")[0]
    for code in dict.fromkeys((language, given, shortest_code(given), *(["fil"] if given in ("tl", "tgl") else []))):
        with suppress(ValueError):
            engine = engine or RbnfEngine.for_language(code)
    if engine is None:
        return ()
    said = []
    for purpose in (FormatPurpose.CARDINAL, FormatPurpose.YEAR) if int(number) in _YEARS else (FormatPurpose.CARDINAL,):
        with suppress(ValueError, NoRuleForNumberError):  # not every language has rules of its own for years
            said.append(engine.format_number(int(number), purpose))
    ways = [result.text for result in said] + [
        words for result in said for name, words in result.text_by_ruleset.items() if "financial" not in name
    ]
    variants = variants_of(shortest_code(given))
    spelt = (unify_code_points(way.replace("\u00ad", ""), variants) for way in ways)  # some have soft hyphens
    return tuple(dict.fromkeys(way for way in spelt if not any(map(str.isdigit, way))))


def in_letters_of(words: str, letters: Mapping[str, int]) -> str:
    """The words with the letters that the texts have (letter -> count) in place of others that look the same."""
    return "".join(_own_letter(character, letters) for character in unicodedata.normalize("NFC", words))


def _own_letter(character: str, letters: Mapping[str, int]) -> str:
    if letters.get(character):
        return character
    alike = [other for group in LOOK_ALIKES if character in group for other in group if letters.get(other)]
    return max(alike, key=letters.__getitem__, default=character)


def write_table(
    numbers: Iterable[str], language: str | None, path: Path, letters: Mapping[str, int] | None = None
) -> int:
    """Write a table for `read_replacements` and return how many numbers have exactly one reading.

    letters: how often each letter occurs in the texts, whose letters the words are written with.

    Each line is `number<TAB>words`; several readings are separated by `CHOICE`, an unknown one is `UNKNOWN`.
    Raises `GoamaError` when the file exists, because it may hold the user's choices, or cannot be written.
    """
    found = [
        (number, tuple(dict.fromkeys(in_letters_of(way, letters or {}) for way in readings(number, language))))
        for number in sorted(set(numbers), key=lambda n: (int(n), n))
    ]
    lines = [f"{number}\t{CHOICE.join(ways) or UNKNOWN}\n" for number, ways in found]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.writelines(lines)
    except FileExistsError:
        raise GoamaError(f"{path} exists, and may hold your work; choose another name with --numbers") from None
    except OSError as error:
        raise GoamaError(f"{path} cannot be written ({error.strerror})") from error
    return sum(len(ways) == 1 for _, ways in found)
