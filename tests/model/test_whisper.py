"""Whisper encoders under a CTC head: equal to transformers' own, a clip heard the same in every batch."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from goama import whisper_ctc
from goama.errors import GoamaError
from goama.model.encoder import front_end, is_whisper, longest_s, output_frames, read_config
from goama.model.folder import SpeechModel, load_model_folder, save_model_folder
from goama.model.loading import load_for_training
from goama.recognition.emission import emissions
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE
from goama.sound.whisper_mel import WhisperMel
from goama.text import Vocabulary


@pytest.fixture(scope="module")
def vocabulary(corpus):
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]


@pytest.fixture(scope="module")
def waveforms(corpus):
    """Real clips, cut so that frames are odd in some and even in others."""
    clips = [cut.load_audio()[0] for cut in corpus.cuts("train")][:8]
    return [clip[: len(clip) - 161 * number] for number, clip in enumerate(clips)]


@pytest.fixture(scope="module")
def model(whisper_encoder, vocabulary, corpus):
    """A random network babbles in every frame: nothing is more sensitive to a change of its input."""
    torch.manual_seed(1)
    network = load_for_training(str(whisper_encoder), vocabulary, adapter=False).network.eval()
    with torch.no_grad():
        network.lm_head.weight.mul_(20)
    return SpeechModel(network, front_end(str(whisper_encoder), network.config), vocabulary, corpus.normaliser)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "whisper"
    save_model_folder(folder, model, "# card")
    return folder


# --- the features


@pytest.mark.parametrize("bins", [80, 128])
def test_features_are_those_of_whispers_feature_extractor_without_its_padding(waveforms, bins):
    theirs = WhisperFeatureExtractor(feature_size=bins)
    clips = [*waveforms, waveforms[0][:400], waveforms[0][:401], waveforms[0][:16_079], np.zeros(8000, np.float32)]
    features, mask = WhisperMel(bins)(clips)
    for clip, frames, valid in zip(clips, features, mask, strict=True):
        expected = theirs(clip, sampling_rate=SAMPLE_RATE, padding="do_not_pad", return_tensors="pt").input_features[0]
        assert int(valid.sum()) == expected.shape[1] == WhisperMel(bins).frames(len(clip))
        assert (frames[valid] - expected.T).abs().max() < 2e-4
        assert not frames[~valid].any()


def test_the_extractor_in_the_folder_gives_goamas_own_features(saved, waveforms):
    extractor = whisper_ctc.WhisperCTCFeatureExtractor.from_pretrained(saved)
    made = extractor(waveforms, sampling_rate=SAMPLE_RATE)
    features, mask = WhisperMel()(waveforms)
    assert torch.equal(made["input_features"], features)
    assert torch.equal(made["attention_mask"].bool(), mask)


def test_a_clip_shorter_than_one_window_is_an_error():
    with pytest.raises(ValueError, match="399 samples"):
        WhisperMel()([np.zeros(399, np.float32)])


# --- the network


def test_hidden_states_are_those_of_transformers_encoder(whisper_encoder, vocabulary):
    theirs = WhisperForConditionalGeneration.from_pretrained(whisper_encoder).get_encoder().eval()
    network = load_for_training(str(whisper_encoder), vocabulary, adapter=False).network.eval()
    torch.manual_seed(2)
    features = torch.randn(2, 3000, 80)
    with torch.no_grad():
        expected = theirs(features.transpose(1, 2), output_hidden_states=True)
        found = network(features, output_hidden_states=True).hidden_states
    assert len(found) == 4  # before the layers, after each, after the last norm
    assert (found[-1] - expected.last_hidden_state).abs().max() < 1e-4
    assert (found[0] - expected.hidden_states[0]).abs().max() < 1e-4
    assert (found[1] - expected.hidden_states[1]).abs().max() < 1e-4


def test_a_batch_of_eight_is_heard_as_eight_batches_of_one(model, waveforms):
    inputs, mask = model.front_end(waveforms)
    assert {int(length) % 2 for length in mask.sum(1)} == {0, 1}
    with torch.no_grad():
        together = model.network(inputs, attention_mask=mask.long()).logits
        for row, waveform in zip(together, waveforms, strict=True):
            alone = model.network(model.front_end([waveform])[0]).logits[0]
            assert (row[: len(alone)] - alone).abs().max() < 2e-3  # logits of 20 to 60: float32 rounding
    recogniser = Recogniser(model, "cpu")
    texts = recogniser.texts(waveforms)
    assert texts == [recogniser.texts([waveform])[0] for waveform in waveforms]
    assert all(len(text) > 10 for text in texts)


def test_what_lies_in_the_padding_is_not_heard(model, waveforms):
    inputs, mask = model.front_end(waveforms)
    noise = torch.where(mask[..., None], inputs, 100 * torch.randn_like(inputs))
    with torch.no_grad():
        clean, noisy = (model.network(values, attention_mask=mask.long()).logits for values in (inputs, noise))
    for row, other, length in zip(clean, noisy, output_frames(model.network.config, mask.sum(1)).tolist(), strict=True):
        assert torch.equal(row[:length], other[:length])


def test_in_bf16_a_batch_changes_no_more_than_bf16_itself_does(model, waveforms):
    exact = emissions(model.network, model.front_end, waveforms)
    together = emissions(model.network, model.front_end, waveforms, precision="bf16")
    rounding = max(float((a - b).abs().mean()) for a, b in zip(exact, together, strict=True))
    for waveform, emission in zip(waveforms, together, strict=True):
        (alone,) = emissions(model.network, model.front_end, [waveform], precision="bf16")
        assert float((alone - emission).abs().mean()) < 2 * rounding
    assert rounding < 0.5  # of log-probabilities down to -60


def test_training_in_bf16_attends_as_in_float32(model, waveforms):
    """Its attention in two matrix products (training, CPU, bfloat16), with padding, against torch's own."""
    torch.manual_seed(3)
    query, key, value = torch.randn(3, 4, 2, 25, 16).bfloat16()
    visible = (torch.arange(25) < torch.tensor([25, 20, 7, 1])[:, None])[:, None, None]
    found = whisper_ctc._attend_in_products(query, key, value, visible)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), attn_mask=visible
    )
    assert (found.float() - expected).abs().max() < 0.05
    alone = whisper_ctc._attend_in_products(query[:1], key[:1], value[:1], None)
    assert (alone.float() - expected[:1]).abs().max() < 0.05


