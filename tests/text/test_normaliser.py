"""What a transcript becomes before a model sees it, language by language, and what may never be lost."""

import dataclasses
import json
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.errors import GoamaError
from goama.text import Normaliser
from goama.text.code_points import fold_presentation_forms, unify_code_points
from goama.text.notes import remove_marks, remove_notes
from goama.text.replacements import Replacement

ALPHABETS = {
    "mos": "aãeẽɛiĩɩoõuũʋbdfghklmnprstvwyzAÃƐƖƲ",
    "nl": "abcdefghijklmnopqrstuvwxyzëïöéèáóúàABCÉ",
    "vi": "aăâbcdđeêghiklmnoôơpqrstuưvxyấầẩẫậắằẳẵặếềểễệốồổỗộớờởỡợứừửữựỳýỷỹỵĐẤẾ",
    "hi": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौ्ंःँ़क़फ़।॥",
    "my": "ကခဂဃငစဆဇညတထဒနပဖဗဘမယရလဝသဟအာိီုူေဲံ့း္်ျြွှဥဧ၊။၏၌",
    "yo": "abdeẹfgijklmnoọprsṣtuwyàáèéìíòóùúńẸỌṢ",
    "tr": "abcçdefgğhıijklmnoöprsştuüvyzABCÇIİĞŞÖÜÂâÎî",
    "haw": "aāeēhiīkloōmnpuūwʻĀĒ",
    "ca": "abcdefghijlmnopqrstuvxyzàéèíïóòúüç·ŀĿL",
    "he": "אבגדהוזחטיכךלמםנןסעפףצץקרשתְֱֲֳִֵֶַָֹֻּׁׂ׳״־",
    "fa": "آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی\u064b\u0651\u0654،؛؟ـ",
    "naq": "abdeghikmnoprstuwxâîôûǀǁǂǃ|≠",
    "hy": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆԱԲԳ՛՜՞՝։",
    None: "abcǅßẞΣσςİıﬁŉÅΐ１Ⅳ가각ㄱ漢字",
}
MARKS = "\u0301\u0300\u0303\u0323\u0304\u0308\u0331\u0307\u0302\u0330"
SIGNS = " '’‘ʼʻ`´\"“”«».,;:!?-–—‐()[]/|¡¿…·•%&+=€°§@№*_~^¨\u00ad\u200b\u200c\u200d\ufeff\t\n\u00a0\u20280123"


def texts_in(language: str | None) -> st.SearchStrategy[str]:
    letters = st.sampled_from(ALPHABETS[language])
    return st.lists(
        st.one_of(letters, letters, letters, st.sampled_from(MARKS), st.sampled_from(SIGNS)), max_size=30
    ).map("".join)


languages = pytest.mark.parametrize("language", ALPHABETS, ids=str)


def marks(text: str) -> Counter[str]:
    return Counter(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c)[0] == "M")


# --- properties


@languages
@settings(deadline=None)
@given(data=st.data())
def test_no_combining_mark_is_ever_lost(language, data):
    text = data.draw(texts_in(language))
    text = remove_notes(
        remove_marks(unify_code_points(unicodedata.normalize("NFC", text)))
    )  # notes go with their marks
    normaliser = Normaliser.for_language(language)
    changing = ("remove-notes", "remove-transcription-marks", "unify-code-points")
    keeping = dataclasses.replace(normaliser, rules=tuple(r for r in normaliser.rules if r not in changing))
    before, after = marks(text), marks(keeping(text))
    if language == "tr":  # the dot of İ is part of the letter i
        before.pop("\u0307", None), after.pop("\u0307", None)
    if language == "naq":  # there ≠ stands for ǂ
        before.pop("\u0338", None), after.pop("\u0338", None)
    assert after == before


@languages
@settings(deadline=None)
@given(data=st.data())
def test_normalising_twice_changes_nothing_more(language, data):
    normalise = Normaliser.for_language(language)
    once = normalise(data.draw(texts_in(language)))
    assert normalise(once) == once


@languages
@settings(deadline=None)
@given(data=st.data())
def test_composed_and_decomposed_input_give_the_same_text(language, data):
    normalise, text = Normaliser.for_language(language), data.draw(texts_in(language))
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(unicodedata.normalize("NFC", text))


