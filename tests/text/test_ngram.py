"""n-grams: proper distributions in ARPA format, read back by KenLM, which beam search reads them with."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from goama.errors import GoamaError
from goama.text import Vocabulary
from goama.text import ngram as ngrams
from goama.text.ngram import add_words, estimate, known_tokens, perplexity, save_about, tokens_of

kenlm = pytest.importorskip("kenlm")

TEXT = [
    "de kat zit op de mat",
    "de hond zit op de bank",
    "voilà de kat à la carte",  # à ends in the byte of a no-break space
    "de kat ziet de hond",
    "de hond ziet de kat op de mat",
]
VOCABULARY, _ = Vocabulary.from_texts(TEXT, min_count=1)


def sentences(units: ngrams.Units = "words") -> list[list[str]]:
    return [tokens_of(line, units, VOCABULARY) for line in TEXT]


def probability(model, history: list[str], word: str) -> float:
    state, after = kenlm.State(), kenlm.State()
    model.BeginSentenceWrite(state)
    for known in history:
        model.BaseScore(state, known, after)
        state, after = after, state
    return 10 ** model.BaseScore(state, word, after)


@pytest.mark.parametrize("large_text", [10_000, 1])
@pytest.mark.parametrize("units", ngrams.UNITS)
def test_the_probabilities_after_every_history_sum_to_one(units, large_text, tmp_path, monkeypatch):
    monkeypatch.setattr(ngrams, "LARGE_TEXT", large_text)  # 1: it is pruned
    monkeypatch.setattr(ngrams, "PRUNING", 0.005)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    file = tmp_path / "ngram.arpa.gz"
    made = estimate(sentences(units), units, 3, file)
    model = kenlm.Model(str(file))
    tokens = [*known_tokens(file), "</s>"]
    for line in sentences(units):
        for end in range(len(line)):
            total = sum(probability(model, line[:end], token) for token in tokens)
            assert total == pytest.approx(1, abs=2e-3)
    assert made.counts[0] == len(tokens) + 2  # <s> and <unk>


def test_an_n_gram_of_a_large_text_is_pruned_and_knows_all_its_words(tmp_path, monkeypatch):
    whole = estimate(sentences(), "words", 3, tmp_path / "whole.arpa.gz")
    monkeypatch.setattr(ngrams, "LARGE_TEXT", 1)
    monkeypatch.setattr(ngrams, "PRUNING", 0.005)
    pruned = estimate(sentences(), "words", 3, tmp_path / "pruned.arpa.gz")
    assert pruned.counts[0] == whole.counts[0] and sum(pruned.counts) < 0.8 * sum(whole.counts)
    model = kenlm.Model(str(tmp_path / "pruned.arpa.gz"))
    assert all(score > -5 for line in TEXT for score, _, _ in model.full_scores(line))


def test_perplexity_is_kenlms_without_the_unknown_words(tmp_path):
    file = tmp_path / "words.arpa.gz"
    estimate(sentences(), "words", 3, file)
    dev = [["de", "kat", "zit", "daar"], ["op", "de", "mat"]]
    model = kenlm.Model(str(file))
    scored = [score for line in dev for score, _, unknown in model.full_scores(" ".join(line)) if not unknown]
    measured, unknown = perplexity(file, dev)
    assert measured == pytest.approx(10 ** (-sum(scored) / len(scored)), rel=1e-4)
    assert unknown == pytest.approx(1 / 7)


def test_every_word_of_the_text_is_known_to_kenlm_and_no_other(tmp_path):
    file = tmp_path / "words.arpa.gz"
    estimate(sentences(), "words", 2, file)
    model = kenlm.Model(str(file))
    assert sorted(known_tokens(file)) == sorted({word for line in TEXT for word in line.split()})
    assert "voilà" in model and "à" in model and "voil" not in model


def test_added_words_are_as_likely_as_the_rarest_known_one(tmp_path):
    file, extended = tmp_path / "words.arpa.gz", tmp_path / "more.arpa"
    estimate(sentences(), "words", 3, file)
    add_words(file, ["ouagadougou", "kat"], extended)
    before, after = kenlm.Model(str(file)), kenlm.Model(str(extended))
    assert "ouagadougou" in after and "ouagadougou" not in before
    rarest = min(before.score(word, bos=False, eos=False) for word in known_tokens(file))
    assert after.score("ouagadougou", bos=False, eos=False) == pytest.approx(rarest, abs=1e-4)
    for line in TEXT:
        assert after.score(line) == pytest.approx(before.score(line), abs=1e-4)


def test_characters_are_the_vocabularys_units_with_a_sign_for_spaces():
    vocabulary, _ = Vocabulary.from_texts(["yɛ̃ a"], min_count=1)
    assert tokens_of("yɛ̃ a", "characters", vocabulary) == ["y", "ɛ̃", "|", "a"]


@pytest.mark.skipif(shutil.which("lmplz") is None, reason="lmplz is not installed")
def test_lmplz_is_used_where_it_is_installed(tmp_path):
    assert estimate(sentences(), "words", 3, tmp_path / "words.arpa.gz").estimator == "lmplz"


def test_the_same_text_gives_the_same_file(tmp_path):
    for name in "ab":
        estimate(sentences(), "words", 3, tmp_path / f"{name}.arpa.gz")
    assert (tmp_path / "a.arpa.gz").read_bytes() == (tmp_path / "b.arpa.gz").read_bytes()


def test_what_an_n_gram_was_made_of_is_written_beside_it(tmp_path):
    made = estimate(sentences(), "words", 2, tmp_path / "words.arpa.gz")
    assert made.lines == len(TEXT) and made.tokens == sum(len(line.split()) for line in TEXT)
    save_about(tmp_path, [made], ["five sentences"])
    assert '"five sentences"' in (tmp_path / "ngram.json").read_text(encoding="utf-8")
    assert made.sentence.startswith("2-gram of words: 5 lines, ")


def test_a_text_without_words_a_wrong_order_and_a_damaged_file_are_refused(tmp_path):
    file = tmp_path / "words.arpa.gz"
    with pytest.raises(GoamaError, match="no words"):
        estimate([[]], "words", 3, file)
    with pytest.raises(GoamaError, match="order 9"):
        estimate(sentences(), "words", 9, file)
    file.write_bytes(gzip.compress(b"hello\n"))
    with pytest.raises(GoamaError, match="no n-gram in ARPA format"):
        known_tokens(file)
    file.write_bytes(b"not gzip")
    with pytest.raises(GoamaError, match=r"words\.arpa\.gz: damaged"):
        known_tokens(Path(file))
