"""Training encoders that hear waveforms: the same commands, resumable to the bit, masks that a step's seed decides."""

import json
import shutil
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from goama.data.batches import Batch, DataPlace, TrainingBatches
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model.encoder import front_end, read_config
from goama.model.loading import load_for_training
from goama.model.shipped import SCRATCH
from goama.run.recipe import AugmentSection, read_recipe
from goama.sound.augmentation import generators, time_masks
from goama.text import Vocabulary
from goama.training.learner import Learner
from goama.training.plan import complete_plan, make_plan
from goama.training.train import train


def a_vocabulary(corpus) -> Vocabulary:
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]


def descending(encoder, corpus) -> Learner:
    """With plain descent at rate 1, the change of the weights is the gradient."""
    torch.manual_seed(0)
    vocabulary = a_vocabulary(corpus)
    network = load_for_training(str(encoder), vocabulary, adapter=False).network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    return Learner(network, optimiser, front_end(str(encoder), network.config), vocabulary)


def some_clips(corpus, vocabulary, count: int) -> list[Batch]:
    """Batches of one clip."""
    stream = TrainingBatches(corpus.cuts("train"), vocabulary, batch_s=10.0, seed=0).starting_at(DataPlace())
    fields = Batch.__dataclass_fields__
    singles = [
        Batch(*((getattr(b, name)[i],) for name in fields)) for _, b in islice(stream, 9) for i in range(len(b.ids))
    ]
    return singles[:count]


def joined(batches: list[Batch]) -> Batch:
    return Batch(*(tuple(value for b in batches for value in getattr(b, name)) for name in Batch.__dataclass_fields__))


@pytest.mark.parametrize("name", ["wav2vec2-base", "hubert-large", "wavlm-base"])
def test_eight_clips_at_once_and_one_by_one_are_the_same_step(waveform_encoders, corpus, name):
    """Also for a group norm that learns: the padding of a batch is in nobody's mean."""
    gradients = []
    for size in (8, 1):
        learner = descending(waveform_encoders[name], corpus)
        singles = some_clips(corpus, learner.vocabulary, 8)
        before = torch.cat([p.detach().flatten() for p in learner.network.parameters()])
        outcome = learner.step([joined(singles[i : i + size]) for i in range(0, 8, size)], seed=0, clip=1e9)
        after = torch.cat([p.detach().flatten() for p in learner.network.parameters()])
        gradients.append((outcome.loss, before - after))
    (loss, gradient), (its_loss, its_gradient) = gradients
    assert its_loss == pytest.approx(loss, rel=1e-5)
    assert (its_gradient - gradient).norm() < 1e-3 * gradient.norm()


def test_masks_are_drawn_from_the_steps_seed_and_nothing_else(waveform_encoders, corpus):
    def loss(
        seed: int, augment: AugmentSection | None = AugmentSection(time_masks_per_s=0.5, frequency_masks=2, reverb=0)
    ) -> float:
        learner = descending(waveform_encoders["xls-r"], corpus)
        np.random.seed(seed + 100 * len(losses))
        return learner.step(
            [joined(some_clips(corpus, learner.vocabulary, 4))], seed=seed, clip=1.0, augment=augment
        ).loss

    losses: list[float] = []
    for seed in (1, 1, 2):
        losses.append(loss(seed))
    assert losses[0] == losses[1] != losses[2]
    losses.append(loss(1, None))
    losses.append(loss(2, None))
    assert losses[3] == losses[4] not in losses[:3]


def test_time_masks_follow_the_length_of_each_clip():
    lengths = torch.tensor([500, 50, 3])
    settings = {"time_masks_per_s": 1.0, "longest_time_mask_s": 0.4, "frame_shift_s": 0.02}
    many = torch.stack([time_masks(lengths, generators(seed, "abc"), **settings) for seed in range(200)])
    assert many.shape == (200, 3, 500)
    assert not many[:, 1, 50:].any() and not many[:, 2, 3:].any()
    share = many[:, 0].float().mean()
    assert 0.1 < share < 0.25  # 10 masks of 0.02 to 0.4 s in 10 s, some on top of each other
    none = time_masks(lengths, generators(0, "abc"), **{**settings, "time_masks_per_s": 0.0})
    assert none.shape == (3, 500) and not none.any()


FEW_STEPS = ["train.steps=4", "train.eval_every=2", "train.save_every=1", "train.keep=9", "data.batch_seconds=10"]


@pytest.mark.parametrize("name", ["wav2vec2-base", "hubert-base", "wavlm-large", "mms"])
def test_the_same_commands_train_evaluate_and_transcribe(goama, corpus, speech, waveform_encoders, tmp_path, name):
    run = tmp_path / "run"
    arguments = [part for override in ["train.steps=2", *FEW_STEPS[1:]] for part in ("-s", override)]
    trained = goama("train", corpus.folder, "-o", run, "--encoder", waveform_encoders[name], *arguments)
    assert trained.status == 0, trained.err
    assert "frozen" in trained.out
    evaluated = goama("evaluate", run / "best", corpus.folder, "--split", "test")
    assert evaluated.status == 0 and "CER" in evaluated.out
    heard = goama("transcribe", run / "best", next((speech / "audio").iterdir()))
    assert heard.status == 0, heard.err
    before, after = (load_file(p / "model.safetensors") for p in (waveform_encoders[name], run / "last"))
    weight = "encoder.layers.0.feed_forward.output_dense.weight"
    prefix = read_config(str(run / "last")).model_type + "."
    stayed = torch.equal(before.get(prefix + weight, before.get(weight)), after[prefix + weight])
    assert stayed == (name == "mms")
    if name == "mms":
        assert "attention adapters: new ones" in trained.out
        adapter = prefix + "encoder.layers.0.adapter_layer.linear_2.bias"
        assert after[adapter].abs().max() > 0


