"""What the user says about spelling on the command line: letters, brackets, several tables, the language's code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Goama = Callable[..., Any]


@pytest.fixture
def manifest(tmp_path: Path, sentences: list[dict[str, Any]]) -> Callable[..., Path]:
    """Writes a manifest of the Dutch clips with these texts in place of their first ones."""

    def write(*texts: str, **columns: str) -> Path:
        rows = [{**row, "text": text, **columns} for row, text in zip(sentences, texts, strict=False)]
        path = tmp_path / "clips.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def texts_of(corpus: Path) -> dict[str, str]:
    """original_text -> text of every clip."""
    rows = [json.loads(line) for file in corpus.glob("*/metadata.jsonl") for line in file.read_text().splitlines()]
    return {row["original_text"]: row["text"] for row in rows}


TAPE = ("[unclear]", "(laughs) da", "<eng>you know</eng> &hm", "een twee drie", "da wa da", "wa da wa")


@pytest.mark.parametrize(
    ("brackets", "laughs", "left_out"),
    [("drop", "da", 1), ("keep", "laughs da", 0), ("leave-out", None, 2)],
)
def test_a_note_is_no_label_unless_the_user_says_so(
    goama: Goama, manifest: Callable[..., Path], tmp_path: Path, brackets: str, laughs: str | None, left_out: int
) -> None:
    goama("prepare", manifest(*TAPE), "-o", tmp_path / "corpus", "--brackets", brackets)
    made = texts_of(tmp_path / "corpus")
    assert made.get("(laughs) da") == laughs
    assert made.get("[unclear]") == ("unclear" if brackets == "keep" else None)
    listed = (tmp_path / "corpus" / "left-out.jsonl").read_text().splitlines()
    assert len(listed) == left_out
    if left_out:
        assert "[unclear]" in json.loads(listed[0])["reason"]


def test_the_dry_run_shows_conventions_and_notes_before_anything_is_cleaned(
    goama: Goama, manifest: Callable[..., Path]
) -> None:
    shown = goama("prepare", manifest(*TAPE), "--dry-run").out
    assert "marks of transcription conventions" in shown and "<eng>" in shown and "&hm" in shown
    assert "what is in brackets is taken as not spoken" in shown and "--brackets keep" in shown
    assert shown.index("marks of transcription conventions") < shown.index("remove-notes: changes")
    assert "remove-notes: changes 3 of 6" in shown


def test_letters_are_taken_from_the_user_and_proposed(
    goama: Goama, manifest: Callable[..., Path], tmp_path: Path
) -> None:
    source = manifest("ȻEL,ÁL", "ÁȽE, W̱S,ÁNEĆ", "SȾ,ÁL", "TI,Á", "HÁ,E", "E,Á")
    shown = goama("prepare", source, "--dry-run").out
    assert "if it is a letter, pass --letters ','" in shown
    goama("prepare", source, "-o", tmp_path / "corpus", "--letters", ",")
    assert texts_of(tmp_path / "corpus")["ÁȽE, W̱S,ÁNEĆ"] == "áƚe w̱s,áneć"
    checked = goama("check", source, "--text-only")
    assert "[text-letter-signs]" in checked.out and "--letters ','" in checked.out
    assert "[text-letter-signs]" not in goama("check", source, "--text-only", "--letters", ",").out
    assert "[text-letter-signs]" not in goama("check", source, "--text-only", "--language", "str").out


def test_tables_apply_in_their_order(goama: Goama, manifest: Callable[..., Path], tmp_path: Path) -> None:
    one, two = tmp_path / "one.tsv", tmp_path / "two.tsv"
    one.write_text("12\tdouăşpe\nuh\t\n")
    two.write_text("ş\tș\n")
    source = manifest("12 uh şi", "da", "nu", "una", "două", "trei")
    done = goama("prepare", source, "-o", tmp_path / "corpus", "--language", "mos", "--replace", one, "--replace", two)
    assert done.status == 0, done.err
    assert texts_of(tmp_path / "corpus")["12 uh şi"] == "douășpe și"
    rules = json.loads((tmp_path / "corpus" / "normaliser.json").read_text())
    assert len(rules["tables"]["further_replacements"]) == 1


def test_tables_that_undo_each_other_are_refused(goama: Goama, manifest: Callable[..., Path], tmp_path: Path) -> None:
    one, two = tmp_path / "one.tsv", tmp_path / "two.tsv"
    one.write_text("ș\tş\n")
    two.write_text("ş\tș\n")
    done = goama("prepare", manifest("și", "da", "nu"), "--dry-run", "--replace", one, "--replace", two)
    assert done.status == 2 and "an earlier table replaces that again" in done.err


def test_numbers_are_written_with_the_letters_of_the_corpus(
    goama: Goama, manifest: Callable[..., Path], tmp_path: Path
) -> None:
    table = tmp_path / "numbers.tsv"
    goama("prepare", manifest("șase și 16", "da", "nu"), "--dry-run", "--language", "ro", "--numbers", table)
    words = table.read_text(encoding="utf-8")
    assert "șasesprezece" in words and "ş" not in words and "\u00ad" not in words


@pytest.mark.parametrize("command", ["check", "prepare"])
def test_an_unknown_language_is_asked_about(
    goama: Goama, manifest: Callable[..., Path], tmp_path: Path, command: str
) -> None:
    more = ("--text-only",) if command == "check" else ("-o", tmp_path / "corpus")
    done = goama(command, manifest("da", "wa", "ja"), *more, "--language", "zz")
    assert done.status == 2 and "no language has the code 'zz'" in done.err and "slip" in done.err
    assert not (tmp_path / "corpus").exists()
    assert goama(command, manifest("da", "wa", "ja"), *more, "--language", "qaa").status == 0


def test_a_corpus_is_checked_with_its_own_rules(goama: Goama, manifest: Callable[..., Path], tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    table.write_text("12\ttwaalf\n")
    source = manifest("12 koeien (lacht)", "da", "wa", "ja ja", "nee", "wel")
    goama("prepare", source, "-o", tmp_path / "corpus", "--language", "nl", "--replace", table)
    found = goama("check", tmp_path / "corpus", "--text-only").out
    assert "info     1 of 6 clips with numbers in digits" in found and "mended by the spelling rules" in found
    assert "info     1 of 6 clips with brackets" in found
    assert "warning  1 of 6 clips with numbers in digits" in goama("check", source, "--text-only").out


def test_what_prepare_leaves_out_is_an_error_only_where_it_is_much(
    goama: Goama, manifest: Callable[..., Path], tmp_path: Path
) -> None:
    def severity(*texts: str) -> str:
        goama("check", manifest(*texts), "--text-only", "--json", tmp_path / "found.json")
        findings = json.loads((tmp_path / "found.json").read_text())["findings"]
        return next(finding["severity"] for finding in findings if finding["name"] == "text-empty")

    assert severity("", *(f"ja {letter}" for letter in "abcdefghijklmnop")) == "warning"
    assert severity("", "", "ja", "nee") == "error"
