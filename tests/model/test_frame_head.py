"""The head in the middle hears the middle layer of every kind of encoder, at the rate of its layers."""

import pytest
import torch

from goama.model.encoder import layer_frames, load_for_training, output_frames
from goama.model.frame_head import MIDDLE_HEAD, add_middle_head, middle_logits, new_modules
from goama.text import Vocabulary

VOCABULARY = Vocabulary.from_texts(["abcde"], min_count=1)[0]


@pytest.mark.parametrize("kind", ["wav2vec2-bert", "with its adapter", "xls-r", "hubert-base", "wavlm-large"])
def test_it_hears_the_middle_layer_before_an_adapter(kind, tiny_encoder, waveform_encoders):
    encoder = waveform_encoders.get(kind, tiny_encoder)
    network = load_for_training(str(encoder), VOCABULARY, adapter=kind == "with its adapter").network.eval()
    add_middle_head(network)
    inputs = torch.randn(2, 31, 160) if encoder == tiny_encoder else torch.randn(2, 8000)
    heard = []
    network.base_model.encoder.layers[0].register_forward_hook(
        lambda _, __, given: heard.append(given[0] if isinstance(given, tuple) else given)
    )
    output = network(inputs, attention_mask=torch.ones(inputs.shape[:2]).long(), output_hidden_states=True)
    logits = middle_logits(network, output.hidden_states)
    torch.testing.assert_close(logits, network.get_submodule(MIDDLE_HEAD)(heard[0]))
    frames = torch.tensor(inputs.shape[1])
    assert logits.shape == (2, int(layer_frames(network.config, frames)), len(VOCABULARY))
    assert output.logits.shape[1] == int(output_frames(network.config, frames))
    assert (logits.shape[1] > output.logits.shape[1]) == (kind == "with its adapter")
    assert {f"{MIDDLE_HEAD}.0", f"{MIDDLE_HEAD}.1"} <= set(new_modules(network))
    eight = [torch.full((1, 1, network.config.hidden_size), 0.1).mul(layer).cumsum(-1).sin() for layer in range(9)]
    torch.testing.assert_close(middle_logits(network, eight), network.get_submodule(MIDDLE_HEAD)(eight[4]))
