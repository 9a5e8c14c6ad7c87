"""Numbers in digits become a table that somebody reads before it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from goama.errors import GoamaError
from goama.text.normaliser import Normaliser
from goama.text.numbers import readings, write_table
from goama.text.replacements import read_replacements


@pytest.mark.parametrize(
    ("number", "language", "expected"),
    [
        ("21", "nl", ("eenentwintig",)),
        ("1990", "nl", ("duizendnegenhonderdnegentig", "negentiennegentig")),
        ("21", "fr", ("vingt-et-un", "vingt-et-une")),
        ("٣", "ar", ("ثلاثة",)),
        ("0", "da", ("nul",)),
        ("3", "mos", ()),
        ("3", None, ()),
        ("007", "nl", ()),
        ("1" * 16, "nl", ()),
    ],
)
def test_the_ways_to_say_a_number(number: str, language: str | None, expected: tuple[str, ...]) -> None:
    assert readings(number, language) == expected


def test_every_language_with_rules_spells_small_numbers_without_digits() -> None:
    from unicode_rbnf import RbnfEngine

    spelt = [language for language in RbnfEngine.get_supported_languages() if readings("12", language)]
    assert len(spelt) >= 80
    assert all(not any(map(str.isdigit, way)) for language in spelt for way in readings("1999", language))


def test_a_table_without_open_lines_is_used_as_it_is(tmp_path: Path) -> None:
    assert write_table(["21", "3", "21"], "nl", tmp_path / "numbers.tsv") == 2
    assert (tmp_path / "numbers.tsv").read_text() == "3\tdrie\n21\teenentwintig\n"
    normaliser = Normaliser.for_language("nl").replacing(read_replacements(tmp_path / "numbers.tsv"))
    assert (
        normaliser("Ik heb 21 vissen en 3 krabben, geen 213.") == "ik heb eenentwintig vissen en drie krabben geen 213"
    )


@pytest.mark.parametrize(
    ("language", "number", "what"),
    [("nl", "1990", "leave one of them"), ("mos", "3", r"write them in the place of \?")],
)
def test_nothing_is_chosen_for_the_user(tmp_path: Path, language: str, number: str, what: str) -> None:
    table = tmp_path / "numbers.tsv"
    assert write_table([number], language, table) == 0
    with pytest.raises(GoamaError, match=rf"numbers.tsv:1: the words for {number} are still to be chosen; {what}"):
        read_replacements(table)


def test_a_table_somebody_has_worked_on_stays(tmp_path: Path) -> None:
    table = tmp_path / "numbers.tsv"
    table.write_text("3\tdrie\n")
    with pytest.raises(GoamaError, match="exists, and may hold your work"):
        write_table(["4"], "nl", table)
    assert table.read_text() == "3\tdrie\n"
    with pytest.raises(GoamaError, match="cannot be written"):
        write_table(["4"], "nl", tmp_path / "no" / "numbers.tsv")
