"""What is frozen gets no gradient, what learns gets one, and LoRA's adapters end in the weights of a plain network."""

import sys

import pytest
import torch
from safetensors.torch import load_file

from goama.errors import GoamaError
from goama.model.encoder import front_end
from goama.model.folder import SpeechModel, save_model_folder
from goama.model.loading import load_for_training
from goama.model.trainable import (
    choose_trainable,
    frozen_fingerprint,
    learning_matrices,
    merged_state,
    trained_state,
)
from goama.text import Vocabulary
from goama.training.optimiser import weight_scale

VOCABULARY = Vocabulary.from_texts(["de kat zit op de mat"], min_count=1)[0]
EVERYTHING = {"freeze_feature_encoder": False, "freeze_encoder": False, "lora": 0}


def loaded_network(encoder, **choices):
    torch.manual_seed(0)
    loaded = load_for_training(str(encoder), VOCABULARY, adapter=False)
    choose_trainable(loaded.network, loaded.new_parameters, **{**EVERYTHING, **choices})
    return loaded.network.train()


def sound(network) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    if network.main_input_name == "input_features":
        return {"input_features": torch.randn(2, 50, 160), "attention_mask": torch.ones(2, 50, dtype=torch.long)}
    masked = torch.zeros(2, 49, dtype=torch.bool)
    masked[:, 5:9] = True
    mask = torch.ones(2, 16_000, dtype=torch.long)
    return {"input_values": torch.randn(2, 16_000), "attention_mask": mask, "mask_time_indices": masked}


def trained(network) -> set[str]:
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


def with_gradient(network) -> set[str]:
    """Names of parameters that a step would move."""
    network(**sound(network)).logits.square().mean().backward()
    return {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


@pytest.fixture
def encoders(waveform_encoders, tiny_encoder):
    return {**waveform_encoders, "w2v-bert": tiny_encoder}


@pytest.mark.parametrize("name", ["w2v-bert", "xls-r", "hubert-base", "wavlm-large"])
def test_with_lora_only_adapters_and_head_learn_in_every_linear_layer(encoders, name):
    network = loaded_network(encoders[name], lora=3)
    learning = trained(network)
    assert all(".lora_" in parameter or parameter.startswith("lm_head.") for parameter in learning)
    moved = with_gradient(network)
    assert moved <= learning
    second = {parameter for parameter in learning if ".lora_B." in parameter}  # the first of a pair waits for it
    assert moved == second | {"lm_head.weight", "lm_head.bias"}
    feed_forwards = 2 if name == "w2v-bert" else 1
    assert len(second) == network.config.num_hidden_layers * (4 + 2 * feed_forwards)


def test_what_lora_learns_counts_as_a_change_of_the_weights_that_it_extends(encoders):
    """Its second matrices begin at zero: by themselves they would grow without bounds."""
    network = loaded_network(encoders["xls-r"], lora=3)
    before = weight_scale(learning_matrices(network))
    with torch.no_grad():
        for parameter, value in network.named_parameters():
            if ".lora_B." in parameter:
                value.normal_(0.0, 0.01)
        assert weight_scale(learning_matrices(network)) == pytest.approx(before, rel=0.05)
        merged = merged_state(network)
    learnt = {name.replace(".lora_A.default", "") for name in trained(network) if ".lora_A." in name}
    extended = [value for name, value in merged.items() if name in learnt]
    assert len(extended) == 6 * network.config.num_hidden_layers
    expected = weight_scale([*extended, merged["lm_head.weight"]])
    assert weight_scale(learning_matrices(network)) == pytest.approx(expected, rel=1e-5)


def test_what_is_frozen_is_no_matrix_that_learns(encoders):
    (head,) = learning_matrices(loaded_network(encoders["w2v-bert"], freeze_encoder=True))
    assert head.shape[0] == len(VOCABULARY)


@pytest.mark.parametrize("name", ["w2v-bert", "xls-r", "wavlm-large"])
def test_the_merged_network_is_a_plain_one_with_the_same_logits(encoders, name, tmp_path):
    network = loaded_network(encoders[name], lora=3).eval()
    plain = loaded_network(encoders[name]).eval()
    with torch.no_grad():
        for parameter, value in network.named_parameters():
            if ".lora_B." in parameter:
                value.normal_(0.0, 0.05)
        unmerged = network(**sound(network)).logits
        assert (unmerged - plain(**sound(plain)).logits).abs().max() > 1e-2
        before = {key: value.clone() for key, value in network.state_dict().items()}
        plain.load_state_dict(merged_state(network))  # strict: the same names
        assert (plain(**sound(plain)).logits - unmerged).abs().max() < 1e-5
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_the_saved_folder_of_a_network_with_lora_has_the_files_and_names_of_one_without(encoders, corpus, tmp_path):
    for name, rank in (("with", 3), ("without", 0)):
        network = loaded_network(encoders["xls-r"], lora=rank)
        front = front_end(str(encoders["xls-r"]), network.config)
        save_model_folder(tmp_path / name, SpeechModel(network, front, VOCABULARY, corpus.normaliser), "# card")
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("with", "without")]
    assert files[0] == files[1]
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("with", "without"))
    assert one.keys() == other.keys()
    assert "peft" not in (tmp_path / "with" / "config.json").read_text()


