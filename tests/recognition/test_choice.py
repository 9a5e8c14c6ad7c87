"""A model folder says how it is decoded, options override it, and a missing library is said in a sentence."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path

import pytest

from goama.errors import GoamaError
from goama.model.folder import SpeechModel, load_model_folder
from goama.recognition.beam import BeamDecoder
from goama.recognition.choice import choose_decoder
from goama.recognition.decoding import DECODING_FILE, ModelDecoding, Weights
from goama.recognition.greedy import GreedyDecoder
from goama.recognition.options import DecodingOptions
from goama.text.ngram import NGRAM_FOLDER, UNITS, estimate, ngram_file, tokens_of

WEIGHTS = {"words": Weights(0.5, 1.0, 0.5, 20), "characters": Weights(0.9, 0.8, 0.0, 30)}
TUNED = ModelDecoding("beam", "characters", "better on dev", 0.0, WEIGHTS, {"clips": 4})


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with both n-grams."""
    folder = tmp_path_factory.mktemp("choice") / "model"
    shutil.copytree(tiny_model, folder)
    (folder / NGRAM_FOLDER).mkdir()
    vocabulary = load_model_folder(folder).vocabulary
    for units in UNITS:
        lines = ["de kat ziet de hond", "de hond ziet de kat"]
        estimate([tokens_of(line, units, vocabulary) for line in lines], units, 3, ngram_file(folder, units))
    return folder


@pytest.fixture
def model(folder: Path) -> SpeechModel:
    """The model, as it was before any tuning."""
    (folder / DECODING_FILE).unlink(missing_ok=True)
    return load_model_folder(folder)


def chosen(model: SpeechModel, **options):
    return choose_decoder(model, 0.02, DecodingOptions(**options))


def described(decoder) -> tuple:
    return decoder._by_character, decoder._weights


def test_a_model_that_was_not_tuned_is_decoded_greedily(model):
    assert isinstance(chosen(model).decoder, GreedyDecoder)


def test_a_tuned_model_is_decoded_with_its_n_gram_and_weights(model, folder):
    TUNED.save(folder)
    assert ModelDecoding.load(folder) == TUNED
    assert described(chosen(model).decoder) == (True, WEIGHTS["characters"])


def test_options_override_what_the_folder_says(model, folder):
    TUNED.save(folder)
    assert isinstance(chosen(model, method="greedy").decoder, GreedyDecoder)
    assert described(chosen(model, ngram="words").decoder) == (False, WEIGHTS["words"])
    assert described(chosen(model, ngram_weight=2.0, beam_width=7).decoder) == (True, Weights(2.0, 0.8, 0.0, 7))


def test_hot_words_are_searched_with_the_n_gram_of_words(model, folder):
    TUNED.save(folder)
    assert described(chosen(model, hot_words=("de Kat!",)).decoder) == (False, WEIGHTS["words"])
    assert chosen(model, hot_words=("de Kat!",)).decoder._hot_words.phrases == ("de kat",)


def test_hot_words_of_a_model_that_n_grams_make_worse_are_searched_without_one(model, folder):
    ModelDecoding("greedy", "none", "", 0.0, WEIGHTS, {"clips": 4}).save(folder)
    assert described(chosen(model, hot_words=("kat",)).decoder) == (False, Weights())


def test_greedy_decoding_has_no_hot_words(model):
    with pytest.raises(GoamaError, match="hot words need beam search"):
        chosen(model, method="greedy", hot_words=("kat",))


def test_a_hot_word_that_the_model_cannot_write_is_refused(model):
    with pytest.raises(GoamaError, match=r"'жук': this model cannot write 'ж'"):
        chosen(model, hot_words=("жук",))


def test_a_tuned_models_blank_penalty_holds_for_greedy_decoding_too(model, folder):
    ModelDecoding("greedy", "none", "", 1.5, {}, {"clips": 4}).save(folder)
    assert chosen(model).decoder._blank_penalty == 1.5
    assert chosen(model, blank_penalty=0.5).decoder._blank_penalty == 0.5


def test_without_ctc_beam_decoder_auto_is_greedy_and_says_why(model, folder, monkeypatch):
    TUNED.save(folder)
    monkeypatch.setitem(sys.modules, "ctc_beam_decoder", None)  # as if it were not installed
    choice = chosen(model)
    assert isinstance(choice.decoder, GreedyDecoder)
    assert "pip install 'goama[lm]'" in choice.remark and "decoded greedily" in choice.remark
    for wanted in ({"method": "beam"}, {"hot_words": ("kat",)}):
        with pytest.raises(GoamaError, match="beam search needs ctc-beam-decoder"):
            chosen(model, **wanted)


