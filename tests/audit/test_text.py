"""What is said of transcripts: what prepare mends by itself, what needs hands, and what is no mistake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2BertConfig

from goama.audit.audit import check
from goama.audit.encoder_frames import frames_of_config
from goama.audit.findings import ClipFacts, Finding
from goama.audit.sound_checks import AuditedClip
from goama.text.normaliser import Normaliser


def said(*texts: str, language: str = "nl", usual: str = "De zon schijnt op het water") -> dict[str, Finding]:
    """Findings on a few texts among forty usual ones, which are clips 0 to 39."""
    normaliser = Normaliser.for_language(language)
    written = [f"{usual} {letter}{other}" for letter in "abcde" for other in "fghijklm"] + list(texts)
    clips = [
        AuditedClip(ClipFacts(str(number), f"line {number}", text, normalised=normaliser(text), words=3))
        for number, text in enumerate(written)
    ]
    return {finding.name: finding for finding in check(clips, normaliser, frames_of_config(Wav2Vec2BertConfig()))}


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[rires] ja", "text-annotations"),
        ("ja (laughs)", "text-annotations"),
        ("*cough* ja", "text-annotations"),
        ("ja <unk> nee", "text-annotations"),
        ("{bruit} ja", "text-annotations"),
        ("ja （笑）", "text-annotations"),
        ("kijk op https://goama.org/x", "text-url"),
        ("kijk op goama.nl", "text-url"),
        ("schrijf naar piet@huis.nl", "text-url"),
        ("Jan &amp; Piet", "text-markup"),
        ("café daar".encode().decode("latin-1"), "text-damaged"),
        ("om 12:30 uur", "text-digits"),
        ("½ liter", "text-digits"),
        ("dat is tien %", "text-symbols"),
        ("het wаter", "text-look-alikes"),
        ("привет", "text-other-script"),
        ("een\u00adtwee drie", "text-invisible"),
        ("DE ZON SCHIJNT", "text-capitals"),
        ("de NAVO vergadert", "text-acronyms"),
    ],
)
def test_a_defect_is_called_by_its_name(text: str, finding: str) -> None:
    found = said(text)
    assert found[finding].clips == ("40",)
    others = {name for name in found if "40" in found[name].clips} - {finding, "text-rare-characters"}
    assert others == set()


@pytest.mark.parametrize(
    "text",
    [
        "'s Avonds is 't koud, hé?",
        "Hij zei: „ja” – en ging…",
        "Zo'n ster * is mooi",
        "z.B. of bijv. enz.",
        "Wat?! Nee. Ja.Nee",
        "de een-en-twintigste",
    ],
)
def test_ordinary_writing_is_no_defect(text: str) -> None:
    named = {name for name, finding in said(text).items() if "40" in finding.clips}
    assert named <= {"text-rare-characters"}


def test_a_letter_of_another_alphabet_is_found_in_cyrillic_too() -> None:
    found = said("Солнцe над водой", usual="Солнце светит над водой а")
    assert found["text-look-alikes"].severity == "error"
    assert "LATIN SMALL LETTER E" in found["text-look-alikes"].details["40"]


def test_a_lone_look_alike_word_is_found() -> None:
    assert said("лес a поле", usual="Солнце светит над водой а")["text-look-alikes"].clips == ("40",)


def test_a_greek_letter_that_belongs_to_the_spelling_is_no_defect() -> None:
    assert "text-mixed-scripts" not in said(usual="kθa stis məθu")


def test_japanese_writes_three_scripts_in_one_sentence() -> None:
    found = said("東京タワーへ行きます", language="ja", usual="私はコーヒーを飲みます")
    assert not {"text-mixed-scripts", "text-other-script", "text-look-alikes"} & set(found)


def test_both_romanian_ways_to_write_s_are_found_and_the_rarer_named() -> None:
    found = said("şi tu", language="ro", usual="și eu și tu")["text-twin-letters"]
    assert found.clips == ("40",) and "CEDILLA" in found.message


def test_spellings_of_one_sentence_with_other_marks_are_shown_by_their_difference() -> None:
    found = said("het één en ander", "het een en ander", "het een en ander")["text-marks-differ"]
    assert found.details == {"40": "één / een"}


def test_what_prepare_mends_is_only_told() -> None:
    found = said("ee\u0301n", "een\u200b twee")
    assert found["text-unicode-forms"].severity == found["text-invisible"].severity == "info"


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(max_size=30), max_size=5))
def test_any_text_at_all_can_be_checked(texts: list[str]) -> None:
    found = said(*texts)
    for finding in found.values():
        assert set(finding.clips) <= {str(number) for number in range(40 + len(texts))}
        finding.message.encode("utf-8")


def test_letters_that_look_like_punctuation_are_named_with_the_option_that_keeps_them() -> None:
    found = said("ȻEL,ÁL", "W̱S,ÁNEĆ", "SȾ,ÁL", language="mos")["text-letter-signs"]
    assert found.clips == ("40", "41", "42") and "--letters ','" in found.remedy
    assert "text-letter-signs" not in said("ȻEL,ÁL", "W̱S,ÁNEĆ", "SȾ,ÁL", language="str")


def test_a_digit_that_may_be_a_letter_is_not_called_a_number() -> None:
    found = said("skwxwú7mesh", "ha7lh", "ts7a")
    assert "text-digits" not in found and "--letters '7'" in found["text-letter-signs"].remedy
    assert {"text-digits", "text-letter-signs"}.isdisjoint(said("skwxwú7mesh", "7an", "ts7a", language="shs"))


def test_burmese_in_an_old_encoding_is_an_error() -> None:
    usual = "မြန်မာစကား"
    assert said("\u1031က်ာင္း", language="my", usual="\u1031က်ာင္း သည္")["text-zawgyi"].severity == "error"
    assert "text-zawgyi" not in said("ကျောင်း", language="my", usual=usual)


def test_what_the_rules_mend_says_so() -> None:
    found = said("(lacht) ja", "[unclear]", "ja (of")["text-annotations"]
    assert found.severity == "warning" and found.details["40"].endswith("mended")
    assert "in 2 more the spelling rules mend it" in found.message
    assert said("(lacht) ja")["text-annotations"].severity == "info"


def test_presentation_forms_and_other_code_points_are_reported() -> None:
    found = said("de ﬁets", "ĳs en bĳ")
    assert found["text-presentation-forms"].details == {"40": "ﬁ"}
    assert found["text-code-points"].details == {"41": "ĳs is ijs"}


def test_a_transcription_convention_is_named() -> None:
    found = said("<the man> [//] the boy &=laughs", "ja")["text-conventions"]
    assert found.clips == ("40",) and "CHAT" in found.message
