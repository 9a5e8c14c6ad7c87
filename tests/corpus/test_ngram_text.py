"""Text for an n-gram: training transcripts and files, without the sentences of dev and test."""

from __future__ import annotations

import gzip

import pytest

from goama.corpus.ngram_text import read_ngram_text
from goama.errors import GoamaError
from goama.text import Vocabulary


@pytest.fixture(scope="module")
def vocabulary(corpus) -> Vocabulary:
    return Vocabulary.from_texts([cut.supervisions[0].text for cut in corpus.cuts("train")], min_count=1)[0]


def texts_of(corpus, split: str) -> list[str]:
    return [corpus.normaliser(cut.supervisions[0].text) for cut in corpus.cuts(split)]


def test_of_a_corpus_the_training_transcripts_are_taken_and_dev_is_kept_apart(corpus, vocabulary):
    text = read_ngram_text([corpus.folder], corpus.normaliser, vocabulary)
    assert text.sentences == texts_of(corpus, "train") and text.dev == texts_of(corpus, "dev")
    assert text.sources == ["corpus: 16 transcripts of train"]


def test_sentences_of_dev_and_test_in_a_text_file_are_left_out_and_counted(corpus, vocabulary, tmp_path):
    file = tmp_path / "game.txt"
    secret = [text for split in ("dev", "test") for text in texts_of(corpus, split) if len(text.split()) >= 4]
    file.write_text("Een nieuwe zin. " + "! ".join(secret).upper() + "!\n", encoding="utf-8")
    text = read_ngram_text([corpus.folder, file], corpus.normaliser, vocabulary)
    assert text.held_out == len(secret) > 0
    assert text.sentences[16:] == ["een nieuwe zin"]


def test_a_line_becomes_its_normalised_sentences_without_words_that_the_model_cannot_write(
    corpus, vocabulary, tmp_path
):
    file = tmp_path / "text.txt.gz"
    file.write_bytes(gzip.compress(b"Druk op F5 om verder te gaan! Goed zo?\n\nJa."))
    text = read_ngram_text([file], corpus.normaliser, vocabulary)
    assert text.sentences == ["druk op", "om verder te gaan", "goed zo", "ja"]
    assert text.parted == 1 and text.held_out == 0 and text.dev == []
    assert text.sources == ["text.txt.gz: 4 sentences"]


def test_what_is_no_text_is_named(corpus, vocabulary, tmp_path):
    damaged = tmp_path / "text.gz"
    damaged.write_bytes(b"no gzip")
    for places, message in (
        ([], "no text is given"),
        ([damaged], "not a gzipped text"),
        ([tmp_path / "none.txt"], "cannot be read"),
        ([tmp_path], "not a corpus"),
        ([corpus.folder / "corpus.json"], "a part of a corpus"),
    ):
        with pytest.raises(GoamaError, match=message):
            read_ngram_text(places, corpus.normaliser, vocabulary)
