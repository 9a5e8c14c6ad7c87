"""A language code that is none, or one whose language is written in other letters."""

from __future__ import annotations

import pytest

from goama.audit.findings import ClipFacts, Finding
from goama.audit.language import check_language

RUSSIAN, ITALIAN, SERBIAN = "Корреспондент газеты", "mi hai stufato davvero", "Добро јутро свима"


def said(text: str, given: str | None, language: str | None = None, clips: int = 20) -> dict[str, Finding]:
    facts = [ClipFacts(str(number), "", text, language=language) for number in range(clips)]
    return {finding.name: finding for finding in check_language(facts, given)}


@pytest.mark.parametrize(("text", "code"), [(RUSSIAN, "it"), (ITALIAN, "ru"), (ITALIAN, "hin"), (RUSSIAN, "el-GR")])
def test_texts_in_letters_that_the_language_does_not_have_are_named(text: str, code: str) -> None:
    found = said(text, code)["language-other-script"]
    assert len(found.clips) == 20
    assert ("Cyrillic" if text == RUSSIAN else "Latin") in found.message


def test_what_a_clip_says_of_itself_is_measured_too_but_the_user_decides() -> None:
    assert "language-other-script" in said(RUSSIAN, None, "it")
    assert said(RUSSIAN, "ru", "it") == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (RUSSIAN, "ru"),
        (RUSSIAN, None),
        (ITALIAN, "it_IT"),
        (ITALIAN, "ru-Latn"),  # its script is given
        (SERBIAN, "sr"),
        ("dobro jutro svima vama", "sr"),  # written in two scripts
        (RUSSIAN, "mos"),  # not in the table
        ("東京タワーへ行きます", "ja"),
        ("12 + 30 = 42", "ru"),
        ("да", "it"),  # too little to judge by
    ],
)
def test_no_alarm_where_nothing_is_wrong(text: str, code: str | None) -> None:
    assert said(text, code) == {}


def test_some_clips_in_another_script_are_no_other_language() -> None:
    facts = [ClipFacts(str(n), "", RUSSIAN if n % 5 else ITALIAN) for n in range(50)]
    assert check_language(facts, "it") == []


def test_a_code_that_no_language_has_is_said() -> None:
    assert "code xx " in said(ITALIAN, "xx")["language-unknown"].message
    assert "code qq " in said(ITALIAN, None, "qq")["language-unknown"].message
    for code in ("nl", "iw", "mos", "qaa", "zh-Hant", "nl_BE", None):
        assert "language-unknown" not in said(ITALIAN, code)
