"""Whisper encoders in training: the same commands, exact resumption, and which parameters are trained."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from transformers import WhisperForConditionalGeneration

from goama.corpus.prepare import prepare
from goama.data.batches import Batch
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model.encoder import output_frames, read_config
from goama.model.loading import load_for_training
from goama.model.trainable import choose_trainable
from goama.run.recipe import read_recipe
from goama.sound.audio import SAMPLE_RATE
from goama.sources.source import read_source
from goama.text import Vocabulary
from goama.training.inputs import InputMaker
from goama.training.optimiser import make_optimiser
from goama.training.plan import complete_plan, make_plan
from goama.training.train import train
from tests.model.ct2_file import variables_of, write_ct2
from tests.training.several import learn, make_learner

FEW_STEPS = ["train.steps=4", "train.eval_every=2", "train.save_every=1", "train.keep=9", "data.batch_seconds=10"]
CONVOLUTIONS = ("model.encoder.conv1.", "model.encoder.conv2.")


@pytest.fixture(scope="module")
def ct2_folder(whisper_encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ct2")
    write_ct2(folder / "model.bin", variables_of(WhisperForConditionalGeneration.from_pretrained(whisper_encoder)))
    return folder


def a_vocabulary(corpus):
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]


def a_plan(corpus, encoder, *overrides):
    recipe, config = read_recipe(None, overrides), read_config(str(encoder))
    made = make_plan(recipe, Mixture((corpus,)), a_vocabulary(corpus), str(encoder), config, torch.device("cpu"))
    return complete_plan(made, encoder=str(encoder), config=config, known=0.0, steps_per_epoch=8)


@pytest.mark.parametrize("which", ["transformers", "model.bin", "folder with model.bin"])
def test_the_same_commands_train_evaluate_and_transcribe(
    goama, corpus, speech, whisper_encoder, ct2_folder, tmp_path, which
):
    encoder = {
        "transformers": whisper_encoder,
        "model.bin": ct2_folder / "model.bin",
        "folder with model.bin": ct2_folder,
    }[which]
    run = tmp_path / "run"
    settings = [part for override in ["train.steps=2", *FEW_STEPS[1:]] for part in ("-s", override)]
    trained = goama("train", corpus.folder, "-o", run, "--encoder", encoder, *settings)
    assert trained.status == 0, trained.err
    evaluated = goama("evaluate", run / "best", corpus.folder, "--split", "test")
    assert evaluated.status == 0 and "CER" in evaluated.out
    heard = goama("transcribe", run / "best", next((speech / "audio").iterdir()))
    assert heard.status == 0, heard.err
    card = (run / "best" / "README.md").read_text(encoding="utf-8")
    assert "A Whisper encoder under a CTC head" in card and "trust_remote_code=True" in card


@pytest.mark.parametrize("override", ["model.lora=0", "model.lora=2"])
def test_a_run_goes_on_to_the_same_bits(mixture, whisper_encoder, tmp_path, override):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    recipe = read_recipe(None, [*FEW_STEPS, override])
    train(mixture, whole, encoder=str(whisper_encoder), recipe=recipe)
    shutil.copytree(whole, resumed)
    for lost in ("best", "last", "checkpoint-2", "checkpoint-3", "checkpoint-4"):
        shutil.rmtree(resumed / lost)
    train(mixture, resumed, resume=True)
    for kept in ("best", "last"):
        one, other = (load_file(run / kept / "model.safetensors") for run in (whole, resumed))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    in_checkpoint = load_file(whole / "checkpoint-4" / "network.safetensors")
    assert not any(name.startswith(CONVOLUTIONS) for name in in_checkpoint), "what is frozen is not saved again"
    if override == "model.lora=2":
        assert all(".lora_" in name or name.startswith("lm_head.") for name in in_checkpoint)
        assert sum(".lora_A." in name for name in in_checkpoint) == 2 * 6  # q, k, v, out, fc1, fc2 of each layer
        assert not any(".lora_" in name for name in load_file(whole / "best" / "model.safetensors"))


def test_on_a_cpu_batches_have_few_lengths_and_none_is_longer_than_the_network_can_take(corpus, whisper_encoder):
    learner = make_learner(corpus, whisper_encoder)
    inputs = InputMaker(learner.front_end, learner.config, learner.vocabulary)
    for samples, frames in ((16_000, 128), (16_000 * 32 // 100, 32), (29 * 16_000, 2912), (30 * 16_000, 3000)):
        sound = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
        made = inputs(Batch(("a",), (sound,), ((3,),), ("a",), (None,)), None, seed=0)
        features, mask = learner.front_end([sound])
        assert made.values.shape[1] == made.mask.shape[1] == frames
        assert (
            torch.equal(made.values[:, : features.shape[1]], features) and not made.values[:, features.shape[1] :].any()
        )
        assert int(made.mask.sum()) == int(mask.sum()) == samples // 160
        assert made.lengths.tolist() == output_frames(learner.config, mask.sum(1)).tolist()


def test_gradient_checkpointing_changes_no_step(corpus, whisper_encoder):
    plain, _ = learn(corpus, whisper_encoder, 6.0, 3)
    saving, _ = learn(corpus, whisper_encoder, 6.0, 3, checkpointing=True)
    assert make_learner(corpus, whisper_encoder, checkpointing=True).network.is_gradient_checkpointing
    assert plain[:, :2] == pytest.approx(saving[:, :2], rel=1e-5)


def trainable(corpus, encoder, **changes):
    loaded = load_for_training(str(encoder), a_vocabulary(corpus), adapter=False)
    settings = {"freeze_feature_encoder": False, "freeze_encoder": False, "lora": 0} | changes
    choose_trainable(loaded.network, loaded.new_parameters, **settings)
    return {name for name, parameter in loaded.network.named_parameters() if parameter.requires_grad}


def test_what_is_frozen(corpus, whisper_encoder):
    everything = trainable(corpus, whisper_encoder)
    frozen = everything - trainable(corpus, whisper_encoder, freeze_feature_encoder=True)
    assert frozen == {name for name in everything if name.startswith(CONVOLUTIONS)} and len(frozen) == 4
    assert trainable(corpus, whisper_encoder, freeze_encoder=True) == {"lm_head.weight", "lm_head.bias"}


def test_layer_decay_reaches_the_convolutions_last(corpus, whisper_encoder):
    loaded = load_for_training(str(whisper_encoder), a_vocabulary(corpus), adapter=False)
    optimiser = make_optimiser(
        loaded.network,
        learning_rate=1.0,
        head_learning_rate=7.0,
        new_parameters=loaded.new_parameters,
        layer_decay=0.5,
        betas=(0.9, 0.98),
        weight_decay=0.01,
    )
    rates = {id(p): group["peak_lr"] for group in optimiser.param_groups for p in group["params"]}
    for name, parameter in loaded.network.named_parameters():
        expected = {"lm_head": 7.0, "conv1": 0.25, "conv2": 0.25, "layers.0.": 0.5, "layers.1.": 1.0}
        (rate,) = [value for part, value in expected.items() if part in name] or [1.0]
        assert rates[id(parameter)] == rate, name


def test_clips_over_30_s_are_left_out_by_name(speech, corpus, whisper_encoder, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(speech, source)
    rows = [json.loads(line) for line in (source / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    sound = torch.cat([torch.from_numpy(cut.load_audio()[0]) for cut in corpus.cuts("train")] * 2)
    for name, seconds in (("long", 30.5), ("fits", 30.0)):
        soundfile.write(source / f"{name}.flac", sound[: int(seconds * SAMPLE_RATE)].numpy(), SAMPLE_RATE)
        rows.append(rows[0] | {"id": name, "file_name": f"{name}.flac", "text": "een lange zin", "split": "train"})
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    longer = prepare(read_source(str(source)), tmp_path / "corpus", source="test", language="nl").corpus
    plan = a_plan(longer, whisper_encoder)
    (left_out,) = plan.too_long
    assert "long" in left_out.id
    assert left_out.reason == "30.50 s, longer than the 30 s that this encoder takes at once"
    assert plan.longest_s == 30.0
    recipe = read_recipe(None, ["train.steps=1", "data.batch_seconds=40", "augment.tempo=0.1"])
    train(Mixture((longer,)), tmp_path / "run", encoder=str(whisper_encoder), recipe=recipe)
    recorded = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["left_out"]
    assert [one["id"] for one in recorded if "30 s" in one["reason"]] == [left_out.id]


def test_the_plan_knows_whisper(corpus, whisper_encoder):
    plan = a_plan(corpus, whisper_encoder)
    chosen = {choice.key: choice.value for choice in plan.choices}
    assert chosen["model.adapter"] is False and chosen["model.freeze_encoder"] is False
    assert chosen["train.learning_rate"] == 2e-4 and chosen["train.head_learning_rate"] == 2e-3
    assert chosen["train.head_only"] > 0
    with pytest.raises(GoamaError, match="Wav2Vec2-BERT's"):
        a_plan(corpus, whisper_encoder, "model.adapter=true")
