"""From a language tag as people write it to one code: ISO 639-1, 639-2/B, 639-2/T and 639-3 mean the same."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from goama.errors import GoamaError

# Codes that ISO has withdrawn and that people still use.
_WITHDRAWN = {
    "iw": "he", "ji": "yi", "in": "id", "jw": "jv", "mo": "ro", "mol": "ro", "scc": "sr", "scr": "hr", "bh": "bh",
}  # fmt: skip

# The usual variety of a language whose code covers several: spelling and number words are known by the short code.
_VARIETIES = {
    "azj": "az", "uzn": "uz", "gug": "gn", "ydd": "yi", "gaz": "om", "zsm": "ms", "fil": "tl", "ayr": "ay",
    "swh": "sw", "pes": "fa", "prs": "fa", "arb": "ar", "ekk": "et", "lvs": "lv", "khk": "mn", "npi": "ne",
    "ory": "or", "plt": "mg", "cmn": "zh", "als": "sq", "fri": "fy", "ike": "iu",
}  # fmt: skip


def split_tag(language: str | None) -> tuple[str, str]:
    """(code, script) of a tag such as "nl", "nl-NL", "mos_Latn", in lower case; "" for what it does not name.

    The code is the two-letter one where the language has one. Raises `GoamaError` when it is not a language tag.
    """
    if language is None:
        return "", ""
    if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*", language):
        raise GoamaError(
            f"{language!r} is not a language code; give one such as nl, mos or nl-NL, or no language for the defaults."
        )
    code, *rest = language.lower().replace("_", "-").split("-")
    return shortest_code(code), next((part for part in rest if len(part) == 4 and part.isalpha()), "")


def shortest_code(code: str) -> str:
    """The two-letter code of the language with this code of ISO 639, else the code itself."""
    code = _WITHDRAWN.get(code, code)
    return _same_language().get(code) or _VARIETIES.get(code, code)


def is_registered(language: str) -> bool:
    """Whether a tag begins with a code of ISO 639, of a language or a family of languages; qaa to qtz are private."""
    code = language.lower().replace("_", "-").split("-")[0]
    private = len(code) == 3 and "qaa" <= code <= "qtz"
    return private or code in _registered() or code in _WITHDRAWN


def require_registered(language: str | None) -> None:
    """Raises `GoamaError` when `language` is not a language tag, or when no language has its code."""
    split_tag(language)
    if language is None or is_registered(language):
        return
    code = language.lower().replace("_", "-").split("-")[0]
    near = sorted(c for c in get_close_matches(code, _registered(), n=12, cutoff=0.6) if len(c) == len(code))
    meant = f" (codes like it: {', '.join(near[:6])})" if near else ""
    raise GoamaError(
        f"--language {language}: no language has the code {code!r} in ISO 639{meant}; is it a slip? A language "
        "without a code takes one of qaa to qtz; without --language general spelling rules are used"
    )


@cache
def _lines() -> tuple[list[list[str]], list[str]]:
    """(codes of each language that has several, other codes)."""
    text = files("goama.text").joinpath("iso639.txt").read_text("utf-8")
    several, others = re.sub(r"(?m)^#.*\n", "", text).split("\n\n")
    return [line.split() for line in several.splitlines()], others.split()


@cache
def _same_language() -> dict[str, str]:
    """Code -> two-letter code, for every language that has one."""
    return {
        code: short
        for codes in _lines()[0]
        if (short := next((code for code in codes if len(code) == 2), ""))
        for code in codes
    }


@cache
def _registered() -> frozenset[str]:
    several, others = _lines()
    return frozenset(others).union(*several)
