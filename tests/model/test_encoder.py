"""Encoders are loaded from folders as the Hub gives them, and what is not an encoder is refused in a sentence."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import SEWConfig, Wav2Vec2BertConfig, Wav2Vec2BertModel

from goama.errors import GoamaError
from goama.model.encoder import feature_stride, frame_shift_s, output_frames, read_config
from goama.model.loading import load_for_training
from goama.model.shipped import SCRATCH
from goama.text import Vocabulary

VOCABULARY = Vocabulary.from_texts(["de kat zit op de mat"], min_count=1)[0]

W2V_BERT_2_CONFIG = {  # facebook/w2v-bert-2.0's config.json
    "activation_dropout": 0.0,
    "adapter_act": "relu",
    "adapter_kernel_size": 3,
    "adapter_stride": 2,
    "add_adapter": False,
    "apply_spec_augment": False,
    "architectures": ["Wav2Vec2BertModel"],
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "classifier_proj_size": 768,
    "codevector_dim": 768,
    "conformer_conv_dropout": 0.1,
    "contrastive_logits_temperature": 0.1,
    "conv_depthwise_kernel_size": 31,
    "ctc_loss_reduction": "sum",
    "ctc_zero_infinity": False,
    "diversity_loss_weight": 0.1,
    "eos_token_id": 2,
    "feat_proj_dropout": 0.0,
    "feat_quantizer_dropout": 0.0,
    "feature_projection_input_dim": 160,
    "final_dropout": 0.1,
    "hidden_act": "swish",
    "hidden_dropout": 0.0,
    "hidden_size": 1024,
    "initializer_range": 0.02,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-05,
    "layerdrop": 0.1,
    "left_max_position_embeddings": 64,
    "mask_feature_length": 10,
    "mask_feature_min_masks": 0,
    "mask_feature_prob": 0.0,
    "mask_time_length": 10,
    "mask_time_min_masks": 2,
    "mask_time_prob": 0.05,
    "max_source_positions": 5000,
    "model_type": "wav2vec2-bert",
    "num_adapter_layers": 1,
    "num_attention_heads": 16,
    "num_codevector_groups": 2,
    "num_codevectors_per_group": 320,
    "num_hidden_layers": 24,
    "num_negatives": 100,
    "output_hidden_size": 1024,
    "pad_token_id": 0,
    "position_embeddings_type": "relative_key",
    "proj_codevector_dim": 768,
    "right_max_position_embeddings": 8,
    "rotary_embedding_base": 10000,
    "tdnn_dilation": [1, 2, 3, 1, 1],
    "tdnn_dim": [512, 512, 512, 512, 1500],
    "tdnn_kernel": [5, 3, 3, 1, 1],
    "torch_dtype": "float32",
    "transformers_version": "4.37.0.dev0",
    "use_intermediate_ffn_before_adapter": False,
    "use_weighted_layer_sum": False,
    "vocab_size": None,
    "xvector_output_dim": 512,
}

PREPROCESSOR_CONFIG = {
    "feature_extractor_type": "SeamlessM4TFeatureExtractor",
    "feature_size": 80,
    "num_mel_bins": 80,
    "padding_side": "right",
    "padding_value": 1,
    "return_attention_mask": True,
    "sampling_rate": 16000,
    "stride": 2,
}


def hub_state_names(layers: int) -> list[str]:
    """The parameter names of facebook/w2v-bert-2.0's model.safetensors."""

    def both(name: str) -> list[str]:
        return [f"{name}.bias", f"{name}.weight"]

    names = ["masked_spec_embed", *both("feature_projection.layer_norm"), *both("feature_projection.projection")]
    for layer in range(layers):
        at = f"encoder.layers.{layer}."
        for norm in ("ffn1_layer_norm", "self_attn_layer_norm", "ffn2_layer_norm", "final_layer_norm"):
            names += both(at + norm)
        for ffn in ("ffn1", "ffn2"):
            names += both(f"{at}{ffn}.intermediate_dense") + both(f"{at}{ffn}.output_dense")
        for linear in ("linear_q", "linear_k", "linear_v", "linear_out"):
            names += both(f"{at}self_attn.{linear}")
        names.append(f"{at}self_attn.distance_embedding.weight")
        names += both(f"{at}conv_module.layer_norm") + both(f"{at}conv_module.depthwise_layer_norm")
        for convolution in ("pointwise_conv1", "depthwise_conv", "pointwise_conv2"):
            names.append(f"{at}conv_module.{convolution}.weight")
    return sorted(names)


