"""Encoders that hear waveforms: loaded whole, a clip heard the same in every batch, plain transformers after."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCTC, Wav2Vec2FeatureExtractor

from goama.errors import GoamaError
from goama.model.encoder import frame_shift_s, front_end, output_frames, read_config
from goama.model.folder import SpeechModel, load_model_folder, save_model_folder
from goama.model.loading import load_for_training
from goama.recognition.emission import emissions
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import RawWaveforms
from goama.text import Vocabulary

FAMILIES = ["wav2vec2-base", "xls-r", "hubert-base", "hubert-large", "wavlm-base", "wavlm-large", "mms"]


@pytest.fixture(scope="module")
def vocabulary(corpus):
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]


@pytest.fixture(scope="module")
def waveforms(corpus):
    return [cut.load_audio()[0] for cut in corpus.cuts("train")]


@pytest.fixture(scope="module")
def models(waveform_encoders, vocabulary, corpus):
    """Random networks babble in every frame: nothing is more sensitive to a change of its input."""
    made = {}
    for name in FAMILIES:
        encoder = str(waveform_encoders[name])
        torch.manual_seed(1)
        network = load_for_training(encoder, vocabulary, adapter=False).network.eval()
        with torch.no_grad():
            network.lm_head.weight.mul_(20)
        made[name] = SpeechModel(network, front_end(encoder, network.config), vocabulary, corpus.normaliser)
    return made


@pytest.fixture(scope="module")
def saved(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("saved")
    for name, model in models.items():
        save_model_folder(root / name, model, "# card")
    return root


@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_is_loaded_whole(waveform_encoders, vocabulary, name):
    folder = waveform_encoders[name]
    loaded = load_for_training(str(folder), vocabulary, adapter=False)
    assert "lm_head" in loaded.new_parameters
    assert [new for new in loaded.new_parameters if new != "lm_head" and ".adapter_layer." not in new] == []
    state = loaded.network.state_dict()
    prefix = loaded.network.base_model_prefix + "."
    taken = 0
    for key, value in load_file(folder / "model.safetensors").items():
        key = key.replace("weight_g", "parametrizations.weight.original0")
        key = prefix + key.replace("weight_v", "parametrizations.weight.original1").removeprefix(prefix)
        if key in state and ".adapter_layer." not in key:
            assert torch.equal(state[key], value), key
            taken += 1
    assert taken >= len([key for key in state if not key.startswith("lm_head") and ".adapter_layer." not in key])
    assert loaded.network.config.layerdrop == loaded.network.config.final_dropout == 0.0


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_of_eight_is_heard_as_eight_batches_of_one(models, waveforms, name):
    model = models[name]
    together = emissions(model.network, model.front_end, waveforms[:8])
    for waveform, emission in zip(waveforms[:8], together, strict=True):
        (alone,) = emissions(model.network, model.front_end, [waveform])
        assert alone.shape == emission.shape
        assert (alone - emission).abs().max() < 2e-3  # logits of 20 to 60: float32 rounding
    recogniser = Recogniser(model, "cpu")
    texts = recogniser.texts(waveforms[:8])
    assert texts == [recogniser.texts([waveform])[0] for waveform in waveforms[:8]]
    assert all(len(text) > 10 for text in texts)


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_those_of_transformers_own_network_and_feature_extractor(models, saved, waveforms, name):
    network = AutoModelForCTC.from_pretrained(saved / name).eval()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(saved / name)
    assert extractor.do_normalize is (name != "wavlm-base")
    model = models[name]
    for waveform in waveforms[:3]:
        values = extractor(waveform, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_values
        with torch.no_grad():
            theirs = network(values).logits
            inputs, mask = model.front_end([waveform])
            ours = model.network(inputs, attention_mask=mask.long()).logits
        spoken = torch.tensor([True] * theirs.shape[-1])
        spoken[model.vocabulary.unk_id] = False  # its bias is lowered in the folder
        assert (theirs - ours)[..., spoken].abs().max() < 1e-3


def test_transformers_alone_opens_every_folder_and_hears_the_same(models, saved, waveforms, without_goama):
    heard = without_goama.open([saved / name for name in FAMILIES], waveforms[:4])
    classes = {"wav2vec2": "Wav2Vec2ForCTC", "hubert": "HubertForCTC", "wavlm": "WavLMForCTC"}
    for name in FAMILIES:
        opened = heard[saved / name]
        assert opened.network == classes[models[name].network.config.model_type]
        assert opened.processor == "Wav2Vec2Processor"
        assert opened.texts == Recogniser.load(saved / name).texts(waveforms[:4]), name


@pytest.mark.parametrize("name", FAMILIES)
def test_saving_what_was_loaded_gives_the_same_model(saved, waveforms, tmp_path, name):
    again = tmp_path / "again"
    save_model_folder(again, load_model_folder(saved / name), "# card")
    before, after = load_file(saved / name / "model.safetensors"), load_file(again / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", FAMILIES)
def test_frames_are_20_ms_and_counted_right(models, name):
    network = models[name].network
    assert frame_shift_s(network.config) == pytest.approx(0.02)
    assert models[name].front_end.shortest_samples == 400
    for samples in (400, 719, 720, 16_000, 16_079, 16_080):
        with torch.no_grad():
            logits = network(torch.randn(1, samples)).logits
        assert int(output_frames(network.config, torch.tensor(samples))) == logits.shape[1]
    assert int(output_frames(network.config, torch.tensor(399))) == 0
    assert int(output_frames(network.config, torch.tensor(3))) == 0


@pytest.mark.parametrize("name", ["wav2vec2-base", "xls-r"])
def test_a_long_recording_has_the_frames_of_its_length_whatever_is_left_for_the_last_window(models, waveforms, name):
    model = models[name]
    recording = np.concatenate(waveforms * 2)
    for seconds, more in ((60, 1), (60, 79), (60, 80), (60, 5000), (70, 0)):
        samples = seconds * SAMPLE_RATE + more
        (emission,) = emissions(model.network, model.front_end, [recording[:samples]])
        assert len(emission) == int(output_frames(model.network.config, torch.tensor(samples)))
    (shorter,) = emissions(model.network, model.front_end, [recording[: 60 * SAMPLE_RATE]])
    assert torch.equal(shorter[: 25 * 50], emission[: 25 * 50])  # windows are cut by the next 30 s alone


def test_silence_and_a_click_are_transcribed_without_a_fuss(models):
    silent, click = np.zeros(SAMPLE_RATE, np.float32), np.ones(10, np.float32)
    for model in models.values():
        assert len(Recogniser(model, "cpu").transcribe_waveforms([silent, click])) == 2


@pytest.mark.parametrize("normalise", [True, False])
def test_waveforms_are_those_of_the_feature_extractor(waveforms, normalise):
    original = Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=True)
    expected = original(waveforms[:6], sampling_rate=SAMPLE_RATE, padding=True, return_tensors="pt")
    values, mask = RawWaveforms(normalise)(waveforms[:6])
    assert torch.equal(mask.int(), expected.attention_mask)
    assert (values - expected.input_values).abs().max() < 1e-5
    with pytest.raises(ValueError, match="shorter than one frame"):
        RawWaveforms()([np.zeros(399, np.float32)])


def test_a_copy_of_a_network_normalises_by_its_own_lengths(models, waveforms):
    import copy

    model = models["wav2vec2-base"]
    twin = copy.deepcopy(model.network)
    emissions(model.network, model.front_end, waveforms[:2])
    for ours, theirs in zip(
        emissions(twin, model.front_end, waveforms[:5]),
        emissions(model.network, model.front_end, waveforms[:5]),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_mms_starts_from_the_adapter_and_the_head_of_its_language(waveform_encoders, vocabulary):
    folder = waveform_encoders["mms"]
    loaded = load_for_training(str(folder), vocabulary, adapter=False, languages=["xyz", "nld"])
    dutch = load_file(folder / "adapter.nld.safetensors")
    state = loaded.network.state_dict()
    assert loaded.new_parameters == ("lm_head",)
    assert loaded.carried_over.language == "nld"
    assert all(torch.equal(state[key], value) for key, value in dutch.items() if ".adapter_layer." in key)
    ids = json.loads((folder / "vocab.json").read_text())["nld"]
    for ours, theirs in ((vocabulary.tokens.index("e"), "e"), (vocabulary.blank_id, "<pad>"), (1, "|")):
        assert torch.equal(state["lm_head.weight"][ours], dutch["lm_head.weight"][ids[theirs]])
    assert loaded.carried_over.characters == len(set(vocabulary.units) & set(ids))


def test_mms_without_the_language_starts_from_new_adapters_not_from_anothers(waveform_encoders, vocabulary):
    folder = waveform_encoders["mms"]
    loaded = load_for_training(str(folder), vocabulary, adapter=False, languages=["mos"])
    assert loaded.carried_over.language is None and loaded.carried_over.characters == 0
    main, state = load_file(folder / "model.safetensors"), loaded.network.state_dict()
    weight = "wav2vec2.encoder.layers.0.adapter_layer.linear_1.weight"
    assert not torch.equal(state[weight], main[weight])
    assert weight.removesuffix(".weight") in loaded.new_parameters


def test_a_trained_mms_model_keeps_its_adapters_when_it_is_trained_further(saved, models, vocabulary):
    loaded = load_for_training(str(saved / "mms"), vocabulary, adapter=False, languages=["nl"])
    assert loaded.new_parameters == ("lm_head",)
    ours, before = loaded.network.state_dict(), models["mms"].network.state_dict()
    assert all(torch.equal(ours[name], before[name]) for name in ours if ".adapter_layer." in name)


def test_a_head_that_writes_capitals_lends_its_rows_to_small_letters(saved, vocabulary, tmp_path):
    folder = tmp_path / "capitals"
    shutil.copytree(saved / "xls-r", folder)
    ids = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps({k if k.startswith("[") else k.upper(): v for k, v in ids.items()}))
    loaded = load_for_training(str(folder), vocabulary, adapter=False)
    assert loaded.carried_over.characters == len(vocabulary.units)


def test_an_adapter_of_another_checkpoint_is_refused(waveform_encoders, vocabulary, tmp_path):
    folder = tmp_path / "mms"
    shutil.copytree(waveform_encoders["mms"], folder)
    (folder / "adapter.nld.safetensors").write_bytes(b"not an adapter")
    with pytest.raises(GoamaError, match=r"adapter\.nld\.safetensors: this adapter cannot be read"):
        load_for_training(str(folder), vocabulary, adapter=False, languages=["nld"])


@pytest.mark.parametrize(
    "name, changes, said",
    [
        ("xls-r", {"add_adapter": True}, "with add_adapter"),
        ("hubert-base", {"conv_pos_batch_norm": True}, "with conv_pos_batch_norm"),
    ],
)
def test_what_padding_would_reach_is_refused(waveform_encoders, tmp_path, name, changes, said):
    facts = json.loads((waveform_encoders[name] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**facts, **changes}))
    with pytest.raises(GoamaError, match=said):
        read_config(str(tmp_path))


def test_an_encoder_of_another_sampling_rate_is_refused(waveform_encoders, tmp_path):
    folder = tmp_path / "encoder"
    shutil.copytree(waveform_encoders["xls-r"], folder)
    Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)
    with pytest.raises(GoamaError, match="8000 Hz"):
        front_end(str(folder), read_config(str(folder)))


def test_an_encoder_that_lacks_weights_or_is_pickled_is_refused(waveform_encoders, vocabulary, tmp_path):
    from safetensors.torch import save_file

    folder = tmp_path / "encoder"
    shutil.copytree(waveform_encoders["hubert-base"], folder)
    state = load_file(folder / "model.safetensors")
    del state["encoder.layers.1.attention.q_proj.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GoamaError, match=r"q_proj\.weight.*not a whole hubert checkpoint"):
        load_for_training(str(folder), vocabulary, adapter=False)
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(GoamaError, match=r"model\.safetensors"):
        load_for_training(str(folder), vocabulary, adapter=False)