@pytest.mark.parametrize("samples", [400, 479, 480, 16_000, 16_079, 16_160])
def test_logits_are_counted_right(model, samples):
    inputs, mask = model.front_end([np.zeros(samples, np.float32)])
    with torch.no_grad():
        logits = model.network(inputs).logits
    assert output_frames(model.network.config, mask.sum(1)).tolist() == [logits.shape[1]]


def test_more_than_30_s_at_once_are_an_error_that_says_what_to_do(model):
    assert longest_s(model.network.config) == 30
    with torch.no_grad(), pytest.raises(ValueError, match=r"30\.0 s is longer than 30 s.*chunk_length_s"):
        model.network(torch.zeros(1, 3001, 80))


def test_a_long_recording_is_recognised_in_windows_that_the_next_30_s_decide(model, waveforms):
    sound = np.concatenate(waveforms * 5)[: 70 * SAMPLE_RATE]
    (whole,) = emissions(model.network, model.front_end, [sound])
    assert len(whole) == 70 * 50
    (shorter,) = emissions(model.network, model.front_end, [sound[: 60 * SAMPLE_RATE]])
    assert (whole[: 25 * 50] - shorter[: 25 * 50]).abs().max() < 1e-4


# --- checkpoints


def test_a_checkpoint_is_loaded_whole_and_its_decoder_left_out(whisper_encoder, vocabulary):
    loaded = load_for_training(str(whisper_encoder), vocabulary, adapter=False)
    assert loaded.new_parameters == ("lm_head",) and is_whisper(loaded.network.config)
    state = loaded.network.state_dict()
    assert not any("decoder" in name for name in state)
    file = load_file(whisper_encoder / "model.safetensors")
    taken = {name for name in file if name.startswith("model.encoder.") and "embed_positions" not in name}
    assert taken == {name for name in state if not name.startswith("lm_head.")}
    assert all(torch.equal(state[name], file[name]) for name in taken)


