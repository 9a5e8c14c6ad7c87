"""A table of the numbers in a collection of texts with the ways to say them, for a person to choose from.

The words are those of the Unicode Consortium's rules for spelling numbers out, which ICU uses, for some ninety
languages. `1990` is spoken in several ways even so: nothing is replaced until somebody has read the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from goama.errors import GoamaError
from goama.text.replacements import CHOICE, UNKNOWN

_MOST_DIGITS = 15
_YEARS = range(1100, 2100)


def readings(number: str, language: str | None) -> tuple[str, ...]:
    """The ways to say it in words: as a count, in each gender, and as a year; none where the language is not known.

    number: decimal digits of any script. One that begins with 0, or has more than 15 digits, is said digit by digit
    or otherwise: none. The first is the one used in counting.
    """
    from unicode_rbnf import FormatPurpose, RbnfEngine
    from unicode_rbnf.engine import NoRuleForNumberError

    if not language or len(number) > _MOST_DIGITS or (len(number) > 1 and int(number[0]) == 0):
        return ()
    try:
        engine = RbnfEngine.for_language(language)
    except ValueError:
        return ()
    said = []
    for purpose in (FormatPurpose.CARDINAL, FormatPurpose.YEAR) if int(number) in _YEARS else (FormatPurpose.CARDINAL,):
        with suppress(ValueError, NoRuleForNumberError):  # not every language has a way of its own to say years
            said.append(engine.format_number(int(number), purpose))
    ways = [result.text for result in said] + [
        words for result in said for name, words in result.text_by_ruleset.items() if "financial" not in name
    ]
    return tuple(dict.fromkeys(way for way in ways if not any(map(str.isdigit, way))))


def write_table(numbers: Iterable[str], language: str | None, path: Path) -> int:
    """Write `number<TAB>words` for `read_replacements`: all readings, or `?`, where somebody has to choose.

    Returns how many lines leave no choice. Raises `GoamaError` where the file exists: it may hold somebody's work.
    """
    found = [(number, readings(number, language)) for number in sorted(set(numbers), key=lambda n: (int(n), n))]
    lines = [f"{number}\t{CHOICE.join(ways) or UNKNOWN}\n" for number, ways in found]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.writelines(lines)
    except FileExistsError:
        raise GoamaError(f"{path} exists, and may hold your work; choose another name with --numbers") from None
    except OSError as error:
        raise GoamaError(f"{path} cannot be written ({error.strerror})") from error
    return sum(len(ways) == 1 for _, ways in found)