def hub_folder(folder, **changes):
    """A folder as the Hub gives w2v-bert-2.0, random weights; `changes` make it small."""
    facts = {**W2V_BERT_2_CONFIG, **changes}
    folder.mkdir()
    config = Wav2Vec2BertConfig(**{k: v for k, v in facts.items() if k not in ("architectures", "torch_dtype")})
    torch.manual_seed(0)
    state = {name: value.contiguous() for name, value in Wav2Vec2BertModel(config).state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR_CONFIG))
    return folder


SMALL = {
    "hidden_size": 64,
    "output_hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


def test_a_folder_with_w2v_bert_2_names_is_loaded_whole(tmp_path):
    folder = hub_folder(tmp_path / "w2v-bert-2.0", **SMALL)
    on_disk = load_file(folder / "model.safetensors")
    assert sorted(on_disk) == hub_state_names(layers=2)
    loaded = load_for_training(str(folder), VOCABULARY, adapter=False)
    assert loaded.new_parameters == ("lm_head",)
    state = loaded.network.state_dict()
    for name, value in on_disk.items():
        if name != "masked_spec_embed":
            assert torch.equal(state[f"wav2vec2_bert.{name}"], value), name
    assert loaded.network.config.vocab_size == len(VOCABULARY)
    assert loaded.network.config.pad_token_id == VOCABULARY.blank_id


def test_a_new_adapter_is_new_and_halves_the_frames(tmp_path):
    folder = hub_folder(tmp_path / "encoder", **SMALL)
    loaded = load_for_training(str(folder), VOCABULARY, adapter=True)
    assert "lm_head" in loaded.new_parameters
    assert all(name.startswith(("lm_head", "wav2vec2_bert.adapter")) for name in loaded.new_parameters)
    config = loaded.network.config
    assert frame_shift_s(config) == pytest.approx(0.04)
    for frames in (1, 2, 3, 150, 151):
        logits = loaded.network.eval()(torch.randn(1, frames, 160)).logits
        assert int(output_frames(config, torch.tensor(frames))) == logits.shape[1]


def test_dropout_and_masking_inside_the_network_are_off(tmp_path):
    config = load_for_training(str(hub_folder(tmp_path / "e", **SMALL)), VOCABULARY, adapter=False).network.config
    assert config.layerdrop == config.final_dropout == config.conformer_conv_dropout == config.mask_time_prob == 0.0


def test_scratch_is_a_small_encoder_with_30_ms_frames():
    config = read_config(SCRATCH)
    assert feature_stride(config) == 3
    assert frame_shift_s(config) == pytest.approx(0.03)
    parameters = sum(p.numel() for p in load_for_training(SCRATCH, VOCABULARY, adapter=False).network.parameters())
    assert 6e6 < parameters < 8e6


def test_the_head_keeps_what_it_knew_of_shared_characters(tmp_path, corpus):
    from goama.model.folder import SpeechModel, save_model_folder
    from goama.sound.log_mel import LogMel

    old = load_for_training(str(hub_folder(tmp_path / "encoder", **SMALL)), VOCABULARY, adapter=False).network
    save_model_folder(tmp_path / "old", SpeechModel(old, LogMel(2), VOCABULARY, corpus.normaliser), "card")
    wider = Vocabulary.from_texts(["de zat op kim", "ё"], min_count=1)[0]
    loaded = load_for_training(str(tmp_path / "old"), wider, adapter=False)
    shared = set(wider.units) & set(VOCABULARY.units)
    assert loaded.carried_over.characters == len(shared)
    for unit in shared:
        old_row = old.lm_head.weight[VOCABULARY.tokens.index(unit)]
        assert torch.equal(loaded.network.lm_head.weight[wider.tokens.index(unit)], old_row)


def test_a_head_of_the_same_size_is_made_new_all_the_same(tmp_path, corpus):
    """A finished model's `[UNK]` can never be said (bias -1e4): training on from it would never recover."""
    from goama.model.folder import SpeechModel, save_model_folder
    from goama.sound.log_mel import LogMel

    old = load_for_training(str(hub_folder(tmp_path / "encoder", **SMALL)), VOCABULARY, adapter=False).network
    save_model_folder(tmp_path / "old", SpeechModel(old, LogMel(2), VOCABULARY, corpus.normaliser), "card")
    same = load_for_training(str(tmp_path / "old"), VOCABULARY, adapter=False)
    assert same.new_parameters == ("lm_head",)
    assert abs(float(same.network.lm_head.bias[VOCABULARY.unk_id])) < 1
    kept = VOCABULARY.tokens.index("k")
    assert torch.equal(same.network.lm_head.weight[kept], old.lm_head.weight[kept])
    others = Vocabulary(tuple({"k": "ж"}.get(token, token) for token in VOCABULARY.tokens))
    assert len(others) == len(VOCABULARY)
    fresh = load_for_training(str(tmp_path / "old"), others, adapter=False).network
    assert not torch.equal(fresh.lm_head.weight[kept], old.lm_head.weight[kept])


@pytest.mark.parametrize(
    "changes, said", [({"hidden_size": "abc"}, "cannot be read"), ({"feature_projection_input_dim": 40}, "mel bins")]
)
def test_a_configuration_that_makes_no_sense_is_refused(tmp_path, changes, said):
    folder = hub_folder(tmp_path / "encoder", **SMALL)
    facts = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**facts, **changes}))
    with pytest.raises(GoamaError, match=said):
        read_config(str(folder))


