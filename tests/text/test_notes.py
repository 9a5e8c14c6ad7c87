"""What transcribers write that nobody said: brackets, tags, marks of CHAT, ELAN, Transcriber and Praat."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.errors import GoamaError
from goama.text import Normaliser
from goama.text.conventions import marks_in, notes_of
from goama.text.notes import notes_in
from goama.text.replacements import Replacement
from goama.text.spelling import Spelling
from goama.text.spelling_notes import spelling_notes


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("[unclear]", ""),
        ("(laughs) da", "da"),
        ("da {noise} wa ((coughs))", "da wa"),
        ("【笑】はい （笑）", "はい"),
        ("はい〈笑〉そう〈一同笑い〉＜咳＞", "はいそう"),
        ("《論》〈出師表〉", "論 出師表"),
        ("%%italic%%da%%italic%% wa %%/b%%", "da wa"),
        ("100%% da %%", "100%% da %%"),
        ("[a (b) c] da", "da"),
        ("*cough* da", "da"),
        ("xxx da XXX", "da"),
        ("<eng>you know</eng> da", "you know da"),
        ('<lang id="en">you know</lang>', "you know"),
        ("da <disfluency> wa <noise/>", "da wa"),
        ("<the man> [//] the boy", "the man the boy"),
        ("(be)cause bon(jour) prob(ab)ly", "cause bon probly"),
        ("&=laughs da &-um &hm +...", "da um hm"),
        ("%uh da", "uh da"),
        ("hola@s:spa da", "hola da"),
        ("we=ll a=b so::o ja::", "well ab soo ja"),
        ("da (0.5) (.) wa", "da wa"),
        ("spn", ""),
        ("a (b", "a b"),
        ("3 < 4", "3 < 4"),
        ("<<laughs>> da", "da"),
        ("SPOKEN_NOISE da !SIL", "da"),
        ("R&B en AT&T", "r&b en at&t"),
        ("piet@huis.nl", "piet@huis nl"),
    ],
)
def test_what_nobody_said_does_not_become_a_label(typed: str, written: str) -> None:
    assert Normaliser.for_language("nl")(typed) == written


@pytest.mark.parametrize(("brackets", "written"), [("drop", "da"), ("keep", "laughs da"), ("leave-out", "da")])
def test_brackets_are_dropped_or_kept(brackets: str, written: str) -> None:
    assert Spelling(brackets=brackets).normaliser(None)("(laughs) da") == written


def test_a_choice_that_is_none_is_refused() -> None:
    with pytest.raises(GoamaError, match="--brackets maybe: possible are drop, keep, leave-out"):
        Spelling(brackets="maybe")


def test_the_users_table_comes_before_the_brackets() -> None:
    spelling = Spelling(tables=((Replacement("[eh]", "eh"), Replacement("&hm", "mhm")),))
    assert spelling.normaliser(None)("[eh] da [laughs] &hm") == "eh da mhm"


CHAT = ["<the man> [//] the boy &=laughs", "&-um ja xxx", "hola@s:spa +..."]
TAGS = ["<eng>you know</eng> da", "&hm = da", "wa % da", "da # wa"]
TRANSCRIBER = ["[r] ja", "[lex=oui] ouais", "nee [-en] hello [en-]"]
KALDI = ["SPOKEN_NOISE ja", "ja !SIL nee"]
SLASHES = ["/noise/ ja", "-laughs- ja"]
SONG = ["♪ la la ♪"]
PRAAT = ["<p>", "da <sil> wa", "spn"]


@pytest.mark.parametrize(
    ("texts", "convention"),
    [
        (CHAT, "CHAT"),
        (TAGS, "ELAN, XML"),
        (TRANSCRIBER, "Transcriber"),
        (PRAAT, "Praat, MAUS"),
        (KALDI, "Kaldi"),
        (SLASHES, "slashes, hyphens"),
        (SONG, "captions"),
    ],
)
def test_a_convention_is_recognised_and_shown(texts: list[str], convention: str) -> None:
    assert convention in {mark.convention for mark in marks_in(texts)}
    shown = spelling_notes(Spelling().normaliser(None, texts), texts)
    assert any(convention in note for note in shown)


def test_signs_that_stand_alone_are_marks_where_the_texts_follow_a_convention() -> None:
    normalise = Spelling().normaliser(None, TAGS)
    assert [normalise(text) for text in TAGS] == ["you know da", "hm da", "wa da", "da wa"]
    assert Normaliser.from_dict(normalise.to_dict())("da # wa") == "da wa"


def test_a_frequent_pause_is_a_mark_and_a_percentage_is_not() -> None:
    assert Spelling().normaliser(None, ["da # wa", "wa # da", "ja #"])("da # wa") == "da wa"
    assert Spelling().normaliser("nl", ["tien % meer"] * 9)("tien % meer") == "tien % meer"


def test_what_only_the_user_can_decide_is_named_with_its_command() -> None:
    texts = ["ik zie (dat ook) ja", "dat ook", "[unclear] ja", "[unclear]"]
    notes = notes_of(Normaliser.for_language("nl"), texts)
    assert (notes.texts, notes.only, notes.unheard, notes.like_speech) == (3, 1, 2, 1)
    said = " ".join(spelling_notes(Normaliser.for_language("nl"), texts))
    assert "--brackets keep" in said and "--brackets leave-out" in said and "[unclear] ×2" in said


def test_tags_around_speech_are_no_notes() -> None:
    assert notes_in("<eng>you know</eng> <the man> [//] da") == ["[//]"]
    assert notes_in("da (laughs) <noise>") == ["(laughs)", "<noise>"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*"()[]{}<>*&=%#@:+/-., ax", "xxx", "</a>", "<a>", "&-", "7"])).map("".join))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    normalise = Spelling().normaliser("nl", TAGS)
    assert normalise(normalise(text)) == normalise(text)
