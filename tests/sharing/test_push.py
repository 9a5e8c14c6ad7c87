"""A run pushes its best model while it trains, and no network slows it, ends it or loses a model."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.evaluation.scores import ErrorRates
from goama.run.recipe import Recipe, read_recipe
from goama.run.state import RunState
from goama.sharing.push import PushToHub
from goama.training.train import train
from goama.training.watchers import DevEvaluation
from tests.hub_server import TOKEN, Fault, Hub

NAME = "writer/dutch"
FINISHED = RunState(step=3, finished=True)


@pytest.fixture
def pushing(run: Path) -> Path:
    """A run that has trained, whose recipe asks for pushes."""
    recipe = read_recipe(run / "recipe.toml")
    wanted = recipe.with_values("train", push_to=NAME, push_every=100)
    (run / "recipe.toml").write_text(wanted.to_toml(), encoding="utf-8")
    return run


def evaluated(step: int) -> DevEvaluation:
    return DevEvaluation(step, 1.0, (), ErrorRates(0.9, 0.5, 4), best=True, sane=True)


def train_on(push: PushToHub, said: list[str], seconds: float = 120.0) -> None:
    """Calls the watcher as the loop does, until it says something."""
    end, before = time.monotonic() + seconds, len(said)
    while time.monotonic() < end and len(said) == before:
        push.progressed(0.5, 1.0, "")
        time.sleep(0.02)


def test_the_best_model_is_pushed_beside_the_training_and_no_more_often_than_asked(hub: Hub, pushing: Path) -> None:
    said: list[str] = []
    push = PushToHub(pushing, said.append)
    started = time.monotonic()
    push.progressed(0.1, 1.0, "")
    assert time.monotonic() - started < 1.0  # another process uploads
    train_on(push, said)
    repository = hub.models[NAME]
    assert repository.private
    assert repository.commits[-1][1]["model.safetensors"] == (pushing / "best" / "model.safetensors").read_bytes()
    assert repository.commits[-1][2] == "goama train: step 3"
    push.evaluated(evaluated(50))
    push.progressed(0.5, 1.0, "")
    push.close()
    assert hub.count("GET /api/whoami-v2") == hub.count("POST .*/commit") == 1  # 100 steps have not passed
    assert f"pushed the model of step 3 to {hub.address}/{NAME}" in said
    assert json.loads((pushing / "pushed.json").read_text()) == {"step": 3, "url": f"{hub.address}/{NAME}"}
    assert not (pushing / "push").exists()


def test_a_hub_that_refuses_does_not_stop_the_run_and_the_end_says_how_to_publish(hub: Hub, pushing: Path) -> None:
    hub.faults.append(Fault("POST /api/repos/create", times=99, status=403))
    said: list[str] = []
    push = PushToHub(pushing, said.append)
    push.progressed(0.1, 1.0, "")
    push.ended(FINISHED)
    push.close()
    assert any("is not on the Hub" in line and f"`goama publish {pushing} {NAME}`" in line for line in said)
    assert TOKEN not in "".join(said)
    assert (pushing / "best" / "model.safetensors").is_file() and not (pushing / "pushed.json").exists()


def test_a_hub_that_never_answers_is_left_at_the_end(hub: Hub, pushing: Path) -> None:
    hub.faults.append(Fault("GET /api/whoami-v2", times=99, silent_s=30.0))
    said: list[str] = []
    push = PushToHub(pushing, said.append, at_end_s=0.5)
    push.progressed(0.1, 1.0, "")
    started = time.monotonic()
    push.ended(FINISHED)
    push.close()
    assert time.monotonic() - started < 5.0
    assert any("the run ended before it arrived" in line for line in said)


def test_a_run_whose_hub_is_down_trains_to_its_end(
    hub: Hub, mixture: Mixture, tiny_encoder: Path, tmp_path: Path
) -> None:
    hub.faults.append(Fault("", times=9999, status=403))
    said: list[str] = []
    settings = [
        "train.steps=2",
        "data.batch_seconds=20",
        "train.eval_every=1",
        "data.workers=0",
        f"train.push_to={NAME}",
    ]
    trained = train(
        mixture,
        tmp_path / "run",
        encoder=str(tiny_encoder),
        recipe=read_recipe(None, settings),
        watchers=[PushToHub(tmp_path / "run", said.append)],
    )
    assert trained.outcome.state.finished and (trained.best / "model.safetensors").is_file()
    assert any("the training is not affected" in line for line in said)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"push_every": 5}, "to which repository"), ({"push_to": "dutch"}, "is named USER/NAME")],
)
def test_a_half_named_repository_is_refused_before_training(
    mixture: Mixture, tiny_encoder: Path, tmp_path: Path, settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(GoamaError, match=sentence):
        train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=Recipe().with_values("train", **settings))
    assert not (tmp_path / "run").exists()


def test_a_run_without_the_setting_asks_nobody(hub: Hub, run: Path) -> None:
    push = PushToHub(run, print)
    push.progressed(0.1, 1.0, "")
    push.ended(FINISHED)
    push.close()
    assert not hub.requests
