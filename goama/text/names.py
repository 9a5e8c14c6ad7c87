"""What a language is called, for people; from langcodes, which has the names of IANA and CLDR."""

from __future__ import annotations


def bcp47(language: str) -> str:
    """The tag as BCP 47 writes it: `mos_latn` is mos-Latn. A tag that it cannot read stays as it is."""
    import langcodes

    try:
        return langcodes.standardize_tag(language)
    except langcodes.LanguageTagError:
        return language


def language_name(language: str) -> str:
    """The English name of a language tag, such as "Mossi"; the tag itself where there is none."""
    import langcodes

    try:
        name = langcodes.get(language).display_name()
    except langcodes.LanguageTagError:
        return language
    return language if name.startswith("Unknown language") else name
