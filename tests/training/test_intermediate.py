"""CTC of the middle layer: what it costs and whom it teaches; a run keeps its head, and model folders do not."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from goama.model.encoder import front_end, layer_frames, load_for_training
from goama.model.frame_head import MIDDLE_HEAD, add_middle_head, middle_logits
from goama.training.learner import Learner
from goama.training.objective import ctc_sum
from goama.training.recipe import read_recipe
from goama.training.train import train

from .test_processes import STEPS, assert_same_run, in_processes, in_small_batches, metrics, run_training
from .test_train import FEW_STEPS, assert_same_weights
from .test_waveform_training import a_vocabulary, joined, some_clips


def descending(accelerator, encoder, corpus, *, adapter: bool) -> Learner:
    """With plain descent at rate 1, the change of the weights is the gradient."""
    torch.manual_seed(0)
    vocabulary = a_vocabulary(corpus)
    network = load_for_training(str(encoder), vocabulary, adapter=adapter).network.train()
    add_middle_head(network)
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    return Learner(accelerator, network, optimiser, front_end(str(encoder), network.config), vocabulary)


def gradient(accelerator, encoder, corpus, intermediate: float, *, adapter: bool, size: int = 4):
    """A step over four clips in parts of `size`: its outcome, and the gradient of each parameter."""
    learner = descending(accelerator, encoder, corpus, adapter=adapter)
    singles = some_clips(corpus, learner.vocabulary, 4)
    before = {name: p.detach().clone() for name, p in learner.bare_network.named_parameters()}
    parts = [joined(singles[start : start + size]) for start in range(0, 4, size)]
    outcome = learner.step(parts, seed=0, clip=1e9, intermediate=intermediate)
    return outcome, {name: before[name] - p.detach() for name, p in learner.bare_network.named_parameters()}


def by_hand(accelerator, encoder, corpus, *, adapter: bool):
    """The loss of the middle layer alone, and its gradient."""
    learner = descending(accelerator, encoder, corpus, adapter=adapter)
    network, batch = learner.bare_network, joined(some_clips(corpus, learner.vocabulary, 4))
    inputs, mask = learner.front_end(batch.waveforms)
    lengths = layer_frames(network.config, mask.sum(1))
    unmasked = torch.zeros(4, int(lengths.max()), dtype=torch.bool)
    hidden = {"mask_time_indices": unmasked} if network.config.mask_time_prob else {}
    output = network(inputs, attention_mask=mask.long(), output_hidden_states=True, **hidden)
    losses = ctc_sum(middle_logits(network, output.hidden_states), lengths, batch.labels, learner.vocabulary.blank_id)
    loss = losses.sum() / batch.label_count
    loss.backward()
    return float(loss.detach()), {name: p.grad for name, p in network.named_parameters()}


@pytest.mark.parametrize("kind", ["wav2vec2-bert", "with its adapter", "xls-r"])
def test_it_has_its_share_in_the_gradient_and_teaches_only_what_lies_beneath(
    kind, accelerator, tiny_encoder, waveform_encoders, corpus
):
    encoder, adapter = waveform_encoders.get(kind, tiny_encoder), kind == "with its adapter"
    plain, without = gradient(accelerator, encoder, corpus, 0.0, adapter=adapter)
    shared, with_it = gradient(accelerator, encoder, corpus, 0.3, adapter=adapter)
    loss, alone = by_hand(accelerator, encoder, corpus, adapter=adapter)
    assert shared.loss == pytest.approx(plain.loss, rel=1e-5), "the loss that is told is CTC's alone"
    assert shared.intermediate == pytest.approx(loss, rel=1e-4)
    taught = {name for name, value in alone.items() if value is not None}
    assert not [name for name in taught if ".layers.1." in name or "lm_head" in name or ".adapter." in name]
    assert [name for name in taught if ".layers.0." in name] and f"{MIDDLE_HEAD}.1.weight" in taught
    for name, value in with_it.items():
        expected = 0.7 * without[name] + (0.3 * alone[name] if name in taught else 0.0)
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-5)


def test_four_clips_at_once_and_one_by_one_are_the_same_step(accelerator, tiny_encoder, corpus):
    whole, at_once = gradient(accelerator, tiny_encoder, corpus, 0.5, adapter=True)
    parts, summed = gradient(accelerator, tiny_encoder, corpus, 0.5, adapter=True, size=1)
    assert parts.intermediate == pytest.approx(whole.intermediate, rel=1e-5)
    for name, value in at_once.items():
        assert (summed[name] - value).norm() <= 1e-3 * value.norm() + 1e-6


@pytest.mark.parametrize("override", ["model.adapter=true", "train.flat_start=0.25"])
def test_a_run_keeps_the_head_in_its_checkpoints_and_resumes_to_the_same_weights(
    mixture, tiny_encoder, tmp_path, override
):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    recipe = read_recipe(None, [*FEW_STEPS, "train.intermediate=0.3", "train.consistency=0.2", override])
    train(mixture, whole, encoder=str(tiny_encoder), recipe=recipe)
    shutil.copytree(whole, resumed)
    shutil.rmtree(resumed / "checkpoint-8")
    train(mixture, resumed, resume=True)
    assert_same_weights(whole, resumed)
    heads = [load_file(run / "checkpoint-8" / "network.safetensors") for run in (whole, resumed)]
    assert torch.equal(*(head[f"{MIDDLE_HEAD}.1.weight"] for head in heads))
    assert not [name for name in load_file(whole / "best" / "model.safetensors") if name.startswith(MIDDLE_HEAD)]
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["intermediate"] > 0 for line in lines if "loss" in line] == [True]


def test_lora_and_gradient_checkpointing_leave_it_its_own(mixture, waveform_encoders, tmp_path):
    options = ["train.intermediate=0.3", "model.lora=2", "model.gradient_checkpointing=true"]
    recipe = read_recipe(None, [*options, "train.steps=2", "train.keep=9", "data.batch_seconds=20"])
    train(mixture, tmp_path / "run", encoder=str(waveform_encoders["xls-r"]), recipe=recipe)
    first, last = (load_file(tmp_path / "run" / f"checkpoint-{n}" / "network.safetensors") for n in (0, 2))
    moved = {name for name, value in last.items() if not torch.equal(value, first[name])}
    assert {f"{MIDDLE_HEAD}.0.weight", f"{MIDDLE_HEAD}.1.weight", "lm_head.weight"} <= moved
    assert [name for name in moved if ".layers.0." in name and ".lora_" in name]


def test_two_processes_learn_it_as_one_does(corpus, tiny_encoder, tmp_path):
    runs = [tmp_path / "alone", tmp_path / "shared"]
    for count, run in enumerate(runs, start=1):
        overrides = [*STEPS, "train.intermediate=0.3"]
        in_processes(count, in_small_batches(run_training(corpus, tiny_encoder, run, overrides)))
    assert_same_run(*map(metrics, runs))
    one, other = ([line["intermediate"] for line in metrics(run) if "loss" in line] for run in runs)
    assert len(one) == 8 and one == pytest.approx(other, abs=1e-5)
