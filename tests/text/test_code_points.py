"""What looks the same is spelled the same: presentation forms, code points of Thai, Khmer, Indic scripts, Cherokee."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from goama.text import Normaliser
from goama.text.code_points import fold_presentation_forms, presentation_forms_in, unify_code_points

OLD = Path(__file__).parents[1] / "fixtures" / "normalisers"


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("ﬁets ﬂes eﬃciënt", "fiets fles efficiënt"),
        ("ａｂｃ！", "abc!"),
        ("ﻣﺮﺣﺒﺎ ﻻ", "مرحبا لا"),
        ("ﷲ", "الله"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("𝐠𝓸𝕒𝗆𝚊", "goama"),
        ("⼈", "人"),
        ("ﬓ", "մն"),
        ("ﬡﬡ", "אא"),
    ],
)
def test_presentation_forms_become_the_letters_that_they_show(typed: str, written: str) -> None:
    assert fold_presentation_forms(typed) == unicodedata.normalize("NFC", written) or (
        unicodedata.normalize("NFC", fold_presentation_forms(typed)) == written
    )


def test_a_voicing_mark_typed_beside_its_kana_is_part_of_it() -> None:
    assert unify_code_points("カ゛キ゛ハ゜") == "ガギパ"


@pytest.mark.parametrize("sign", "ʰʷⁿ²½ªº①Ⅳŉſ㎏℃ㄱㅋ한漢")
def test_compatibility_characters_that_carry_meaning_stay(sign: str) -> None:
    assert fold_presentation_forms(sign) == sign
    assert presentation_forms_in(sign) == ""


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("เเม่", "แม่"),
        ("นํ้า", "น้ำ"),
        ("น้ํา", "น้ำ"),
        ("นำ้", "น้ำ"),
        ("ท่ี", "ที่"),
        ("ที่่", "ที่"),
        ("ເເມ່", "ແມ່"),
        ("ນໍ້າ", "ນ້ຳ"),
        ("ຫນ້າ", "ໜ້າ"),
        ("កេីត", "កើត"),
        ("ကုိ", "ကို"),
        ("अाम", "आम"),
        ("অামি", "আমি"),
        ("അവന്\u200d", "അവൻ"),
        ("o\u0338l", "øl"),
        ("ĳs", "ijs"),
        ("ꮳꮃꭹ", "ᏣᎳᎩ"),
    ],
)
def test_words_that_look_the_same_are_the_same(typed: str, written: str) -> None:
    assert unify_code_points(typed) == written
    assert Normaliser.for_language(None)(typed) == Normaliser.for_language(None)(written) == written


@pytest.mark.parametrize(
    ("language", "typed", "written"),
    [
        ("fa", "كتابي", "کتابی"),
        ("pes", "كتابي", "کتابی"),
        ("ur", "يه", "یہ"),
        ("ckb", "كورديي", "کوردیی"),
        ("ar", "كتابي", "كتابي"),
        ("yo", "e\u0329\u0301 s\u0329e\u0301", "ẹ́ ṣé"),
        ("az", "ǝla", "əla"),
        ("ee", "đe", "ɖe"),
        ("ja", "コ－ヒ- を", "コーヒー を"),
        ("el", "µία ϑέα", "μία θέα"),
        ("ro", "şi ţară", "și țară"),
        ("tr", "şimdi", "şimdi"),
    ],
)
def test_letters_of_a_related_alphabet_become_those_of_the_language(language: str, typed: str, written: str) -> None:
    assert Normaliser.for_language(language)(typed) == written


def test_letters_without_a_small_form_in_use_stay_as_they_are() -> None:
    assert Normaliser.for_language("chr")("ᎣᏏᏲ ᏣᎳᎩ") == "ᎣᏏᏲ ᏣᎳᎩ"
    assert Normaliser.for_language("chr")("ꭳꮟᏺ") == "ᎣᏏᏲ"
    assert Normaliser.for_language("ce")("КӀАНТ") == "кӀант"
    assert Normaliser.for_language("ka")("ᲙᲐᲪᲘ") == "კაცი"


@pytest.mark.parametrize("codes", ["bo bod tib bo-CN", "dz dzo", "nl nld dut", "ca cat", "he heb iw", "fa fas per pes"])
def test_all_codes_of_a_language_mean_the_same(codes: str) -> None:
    first, *others = (Normaliser.for_language(code).tables for code in codes.split())
    assert all(other == first for other in others)


@pytest.mark.parametrize("language", ["bo", "bod", "tib", "dz", "dzo", "lbj", None])
def test_the_tsheg_stays_in_every_language_of_its_script(language: str | None) -> None:
    assert Normaliser.for_language(language)("བོད་སྐད།") == "བོད་སྐད"


@pytest.mark.parametrize(
    ("file", "typed", "normalised"),
    [
        ("nl", "[lacht] ’t Is 10% (ja), ﬁets Ⅳ ＡＢ", "lacht 't is tien procent ja ﬁets ⅳ ａｂ"),
        ("none", "<eng>you know</eng> &hm a=b", "<eng>you know< eng> &hm a=b"),
        ("none", "ᎣᏏᏲ เเม่ ȻEL,ÁL SW̱ÁL¸ བོད་སྐད།", "ꭳꮟᏺ เเม่ ȼel ál sw̱ál བོད སྐད"),
    ],
)
def test_a_model_of_goama_0_1_keeps_its_spelling(file: str, typed: str, normalised: str, tmp_path: Path) -> None:
    old = Normaliser.load(OLD / f"goama-0.1-{file}.json")
    assert old(typed) == normalised
    old.save(tmp_path / "normaliser.json")
    assert Normaliser.load(tmp_path / "normaliser.json")(typed) == normalised