@languages
@settings(deadline=None)
@given(data=st.data())
def test_the_output_is_lower_case_nfc_with_single_inner_spaces(language, data):
    text = Normaliser.for_language(language)(data.draw(texts_in(language)))
    assert text == unicodedata.normalize("NFC", text)
    assert text == text.lower()
    assert text == " ".join(text.split())


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_any_unicode_text_is_normalised_once_and_keeps_its_marks(text):
    normalise = Normaliser.for_language(None)
    once = normalise(text)
    assert normalise(once) == once
    styles = {"\ufe0e", "\ufe0f"}  # emoji style, a mark in name only
    shown = unify_code_points(fold_presentation_forms(unicodedata.normalize("NFC", text)))  # ǆ shows the caron of dž
    shown = remove_notes(remove_marks(shown))  # notes go with their marks
    assert marks(once) == Counter({m: n for m, n in marks(shown).items() if m not in styles})


@languages
@settings(deadline=None)
@given(data=st.data())
def test_a_normaliser_read_from_json_acts_as_the_one_written(language, data):
    normalise, text = Normaliser.for_language(language), data.draw(texts_in(language))
    again = Normaliser.from_dict(json.loads(json.dumps(normalise.to_dict())))
    assert again == normalise
    assert again(text) == normalise(text)


@pytest.mark.parametrize(
    ("language", "typed", "normalised"),
    [
        ("haw", "'%a", "a"),  # the apostrophe hid the mark
        (None, ":&hm", "hm"),
        (None, "(laughs loudly) sp", ""),
        (None, "sp..............", ""),
        (None, "xxx_da", "da"),
        ("th", "เ(x)เม่", "แม่"),  # the bracket parted one letter
    ],
)
def test_a_rule_that_gives_another_more_to_do_is_followed_by_it(language, typed, normalised):
    normalise = Normaliser.for_language(language)
    assert normalise(typed) == normalise(normalised) == normalised
    assert normalise.steps(typed)[-1][1] == normalised


def test_an_underscore_parts_words_for_the_users_tables_too():
    assert Normaliser.for_language("nl").replacing([Replacement("10", "tien")])("a_10") == "a tien"


# --- what is kept and what goes


@pytest.mark.parametrize(
    ("language", "typed", "normalised"),
    [
        ("nl", "’t Is zo’n ‘mooie’ dag: foto’s!", "'t is zo'n mooie dag foto's"),
        ("nl-NL", "'s-Gravenhage, 'n kilo", "'s gravenhage 'n kilo"),
        ("nld", "Hans' fiets", "hans fiets"),
        ("it", "Un po’ d’acqua, l’amico; l' altro", "un po' d'acqua l'amico l' altro"),
        ("fr", "« L’eau », dit-il. Qu' est-ce ?", "l'eau dit il qu' est ce"),
        ("mt", "Ta’ Malta", "ta' malta"),
        ("en", "Don’t say ’twas ‘fine’", "don't say 'twas fine"),
        ("af", "Dit is ŉ boom", "dit is 'n boom"),
        ("mos", "M\u2019 ya, tõnd n wʋ\u0303m-a ?", "m ya tõnd n wʋ\u0303m a"),
        ("mos_Latn", "Ɛ̃", "ɛ̃"),
        ("ca", "col•lecció, Paraŀlel · L’aigua", "col·lecció paral·lel l'aigua"),
        ("he", "צה\"ל ג'ירפה", "צה״ל ג׳ירפה"),
        ("haw", "'Ōlelo Hawai‘i", "ʻōlelo hawaiʻi"),
        ("uz", "O'zbekiston, bog`, ma'no", "oʻzbekiston bogʻ maʼno"),
        ("ha", "'yan sana'a", "ʼyan sanaʼa"),
        ("nv", "T'áá 'hózhǫ́'", "tʼáá hózhǫ́ʼ"),
        ("gn", "Avañe’ẽ", "avañeʼẽ"),
        ("naq", "!Gâ ||ō |guis ≠ā", "ǃgâ ǁō ǀguis ǂā"),
        ("tr", "IĞDIR, İstanbul i\u0307ki", "ığdır istanbul iki"),
        ("tr", "I\u0307zmir", "izmir"),
        ("el", "Ο ΟΔΥΣΣΕΥΣ.", "ο οδυσσευς"),
        ("id", "Anak\u2010anak - ya", "anak-anak ya"),
        ("tl", "mag-aral", "mag-aral"),
        ("hi", "नमस्ते, दुनिया।", "नमस्ते दुनिया"),
        ("my", "မြန်မာ၏၊", "မြန်မာ၏"),
        ("bo", "བོད་སྐད།", "བོད་སྐད"),
        ("hy", "Ի՞նչ", "ինչ"),
        ("fa", "می\u200cروم", "می\u200cروم"),
        ("si", "ශ්\u200dරී", "ශ්\u200dරී"),
        (None, "a\u200cb so\u00adft zero\u200bwidth\ufeff", "ab soft zerowidth"),
        (None, "tab\tnew\nline\u2028nbsp\u00a0x", "tab new line nbsp x"),
        (None, "it’s ʼa ʻa", "it's ʼa ʻa"),
        ("nl", "foto\u02bcs", "foto's"),
        (None, "ma˧˥ a꜀ kꞌa", "ma˧˥ a꜀ kꞌa"),
        (None, "hé 😀 ♪ → <b> 3 < 4", "hé 3 < 4"),
        (None, "", ""),
    ],
)
def test_as_typed_and_as_learnt(language, typed, normalised):
    assert Normaliser.for_language(language)(typed) == normalised


