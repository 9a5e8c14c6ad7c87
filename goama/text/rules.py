"""The rules of a normaliser: each turns a text into one that is closer to what a recogniser learns.

A rule that was ever saved with a model keeps its name and what it does; what changes is a new rule, or a new table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

from goama.text.code_points import fold_presentation_forms, unify_code_points
from goama.text.languages import APOSTROPHES, MODIFIER_APOSTROPHES, LetterRule, Orthography
from goama.text.notes import remove_lone_signs, remove_marks, remove_notes
from goama.text.replacements import character_ranges


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


def _fold_presentation_forms(text: str, tables: Orthography) -> str:
    return fold_presentation_forms(text)


def _unify_code_points(text: str, tables: Orthography) -> str:
    return unify_code_points(text, tables.variants)


def _restore_letters(text: str, tables: Orthography) -> str:
    """Characters typed instead of a letter that keyboards lack become that letter: 'ōlelo → ʻōlelo, l•l → l·l."""
    for rule in (*tables.letter_rules, *tables.letter_signs):

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
    for replacer in tables.replacers:
        text = replacer(text)
    return text


def _remove_notes(text: str, tables: Orthography) -> str:
    return remove_notes(text)


def _remove_transcription_marks(text: str, tables: Orthography) -> str:
    return remove_marks(text, "".join(rule.letter for rule in tables.letter_signs))


def _remove_lone_marks(text: str, tables: Orthography) -> str:
    letters = "".join(rule.letter for rule in tables.letter_signs)
    return remove_lone_signs(text, "".join(sign for sign in tables.lone_marks if sign not in letters))


def _remove_punctuation(text: str, tables: Orthography) -> str:
    """Punctuation becomes a space, unless it belongs to a word by the tables of the language."""
    if "-" in tables.kept_inside_words:
        text = _any_of(tables.hyphens).sub("-", text)

    signs = tables.letter_signs

    def keep_or_part(match: re.Match[str]) -> str:
        before, after = _neighbours(match)
        sign = match[0]
        if any(rule.letter == sign and _fits(before, rule.after) and _fits(after, rule.before) for rule in signs):
            return sign
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
    if tables.without_lower_case and not text.isascii():
        return _any_but(tables.without_lower_case).sub(lambda match: match[0].lower(), text)
    return text.lower()


def _collapse_spaces(text: str, tables: Orthography) -> str:
    return " ".join(text.split())


RULES: dict[str, Callable[[str, Orthography], str]] = {
    "nfc": _nfc,
    "fold-presentation-forms": _fold_presentation_forms,
    "remove-control-characters": _remove_control_characters,
    "unify-code-points": _unify_code_points,
    "restore-letters": _restore_letters,
    "unify-apostrophes": _unify_apostrophes,
    "unify-quotes": _unify_quotes,
    "replace": _replace,
    "remove-transcription-marks": _remove_transcription_marks,
    "remove-notes": _remove_notes,
    "remove-lone-marks": _remove_lone_marks,
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


@cache
def _any_but(characters: str) -> re.Pattern[str]:
    """A pattern for a run of other characters."""
    return re.compile(f"[^{character_ranges(characters)}]+")
