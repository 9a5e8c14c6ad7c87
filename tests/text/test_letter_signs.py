"""Signs that are letters: known orthographies, those the user names, those the texts suggest."""

from __future__ import annotations

import pytest

from goama.errors import GoamaError
from goama.text import Normaliser
from goama.text.changes import numbers_in
from goama.text.letter_signs import letter_signs_in, options_for, read_letters
from goama.text.spelling import Spelling


@pytest.mark.parametrize(
    ("language", "typed", "written"),
    [
        ("str", "ȻEL,ÁL, SW̱ÁL¸.", "ȼel,ál sw̱ál¸"),
        ("tli", "A.ée. Ha!", "a.ée ha"),
        ("tsi", "lip.laalt.", "lip.laalt"),
        ("squ", "Skwxwú7mesh, 7an", "skwxwú7mesh 7an"),
        ("moh", "Kanien’ké:ha: hen", "kanien'ké:ha hen"),
        ("kbd", "к|ант, 1эщ!", "кӀант Ӏэщ"),
        ("che", "КIант", "кӀант"),
        ("dnj", '"yi -zë =gü', '"yi -zë =gü'),
        ("ktz", "!Kung ||ga", "ǃkung ǁga"),
        ("nmn", "‖xai |’án", "ǁxai ǀ'án"),
        ("kbd", "г│ала", "гӀала"),
        ("ca", "col.legi. Intel•ligent", "col·legi intel·ligent"),
    ],
)
def test_languages_whose_letters_look_like_punctuation(language: str, typed: str, written: str) -> None:
    normalise = Normaliser.for_language(language)
    if language == "tsi":
        normalise = Spelling().normaliser("tsi")
    assert normalise(typed) == written
    assert normalise(written) == written


@pytest.mark.parametrize(
    ("letters", "typed", "written"),
    [
        ((",",), "A,B, c", "a,b c"),
        (("*,",), "A,B, c", "a,b, c"),
        (("-*",), "-ba a-b c-", "-ba a-b c"),
        (("¸7",), "a¸ 7b", "a¸ 7b"),
        ((", .",), "a,b.c. d", "a,b.c d"),
        (("?=ʔ",), "ta?a ?ina?", "taʔa ʔina"),
        (("|=Ӏ",), "к|ант", "кӀант"),
        (("=",), "a=b =c", "a=b =c"),
    ],
)
def test_the_user_names_letters(letters: tuple[str, ...], typed: str, written: str) -> None:
    normaliser = Spelling(read_letters(letters)).normaliser(None)
    assert normaliser(typed) == written
    assert normaliser(written) == written
    assert Normaliser.from_dict(normaliser.to_dict()) == normaliser


@pytest.mark.parametrize("value", ["|", "a", "", "?=", "ab=c"])
def test_what_cannot_be_a_letter_sign_is_refused(value: str) -> None:
    with pytest.raises(GoamaError, match="--letters"):
        read_letters([value])


@pytest.mark.parametrize(
    ("texts", "option"),
    [
        (["ȻEL,ÁL ha", "ÁȽE, W̱S,ÁNEĆ", "SȾ,ÁL TI,Á"], "--letters ','"),
        (["a.ée yéi.", "du.éesh", "ya.áx̱ ha."], "--letters '.'"),
        (["Skwxwú7mesh", "ha7lh 7an", "ts7a in 1990"], "--letters '7'"),
        (["kana' mo", "ti' la", "sepo' ma'"], """--letters "*'\""""),
        (["ha-le mo-ti", "sa-ro", "ke-pu"], "--letters '-'"),
        (["ke:ha", "ro:nen ja", "wa:ka"], "--letters ':'"),
        (["ta?a ja?", "me?e ?ina", "po?o"], "--letters '?=ʔ'"),
        (["к|ант", "г|алэ т|у", "щ|ы"], "--letters '|=Ӏ'"),
        (["к1ант", "г1алэ т1у", "щ1ы"], "--letters '1=Ӏ'"),
        (["n|a", "|ae g|o", "k|ui"], "--letters '|=ǀ'"),
        (["SW̱ÁL¸", "TEN¸ ha", "KEL¸EN"], "--letters '¸'"),
    ],
)
def test_a_sign_that_is_frequent_inside_words_is_proposed_as_a_letter(texts: list[str], option: str) -> None:
    signs = letter_signs_in(Normaliser.for_language(None), texts)
    assert options_for(signs) == option
    chosen = Spelling(read_letters([signs[0].option])).normaliser(None, texts)
    assert letter_signs_in(chosen, texts) == ()


@pytest.mark.parametrize(
    "texts",
    [
        ["Ja.Nee", "z.B. das", "kijk op ja.nl"] + ["Wel, ja. Nee."] * 40,
        ["u.a. d.h. z.B. i.d.R."] * 10,
        ["USA:n EU:n YK:n NATO:n"] * 5,
        ["een-en-twintig zee-eend na-apen"] * 5,
        ["en/of hij/zij ja/nee"] * 5,
        ["om 12:30 of 3.5 en 1,2", "12:45", "10:15 en 3.7"],
        ["het A4 en MP4", "G4 en B4", "H4"] * 2,
        ["Ik heb 7 koeien", "7 geiten", "17 en 7"],
    ],
)
def test_ordinary_punctuation_is_not_proposed(texts: list[str]) -> None:
    assert letter_signs_in(Normaliser.for_language("de"), texts) == ()


def test_a_digit_that_is_a_letter_is_no_number() -> None:
    assert numbers_in("skwxwú7mesh 7an 7 17 1990", "7") == ["7", "17", "1990"]


def test_quotation_marks_are_no_letters_in_a_language_without_tables() -> None:
    quoted = ["si: 'ja' e 'ne'", "'wa' o 'ni'", "'toka'"]
    assert letter_signs_in(Normaliser.for_language(None), quoted) == ()
