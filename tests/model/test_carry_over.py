"""A vocabulary beside an encoder that is damaged is named; one of another kind is left alone."""

import json
import shutil

import pytest
from safetensors.torch import load_file

from goama.errors import GoamaError
from goama.model.loading import load_for_training
from goama.text import Vocabulary

VOCABULARY = Vocabulary.from_texts(["de kat zit op de mat"], min_count=1)[0]


@pytest.fixture
def encoder(tiny_encoder, tmp_path):
    return shutil.copytree(tiny_encoder, tmp_path / "encoder")


@pytest.mark.parametrize("content", [b'{"a": 1, "b"', b"\xff\xfe\x00", b'["a", "b"]', b"", b"7"])
def test_a_damaged_vocabulary_beside_an_encoder_is_named(encoder, content):
    (encoder / "vocab.json").write_bytes(content)
    with pytest.raises(GoamaError, match=r"vocab\.json: this vocabulary .* remove it to begin with a new head"):
        load_for_training(str(encoder), VOCABULARY, adapter=False)


@pytest.mark.parametrize("ids", [{}, {"de": 0, "kat": 5}, {"a": "b"}, {"a": None}])
def test_a_vocabulary_that_is_not_of_characters_gives_nothing(encoder, ids):
    (encoder / "vocab.json").write_text(json.dumps(ids))
    loaded = load_for_training(str(encoder), VOCABULARY, adapter=False)
    assert loaded.carried_over.characters == 0


def test_loading_an_adapter_leaves_the_head_of_the_vocabulary_and_the_files_of_the_checkpoint(waveform_encoders):
    """transformers puts the language's head in the place of the network's."""
    folder = waveform_encoders["mms"]
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    network = load_for_training(str(folder), VOCABULARY, adapter=False, languages=["nld"]).network
    assert network.lm_head.out_features == network.config.vocab_size == len(VOCABULARY)
    assert len(load_file(folder / "adapter.nld.safetensors")["lm_head.weight"]) != len(VOCABULARY)
    assert before == {file.name: file.read_bytes() for file in folder.iterdir()}


def test_an_adapter_of_another_size_is_refused(waveform_encoders, tmp_path):
    from safetensors.torch import save_file

    folder = shutil.copytree(waveform_encoders["mms"], tmp_path / "mms")
    tensors = load_file(folder / "adapter.nld.safetensors")
    name = next(name for name in tensors if name.endswith("adapter_layer.linear_1.weight"))
    save_file({**tensors, name: tensors[name][:4].contiguous()}, folder / "adapter.nld.safetensors")
    with pytest.raises(GoamaError, match="not those of this network's adapters"):
        load_for_training(str(folder), VOCABULARY, adapter=False, languages=["nld"])
