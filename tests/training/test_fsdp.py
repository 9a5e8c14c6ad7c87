"""A network spread over several processes trains as a whole one in one process does, and leaves the same files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from goama.data.batches import Batch
from goama.errors import GoamaError
from goama.run.processes import fsdp_requested, load_whole_weights
from tests.children import LIMIT_S
from tests.training.several import (
    HOT,
    STEPS,
    assert_same_roll_backs,
    assert_same_run,
    events,
    in_processes,
    in_small_batches,
    learn,
    make_learner,
    metrics,
    run_training,
    with_not_a_number,
)

LAUNCHED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}


def sharded(work: Callable[[], Any]) -> Callable[[], Any]:
    """`work` as `accelerate launch --use_fsdp --fsdp_version 2` starts it; its environment is that child's alone."""

    def launched() -> Any:
        os.environ |= LAUNCHED
        load_whole_weights()  # as `goama train` does
        return work()

    return launched


@pytest.mark.parametrize(("count", "batch_s", "number"), [(2, 12.0, 8), (3, 4.0, 6)])
def test_the_steps_are_those_of_one_process(corpus, tiny_encoder, count, batch_s, number):
    """Three processes on batches of one or two clips: some have nothing to do and must still take part."""
    ((alone, _),) = in_processes(1, lambda: learn(corpus, tiny_encoder, batch_s, number))
    results = in_processes(count, lambda: learn(corpus, tiny_encoder, batch_s, number, sharded=True))
    for steps, _ in results:
        np.testing.assert_allclose(steps[:, 0], alone[:, 0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(steps[:, 1], alone[:, 1], rtol=1e-3)
        np.testing.assert_allclose(steps[:, 2:], alone[:, 2:], rtol=1e-2)
    if count == 3:
        assert any(not clips for _, heard in results for clips in heard)


@pytest.mark.parametrize(
    ("name", "settings"), [("xls-r", {"lora": 2}), ("hubert-base", {"checkpointing": True}), ("wavlm-large", {})]
)
def test_steps_of_encoders_that_hear_waveforms_are_those_of_one_process(corpus, waveform_encoders, name, settings):
    ((alone, _),) = in_processes(1, lambda: learn(corpus, waveform_encoders[name], 4.0, 3, **settings))
    for steps, _ in in_processes(3, lambda: learn(corpus, waveform_encoders[name], 4.0, 3, **settings, sharded=True)):
        np.testing.assert_allclose(steps[:, 0], alone[:, 0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(steps[:, 1], alone[:, 1], rtol=1e-3)


def test_steps_of_a_whisper_encoder_are_those_of_one_process(corpus, whisper_encoder):
    ((alone, _),) = in_processes(1, lambda: learn(corpus, whisper_encoder, 4.0, 3))
    for steps, _ in in_processes(2, lambda: learn(corpus, whisper_encoder, 4.0, 3, sharded=True)):
        np.testing.assert_allclose(steps[:, 0], alone[:, 0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(steps[:, 1], alone[:, 1], rtol=1e-3)


def test_each_process_keeps_its_part_of_weights_and_moments(corpus, tiny_encoder):
    def held() -> Any:
        learner = make_learner(corpus, tiny_encoder, sharded=True)
        cut = next(iter(corpus.cuts("train")))
        labels = (tuple(learner.vocabulary.encode(cut.supervisions[0].text)),)
        learner.step([Batch((cut.id,), (cut.load_audio()[0],), labels, ("",), (None,))], seed=0, clip=1.0)
        weights = list(learner.network.parameters())
        moments = [learner.optimiser.state[p].get("exp_avg", torch.zeros(0)) for p in weights]
        here = [sum(getattr(t, "_local_tensor", t).numel() for t in tensors) for tensors in (weights, moments)]
        return *here, sum(p.numel() for p in learner.whole_network().parameters())

    (first, first_moments, total), (second, second_moments, _) = in_processes(2, held)
    assert first + second == total and max(first, second) < 0.52 * total
    assert 0 < first_moments <= first and 0 < second_moments <= second


@pytest.fixture(scope="module")
def sharded_run(corpus, tiny_encoder, tmp_path_factory) -> Path:
    """What `whole_run` is, of two processes that share the network."""
    folder = tmp_path_factory.mktemp("runs") / "sharded"
    results = in_processes(2, sharded(in_small_batches(run_training(corpus, tiny_encoder, folder))))
    assert results[0] == results[1] and results[0][:2] == (8, False)
    return folder


def test_a_run_is_that_of_one_process_and_leaves_the_same_files(whole_run, sharded_run):
    assert_same_run(metrics(whole_run), metrics(sharded_run))
    one, other = (
        sorted(path.relative_to(run) for path in run.rglob("*.safetensors")) for run in (whole_run, sharded_run)
    )
    assert one == other and len(one) == 8  # best, last, the way back and the two newest checkpoints
    for file in one:
        assert_same_weights(whole_run / file, sharded_run / file, rtol=1e-3, atol=1e-5)


def assert_same_weights(one: Path, other: Path, *, rtol: float, atol: float) -> None:
    expected, found = load_file(one), load_file(other)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=rtol, atol=atol)  # the type of the numbers too


def test_a_head_only_phase_is_that_of_one_process(corpus, tiny_encoder, tmp_path):
    """Layers that are frozen for four steps get no gradient, and then learn as those of one process."""
    runs, overrides = [tmp_path / "alone", tmp_path / "sharded"], [*STEPS, "train.head_only=0.5"]
    for count, run, launched in zip((1, 2), runs, (lambda work: work, sharded), strict=True):
        in_processes(count, launched(in_small_batches(run_training(corpus, tiny_encoder, run, overrides))))
    assert len(metrics(runs[0])) == 10
    assert_same_run(*map(metrics, runs))


@pytest.mark.parametrize("before", ["sharded", "whole"])
def test_a_run_goes_on_with_and_without_shards(before, whole_run, sharded_run, corpus, tiny_encoder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(sharded_run if before == "sharded" else whole_run, run)
    shutil.rmtree(run / "checkpoint-8")
    work = in_small_batches(run_training(corpus, tiny_encoder, run, resume=True))
    results = in_processes(1, work) if before == "sharded" else in_processes(3, sharded(work))
    assert {result[:2] for result in results} == {(8, False)}
    assert_same_run(metrics(whole_run), metrics(run))


def test_lora_in_bf16_is_that_of_two_processes_that_hold_it_whole(corpus, waveform_encoders, tmp_path):
    """Whose gradients are sums of the same two numbers; then the run goes on without shards."""
    encoder, runs = waveform_encoders["xls-r"], [tmp_path / "whole", tmp_path / "sharded"]
    overrides = ["train.steps=4", *STEPS[1:-1], "train.eval_every=2", "train.precision=bf16", "model.lora=2"]
    for run, launched in zip(runs, (lambda work: work, sharded), strict=True):
        in_processes(2, launched(in_small_batches(run_training(corpus, encoder, run, overrides))))
    assert_same_weights(*(run / "best" / "model.safetensors" for run in runs), rtol=1e-4, atol=1e-6)
    shutil.rmtree(runs[1] / "checkpoint-4")
    in_processes(2, in_small_batches(run_training(corpus, encoder, runs[1], resume=True)))
    assert_same_run(*map(metrics, runs))
    assert_same_weights(*(run / "last" / "model.safetensors" for run in runs), rtol=1e-4, atol=1e-6)


def test_what_goes_wrong_is_undone_at_the_same_step_as_by_one_process(hot_run, corpus, tiny_encoder, tmp_path):
    in_processes(2, sharded(run_training(corpus, tiny_encoder, tmp_path / "run", HOT)))
    assert_same_roll_backs(hot_run, tmp_path / "run")


def test_a_sound_that_is_not_a_number_leaves_the_batch_as_that_of_one_process(corpus, tiny_encoder, tmp_path):
    spoilt, names = with_not_a_number(corpus, tmp_path / "corpus", 14)  # of 16: most batches are empty
    run = tmp_path / "run"
    results = in_processes(2, sharded(in_small_batches(run_training(spoilt, tiny_encoder, run))))
    assert {result[:2] for result in results} == {(8, False)}
    named = [clip["id"] for line in events(run) if line["event"] == "unsound" for clip in line["clips"]]
    assert sorted(named) == sorted(names)


def test_where_no_process_has_a_sound_clip_all_stop_with_the_reason(corpus, tiny_encoder, tmp_path):
    spoilt, _ = with_not_a_number(corpus, tmp_path / "corpus", 99)
    run = tmp_path / "run"
    overrides = ["train.steps=500", "train.rollbacks=0", *STEPS[2:]]
    assert len(set(in_processes(2, sharded(run_training(spoilt, tiny_encoder, run, overrides))))) == 1
    (stopped,) = [line for line in events(run) if line["event"] == "stopped"]
    assert stopped["step"] == 10 and "some samples of its sound are not finite" in stopped["reason"]


def test_what_accelerate_offers_and_goama_does_not_is_refused(corpus, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(GoamaError, match="--fsdp_version 2"):
        run_training(corpus, tiny_encoder, tmp_path / "run")()
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert not fsdp_requested()  # one process
    with monkeypatch.context() as launched:
        launched.setenv("WORLD_SIZE", "2")
        launched.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
        with pytest.raises(GoamaError, match="every process of a goama run loads all weights"):
            fsdp_requested()
    monkeypatch.setenv("FSDP_OFFLOAD_PARAMS", "true")
    with pytest.raises(GoamaError, match="--fsdp_offload_params false"):
        fsdp_requested()
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(GoamaError, match="goama does not support DEEPSPEED"):
        fsdp_requested()
    assert not (tmp_path / "run").exists()


def test_fp16_is_refused_before_there_is_a_run(corpus, tiny_encoder, tmp_path):
    work = run_training(corpus, tiny_encoder, tmp_path / "run", ["train.precision=fp16"])
    assert all("train.precision=fp16" in str(error) for error in in_processes(2, sharded(work)))
    assert not (tmp_path / "run" / "run.json").exists()


def test_accelerate_launches_it_and_ctrl_c_at_the_launcher_stops_and_saves_all(corpus, tiny_encoder, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--use_fsdp", "--fsdp_version", "2"]
    command += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["-m", "goama", "train", str(corpus.folder), "-o", str(run), "--encoder", str(tiny_encoder)]
    for override in (*STEPS[1:], "train.steps=5000"):
        command += ["-s", override]
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    deadline = time.monotonic() + LIMIT_S
    while not (run / "best" / "model.safetensors").exists():
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "errors").read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert "sharded over 2 processes (FSDP)" in printed
    assert printed.count("stopped and saved at step") == 1
    step = int(re.search(r"stopped and saved at step (\d+)", printed)[1])
    assert (run / f"checkpoint-{step}").is_dir() and (run / "last" / "config.json").is_file()
