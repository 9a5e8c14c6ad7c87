"""How the tests run work in several processes, and train in them; over gloo, on the CPU."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from goama.corpus.corpus import Corpus
from goama.data.batches import DataPlace, TrainingBatches
from goama.data.mixture import Mixture
from goama.evaluation import evaluate
from goama.model.encoder import front_end
from goama.model.fsdp import ShardedNetwork
from goama.model.loading import load_for_training
from goama.model.trainable import choose_trainable
from goama.run.processes import Processes
from goama.run.recipe import read_recipe
from goama.text import Vocabulary
from goama.training import loop
from goama.training.learner import Learner
from goama.training.optimiser import make_optimiser
from goama.training.train import train
from tests.children import in_children


def in_processes(count: int, work: Callable[[], Any]) -> list[Any]:
    """What `work` gives in each of `count` processes that a launcher would have started; exceptions are given too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    return in_children([shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)], work)


def make_learner(
    corpus: Corpus,
    encoder: Path,
    *,
    plain_descent: bool = False,
    adapter: bool = False,
    checkpointing: bool = False,
    lora: int = 0,
    sharded: bool = False,
) -> Learner:
    """With plain descent at rate 1, the change of the weights is the gradient."""
    Processes()
    torch.manual_seed(0)
    vocabulary = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]
    loaded = load_for_training(str(encoder), vocabulary, adapter=adapter)
    learning = {"freeze_feature_encoder": True, "freeze_encoder": False, "lora": lora}
    choose_trainable(loaded.network, loaded.new_parameters, **learning)
    if checkpointing:
        loaded.network.gradient_checkpointing_enable()
    by_fsdp = ShardedNetwork(loaded.network) if sharded else None
    optimiser: torch.optim.Optimizer = make_optimiser(
        loaded.network,
        learning_rate=1e-3,
        head_learning_rate=1e-3,
        new_parameters=loaded.new_parameters,
        betas=(0.9, 0.98),
        weight_decay=0.01,
    )
    if plain_descent:
        optimiser = torch.optim.SGD(loaded.network.parameters(), lr=1.0)
    inputs = front_end(str(encoder), loaded.network.config)
    return Learner(loaded.network.train(), optimiser, inputs, vocabulary, sharded=by_fsdp)


def learn(corpus: Corpus, encoder: Path, batch_s: float, steps: int = 20, **settings: Any) -> Any:
    """Loss, gradient norm, blank share and seconds of each step, and the clips that this process had."""
    processes, learner = Processes(), make_learner(corpus, encoder, **settings)
    share = {"rank": processes.rank, "world_size": processes.count}
    batches = TrainingBatches(corpus.cuts("train"), learner.vocabulary, batch_s=batch_s, seed=0, **share)
    stream = (batch for _, batch in batches.starting_at(DataPlace()))
    keys = {
        "time_masks_per_s": 0.5,
        "frequency_masks": 2,
        "tempo": 0.1,
        "vocal_tract": 0.1,
        "band_limit": 0.5,
        "reverb": 0,
    }
    augment = read_recipe(None, [f"augment.{key}={value}" for key, value in keys.items()]).augment
    results, heard = [], []
    for step in range(steps):
        parts = list(islice(stream, 2))
        heard.append([i for part in parts for i in part.ids])
        results.append(learner.step(parts, seed=step, clip=1.0, augment=augment))
    return np.array([(r.loss, r.gradient_norm, r.blank_share, r.audio_s) for r in results]), heard


STEPS = [
    "train.steps=8",
    "train.eval_every=4",
    "train.save_every=2",
    "data.batch_seconds=20",
    "train.warmup=0.1",
    "train.head_only=0",
    "train.precision=no",
]

HOT = ["train.learning_rate=0.03", "train.head_learning_rate=0.03", "train.steps=24", "train.eval_every=12", *STEPS[2:]]
"""At this rate the weights grow until the guard takes them back."""


def run_training(corpus: Corpus, encoder: Path, run: Path, overrides: list[str] = STEPS, resume: bool = False) -> Any:
    def work() -> Any:
        outcome = train(
            Mixture((corpus,)), run, encoder=str(encoder), recipe=read_recipe(None, overrides), resume=resume
        ).outcome
        return outcome.state.step, outcome.interrupted, outcome.state.best_cer

    return work


def in_small_batches(work: Callable[[], Any]) -> Callable[[], Any]:
    """So that each process has dev clips to recognise; and every step is logged."""

    def smaller() -> Any:
        evaluate.EVALUATION_BATCH_S = 3.0
        loop._LOG_EVERY = 1
        return work()

    return smaller


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_same_run(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    for expected, found in zip(one, other, strict=True):
        assert expected["step"] == found["step"]
        for key in ("loss", "dev_cer", "dev_wer", "dev_clips", "epoch", "best"):
            assert found.get(key) == pytest.approx(expected.get(key), abs=1e-5)


def events(run: Path) -> list[dict[str, Any]]:
    return [line for line in metrics(run) if "event" in line]


def assert_same_roll_backs(one: Path, other: Path) -> None:
    for expected, found in zip(events(one), events(other), strict=True):
        assert expected["event"] == found["event"] == "rolled back" and expected["kind"] == "grown weights"
        assert all(expected[key] == found[key] for key in ("step", "to_step", "guard_rate"))
        assert expected["now"] == pytest.approx(found["now"], rel=1e-3)
    assert len(events(one)) >= 1


def with_not_a_number(corpus: Corpus, folder: Path, clips: int) -> tuple[Corpus, list[str]]:
    """A copy in which the sound of the first training clips is spoilt, and their ids."""
    shutil.copytree(corpus.folder, folder)
    spoilt = Corpus.open(folder)
    cuts = list(spoilt.cuts("train"))[:clips]
    for cut in cuts:
        samples = cut.load_audio()[0].copy()
        samples[len(samples) // 2] = np.nan
        soundfile.write(cut.recording.sources[0].source, samples, 16_000, format="WAV", subtype="FLOAT")
    return spoilt, [cut.id for cut in cuts]