def test_without_ctc_beam_decoder_a_model_that_is_decoded_greedily_needs_no_remark(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctc_beam_decoder", None)
    assert chosen(model).remark == ""


def test_an_n_gram_that_was_not_copied_along_is_named(model, folder, tmp_path):
    TUNED.save(folder)
    alone = tmp_path / "alone"
    shutil.copytree(folder, alone, ignore=shutil.ignore_patterns(NGRAM_FOLDER))
    with pytest.raises(GoamaError, match="no n-gram of characters"):
        chosen(load_model_folder(alone))


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": "goama-decoding", "version": 1, "method": "magic", "weights": {}}']
)
def test_a_damaged_decoding_file_is_an_error_that_names_it(model, folder, content):
    (folder / DECODING_FILE).write_text(content)
    with pytest.raises(GoamaError, match=r"decoding\.json: damaged"):
        chosen(model)
    (folder / DECODING_FILE).write_text('{"format": "goama-decoding", "version": 99}')
    with pytest.raises(GoamaError, match="newer goama"):
        chosen(model)


def test_transformers_opens_a_model_folder_with_an_n_gram_as_one_without(model, folder):
    from transformers import pipeline

    TUNED.save(folder)
    recognise = pipeline("automatic-speech-recognition", str(folder))
    assert recognise.type == "ctc"
    assert isinstance(chosen(model).decoder, BeamDecoder)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"words": {"beam_width": 0}}, "beam_width 0"),
        ({"words": {"beam_width": "50"}}, "beam_width '50'"),
        ({"words": {"ngram_weight": float("nan")}}, "ngram_weight nan"),
        ({"words": {"word_bonus": None}}, "word_bonus None"),
    ],
)
def test_weights_that_are_no_numbers_are_named(model, folder, weights, told):
    content = {"format": "goama-decoding", "version": 1, "method": "beam", "scorer": "words", "weights": weights}
    (folder / DECODING_FILE).write_text(json.dumps(content))
    with pytest.raises(GoamaError, match=rf"decoding\.json: damaged \({told}\); delete it, and run"):
        chosen(model)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "viterbi"}, "method 'viterbi': possible are auto, greedy, beam"),
        ({"ngram": "word"}, "ngram 'word': possible are auto, none, words, characters"),
        ({"beam_width": 0}, "beam_width 0"),
        ({"beam_width": 50.0}, "beam_width 50.0"),
        ({"ngram_weight": float("inf")}, "ngram_weight inf"),
        ({"blank_penalty": "1"}, "blank_penalty '1'"),
        ({"hot_words": "Awa"}, "hot_words 'Awa': a tuple"),
        ({"hot_words": None}, "hot_words None"),
        ({"hot_words": ("Awa", 3)}, "a tuple of words"),
    ],
)
def test_options_that_make_no_sense_are_named(options, told):
    with pytest.raises(GoamaError) as error:
        DecodingOptions(**options)
    assert told in str(error.value)


def test_a_list_of_hot_words_is_a_tuple_of_them():
    assert DecodingOptions(hot_words=["de", "kat"]) == DecodingOptions(hot_words=("de", "kat"))


def test_greedy_decoding_has_no_n_gram(model):
    with pytest.raises(GoamaError, match="n-gram needs beam search"):
        chosen(model, method="greedy", ngram="words")


def test_a_hot_word_of_which_nothing_is_spoken_is_refused(model):
    with pytest.raises(GoamaError, match=r"hot word '\?\!': it has no letter"):
        chosen(model, hot_words=("kat", "?!"))


def test_an_n_gram_with_changed_bytes_is_named(model, folder, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    file = ngram_file(damaged, "words")
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8] = b"\xff" * 8
    file.write_bytes(content)
    with pytest.raises(GoamaError, match=r"words\.arpa\.gz: damaged"):
        chosen(load_model_folder(damaged), method="beam", ngram="words")


def test_an_n_gram_whose_lines_are_no_numbers_is_named_also_with_hot_words(model, folder, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    file = ngram_file(damaged, "words")
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"-0.", b"x0.")))
    for hot_words in ((), ("kat",)):
        with pytest.raises(GoamaError, match=r"words\.arpa\.gz: .*make it again with `goama ngram`"):
            chosen(load_model_folder(damaged), method="beam", ngram="words", hot_words=hot_words)