def test_an_encoder_that_lacks_weights_is_refused(tmp_path):
    folder = hub_folder(tmp_path / "encoder", **SMALL)
    state = load_file(folder / "model.safetensors")
    del state["encoder.layers.1.ffn1.output_dense.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GoamaError, match="ffn1.output_dense.weight"):
        load_for_training(str(folder), VOCABULARY, adapter=False)


def test_a_damaged_weight_file_is_refused(tmp_path):
    folder = hub_folder(tmp_path / "encoder", **SMALL)
    (folder / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(GoamaError, match="cannot be read"):
        load_for_training(str(folder), VOCABULARY, adapter=False)


def test_pickled_weights_are_not_opened(tmp_path):
    folder = hub_folder(tmp_path / "encoder", **SMALL)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(GoamaError):
        load_for_training(str(folder), VOCABULARY, adapter=False)


def test_another_kind_of_model_is_named(tmp_path):
    SEWConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2).save_pretrained(tmp_path / "sew")
    with pytest.raises(GoamaError, match="this is a sew model"):
        read_config(str(tmp_path / "sew"))


def test_a_folder_without_a_model_and_a_name_nobody_knows_are_refused(tmp_path):
    with pytest.raises(GoamaError, match=r"no config\.json"):
        read_config(str(tmp_path))
    with pytest.raises(GoamaError, match="no such folder here"):
        read_config("nobody/knows-this-encoder")


@pytest.mark.slow
def test_w2v_bert_2_at_full_size_takes_a_training_step(tmp_path, corpus):
    """580 M parameters, one step on real speech, in less than 24 GB."""
    import resource

    from goama.data.batches import DataPlace, TrainingBatches
    from goama.sound.log_mel import LogMel
    from goama.training.learner import Learner
    from goama.training.optimiser import make_optimiser

    folder = hub_folder(tmp_path / "w2v-bert-2.0")
    try:
        assert sorted(load_file(folder / "model.safetensors")) == hub_state_names(layers=24)
        vocabulary = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]
        loaded = load_for_training(str(folder), vocabulary, adapter=True)
    finally:
        shutil.rmtree(folder)
    assert 580e6 < sum(p.numel() for p in loaded.network.parameters()) < 620e6
    loaded.network.gradient_checkpointing_enable()
    optimiser = make_optimiser(
        loaded.network,
        learning_rate=5e-5,
        head_learning_rate=5e-4,
        new_parameters=loaded.new_parameters,
        betas=(0.9, 0.98),
        weight_decay=0.01,
    )
    learner = Learner(loaded.network.train(), optimiser, LogMel(2), vocabulary)
    batches = TrainingBatches(corpus.cuts("train"), vocabulary, batch_s=10.0, seed=0)
    _, batch = next(batches.starting_at(DataPlace()))
    before = loaded.network.lm_head.weight.detach().clone()
    result = learner.step([batch], seed=0, clip=1.0)
    assert not result.skipped and result.loss > 0
    assert not torch.equal(loaded.network.lm_head.weight, before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 24e6  # kB
