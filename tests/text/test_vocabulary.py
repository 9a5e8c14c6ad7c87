"""The characters a model can write: which are kept, how text becomes labels, and that transformers agrees."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, Wav2Vec2CTCTokenizer

from goama.errors import GoamaError
from goama.text import Normaliser, Vocabulary

TEXTS = [
    "ɛ̃ ned b sẽn maan tʋʋma",  # Mooré
    "ọ́ ní ẹ̀kọ́ gbogbo",  # Yoruba
    "'t is zo'n mooie dag",  # Dutch
    "tiếng việt",
    "नमस्ते दुनिया",
    "မြန်မာစကား",
    "می\u200cروم",
]


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary.from_texts(TEXTS)[0]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Wav2Vec2CTCTokenizer:
    folder = tmp_path_factory.mktemp("model")
    vocabulary().save(folder)
    return AutoTokenizer.from_pretrained(folder)


some_ids = st.lists(st.one_of(st.integers(0, len(vocabulary()) - 1), st.sampled_from([0, 0, 1, 2, 5])), max_size=40)


# --- ids and units


def test_blank_delimiter_and_unknown_come_first_then_the_units_by_code_point():
    built, _ = Vocabulary.from_texts(["zo b", "a"])
    assert built.tokens == ("[PAD]", "|", "[UNK]", "a", "b", "o", "z")
    assert (built.blank_id, built.delimiter_id, built.unk_id, len(built)) == (0, 1, 2, 7)
    assert built.units == ("a", "b", "o", "z")


def test_a_letter_keeps_the_diacritics_that_unicode_cannot_compose_with_it():
    assert vocabulary().segment("ɛ\u0303 ẹ̀kọ\u0301") == ["ɛ̃", "|", "ẹ̀", "k", "ọ́"]
    assert len(vocabulary().segment("tiê\u0301ng")) == 5


def test_vowel_signs_of_one_script_are_units_of_their_own():
    assert vocabulary().segment("दुनि") == ["द", "ु", "न", "ि"]
    assert vocabulary().segment("မြန်") == ["မ", "ြ", "န", "်"]


def test_a_vocabulary_of_nothing_is_refused():
    with pytest.raises(GoamaError, match="no characters"):
        Vocabulary.from_texts(["", "  "])


# --- rare units

AN_HOUR_OF_DUTCH = ["de man fietst langs de straat naar huis"] * 1500  # about 48 000 letters


def test_in_an_hour_a_letter_seen_three_times_stays_and_one_seen_once_goes():
    built, report = Vocabulary.from_texts([*AN_HOUR_OF_DUTCH, "quis quis", "que", "haçst"])
    assert "q" in built.units
    assert "ç" not in built.units
    assert report.min_count == 2
    assert [(rare.unit, rare.count, rare.examples) for rare in report.rare] == [("ç", 1, ("haçst",))]
    assert report.unknown_share == pytest.approx(1 / report.total)
    assert built.decode(built.encode("haçst"), collapse=False) == "hast"


def test_ten_minutes_keep_the_whole_alphabet():
    built, report = Vocabulary.from_texts(["de man loopt", "x"])
    assert "x" in built.units
    assert (report.min_count, report.rare, report.unknown_share) == (1, (), 0.0)


def test_a_large_corpus_asks_for_one_in_a_hundred_thousand_and_never_more_than_twenty():
    assert Vocabulary.from_texts(["a" * 1000] * 500)[1].min_count == 5
    assert Vocabulary.from_texts(["a" * 100_000] * 50)[1].min_count == 20


def test_a_given_minimum_is_honoured_and_examples_are_three_texts_at_most():
    _, report = Vocabulary.from_texts(["ax", "bx", "cx", "dx", "é"], min_count=5)
    assert report.kept == {}
    x = report.rare[0]
    assert (x.unit, x.count, x.examples) == ("x", 4, ("ax", "bx", "cx"))


# --- encode and decode


@pytest.mark.parametrize("text", TEXTS)
def test_what_was_encoded_is_decoded(text):
    normalised = Normaliser.for_language(None)(text)
    assert vocabulary().decode(vocabulary().encode(normalised), collapse=False) == normalised


@settings(deadline=None)
@given(words=st.lists(st.lists(st.sampled_from(vocabulary().units), min_size=1).map("".join), max_size=6))
def test_any_text_of_known_units_survives_the_ctc_round_trip(words):
    text = Normaliser.for_language(None)(" ".join(words))
    ids = vocabulary().encode(text)
    assume(vocabulary().unk_id not in ids)  # two units side by side may make a third: Burmese signs on Latin letters
    with_blanks = [id for label in ids for id in (label, label, vocabulary().blank_id)]
    assert vocabulary().decode(with_blanks) == text


def test_decoding_collapses_repeats_drops_blanks_and_writes_single_spaces():
    a = vocabulary().encode("a")[0]
    assert vocabulary().decode([1, 0, a, a, 0, a, 1, 0, 1, a, 2, 1]) == "aa a"
    assert vocabulary().decode([a, a], collapse=False) == "aa"


def test_padding_of_labels_and_unknown_units_write_nothing():
    a = vocabulary().encode("a")[0]
    assert vocabulary().decode([a, 2, a, -100, -100, 10_000], collapse=False) == "aa"
    assert vocabulary().encode("a☃a") == [a, 2, a]


def test_spaces_are_collapsed_and_a_typed_delimiter_is_a_space():
    assert vocabulary().encode("  a   b ") == vocabulary().encode("a b") == vocabulary().encode("a|b")


@pytest.mark.parametrize(("text", "frames"), [("", 0), ("a", 1), ("aa", 3), ("naam", 5), ("a a", 3), ("ɛ̃ɛ̃", 3)])
def test_equal_neighbours_need_a_blank_between_them(text, frames):
    assert vocabulary().required_frames(text) == frames
    assert vocabulary().required_frames(vocabulary().encode(text)) == frames


def test_required_frames_is_the_boundary_of_a_finite_ctc_loss():
    import torch

    ids = vocabulary().encode("naam oo")
    needed = vocabulary().required_frames(ids)

    def loss(frames: int) -> float:
        logits = torch.zeros(frames, 1, len(vocabulary())).log_softmax(-1)
        return float(torch.nn.functional.ctc_loss(logits, torch.tensor([ids]), (frames,), (len(ids),), blank=0))

    assert loss(needed) < float("inf")
    assert loss(needed - 1) == float("inf")


# --- transformers reads the same


def test_the_saved_tokenizer_has_the_same_classes_and_no_more(tokenizer):
    assert isinstance(tokenizer, Wav2Vec2CTCTokenizer)
    assert len(tokenizer) == len(vocabulary()) == tokenizer.vocab_size
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == list(vocabulary().tokens)
    assert (tokenizer.pad_token_id, tokenizer.word_delimiter_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    assert tokenizer.bos_token is None
    assert tokenizer.eos_token is None


@settings(max_examples=500, deadline=None)
@given(ids=some_ids)
def test_the_tokenizer_decodes_as_we_do(tokenizer, ids):
    # It prints [UNK], and two spaces where two delimiters have only blanks between them.
    theirs = tokenizer.decode(ids, skip_special_tokens=False).replace("[UNK]", "")
    assert " ".join(theirs.split()) == vocabulary().decode(ids)


@settings(deadline=None)
@given(ids=some_ids.map(lambda ids: [id for id in ids if id not in (1, 2)]))
def test_within_a_word_the_tokenizer_decodes_exactly_as_we_do(tokenizer, ids):
    assert tokenizer.decode(ids) == vocabulary().decode(ids)
    assert tokenizer.batch_decode([ids]) == [vocabulary().decode(ids)]


def test_saved_loaded_and_saved_again_nothing_changes(tokenizer, tmp_path):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    vocabulary().save(first)
    Vocabulary.load(first).save(second)
    Wav2Vec2CTCTokenizer.from_pretrained(second).save_pretrained(third)
    assert Vocabulary.load(first) == Vocabulary.load(second) == Vocabulary.load(third) == vocabulary()
    again = AutoTokenizer.from_pretrained(third)
    assert len(again) == len(vocabulary())
    ids = vocabulary().encode("ɛ̃ ɛ̃ ọ́ní")
    assert again.decode(ids) == tokenizer.decode(ids) == "ɛ̃ ɛ̃ ọ́ní"
    assert sorted(file.name for file in first.iterdir()) == ["tokenizer_config.json", "vocab.json"]


# --- foreign models


def foreign_folder(folder: Path, tokens: list[str], **options) -> Path:
    source = folder / "source.json"
    source.write_text(json.dumps({token: id for id, token in enumerate(tokens)}), "utf-8")
    Wav2Vec2CTCTokenizer(str(source), **options).save_pretrained(folder / "foreign")
    return folder / "foreign"


def test_a_foreign_vocabulary_keeps_its_ids_and_a_blank_that_is_not_zero(tmp_path):
    folder = foreign_folder(
        tmp_path, ["a", "b", "|", "[UNK]", "[PAD]"], pad_token="[PAD]", unk_token="[UNK]"
    )  # the notebook's way: <s> and </s> are added behind
    loaded = Vocabulary.load(folder)
    assert (loaded.blank_id, loaded.unk_id, loaded.delimiter_id) == (4, 3, 2)
    assert len(loaded) == len(AutoTokenizer.from_pretrained(folder)) == 7
    assert loaded.decode([0, 0, 4, 0, 2, 1, 5, 6]) == "aa b"
    assert loaded.encode("ab c") == [0, 1, 2, 3]
    loaded.save(tmp_path / "again")
    assert len(AutoTokenizer.from_pretrained(tmp_path / "again")) == 7
    assert AutoTokenizer.from_pretrained(tmp_path / "again").pad_token_id == 4


def test_the_original_wav2vec2_layout_and_its_defaults_are_understood(tmp_path):
    folder = foreign_folder(tmp_path, ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "É"], do_lower_case=True)
    loaded = Vocabulary.load(folder)
    ids = [1, 5, 5, 0, 5, 4, 6, 2]
    assert loaded.decode(ids) == "ee é"
    assert AutoTokenizer.from_pretrained(folder).decode(ids[1:-1]) == "ee é"
    assert loaded.units == ("e", "é")


def test_one_language_is_read_from_a_vocabulary_of_many(tmp_path):
    source = tmp_path / "source.json"
    of = {
        "mos": ["<pad>", "<s>", "</s>", "<unk>", "|", "ɛ", "̃"],
        "nld": ["<pad>", "<s>", "</s>", "<unk>", "|", "q"],
    }
    source.write_text(json.dumps({name: {t: i for i, t in enumerate(tokens)} for name, tokens in of.items()}))
    Wav2Vec2CTCTokenizer(str(source), target_lang="mos").save_pretrained(tmp_path / "mms")
    loaded = Vocabulary.load(tmp_path / "mms")
    assert loaded.encode("ɛ̃") == [5, 6]  # spelt as this vocabulary spells it
    assert loaded.decode([5, 6]) == "ɛ̃"


def test_folders_that_are_no_ctc_model_are_refused_by_name(tmp_path):
    with pytest.raises(GoamaError, match="has no vocab.json"):
        Vocabulary.load(tmp_path)
    for content, said in [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ('{"a": 0, "b": 7}', "does not number"),
        ('{"a": 0, "b": 1}', "no token for pad_token"),
    ]:
        (tmp_path / "vocab.json").write_text(content)
        with pytest.raises(GoamaError, match=said) as refusal:
            Vocabulary.load(tmp_path)
        assert str(tmp_path) in str(refusal.value)


def test_importing_goama_text_loads_neither_torch_nor_transformers():
    code = "import sys, goama.text; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.strip() == "[]"