def test_lora_without_its_library_is_one_line(encoders, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(GoamaError, match="pip install peft"):
        loaded_network(encoders["xls-r"], lora=3)


@pytest.mark.parametrize("name", ["wav2vec2-base", "hubert-large", "wavlm-base"])
def test_the_convolutions_over_waveforms_stay_as_pretrained_and_the_rest_learns(encoders, name):
    moved = with_gradient(loaded_network(encoders[name], freeze_feature_encoder=True))
    assert not any(".feature_extractor." in parameter for parameter in moved)
    assert any(parameter.endswith("masked_spec_embed") for parameter in moved)
    assert any(".feature_projection." in parameter for parameter in moved)
    assert any(".feature_extractor." in parameter for parameter in with_gradient(loaded_network(encoders[name])))


def test_a_frozen_mms_encoder_learns_its_attention_adapters_and_head(encoders):
    moved = with_gradient(loaded_network(encoders["mms"], freeze_encoder=True))
    assert moved
    assert all(".adapter_layer." in parameter or parameter.startswith("lm_head.") for parameter in moved)
    assert {parameter.split(".layers.")[1][0] for parameter in moved if ".layers." in parameter} == {"0", "1"}


def test_of_a_frozen_encoder_the_head_learns(encoders):
    assert with_gradient(loaded_network(encoders["w2v-bert"], freeze_encoder=True)) == {
        "lm_head.weight",
        "lm_head.bias",
    }


@pytest.mark.parametrize("name, rank", [("xls-r", 3), ("wavlm-large", 0), ("mms", 0)])
def test_gradient_checkpointing_gives_the_same_gradients(encoders, name, rank):
    gradients = []
    for checkpointing in (False, True):
        network = loaded_network(encoders[name], lora=rank, freeze_feature_encoder=True, freeze_encoder=name == "mms")
        if checkpointing:
            network.gradient_checkpointing_enable()
        with_gradient(network)
        gradients.append({key: p.grad for key, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(gradients[0][key], gradients[1][key], atol=1e-6) for key in gradients[0])


def test_what_does_not_learn_is_not_kept_but_recognised(encoders):
    network = loaded_network(encoders["xls-r"], lora=3)
    assert all(".lora_" in name or name.startswith("lm_head.") for name in trained_state(network))
    again = loaded_network(encoders["xls-r"], lora=3)
    assert frozen_fingerprint(network) == frozen_fingerprint(again) != ""
    with torch.no_grad():
        again.wav2vec2.encoder.layer_norm.weight[0] += 1e-6
        network.lm_head.weight.zero_()  # this learns
    assert frozen_fingerprint(again) != frozen_fingerprint(loaded_network(encoders["xls-r"], lora=3))
    assert frozen_fingerprint(network) == frozen_fingerprint(loaded_network(encoders["xls-r"], lora=3))
    assert frozen_fingerprint(loaded_network(encoders["xls-r"])) == ""
