"""`goama align` and `goama prepare --text`: from a recording and its text to words with times, and to a corpus."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from praatio import textgrid

from goama.corpus.corpus import Corpus
from goama.model.shipped import STARTER_FOLDER, has_starter
from goama.sound.audio import read_audio

pytestmark = pytest.mark.skipif(not has_starter(), reason="this copy of goama holds no starter")


@pytest.fixture(scope="module")
def book(sentences, tmp_path_factory) -> Path:
    """Two chapters of three sentences with a second of silence between, and their text with a fourth nobody reads."""
    folder = tmp_path_factory.mktemp("book")
    silence = np.zeros(16000, np.float32)
    for chapter, rows in enumerate((sentences[:3], sentences[3:6]), 1):
        parts = [part for row in rows for part in (read_audio(row["file_name"]).samples, silence)]
        soundfile.write(folder / f"{chapter}.wav", np.concatenate(parts), 16000)
    lines = [row["text"] for row in sentences[:6]]
    lines.insert(3, "Hoofdstuk twee: waarin niemand iets over olifanten, giraffen of krokodillen vertelt")
    (folder / "book.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_textgrid_has_every_word_and_a_table_what_to_look_at(goama, sentences, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(sentences[5]["text"], encoding="utf-8")
    done = goama(
        "align",
        STARTER_FOLDER,
        sentences[5]["file_name"],
        text,
        "-o",
        tmp_path / "a.TextGrid",
        "--quality",
        tmp_path / "q.tsv",
    )
    assert done.status == 0, done.err
    words = len(sentences[5]["text"].split())
    assert f"{words} of {words} words have times" in done.out
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
    labels = [entry.label for name in grid.tierNames for entry in grid.getTier(name).entries]
    assert all(word in " ".join(labels) for word in sentences[5]["text"].split())
    assert (tmp_path / "q.tsv").read_text(encoding="utf-8").startswith("start\tend\tfinding\t")
    again = goama("align", STARTER_FOLDER, sentences[5]["file_name"], text, "-o", tmp_path / "a.TextGrid")
    assert again.status == 2 and "--overwrite" in again.err


def test_chapters_and_one_text_become_training_clips_and_what_nobody_read_is_named(goama, book, tmp_path):
    done = goama(
        "prepare",
        book,
        "--text",
        book / "book.txt",
        "--model",
        STARTER_FOLDER,
        "-o",
        tmp_path / "corpus",
        "--language",
        "nl",
    )
    assert done.status == 0, done.err
    corpus = Corpus.open(tmp_path / "corpus")
    rows = [
        json.loads(line)
        for file in (tmp_path / "corpus").glob("*/metadata.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    spoken = " ".join(row["original_text"] for row in rows)
    assert "olifanten" not in spoken
    left_out = (corpus.folder / "left-out.jsonl").read_text(encoding="utf-8")
    assert "text without sound" in left_out and "of book.txt on" in left_out
    assert sum(corpus.clips(split) for split in ("train", "dev", "test")) >= 3


def test_options_of_tables_do_not_go_with_a_text_and_a_text_needs_a_model(goama, book, tmp_path):
    wrong = goama(
        "prepare", book, "--text", book / "book.txt", "--model", STARTER_FOLDER, "-o", tmp_path / "c", "--sheet", "x"
    )
    assert wrong.status == 2 and "--sheet does not go with --text" in wrong.err
    alone = goama("prepare", book, "--text", book / "book.txt", "-o", tmp_path / "c")
    assert alone.status == 2 and "--model" in alone.err


def test_outputs_that_cannot_be_are_refused_before_anything_is_read(goama, sentences, tmp_path):
    text, broken, there = tmp_path / "text.txt", tmp_path / "broken.eaf", tmp_path / "a.json"
    text.write_text("ja", encoding="utf-8")
    broken.write_text("<a/>")
    there.write_text("{}")
    for options, sentence in (
        (["-o", tmp_path / "a.docx"], "its ending names no format; possible are .txt"),
        (["-o", text, "--overwrite"], "this is the recording or its text"),
        (["-o", there, "--overwrite", "--quality", text], "--quality"),
        (["-o", tmp_path / "b.tsv", "--quality", tmp_path / "b.tsv"], "this is -o too"),
        (["-o", broken], "not an ELAN file"),
    ):
        refused = goama("align", "no-model", sentences[5]["file_name"], text, *options)
        assert refused.status == 2 and sentence in refused.err, refused.err
    assert text.read_text(encoding="utf-8") == "ja"
