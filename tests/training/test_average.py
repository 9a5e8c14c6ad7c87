"""The average of the weights is what the formula says, is what is kept, and goes on as if never stopped."""

import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from goama.corpus.corpus import Corpus
from goama.evaluation.evaluate import evaluate
from goama.recognition.recogniser import Recogniser
from goama.training.average import Average
from goama.training.checkpoint import RunState, load_newest, save_checkpoint
from goama.training.recipe import read_recipe
from goama.training.train import train

from .test_train import FEW_STEPS, assert_same_weights

HALF_LIFE = 0.2


def by_hand(weights: list[torch.Tensor], passed: float, half_life: float) -> torch.Tensor:
    """Steps of equal length: the weights of a half-life ago count half."""
    counts = [0.5 ** (passed * age / half_life) for age in reversed(range(len(weights)))]
    return sum(count * value.double() for count, value in zip(counts, weights, strict=True)) / sum(counts)


def set_to(network: torch.nn.Module, value: torch.Tensor) -> None:
    with torch.no_grad():
        network.weight.copy_(value)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40), st.sampled_from([0.01, 0.02, 0.5]))
def test_it_is_the_weighted_mean_and_owes_nothing_to_the_beginning(values, half_life):
    network = torch.nn.Linear(3, 2, bias=False)
    average, weights = Average(network, half_life), [torch.full((2, 3), value) for value in values]
    for value in weights:
        set_to(network, value)
        average.follow(1 / 40)
    with average.in_place():
        expected = by_hand(weights, 1 / 40, half_life)
        torch.testing.assert_close(network.weight.detach().double(), expected, rtol=1e-4, atol=1e-4)


def test_a_half_life_means_the_same_in_300_steps_and_in_30_000():
    averages = []
    for steps in (300, 30_000):
        network = torch.nn.Linear(1, 1, bias=False)
        average = Average(network, 0.05)
        for step in range(steps):
            set_to(network, torch.full((1, 1), step / steps))
            average.follow(1 / steps)
        with average.in_place():
            averages.append(float(network.weight))
    assert averages[0] == pytest.approx(averages[1], abs=0.003)
    assert averages[1] == pytest.approx(1 - 0.05 / 0.6931, abs=0.001), "it lags by the half-life over ln 2"


def test_the_network_has_its_own_weights_again_and_what_is_frozen_stays():
    network = torch.nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    average = Average(network, 0.1)
    average.follow(0.1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    set_to(network, before["weight"] + 1)
    average.follow(0.1)
    with pytest.raises(KeyboardInterrupt), average.in_place():
        torch.testing.assert_close(network.weight - before["weight"], torch.full((2, 3), 2 / 3))
        assert torch.equal(network.bias, before["bias"])
        raise KeyboardInterrupt
    assert torch.equal(network.weight, before["weight"] + 1)


def test_a_checkpoint_holds_it_and_a_damaged_one_is_passed_over(tmp_path):
    network = torch.nn.Linear(3, 2)
    optimiser, average = torch.optim.AdamW(network.parameters()), Average(network, 0.1)
    for step in (1, 2):
        set_to(network, torch.full((2, 3), float(step)))
        average.follow(0.05)
        save_checkpoint(tmp_path, RunState(step=step), network, optimiser, 9, average)
    kept = {name: value.clone() for name, value in average.state().items()}
    for _ in range(3):
        average.follow(0.05)
    assert load_newest(tmp_path, network, optimiser, average)[0].step == 2
    assert all(torch.equal(value, kept[name]) for name, value in average.state().items())
    file = tmp_path / "checkpoint-2" / "average.safetensors"
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))
    state, damaged = load_newest(tmp_path, network, optimiser, average)
    assert (state.step, damaged) == (1, [tmp_path / "checkpoint-2"])
    with average.in_place():
        assert torch.equal(network.weight, torch.ones(2, 3))


EVERY_STEP = [*FEW_STEPS, "train.save_every=1", "train.keep=99", f"train.average={HALF_LIFE}"]


@pytest.fixture(scope="module")
def averaged_run(mixture, tiny_encoder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    train(mixture, run, encoder=str(tiny_encoder), recipe=read_recipe(None, EVERY_STEP))
    return run


def averaged_by_hand(run, steps: int) -> dict[str, torch.Tensor]:
    own = [load_file(run / f"checkpoint-{step}" / "network.safetensors") for step in range(1, steps + 1)]
    return {name: by_hand([weights[name] for weights in own], 1 / 8, HALF_LIFE) for name in own[0]}


def assert_close(model, expected: dict[str, torch.Tensor]) -> None:
    for name, value in load_file(model / "model.safetensors").items():
        heard = value > -1e3  # all but the unknown unit, which is never to be said
        torch.testing.assert_close(value[heard].double(), expected[name][heard], rtol=1e-4, atol=1e-6)


def test_what_a_run_keeps_is_the_average_of_its_steps(averaged_run):
    assert_close(averaged_run / "last", averaged_by_hand(averaged_run, 8))
    best = json.loads((averaged_run / "checkpoint-8" / "state.json").read_text(encoding="utf-8"))["best_step"]
    assert_close(averaged_run / "best", averaged_by_hand(averaged_run, best))
    own = load_file(averaged_run / "checkpoint-8" / "network.safetensors")["lm_head.weight"]
    assert not torch.allclose(own, load_file(averaged_run / "last" / "model.safetensors")["lm_head.weight"])


def test_what_is_evaluated_is_the_average(averaged_run, corpus: Corpus):
    state = json.loads((averaged_run / "checkpoint-8" / "state.json").read_text(encoding="utf-8"))
    best = Recogniser.load(averaged_run / "best")
    with torch.no_grad():  # a model folder never says [UNK], a run still may
        best.network.lm_head.bias.copy_(averaged_by_hand(averaged_run, state["best_step"])["lm_head.bias"])
    clips = evaluate(best, corpus, "dev").clips
    lines = [json.loads(line) for line in (averaged_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    (told,) = [line for line in lines if line.get("dev_cer") is not None and line["step"] == state["best_step"]]
    assert told["dev_loss"] == pytest.approx(sum(c.loss for c in clips) / sum(c.labels for c in clips), rel=1e-4)


def test_a_stopped_run_goes_on_to_the_same_average(averaged_run, mixture, tmp_path):
    resumed = tmp_path / "resumed"
    shutil.copytree(averaged_run, resumed)
    for step in (6, 7, 8):
        shutil.rmtree(resumed / f"checkpoint-{step}")
    train(mixture, resumed, resume=True)
    assert_same_weights(averaged_run, resumed)


def test_the_guard_takes_the_average_back_too(mixture, tiny_encoder, tmp_path):
    hot = ["train.learning_rate=1", "train.head_learning_rate=1", "train.rollbacks=0", "train.steps=60"]
    recipe = read_recipe(None, [*EVERY_STEP, *hot])
    state = train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe).outcome.state
    assert state.guard.ended_by == "guard"
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    (stopped,) = [line for line in map(json.loads, lines) if line.get("event") == "stopped"]
    good = load_file(tmp_path / "run" / f"checkpoint-{stopped['to_step']}" / "average.safetensors")
    last = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert torch.equal(good["lm_head.weight/average"], last["lm_head.weight"])
