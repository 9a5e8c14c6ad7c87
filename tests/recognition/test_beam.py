"""Beam search writes what pyctcdecode writes, with times, in a stream, and with one boost a hot phrase."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from goama.errors import GoamaError
from goama.evaluation.scores import error_rates, score_clip
from goama.recognition.beam import BeamDecoder, HotWords, NgramFile
from goama.recognition.decoding import Weights
from goama.recognition.greedy import GreedyDecoder
from goama.recognition.units import segments_of
from goama.text.ngram import add_words, estimate

WORDS = Weights(ngram_weight=0.6, word_bonus=1.0, blank_penalty=1.0)
CHARACTERS = Weights(ngram_weight=1.0, word_bonus=1.0)
NEVER_A_PAUSE = 1e-5
"""Seconds a frame: no quiet stretch lasts 0.8 s, so that a clip is decoded as one utterance."""


UNSEEN = slice(16, None)
"""The sentences that the network was not trained on."""


def decoder(recognised, weights=WORDS, ngram=None, hot=(), boost=0.0, shift_s=0.02) -> BeamDecoder:
    return BeamDecoder(recognised.vocabulary, shift_s, weights, ngram, HotWords(tuple(hot), boost))


def word_error_rate(decoder, recognised) -> float:
    pairs = list(zip(recognised.references, recognised.emissions, strict=True))[UNSEEN]
    return error_rates(score_clip("", reference, decoder.text(emission)) for reference, emission in pairs).wer


@pytest.mark.parametrize("hot, boost", [((), 0.0), (("horen", "amforenopslag"), 6.0)])
@pytest.mark.parametrize("with_ngram", [False, True])
def test_texts_equal_pyctcdecodes(recognised, dutch_ngrams, tmp_path, with_ngram, hot, boost):
    reference = pytest.importorskip("pyctcdecode")
    vocabulary, ngram, plain = recognised.vocabulary, None, None
    if with_ngram:
        ngram, plain = dutch_ngrams["words"], tmp_path / "words.arpa"
        add_words(ngram.path, hot, plain)
    ours = decoder(recognised, WORDS, ngram, hot, boost, NEVER_A_PAUSE)
    labels = ["", " ", "\ue000", *vocabulary.tokens[3:]]
    theirs = reference.build_ctcdecoder(labels, plain and str(plain), alpha=0.6, beta=1.0)
    for emission in recognised.emissions:
        scores = emission.numpy().copy()
        scores[:, vocabulary.blank_id] -= WORDS.blank_penalty
        scores[:, vocabulary.unk_id] = -1e4
        text = theirs.decode(scores, beam_width=50, hotwords=list(hot) or None, hotword_weight=boost)
        assert ours.text(emission) == " ".join(text.split())


@pytest.mark.parametrize("units, weights", [("words", WORDS), ("characters", CHARACTERS)])
def test_an_n_gram_of_the_language_takes_errors_away(recognised, dutch_ngrams, units, weights):
    greedy = word_error_rate(GreedyDecoder(recognised.vocabulary), recognised)
    assert word_error_rate(decoder(recognised, weights, dutch_ngrams[units]), recognised) < 0.8 * greedy


@pytest.mark.parametrize("units, weights", [("words", WORDS), ("characters", CHARACTERS)])
def test_a_stream_of_pieces_gives_the_words_of_the_whole_with_rising_times(recognised, dutch_ngrams, units, weights):
    whole = torch.cat(recognised.emissions)
    search = decoder(recognised, weights, dutch_ngrams[units])
    found = search.units([whole])
    assert search.units(whole.split(37)) == found
    segments = segments_of(found, recognised.vocabulary, 0.02)
    assert " ".join(segment.text for segment in segments) == search.text(whole)
    times = [time for segment in segments for word in segment.words for time in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= 0.02 * len(whole)
    assert all(0 < word.confidence <= 1 for segment in segments for word in segment.words)


def test_without_an_n_gram_units_lie_where_greedy_decoding_finds_them(recognised):
    sharp = recognised.emissions[0] * 20  # the best path is nearly certain
    sharp = sharp.log_softmax(-1)
    greedy = GreedyDecoder(recognised.vocabulary).units([sharp])
    spoken = [(unit.id, unit.start, unit.end) for unit in greedy if unit.id != recognised.vocabulary.delimiter_id]
    found = decoder(recognised, Weights()).units([sharp])
    assert [(u.id, u.start, u.end) for u in found if u.id != recognised.vocabulary.delimiter_id] == spoken


def test_a_hot_word_that_the_n_gram_does_not_know_is_found(recognised, tmp_path):
    number = next(n for n, text in enumerate(recognised.references) if "koralen" in text)
    rest = [text for text in recognised.references if "koralen" not in text]
    ngram = NgramFile(tmp_path / "rest.arpa.gz", "words")
    estimate([text.split() for text in rest], "words", 3, ngram.path)
    emission = recognised.emissions[number]
    assert "koralen" not in decoder(recognised, WORDS, ngram).text(emission)
    assert "koralen" in decoder(recognised, WORDS, ngram, ["koralen"], 5.0).text(emission)


def test_a_phrase_is_boosted_once_and_its_single_words_not_at_all(recognised, dutch_ngrams):
    search = decoder(recognised, WORDS, dutch_ngrams["words"], ["de zwarte parel", "horen"], 4.0)

    def boost_of(text: str, words: int) -> float:
        return search._score((text, None, [], 0.0, 4.0 * words))

    assert boost_of("de zwarte parel", 3) == pytest.approx(4.0)
    assert boost_of("de zwarte kat", 2) == pytest.approx(0.0)
    assert boost_of("horen de parel horen", 4) == pytest.approx(8.0)
    assert boost_of("verhoren", 0) == pytest.approx(0.0)


def test_boosts_of_abandoned_phrases_change_no_text(recognised, dutch_ngrams):
    ngram = dutch_ngrams["words"]
    hot = [f"{word} qqq" for text in recognised.references[:4] for word in text.split()]
    plain, boosted = decoder(recognised, WORDS, ngram), decoder(recognised, WORDS, ngram, hot, 1.0)
    for emission in recognised.emissions[4:]:
        assert boosted.text(emission) == plain.text(emission)


def test_hot_words_and_an_n_gram_of_characters_exclude_each_other(recognised, dutch_ngrams):
    with pytest.raises(GoamaError, match="n-gram of words"):
        decoder(recognised, CHARACTERS, dutch_ngrams["characters"], ["horen"], 5.0)


def test_silence_has_no_text_and_no_units(recognised):
    quiet = torch.full((400, len(recognised.vocabulary)), -20.0)
    quiet[:, recognised.vocabulary.blank_id] = -1e-6
    search = decoder(recognised)
    assert search.text(quiet) == "" and search.units([quiet]) == [] and search.units([quiet[:0]]) == []


def test_an_output_that_is_not_a_number_is_an_error(recognised):
    broken = recognised.emissions[0].clone()
    broken[3] = np.nan
    with pytest.raises(GoamaError, match="not a number"):
        decoder(recognised).text(broken)


def test_a_damaged_n_gram_is_named(recognised, tmp_path):
    file = Path(tmp_path, "words.arpa")
    file.write_text("\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-1\ta\t0\n\n\\2-grams:\nrubbish\n\\end\\\n")
    with pytest.raises(GoamaError, match=r"words\.arpa: cannot be read as an n-gram"):
        decoder(recognised, WORDS, NgramFile(file, "words"))


def test_reading_an_n_gram_says_nothing_on_the_screen(recognised, dutch_ngrams, capfd):
    decoder(recognised, WORDS, dutch_ngrams["words"])
    assert capfd.readouterr() == ("", "")
