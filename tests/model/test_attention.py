"""Goama's layers compute what transformers' do, forward and backward; only padding reaches less far."""

import copy

import pytest
import torch
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC

from goama.model.attention import install


def make_network(**changes) -> Wav2Vec2BertForCTC:
    torch.manual_seed(0)
    small = {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "output_hidden_size": 48,
        "vocab_size": 20,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "final_dropout": 0.0,
        "conformer_conv_dropout": 0.0,
    }
    return Wav2Vec2BertForCTC(Wav2Vec2BertConfig(**{**small, **changes}))


def inputs(lengths=(150, 91, 7)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(len(lengths), max(lengths), 160, generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return features * mask[..., None], mask


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_and_gradients_equal_those_of_transformers(attention):
    original = make_network()
    original.set_attn_implementation(attention)
    ours = copy.deepcopy(original)
    install(ours)
    features, mask = inputs()
    results = []
    for network in (original, ours):
        logits = network(features, attention_mask=mask).logits
        (logits.square() * mask[..., None]).sum().backward()
        results.append((logits.detach(), {name: p.grad for name, p in network.named_parameters()}))
    (expected, expected_grads), (logits, grads) = results
    valid = mask.bool()
    torch.testing.assert_close(logits[valid], expected[valid], atol=2e-5, rtol=1e-4)
    for name, gradient in expected_grads.items():
        torch.testing.assert_close(grads[name], gradient, atol=2e-3, rtol=2e-3, msg=name)


def test_without_a_mask_the_result_is_the_same_too():
    original = make_network(add_adapter=True).eval()
    ours = copy.deepcopy(original)
    install(ours)
    features, _ = inputs((64,))
    with torch.no_grad():
        torch.testing.assert_close(ours(features).logits, original(features).logits, atol=1e-5, rtol=1e-4)


def test_the_state_dict_keeps_its_names():
    network = make_network(add_adapter=True)
    before = list(network.state_dict())
    install(network)
    assert list(network.state_dict()) == before


@pytest.mark.parametrize("adapter_layers", [0, 1, 2])
def test_padding_does_not_change_a_clip(adapter_layers):
    """With transformers' own adapter the last frame of an odd-length clip fails this by about 0.1."""
    adapter = {"add_adapter": True, "num_adapter_layers": adapter_layers} if adapter_layers else {}
    network = make_network(**adapter).eval()
    install(network)
    lengths = (150, 91, 64, 33, 7)
    features, mask = inputs(lengths)
    with torch.no_grad():
        together = network(features, attention_mask=mask).logits
        for row, length in enumerate(lengths):
            alone = network(features[row : row + 1, :length], attention_mask=mask[row : row + 1, :length]).logits[0]
            torch.testing.assert_close(together[row, : len(alone)], alone, atol=1e-5, rtol=1e-4)


def test_transformers_own_adapter_lets_padding_in():
    """The reason for `PaddingProofAdapterLayer`; when this fails, transformers has mended it."""
    network = make_network(add_adapter=True).eval()
    features, mask = inputs((150, 91))
    with torch.no_grad():
        together = network(features, attention_mask=mask).logits[1, :46]
        alone = network(features[1:, :91], attention_mask=mask[1:, :91]).logits[0]
    assert (together - alone).abs().max() > 1e-3
