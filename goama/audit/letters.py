"""Scripts, and letters that look alike but have different code points."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

# Pairs that look alike in most fonts (Unicode's confusables, UTS #39) and that people do mix up.
_LATIN_AND_CYRILLIC = (
    "aа cс eе oо pр xх yу iі lӀ jј sѕ hһ qԛ wԝ dԁ əә æӕ ëё ïї äӓ öӧ üӱ áа́ óо́ éе́ "
    "AА BВ CС EЕ HН IІ JЈ KК MМ OО PР SЅ TТ XХ YУ ƏӘ ÆӔ ËЁ ÏЇ ÄӒ ÖӦ"
)
_LATIN_AND_GREEK = "oο vν aα pρ uυ iι kκ xχ yγ ɛε ɑα óό íί áά AΑ BΒ EΕ ZΖ HΗ IΙ KΚ MΜ NΝ OΟ PΡ TΤ YΥ XΧ"
_CYRILLIC_AND_GREEK = "оο рρ хχ АΑ ВΒ ЕΕ КΚ МΜ НΗ ОΟ РΡ ТΤ ХΧ"
_LATIN_AND_ARMENIAN = "oօ uս hհ gց nո OՕ SՏ LԼ"

# Two letters of one script, or a letter and a sign; no alphabet has both.
_TWINS = (
    "șş țţ ȚŢ ȘŞ əǝ đɖ ıɩ ɩι ɛε ʔɂ ꞌʼ ʼʻ ʼ' ʻ' ꞌ' ː: ŋƞ ɡg ɑa ſs βß ǃ! "  # Latin
    "Ӏі Ӏ1 Ӏl Ӏ| Ӏi "  # the palochka of the Caucasus
    "يی كک ىی هە هہ ۆؤ ٵأ "  # Arabic and scripts derived from it
    "їı"
)


@cache
def script(character: str) -> str | None:
    """`LATIN`, `CYRILLIC`, …: the first word of a letter's Unicode name; None for signs, digits and marks.

    Letters that any script borrows (modifier letters, the micro and ordinal signs) have none either.
    """
    if unicodedata.category(character)[0] != "L":
        return None
    name = unicodedata.name(character, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    word = name.split(" ")[0].split("-")[0]
    return None if word in {"", "MODIFIER", "MICRO", "FEMININE", "MASCULINE", "KELVIN", "ANGSTROM", "SQUARE"} else word


# Japanese and Korean write several scripts in one word.
_WRITTEN_TOGETHER = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"})


def scripts_of(word: str) -> set[str]:
    """The scripts of a word's letters; those of Japanese and Korean count as one."""
    return {"CJK" if name in _WRITTEN_TOGETHER else name for c in word if (name := script(c))}


def _pairs() -> Iterator[tuple[str, str]]:
    for table in (_LATIN_AND_CYRILLIC, _LATIN_AND_GREEK, _CYRILLIC_AND_GREEK, _LATIN_AND_ARMENIAN):
        for pair in table.split():
            if len(pair) == 2:
                yield pair[0], pair[1]


_ALIKE: dict[str, dict[str, str]] = {}
for _one, _other in _pairs():
    _ALIKE.setdefault(_one, {})[script(_other) or ""] = _other
    _ALIKE.setdefault(_other, {})[script(_one) or ""] = _one

TWINS = tuple((pair[0], pair[1]) for pair in _TWINS.split())
"""Letters that look alike, of which an alphabet has only one."""


def alike_in(character: str, wanted: str) -> str | None:
    """The letter of the script `wanted` that looks like this one, or None."""
    return _ALIKE.get(character, {}).get(wanted)


def named(character: str) -> str:
    """ "о (CYRILLIC SMALL LETTER O)"; units of several code points are spelled out."""
    return f"{shown(character)} ({name(character)})"


def shown(character: str) -> str:
    """The character in printable form: marks on a dotted circle, invisible characters as code points."""
    if unicodedata.category(character[0])[0] == "M":
        return "◌" + character
    return character if character.isprintable() and not character.isspace() else f"U+{ord(character[0]):04X}"


def name(character: str) -> str:
    """The Unicode name of a character, or of each of its code points."""
    return " + ".join(unicodedata.name(c, f"U+{ord(c):04X}") for c in character)
