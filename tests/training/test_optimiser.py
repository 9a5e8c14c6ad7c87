"""The rate rises, falls and never dies; new weights learn at their own; norms and biases do not decay."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from goama.model.loading import load_for_training
from goama.text import Vocabulary
from goama.training.optimiser import FLOOR, make_optimiser, rate_factor, set_rate, weight_scale


def test_the_rate_rises_over_the_warm_up_and_falls_to_the_floor():
    assert rate_factor(0.05, 0.1) == pytest.approx(0.5)
    assert rate_factor(0.1, 0.1) == pytest.approx(1.0)
    assert rate_factor(1.0, 0.1) == pytest.approx(FLOOR)


@given(st.floats(-1, 2), st.floats(0, 0.9))
def test_the_rate_is_never_zero_nor_above_its_peak(progress, warmup):
    assert FLOOR <= rate_factor(progress, warmup) <= 1.0 + 1e-9


def test_groups_have_their_rates_and_decays(tiny_encoder):
    vocabulary = Vocabulary.from_texts(["abc"], min_count=1)[0]
    loaded = load_for_training(str(tiny_encoder), vocabulary, adapter=False)
    optimiser = make_optimiser(
        loaded.network,
        learning_rate=1e-4,
        head_learning_rate=1e-3,
        new_parameters=loaded.new_parameters,
        betas=(0.9, 0.98),
        weight_decay=0.1,
    )
    by_parameter = {id(p): group for group in optimiser.param_groups for p in group["params"]}
    names = dict(loaded.network.named_parameters())
    assert len(by_parameter) == len(names)

    def group(name: str) -> tuple[float, float]:
        found = by_parameter[id(names[name])]
        return found["lr"], found["weight_decay"]

    layer = "wav2vec2_bert.encoder.layers.0."
    assert group("lm_head.weight") == (1e-3, 0.1)
    assert group("lm_head.bias") == (1e-3, 0.0)
    assert group(layer + "ffn1.output_dense.weight") == (1e-4, 0.1)
    assert group(layer + "final_layer_norm.weight") == (1e-4, 0.0)
    assert group(layer + "self_attn.distance_embedding.weight") == (1e-4, 0.0)
    set_rate(optimiser, 0.5)
    assert by_parameter[id(names["lm_head.weight"])]["lr"] == pytest.approx(5e-4)


@pytest.mark.parametrize("kind", ["wav2vec2-bert", "xls-r", "hubert-base"])
def test_lower_layers_have_a_lower_rate_and_new_parameters_their_own(kind, tiny_encoder, waveform_encoders):
    vocabulary = Vocabulary.from_texts(["abc"], min_count=1)[0]
    encoder = {"wav2vec2-bert": tiny_encoder, **waveform_encoders}[kind]
    loaded = load_for_training(str(encoder), vocabulary, adapter=False)
    optimiser = make_optimiser(
        loaded.network,
        learning_rate=1e-4,
        head_learning_rate=1e-3,
        new_parameters=loaded.new_parameters,
        layer_decay=0.5,
        betas=(0.9, 0.98),
        weight_decay=0.1,
    )
    groups = {id(p): group for group in optimiser.param_groups for p in group["params"]}
    rates = {name: groups[id(p)]["peak_lr"] for name, p in loaded.network.named_parameters()}
    layers = loaded.network.config.num_hidden_layers
    for layer in range(layers):
        (rate,) = {rate for name, rate in rates.items() if f".encoder.layers.{layer}." in name}
        assert rate == pytest.approx(1e-4 * 0.5 ** (layers - 1 - layer))
    (first,) = {rate for name, rate in rates.items() if "feature_projection" in name}
    assert first == pytest.approx(1e-4 * 0.5**layers)
    assert rates["lm_head.weight"] == 1e-3
    new = {name for name, p in loaded.network.named_parameters() if groups[id(p)]["is_new"]}
    assert new == {"lm_head.weight", "lm_head.bias"}


def test_frozen_parameters_are_left_out():
    network = torch.nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    optimiser = make_optimiser(
        network, learning_rate=1, head_learning_rate=1, new_parameters=(), betas=(0.9, 0.98), weight_decay=0
    )
    assert [p.shape for group in optimiser.param_groups for p in group["params"]] == [network.weight.shape]


def test_the_scale_of_the_weights_counts_each_matrix_alike():
    small, large, zero = torch.full((2, 3), 0.02), torch.full((50, 40), 0.5), torch.zeros(4, 4)
    assert weight_scale([small, large, zero]) == pytest.approx((0.021 * 0.501 * 0.001) ** (1 / 3), rel=1e-4)
