"""CTranslate2's `model.bin` as an encoder: loaded whole, read once; what is damaged or hostile is one sentence."""

import random
import struct

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from goama.errors import GoamaError
from goama.model import ctranslate2
from goama.model.encoder import read_config
from goama.model.loading import load_for_training
from goama.text import Vocabulary
from tests.model.ct2_file import variables_of, write_ct2

VOCABULARY = Vocabulary.from_texts(["een paar woorden"])[0]


@pytest.fixture(scope="module")
def whisper(whisper_encoder):
    return WhisperForConditionalGeneration.from_pretrained(whisper_encoder)


@pytest.fixture(scope="module")
def variables(whisper):
    return variables_of(whisper)


@pytest.fixture(scope="module")
def file(variables, tmp_path_factory):
    return write_ct2(tmp_path_factory.mktemp("ct2") / "model.bin", variables)


def load(file):
    return load_for_training(str(file), VOCABULARY, adapter=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_weights_are_those_of_the_checkpoint(whisper, whisper_encoder, tmp_path, dtype):
    loaded = load(write_ct2(tmp_path / "model.bin", variables_of(whisper, dtype)))
    assert loaded.new_parameters == ("lm_head",)
    expected = load_for_training(str(whisper_encoder), VOCABULARY, adapter=False).network.state_dict()
    for name, value in loaded.network.state_dict().items():
        assert value.dtype == torch.float32
        if not name.startswith("lm_head."):
            assert torch.equal(value, expected[name].to(dtype).float()), name


def test_a_folder_that_holds_the_file_is_an_encoder_too(file):
    assert read_config(str(file.parent)).to_dict() == read_config(str(file)).to_dict()
    one, other = load(file).network.state_dict(), load(file.parent).network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one if not name.startswith("lm_head."))


def test_the_sizes_are_read_without_a_weight(file, monkeypatch):
    monkeypatch.setattr(torch, "frombuffer", lambda *_, **__: pytest.fail("a weight was read"))
    assert ctranslate2.read_sizes(file) == {
        "num_mel_bins": 80,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_source_positions": 1500,
    }


def test_a_variable_that_is_kept_under_another_name_is_found(variables, file, tmp_path):
    norm, other = "encoder/layer_norm/gamma", "encoder/layer_0/ffn/layer_norm/gamma"
    fewer = {name: value for name, value in variables.items() if name != norm}
    weights = ctranslate2.read_weights(write_ct2(tmp_path / "model.bin", fewer, aliases=[(norm, other)])).by_name
    assert torch.equal(
        weights["model.encoder.layer_norm.weight"], weights["model.encoder.layers.0.final_layer_norm.weight"]
    )


def without(name):
    return lambda variables: variables.pop(name)


def with_value(name, value):
    return lambda variables: variables.update({name: value})


FC1 = "encoder/layer_1/ffn/linear_0/weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("encoder/conv2/bias"), "encoder/conv2/bias is missing"),
        (without("encoder/num_heads"), "encoder/num_heads is missing"),
        (
            without("encoder/layer_0/self_attention/linear_0/weight"),
            "layer_0/self_attention/linear_0/weight is missing",
        ),
        (
            without("encoder/layer_1/self_attention/linear_0/weight"),
            "layer_1/self_attention/linear_0/weight is missing",
        ),
        (with_value("encoder/layer_999999999/x", torch.zeros(1)), "more layers"),
        (with_value(FC1, torch.zeros(32, 64).half()), r"shape \[32, 64\] instead of \[64, 32\]"),
        (with_value(FC1, torch.zeros(64, 32, dtype=torch.int8)), "quantised to int8, which cannot be trained"),
        (with_value(FC1, torch.zeros(64, 32, dtype=torch.int16)), "quantised to int16"),
        (with_value(FC1, torch.zeros(64, 32, dtype=torch.int32)), "unknown data type 3"),
        (with_value("encoder/num_heads", torch.tensor(5, dtype=torch.int16)), "5 attention heads do not share"),
        (with_value("encoder/num_heads", torch.tensor(0, dtype=torch.int16)), "num_attention_heads is 0"),
        (with_value("encoder/num_heads", torch.tensor(-4, dtype=torch.int16)), "num_attention_heads is -4"),
        (with_value("encoder/num_heads", torch.tensor(4.0)), "num_heads is no number"),
        (with_value("encoder/num_heads", torch.tensor([4, 4], dtype=torch.int16)), "num_heads has 1 dimensions"),
        (with_value("encoder/conv1/weight", torch.zeros(0, 80, 3).half()), "damaged"),
        (with_value("encoder/position_encodings/encodings", torch.zeros(1500, 32).half()), "not the sinusoids"),
        (with_value("encoder/position_encodings/encodings", torch.zeros(1500, 30).half()), "instead of"),
    ],
)
def test_a_file_that_contradicts_itself_is_one_sentence(variables, tmp_path, change, said):
    changed = dict(variables)
    change(changed)
    file = write_ct2(tmp_path / "model.bin", changed)
    with pytest.raises(GoamaError, match=said) as refused:
        load(file)
    assert str(file) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"hello", "not CTranslate2's format"),
        (struct.pack("<I", 5) + b"\0" * 100, "not CTranslate2's format of version 6"),
        (struct.pack("<IH", 6, 60_000), "cut off"),
        (struct.pack("<IH12sIII", 6, 12, b"WhisperSpec\0", 3, 2**31, 0), "more variables"),
        (struct.pack("<IH12sIIH2sB", 6, 12, b"WhisperSpec\0", 3, 1, 2, b"a\0", 200), "200 dimensions"),
        (struct.pack("<IH12sIIH2sBIBI", 6, 12, b"WhisperSpec\0", 3, 1, 2, b"a\0", 1, 2**32 - 1, 0, 2**32 - 1), "cut"),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(tmp_path, content, said):
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(GoamaError, match=said):
        load(tmp_path / "model.bin")


def test_another_model_of_ctranslate2_is_named(variables, tmp_path):
    with pytest.raises(GoamaError, match="'TransformerSpec', not a Whisper model"):
        load(write_ct2(tmp_path / "model.bin", variables, name="TransformerSpec"))


def test_a_file_cut_off_anywhere_is_one_sentence(file, tmp_path):
    content = file.read_bytes()
    for length in random.Random(0).sample(range(len(content)), 60):
        (tmp_path / "model.bin").write_bytes(content[:length])
        with pytest.raises(GoamaError):
            ctranslate2.read_sizes(tmp_path / "model.bin")


def test_bytes_that_were_changed_never_end_in_a_traceback(file, tmp_path):
    """A changed weight is not noticed; everything else is."""
    content, chance, noticed = file.read_bytes(), random.Random(0), 0
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(20):
            damaged[chance.randrange(len(content))] = chance.randrange(256)
        place = chance.choice([0, 4, 20, 24, content.index(b"num_heads") + 11, 60])
        damaged[place] = chance.randrange(256)
        (tmp_path / "model.bin").write_bytes(damaged)
        try:
            load(tmp_path / "model.bin")
        except GoamaError:
            noticed += 1
    assert noticed > 50