@pytest.mark.parametrize("name, override", [("xls-r", "model.lora=2"), ("wavlm-base", "model.lora=0")])
def test_a_run_goes_on_to_the_same_bits(mixture, waveform_encoders, tmp_path, name, override):
    encoder = waveform_encoders[name]
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    recipe = read_recipe(None, [*FEW_STEPS, override])
    train(mixture, whole, encoder=str(encoder), recipe=recipe)
    shutil.copytree(whole, resumed)
    for lost in ("best", "last", "checkpoint-2", "checkpoint-3", "checkpoint-4"):
        shutil.rmtree(resumed / lost)
    train(mixture, resumed, resume=True)
    for kept in ("best", "last"):
        one, other = (load_file(run / kept / "model.safetensors") for run in (whole, resumed))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    weights = load_file(whole / "checkpoint-4" / "network.safetensors")
    assert not any(".feature_extractor." in key for key in weights)
    if override == "model.lora=2":
        assert all(".lora_" in key or key.startswith("lm_head.") for key in weights)
        size = (whole / "checkpoint-4" / "network.safetensors").stat().st_size
        assert size < 0.3 * (whole / "best" / "model.safetensors").stat().st_size


def test_the_guard_takes_back_what_lora_and_the_head_have_learnt(mixture, waveform_encoders, tmp_path):
    run = tmp_path / "run"
    hot = ["model.lora=2", "train.learning_rate=1", "train.head_learning_rate=1", "train.rollbacks=1"]
    recipe = read_recipe(None, [*hot, *FEW_STEPS[1:], "train.steps=60"])
    state = train(mixture, run, encoder=str(waveform_encoders["xls-r"]), recipe=recipe).outcome.state
    assert state.guard.rollbacks == 1 and state.guard.ended_by == "guard"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    (stopped,) = [line for line in lines if line.get("event") == "stopped"]
    good = load_file(run / f"checkpoint-{stopped['to_step']}" / "network.safetensors")
    assert any(".lora_" in key for key in good)
    assert torch.equal(good["lm_head.weight"], load_file(run / "last" / "model.safetensors")["lm_head.weight"])


def test_a_run_does_not_go_on_with_another_encoder_under_the_same_name(mixture, waveform_encoders, tmp_path):
    encoder, run = tmp_path / "encoder", tmp_path / "run"
    shutil.copytree(waveform_encoders["xls-r"], encoder)
    train(mixture, run, encoder=str(encoder), recipe=read_recipe(None, ["train.steps=1", "model.lora=2"]))
    from safetensors.torch import save_file

    state = load_file(encoder / "model.safetensors")
    state["wav2vec2.encoder.layer_norm.weight"] *= 1.01
    save_file(state, encoder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GoamaError, match="not those that this run began with"):
        train(mixture, run, resume=True)


def test_the_plan_says_what_learns_and_refuses_what_needs_mel_bins(corpus, waveform_encoders):
    def plan(name: str, *overrides: str):
        encoder = str(waveform_encoders[name])
        recipe, config = read_recipe(None, overrides), read_config(encoder)
        made = make_plan(recipe, Mixture((corpus,)), a_vocabulary(corpus), encoder, config, torch.device("cpu"))
        return complete_plan(made, encoder=encoder, config=config, known=0.0, steps_per_epoch=8)

    chosen = {choice.key: choice.value for choice in plan("mms").choices}
    assert chosen["model.freeze_encoder"] is True and chosen["train.learning_rate"] == 1e-3
    chosen = {choice.key: choice.value for choice in plan("xls-r").choices}
    assert chosen["model.freeze_encoder"] is chosen["model.adapter"] is False
    assert plan("xls-r").recipe.augment.frequency_masks == 0
    for name in ("xls-r", "mms"):
        chosen = {choice.key: choice.value for choice in plan(name, "model.lora=8").choices}
        assert chosen["model.freeze_encoder"] is False and chosen["train.learning_rate"] == 5e-4
    with pytest.raises(GoamaError, match="knows nothing yet"):
        make_plan(
            read_recipe(None, ["model.lora=4"]),
            Mixture((corpus,)),
            a_vocabulary(corpus),
            SCRATCH,
            read_config(SCRATCH),
            torch.device("cpu"),
        )
    for override, said in (
        ("augment.tempo=0.1", r"augment\.tempo"),
        ("model.adapter=true", "Wav2Vec2-BERT's"),
    ):
        with pytest.raises(GoamaError, match=said):
            plan("hubert-base", override)


def test_a_language_that_mms_does_not_have_is_an_error_only_when_asked_for(mixture, waveform_encoders, tmp_path):
    encoder, run = str(waveform_encoders["mms"]), tmp_path / "run"
    recipe = read_recipe(None, ["train.steps=1", "model.language=xyz"])
    with pytest.raises(GoamaError, match=r"no adapter\.xyz\.safetensors"):
        train(mixture, run, encoder=encoder, recipe=recipe)
    train(mixture, run, encoder=encoder, recipe=read_recipe(None, ["train.steps=1", "model.language=nld"]))
    facts = json.loads((run / "best" / "config.json").read_text())
    assert facts["adapter_attn_dim"] == 8
