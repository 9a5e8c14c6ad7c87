"""`goama prepare --dry-run` says what would be made, the same as is made then, and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from goama.corpus.dry_run import dry_run, print_dry_run, side_by_side, write_numbers
from goama.corpus.prepare import prepare
from goama.errors import GoamaError
from goama.sources.source import SourceClip, read_source
from goama.text.replacements import Replacement, read_replacements
from goama.text.spelling import Spelling


@pytest.fixture
def clips(speech: Path) -> list[SourceClip]:
    """The Dutch clips without splits; one has a number, one no text, one no file."""
    given = [replace(clip, split=None) for clip in read_source(str(speech))]
    given[0] = replace(given[0], text="Dat zijn 12 koeien, 12!")
    given[1] = replace(given[1], text=" ")
    given[2] = replace(given[2], audio=Path("gone.ogg"))
    return given


def shown(clips: list[SourceClip], **options: Any) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_dry_run(dry_run(clips, source="x", **options), console)
    return console.export_text()


@pytest.mark.parametrize("split_by", [None, "recording", "text"])
def test_it_tells_what_prepare_then_makes(clips: list[SourceClip], tmp_path: Path, split_by: str | None) -> None:
    plan = dry_run(clips, source="x", language="nl", seed=3, split_by=split_by)
    made = prepare(clips, tmp_path / "corpus", source="x", language="nl", seed=3, split_by=split_by)
    about = made.corpus.about
    assert plan.split_by == about["split_by"]
    assert {split: count for split, (count, _) in plan.splits.items()} == {
        split: facts["clips"] for split, facts in about["splits"].items()
    }
    assert plan.left_out == made.left_out
    assert plan.notes == made.notes
    assert plan.normaliser == made.corpus.normaliser


def test_rules_characters_numbers_and_clips_left_out_are_shown(clips: list[SourceClip]) -> None:
    text = shown(clips, language="nl")
    assert "23 transcripts, language nl" in text
    assert "lowercase: changes 23 of 23 transcripts" in text
    assert "- Dat zijn 12 koeien, 12!" in text
    assert "+ Dat zijn 12 koeien␣ 12␣" in text
    assert "characters that disappear" in text
    assert "numbers stay in digits in 1 of 23 transcripts" in text and "12 ×2" in text
    assert "2 clips would be left out" in text
    assert "gone.ogg: no such file" in text and "the transcript is empty" in text
    assert "split by sentence" in text and "nothing was written" in text


def test_each_language_of_the_source_is_shown_by_itself(clips: list[SourceClip]) -> None:
    mixed = [replace(clip, language="nl" if n % 2 else "fr") for n, clip in enumerate(clips)]
    text = shown(mixed)
    assert "12 transcripts, language fr" in text and "11 transcripts, language nl" in text
    assert "the spelling rules of fr are used for these too" in text


def test_a_table_is_tried_and_what_it_never_finds_is_named(clips: list[SourceClip]) -> None:
    table = [Replacement("12", "twaalf"), Replacement("koei", "koe"), Replacement("ŵ", "w", anywhere=True)]
    text = shown(clips, language="nl", spelling=Spelling(tables=(tuple(table),)))
    assert "replace: changes 1 of 23 transcripts" in text
    assert "+ Dat zijn twaalf koeien, twaalf␣!" in text
    assert "numbers stay" not in text
    assert "no transcript has 'koei' standing by itself" in text
    assert "no transcript has 'ŵ'\n" in text


def test_slips_of_the_keyboard_are_proposed_as_lines_to_copy(clips: list[SourceClip]) -> None:
    greek = [*clips, replace(clips[5], id="greek", text="een οud huis")]
    assert "\nο    o\n" in shown(greek, language="nl")


def test_nothing_is_written(goama: Callable[..., Any], speech: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    done = goama("prepare", speech, "--dry-run", "--language", "nl", "-o", "corpus")
    assert done.status == 0 and done.err == ""
    assert "24 transcripts, language nl" in done.out
    assert list(tmp_path.iterdir()) == []


def test_only_a_table_of_numbers_is_written_where_one_is_asked_for(
    goama: Callable[..., Any], tmp_path: Path, sentences: list[dict[str, Any]]
) -> None:
    manifest, table = tmp_path / "clips.jsonl", tmp_path / "numbers.tsv"
    rows = [{**sentences[0], "text": "de 3 van 1990"}, sentences[1]]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = goama("prepare", manifest, "--dry-run", "--language", "nl", "--numbers", table)
    assert done.status == 0 and "2 numbers in words, 1 for you to choose" in done.out
    assert table.read_text() == "3\tdrie\n1990\tduizendnegenhonderdnegentig | negentiennegentig\n"
    assert "exists, and may hold your work" in goama("prepare", manifest, "--dry-run", "--numbers", table).err


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(GoamaError, match=r"x: no clip can be used \(the source is empty\)"):
        dry_run([], source="x")


def test_where_prepare_would_refuse_it_refuses_with_the_same_sentence(
    goama: Callable[..., Any], tmp_path: Path, sentences: list[dict[str, Any]]
) -> None:
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("".join(json.dumps(row | {"text": "?!"}) + "\n" for row in sentences[:3]), encoding="utf-8")
    looked, made = goama("prepare", manifest, "--dry-run"), goama("prepare", manifest, "-o", tmp_path / "corpus")
    assert (looked.status, looked.err) == (made.status, made.err)
    assert looked.status == 2 and "no clip can be used" in looked.err and "makes the corpus" not in looked.out


def test_clips_of_one_missing_recording_are_one_line_on_the_screen_and_all_named_in_the_corpus(
    goama: Callable[..., Any], tmp_path: Path, sentences: list[dict[str, Any]]
) -> None:
    rows = sentences[:4] + [
        {"id": f"gone {n}", "file_name": "tape.wav", "text": "ja", "offset": n, "duration": 1} for n in range(30)
    ]
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    what = f"30 clips, the first gone 0 ({manifest}:5): {tmp_path}/tape.wav: no such file; check the path"
    assert what in goama("prepare", manifest, "--dry-run").out
    done = goama("prepare", manifest, "-o", tmp_path / "corpus")
    assert done.err.splitlines()[0] == f"left out: {what}"
    assert len(done.err.splitlines()) == 2 and "goama: 30 clips were left out" in done.err
    listed = (tmp_path / "corpus" / "left-out.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in listed] == [f"gone {n}" for n in range(30)]


def test_the_command_takes_a_table_and_what_to_split_by(
    goama: Callable[..., Any], speech: Path, tmp_path: Path
) -> None:
    (tmp_path / "table.tsv").write_text("ik\twij\n", encoding="utf-8")
    wishes = ("--language", "nl", "--replace", tmp_path / "table.tsv", "--split-by", "text")
    done = goama("prepare", speech, "-o", tmp_path / "corpus", *wishes)
    assert done.status == 0
    assert "split by sentence (none is in two splits), durations alike in all splits, seed 0" in done.out
    assert "in place of the source's own splits" in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-o", "c", "--split-by", "village"), "--split-by village: clips can be split by speaker, recording, text"),
        ((), "name the corpus folder to make with -o, or look first with --dry-run"),
        (("-o", "c", "--replace", "none.tsv"), "none.tsv cannot be read"),
        (("-o", "c", "--numbers", "numbers.tsv"), "--numbers goes with --dry-run"),
        (("-o", "c", "--split-by", "speaker"), "2 speakers cannot be parted into train, dev and test"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(
    goama: Callable[..., Any], speech: Path, tmp_path: Path, monkeypatch: Any, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = goama("prepare", speech, *arguments)
    assert done.status == 2
    assert sentence in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_difference_shows_what_cannot_be_seen() -> None:
    before, after = side_by_side("a\u200b b\u00a0c", "a b c")
    assert before.plain == "  - a<U+200B> b<U+00A0>c"
    assert after.plain == "  + a b␣c"


def test_a_long_text_is_cut_to_its_first_change() -> None:
    before, after = side_by_side("woord " * 50 + "Eind", "woord " * 50 + "eind")
    assert before.plain.startswith("  - …") and before.plain.endswith("Eind") and len(before.plain) < 120
    assert after.plain.endswith("eind")


def test_numbers_become_a_table_that_prepare_takes(clips: list[SourceClip], tmp_path: Path) -> None:
    table = tmp_path / "numbers.tsv"
    said = write_numbers(dry_run(clips, source="x", language="nl"), table)
    assert said.startswith(f"{table}: 1 number in words, 0 for you to choose or write; read it through")
    entries = read_replacements(table)
    plan = dry_run(clips, source="x", language="nl", spelling=Spelling(tables=(entries,)))
    assert not plan.unused
    assert not any(changes.numbers for changes in plan.changes.values())
    none = tmp_path / "none.tsv"
    assert write_numbers(plan, none) == f"no number is in digits; {none} was not written"
    assert not none.exists()
