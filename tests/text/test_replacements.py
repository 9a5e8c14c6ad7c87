"""The user's own table: words of their own and pieces of words, numbers, abbreviations; kept with the model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.errors import GoamaError
from goama.text import Normaliser
from goama.text.replacements import Replacement, read_replacements


def table(folder: Path, content: str) -> Path:
    path = folder / "table.tsv"
    path.write_text(content, encoding="utf-8")
    return path


def normaliser(folder: Path, content: str, language: str | None = "nl") -> Normaliser:
    return Normaliser.for_language(language).replacing(read_replacements(table(folder, content)))


TABLE = (
    "10\ttien\n3\tdrie\ndr.\tDokter\n%\tprocent\nUS\tjoe es\n*ch*\tx\nɛ\te\ne g\tbijvoorbeeld\nnew york\tnieuw jork\n"
)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("Ik heb 10 koeien.", "ik heb tien koeien"),
        ("110 en 10, of 10.", "110 en tien of tien"),
        ("Dr. Jansen", "dokter jansen"),
        ("10% van ons", "tien procent van ons"),
        ("Is het US of us?", "is het joe es of us"),
        ("Achter de CHef", "axter de xef"),
        ("kɛ\u0301 en kɛ", "ké en ke"),
        ("e.g. dit; E, g dat; beg", "bijvoorbeeld dit bijvoorbeeld dat beg"),
        ("New  York", "nieuw jork"),
        ("13 drieën 3", "13 drieën drie"),
    ],
)
def test_words_stand_by_themselves_and_letters_and_pieces_anywhere(tmp_path: Path, typed: str, written: str) -> None:
    assert normaliser(tmp_path, TABLE)(typed) == written


def test_a_word_is_not_found_before_a_combining_mark(tmp_path: Path) -> None:
    """Marks that stay apart in NFC are letters of the word: कि is not क."""
    assert normaliser(tmp_path, "क ख\tग", "hi")("क खि") == "क खि"
    assert normaliser(tmp_path, "कम\tग", "hi")("कमि कम") == "कमि ग"


def test_the_longest_entry_wins(tmp_path: Path) -> None:
    rules = normaliser(tmp_path, "3\tdrie\n3,5\tdrieënhalf\nde\tder\nde man\tmeneer\n")
    assert rules("3,5 of 3") == "drieënhalf of drie"
    assert rules("de man en de mannen") == "meneer en der mannen"


def test_an_empty_second_column_removes(tmp_path: Path) -> None:
    assert normaliser(tmp_path, "[lacht]\t\nuh\t\n")("Ja [lacht] uh, nee, uhm") == "ja nee uhm"


def test_what_a_replacement_leaves_is_looked_at_again(tmp_path: Path) -> None:
    assert normaliser(tmp_path, "*ll*\tl\n")("alllles") == "ales"


def test_thousands_of_numbers_are_looked_up(tmp_path: Path) -> None:
    rules = normaliser(tmp_path, "".join(f"{n}\tnummer{chr(97 + n % 26)}\n" for n in range(5000)))
    assert rules("Van 25 tot 4999, en 5000.") == "van nummerz tot nummerh en 5000"


TEXTS = st.lists(
    st.sampled_from(["10", "3", "%", "dr.", "US", "us", "ch", "c", "h", "ɛ", "e", "g", ".", ",", " ", "'", "x"])
)


@settings(deadline=None, max_examples=200)
@given(TEXTS.map("".join))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    entries = [("10", "tien"), ("3", "drie"), ("%", "procent"), ("dr.", "dokter"), ("US", "joe es"), ("e g", "bv")]
    pieces = [("ch", "x"), ("ɛ", "e"), ("xx", "x")]
    rules = Normaliser.for_language("nl").replacing(
        [*(Replacement(*e) for e in entries), *(Replacement(*p, anywhere=True) for p in pieces)]
    )
    assert rules(rules(text)) == rules(text)


def test_the_table_travels_with_the_model(tmp_path: Path) -> None:
    rules = normaliser(tmp_path, TABLE)
    rules.save(tmp_path / "normaliser.json")
    loaded = Normaliser.load(tmp_path / "normaliser.json")
    assert loaded == rules
    assert loaded("10% e.g.") == "tien procent bijvoorbeeld"
    assert "replace" in loaded.rules


def test_a_file_without_a_table_is_as_it_always_was(tmp_path: Path) -> None:
    plain = Normaliser.for_language("nl")
    assert "replacements" not in plain.to_dict()["tables"]
    assert Normaliser.from_dict(plain.to_dict()) == plain
    assert plain.replacing(()) == plain
    assert normaliser(tmp_path, TABLE).replacing(()) == plain


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a b\n", r"table.tsv:1: 1 column; each line holds"),
        ("a\tb\tc\n", r"table.tsv:1: 3 columns; each line holds"),
        ("\n10\ttien\n10\tten\n", r"table.tsv:3: '10' is there already, in line 2"),
        ("\tb\n", r"table.tsv:1: the first column is empty"),
        ("\n \n", r"the table is empty"),
    ],
)
def test_a_table_that_cannot_be_read_names_its_line(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(GoamaError, match=sentence):
        read_replacements(table(tmp_path, content))


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match="cannot be read"):
        read_replacements(tmp_path / "none.tsv")
    (tmp_path / "latin1.tsv").write_bytes("één\t1".encode("latin-1"))
    with pytest.raises(GoamaError, match="not UTF-8"):
        read_replacements(tmp_path / "latin1.tsv")


def test_two_spaces_part_columns_as_well_as_a_tab(tmp_path: Path) -> None:
    """What a screen shows of a tab, copied from it."""
    assert read_replacements(table(tmp_path, "ε    ɛ\n")) == (Replacement("ε", "ɛ", anywhere=True),)


def test_a_table_from_a_spreadsheet_on_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / "table.tsv").write_bytes("\ufeff10\ttien\r\n2\ttwee\r\n".encode())
    assert read_replacements(tmp_path / "table.tsv") == (Replacement("10", "tien"), Replacement("2", "twee"))


@pytest.mark.parametrize("content", ["a\taa\n", "a\tb\nb\ta\n", "a\tb\nb\tc\n", "1\t1 keer\n"])
def test_a_table_that_would_replace_its_own_result_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(GoamaError, match="because the table replaces that in its turn"):
        normaliser(tmp_path, content)