def test_a_checkpoint_in_half_precision_is_loaded_into_float32(whisper_encoder, vocabulary, tmp_path):
    WhisperForConditionalGeneration.from_pretrained(whisper_encoder, dtype=torch.float16).save_pretrained(tmp_path)
    network = load_for_training(str(tmp_path), vocabulary, adapter=False).network
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def changed_checkpoint(source, target, change):
    shutil.copytree(source, target)
    state = load_file(target / "model.safetensors")
    change(state)
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_positions_that_were_trained_are_refused(whisper_encoder, vocabulary, tmp_path):
    folder = changed_checkpoint(
        whisper_encoder, tmp_path / "changed", lambda state: state["model.encoder.embed_positions.weight"][7].add_(0.1)
    )
    with pytest.raises(GoamaError, match="position embeddings are not the sinusoids"):
        load_for_training(str(folder), vocabulary, adapter=False)


def test_a_checkpoint_without_a_weight_is_refused(whisper_encoder, vocabulary, tmp_path):
    folder = changed_checkpoint(
        whisper_encoder, tmp_path / "changed", lambda state: state.pop("model.encoder.layers.1.fc1.weight")
    )
    with pytest.raises(GoamaError, match=r"1 encoder weights are missing .*layers\.1\.fc1\.weight"):
        load_for_training(str(folder), vocabulary, adapter=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scale_embedding": True}, "not built as OpenAI's Whisper"),
        ({"activation_function": "relu"}, "not built as OpenAI's Whisper"),
        ({"encoder_attention_heads": 5}, "5 attention heads do not share a width of 32"),
        ({"encoder_layers": 0}, "num_hidden_layers is 0"),
        ({"max_source_positions": 10**9}, "max_source_positions is 1000000000"),
    ],
)
def test_a_configuration_that_no_whisper_has_is_one_sentence(whisper_encoder, tmp_path, changes, said):
    config = json.loads((whisper_encoder / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    with pytest.raises(GoamaError, match=said):
        read_config(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_attention_heads": 3}, "3 attention heads"),
        ({"hidden_size": "32"}, "hidden_size is '32'"),
        ({"hidden_act": "no_such"}, "hidden_act is 'no_such'"),
    ],
)
def test_a_damaged_model_folder_is_one_sentence(saved, tmp_path, changes, said):
    folder = tmp_path / "damaged"
    shutil.copytree(saved, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    with pytest.raises(GoamaError, match=said):
        load_model_folder(folder)


def test_all_sizes_of_whisper_are_known(tmp_path):
    """The dimensions of OpenAI's checkpoints, from tiny to large-v3; turbo has the encoder of large-v3."""
    for width, layers, heads, bins in ((384, 4, 6, 80), (768, 12, 12, 80), (1024, 24, 16, 80), (1280, 32, 20, 128)):
        folder = tmp_path / str(width)
        WhisperConfig(
            d_model=width,
            encoder_layers=layers,
            encoder_attention_heads=heads,
            encoder_ffn_dim=4 * width,
            num_mel_bins=bins,
        ).save_pretrained(folder)
        config = read_config(str(folder))
        assert (config.hidden_size, config.num_hidden_layers, config.num_mel_bins) == (width, layers, bins)
        assert front_end(str(folder), config).bins == bins


# --- model folders


def test_saving_what_was_loaded_gives_the_same_model(saved, tmp_path):
    save_model_folder(tmp_path / "again", load_model_folder(saved), "# card")
    before, after = load_file(saved / "model.safetensors"), load_file(tmp_path / "again" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_transformers_alone_opens_the_folder_and_hears_the_same(saved, waveforms, without_goama):
    heard = without_goama.open([saved], waveforms[:4], trusted=True)[saved]
    assert heard.network == "WhisperForCTC" and heard.dtype == "torch.float32"
    assert heard.texts == Recogniser.load(saved).texts(waveforms[:4])
    assert all(heard.texts)


def test_goama_never_runs_the_file_in_a_folder(saved, waveforms, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder, proof = tmp_path / "poisoned", tmp_path / "it-ran"
    shutil.copytree(saved, folder)
    (folder / "whisper_ctc.py").write_text(f"open({str(proof)!r}, 'w').close()\nraise SystemExit('poison')\n")
    assert Recogniser.load(folder).texts(waveforms[:2]) == Recogniser.load(saved).texts(waveforms[:2])
    load_for_training(str(folder), load_model_folder(folder).vocabulary, adapter=False)
    save_model_folder(tmp_path / "again", load_model_folder(folder), "# card")
    assert not proof.exists()
    assert "poison" not in (tmp_path / "again" / "whisper_ctc.py").read_text(encoding="utf-8")
