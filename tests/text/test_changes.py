"""What the rules do to a collection of texts, seen before they do it."""

from __future__ import annotations

from goama.text import Normaliser
from goama.text.changes import text_changes
from goama.text.replacements import Replacement

DUTCH = Normaliser.for_language("nl")


def test_each_rule_that_changes_something_is_counted_with_examples() -> None:
    changes = text_changes(DUTCH, ["Ja!", "nee", "Hè, wat?", "“Goed”"])
    assert changes.texts == 4
    assert {change.rule: change.texts for change in changes.rules} == {
        "unify-quotes": 1,
        "remove-punctuation": 3,
        "lowercase": 3,
        "collapse-spaces": 3,
    }
    assert changes.rules[0].examples == [("“Goed”", '"Goed"')]


def test_examples_that_show_something_new_come_first_and_there_are_five() -> None:
    texts = [*(f"zin {letter}." for letter in "abcdefgh"), "echt?", "kijk!"]
    punctuation = next(c for c in text_changes(DUTCH, texts).rules if c.rule == "remove-punctuation")
    assert punctuation.texts == 10
    assert [before for before, _ in punctuation.examples] == ["zin a.", "echt?", "kijk!", "zin b.", "zin c."]


def test_characters_that_disappear_or_appear_are_counted() -> None:
    rules = DUTCH.replacing([Replacement("%", "percent")])
    changes = text_changes(rules, ["Tien %", "Een, twee."])
    assert changes.disappearing == {"%": 1, "T": 1, "E": 1, ",": 1, ".": 1}
    assert changes.appearing == {"p": 1, "r": 1, "c": 1}


def test_numbers_are_reported_and_left_as_they_are() -> None:
    changes = text_changes(DUTCH, ["In 1990 had hij 10 koeien", "10 geiten", "geen", "१२ गाय"])
    assert changes.numbers == {"10": 2, "1990": 1, "१२": 1}
    assert changes.texts_with_numbers == 3


def test_a_rare_letter_that_looks_like_a_frequent_one_is_proposed_and_not_changed() -> None:
    """Greek epsilon for the open e, typed where the keyboard lacks it."""
    changes = text_changes(Normaliser.for_language("mos"), ["kɛɛla tɛɛga wɛ"] * 10 + ["kεɛla"])
    assert [(p.replacement, p.count, p.twin_count) for p in changes.proposals] == [
        (Replacement("ε", "ɛ", anywhere=True), 1, 51)
    ]
    assert changes.disappearing == {}


def test_two_frequent_letters_that_look_alike_are_two_letters() -> None:
    """Turkish has i and ı."""
    assert text_changes(Normaliser.for_language("tr"), ["kızı bizi ısı isi"]).proposals == ()