@pytest.mark.parametrize("sign", "%&+=€$£₦°§@№#7½²<>\ufffd")
def test_a_sign_that_is_read_out_stays_for_the_audit_to_see(sign):
    assert sign in Normaliser.for_language("nl")(f"tien {sign} meer")


def test_capital_dotted_i_outside_turkish_keeps_its_dot():
    assert Normaliser.for_language("nl")("İ") == "i\u0307"


def test_steps_show_the_text_after_each_rule():
    steps = Normaliser.for_language("nl").steps(" ’t  HUIS. ")
    assert [name for name, _ in steps] == list(Normaliser.for_language("nl").rules)
    after = dict(steps)
    assert after["nfc"] == " ’t  HUIS. "
    assert after["unify-apostrophes"] == " 't  HUIS. "
    assert after["lowercase"] == " 't  huis  "
    assert after["collapse-spaces"] == "'t huis"


# --- the file saved with a model


def test_a_saved_file_brings_its_own_tables(tmp_path):
    path = tmp_path / "normaliser.json"
    Normaliser.for_language("nl").save(path)
    data = json.loads(path.read_text("utf-8"))
    data["tables"]["punctuation"] = data["tables"]["punctuation"].replace("?", "")
    data["rules"].remove("lowercase")
    path.write_text(json.dumps(data), "utf-8")
    assert Normaliser.load(path)("Wat? Ja!") == "Wat? Ja"
    assert [file.name for file in tmp_path.iterdir()] == ["normaliser.json"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rules": ["nfc", "sing"]}, "'sing'"),
        ({"version": 99}, "version 99"),
        ({"format": "something"}, "not a goama normaliser"),
        ({"tables": {}}, "damaged"),
        ({"tables": None}, "damaged"),
    ],
)
def test_a_file_this_goama_cannot_follow_is_refused_by_name(tmp_path, change, said):
    path = tmp_path / "normaliser.json"
    path.write_text(json.dumps(Normaliser.for_language("mos").to_dict() | change), "utf-8")
    with pytest.raises(GoamaError, match=said) as refusal:
        Normaliser.load(path)
    assert str(path) in str(refusal.value)


def test_a_file_that_is_missing_or_no_json_is_refused_by_name(tmp_path):
    path = tmp_path / "normaliser.json"
    with pytest.raises(GoamaError, match="cannot be read"):
        Normaliser.load(path)
    path.write_text("{", "utf-8")
    with pytest.raises(GoamaError, match="not valid JSON"):
        Normaliser.load(path)


@pytest.mark.parametrize("language", ["dutch", "", "n", "nl NL"])
def test_what_is_no_language_code_is_refused(language):
    with pytest.raises(GoamaError, match="not a language code"):
        Normaliser.for_language(language)
