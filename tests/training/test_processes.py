"""Several processes train as one would: the same steps, the same score, one end. Over gloo, on the CPU."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

import goama.cli.app
import goama.cli.terminal
from goama.acoustics.batches import Batch, DataPlace, TrainingBatches
from goama.corpus.corpus import Corpus
from goama.corpus.mixture import Mixture
from goama.errors import GoamaError
from goama.evaluation import evaluate
from goama.model.encoder import front_end, load_for_training
from goama.model.trainable import choose_trainable
from goama.text import Vocabulary
from goama.training import loop
from goama.training.alignment import Alignment
from goama.training.learner import Learner
from goama.training.optimiser import make_optimiser
from goama.training.processes import Processes, one_voice
from goama.training.recipe import read_recipe
from goama.training.train import train

LIMIT_S = 240


def in_processes(count: int, work: Callable[[], Any]) -> list[Any]:
    """What `work` gives in each of `count` processes that a launcher would have started; exceptions are given too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")  # what is imported and opened already is not imported again
    pipes, children = [], []
    for rank in range(count):
        receiving, sending = fork.Pipe(duplex=False)
        child = fork.Process(target=_in_child, args=(rank, count, port, work, sending))
        child.start()
        sending.close()
        pipes.append(receiving)
        children.append(child)
    try:
        results = [pipe.recv() if pipe.poll(LIMIT_S) else TimeoutError() for pipe in pipes]
    except EOFError as error:
        raise AssertionError("a process died without a word") from error
    finally:
        for child in children:
            child.join(20)
            child.kill()
    return results


def _in_child(rank: int, count: int, port: int, work: Callable[[], Any], sending: Any) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    torch.set_num_threads(1)  # a forked OpenMP hangs where it has more
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        result = work()
    except BaseException as error:
        result = error
    sending.send(result)
    sending.close()


def make_learner(
    corpus: Corpus, encoder: Path, *, plain_descent: bool = False, checkpointing: bool = False, lora: int = 0
) -> Learner:
    """With plain descent at rate 1, the change of the weights is the gradient."""
    Processes()
    AcceleratorState._reset_state()
    torch.manual_seed(0)
    vocabulary = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]
    loaded = load_for_training(str(encoder), vocabulary, adapter=False)
    learning = {"freeze_feature_encoder": True, "freeze_encoder": False, "lora": lora}
    choose_trainable(loaded.network, loaded.new_parameters, **learning)
    if checkpointing:
        loaded.network.gradient_checkpointing_enable()
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
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    return Learner(
        accelerator, loaded.network.train(), optimiser, front_end(str(encoder), loaded.network.config), vocabulary
    )


def learn(corpus: Corpus, encoder: Path, batch_s: float, steps: int = 20, **settings: Any) -> Any:
    """Loss, gradient norm, blank share and seconds of each step, and the clips that this process had."""
    processes, learner = Processes(), make_learner(corpus, encoder, **settings)
    share = {"rank": processes.rank, "world_size": processes.count}
    batches = TrainingBatches(corpus.cuts("train"), learner.vocabulary, batch_s=batch_s, seed=0, **share)
    stream = (batch for _, batch in batches.starting_at(DataPlace()))
    augment = read_recipe(None, ["augment.tempo=0.1", "augment.vocal_tract=0.1", "augment.band_limit=0.5"]).augment
    results, heard = [], []
    for step in range(steps):
        parts = list(islice(stream, 2))
        heard.append([i for part in parts for i in part.ids])
        results.append(learner.step(parts, seed=step, clip=1.0, augment=augment))
    return np.array([(r.loss, r.gradient_norm, r.blank_share, r.audio_s) for r in results]), heard


@pytest.mark.parametrize(("count", "batch_s"), [(2, 12.0), (3, 4.0)])
def test_20_steps_are_those_of_one_process(corpus, tiny_encoder, count, batch_s):
    """Three processes on batches of one or two clips: some have nothing to do and must still answer."""
    ((alone, all_clips),) = in_processes(1, lambda: learn(corpus, tiny_encoder, batch_s))
    results = in_processes(count, lambda: learn(corpus, tiny_encoder, batch_s))
    for steps, _ in results:
        np.testing.assert_allclose(steps[:, 0], alone[:, 0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(steps[:, 1], alone[:, 1], rtol=1e-3)
        np.testing.assert_allclose(steps[:, 2:], alone[:, 2:], rtol=1e-2)
    for number, clips in enumerate(all_clips):
        assert sorted(i for _, heard in results for i in heard[number]) == sorted(clips)
    if count == 3:
        assert any(not clips for _, heard in results for clips in heard)


def test_gradient_checkpointing_changes_no_step(corpus, tiny_encoder):
    ((plain, _),) = in_processes(1, lambda: learn(corpus, tiny_encoder, 12.0, 4))
    for steps, _ in in_processes(2, lambda: learn(corpus, tiny_encoder, 12.0, 4, checkpointing=True)):
        np.testing.assert_allclose(steps[:, :2], plain[:, :2], rtol=1e-4)


@pytest.mark.parametrize(("name", "lora"), [("xls-r", 2), ("hubert-base", 0)])
def test_steps_of_encoders_that_hear_waveforms_are_those_of_one_process(corpus, waveform_encoders, name, lora):
    ((alone, _),) = in_processes(1, lambda: learn(corpus, waveform_encoders[name], 12.0, 4, lora=lora))
    for steps, _ in in_processes(2, lambda: learn(corpus, waveform_encoders[name], 12.0, 4, lora=lora)):
        np.testing.assert_allclose(steps[:, 0], alone[:, 0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(steps[:, 1], alone[:, 1], rtol=1e-3)


STEPS = ["train.steps=8", "train.eval_every=4", "train.save_every=2", "data.batch_seconds=20", "train.precision=no"]


def run_training(corpus: Corpus, encoder: Path, run: Path, overrides: list[str] = STEPS, resume: bool = False) -> Any:
    def work() -> Any:
        outcome = train(
            Mixture((corpus,)), run, encoder=str(encoder), recipe=read_recipe(None, overrides), resume=resume
        ).outcome
        return outcome.state.step, outcome.interrupted, outcome.state.best_cer

    return work


@pytest.fixture(scope="module")
def whole_run(corpus, tiny_encoder, tmp_path_factory) -> Path:
    """Eight steps of one process, with its dev clips in batches of a few."""
    folder = tmp_path_factory.mktemp("runs") / "alone"
    assert in_processes(1, in_small_batches(run_training(corpus, tiny_encoder, folder)))[0][:2] == (8, False)
    return folder


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


def test_a_run_of_two_processes_is_the_run_of_one_and_says_everything_once(whole_run, corpus, tiny_encoder, tmp_path):
    def work() -> Any:
        sys.stdout = (tmp_path / f"said-{os.environ['RANK']}").open("w", encoding="utf-8")
        result = run_training(corpus, tiny_encoder, tmp_path / "run")()
        sys.stdout.flush()
        return result

    first, second = in_processes(2, in_small_batches(work))
    assert first == second and first[:2] == (8, False)
    assert_same_run(metrics(whole_run), metrics(tmp_path / "run"))
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {path.name for path in whole_run.iterdir()}
    assert "dev CER" in (tmp_path / "said-0").read_text() and not (tmp_path / "said-1").read_text()


def test_two_processes_average_their_weights_as_one_does(corpus, tiny_encoder, tmp_path):
    runs = [tmp_path / "alone", tmp_path / "shared"]
    for count, run in enumerate(runs, start=1):
        in_processes(count, in_small_batches(run_training(corpus, tiny_encoder, run, [*STEPS, "train.average=0.2"])))
    assert_same_run(*map(metrics, runs))
    one, other = (load_file(run / "last" / "model.safetensors") for run in runs)
    assert all(torch.allclose(value, other[name], atol=1e-3) for name, value in one.items())


def test_two_processes_align_and_learn_frame_labels_as_one_does(corpus, tiny_encoder, tmp_path):
    guided = [*STEPS, "train.flat_start=0.4", "train.realign=1"]
    runs = [tmp_path / "alone", tmp_path / "shared"]
    for count, run in enumerate(runs, start=1):
        in_processes(count, in_small_batches(run_training(corpus, tiny_encoder, run, guided)))
    assert_same_run(*map(metrics, runs))
    assert any("frames_right" in line for line in metrics(runs[1]))
    for name in ("alignment-0.npz", "alignment-1.npz"):
        one, other = (Alignment.load(run / name).starts for run in runs)
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[clip], other[clip]) for clip in one)


def events(run: Path) -> list[dict[str, Any]]:
    return [line for line in metrics(run) if "event" in line]


def test_two_processes_undo_what_goes_wrong_at_the_same_step_as_one(corpus, tiny_encoder, tmp_path):
    hot = ["train.learning_rate=0.03", "train.head_learning_rate=0.03", "train.steps=24", "train.eval_every=12"]
    runs = [tmp_path / "alone", tmp_path / "shared"]
    for count, run in enumerate(runs, start=1):
        results = in_processes(count, run_training(corpus, tiny_encoder, run, [*hot, *STEPS[2:]]))
        assert {result[:2] for result in results} == {(24, False)}
    for one, other in zip(*map(events, runs), strict=True):
        assert one["event"] == other["event"] == "rolled back" and one["kind"] == "grown weights"
        assert all(one[key] == other[key] for key in ("step", "to_step", "guard_rate"))
        assert one["now"] == pytest.approx(other["now"], rel=1e-3)
    assert len(events(runs[0])) >= 1


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


def test_a_sound_that_is_not_a_number_leaves_the_batch_of_two_processes_as_that_of_one(corpus, tiny_encoder, tmp_path):
    spoilt, names = with_not_a_number(corpus, tmp_path / "corpus", 2)
    runs = [tmp_path / "alone", tmp_path / "shared"]
    for count, run in enumerate(runs, start=1):
        in_processes(count, in_small_batches(run_training(spoilt, tiny_encoder, run)))
        assert sorted(clip["id"] for line in events(run) for clip in line["clips"]) == sorted(names)
        assert {line["event"] for line in events(run)} == {"unsound"}
    assert_same_run(*([line for line in metrics(run) if "event" not in line] for run in runs))


def test_where_no_process_has_a_sound_clip_all_stop_with_the_reason(corpus, tiny_encoder, tmp_path):
    spoilt, _ = with_not_a_number(corpus, tmp_path / "corpus", 99)
    run = tmp_path / "run"
    overrides = ["train.steps=500", "train.rollbacks=0", *STEPS[2:]]
    assert len(set(in_processes(2, run_training(spoilt, tiny_encoder, run, overrides)))) == 1
    (stopped,) = [line for line in events(run) if line["event"] == "stopped"]
    assert stopped["step"] == 10 and "some samples of its sound are not finite" in stopped["reason"]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(whole_run, corpus, tiny_encoder, tmp_path, before, after):
    run = tmp_path / "run"
    if before == 1:
        shutil.copytree(whole_run, run)
    else:
        in_processes(before, in_small_batches(run_training(corpus, tiny_encoder, run)))
    shutil.rmtree(run / "checkpoint-8")
    results = in_processes(after, in_small_batches(run_training(corpus, tiny_encoder, run, resume=True)))
    assert {result[:2] for result in results} == {(8, False)}
    assert_same_run(metrics(whole_run), metrics(run))


def test_all_processes_keep_to_the_clock_of_one(corpus, tiny_encoder, tmp_path):
    def work() -> Any:
        if os.environ["RANK"] == "1":
            true_time = time.monotonic
            time.monotonic = lambda: 10 * true_time()  # a clock that is fast
        return run_training(corpus, tiny_encoder, tmp_path / "run", ["train.minutes=0.1", "data.batch_seconds=10"])()

    first, second = in_processes(2, work)
    assert first == second and not first[1]


def test_a_signal_to_one_process_stops_and_saves_them_all(corpus, tiny_encoder, tmp_path):
    run = tmp_path / "run"

    def stop_soon() -> None:
        while not (run / "checkpoint-2").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    def work() -> Any:
        if os.environ["RANK"] == "1":
            threading.Thread(target=stop_soon, daemon=True).start()
        return run_training(corpus, tiny_encoder, run, [*STEPS[1:], "train.steps=5000"])()

    first, second = in_processes(2, work)
    assert first == second and first[1]
    assert (run / f"checkpoint-{first[0]}").is_dir()


def commanded(work: Callable[[], Any], folder: Path) -> Callable[[], tuple[int, str]]:
    """`work` as the command line does it: its exit status and what it said on stderr."""

    def command() -> tuple[int, str]:
        sys.stderr = goama.cli.terminal.err.file = (folder / f"said-{os.environ['RANK']}").open("w", encoding="utf-8")
        status = 0

        def app(**_: Any) -> None:
            with one_voice():
                work()

        goama.cli.app.app = app
        try:
            goama.cli.app.main()
        except SystemExit as leave:
            status = int(leave.code or 0)
        sys.stderr.flush()
        return status, (folder / f"said-{os.environ['RANK']}").read_text(encoding="utf-8")

    return command


def test_a_sound_that_one_process_cannot_read_ends_all_with_one_sentence(corpus, tiny_encoder, tmp_path):
    shutil.copytree(corpus.folder, tmp_path / "corpus")
    damaged = next((tmp_path / "corpus" / "train").glob("*.flac"))
    damaged.write_bytes(b"noise")
    work = run_training(Corpus.open(tmp_path / "corpus"), tiny_encoder, tmp_path / "run")
    results = in_processes(2, commanded(work, tmp_path))
    assert [status for status, _ in results] == [2, 2]
    (line,) = "".join(said for _, said in results).splitlines()
    assert line.startswith("goama: the sound of one of these clips cannot be read any more")


def test_a_mistake_that_all_make_is_told_once(corpus, tiny_encoder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    for work in (lambda: Corpus.open(tmp_path / "no"), run_training(corpus, tiny_encoder, tmp_path / "run")):
        results = in_processes(2, commanded(work, tmp_path))
        assert [status for status, _ in results] == [2, 2]
        assert len("".join(said for _, said in results).splitlines()) == 1


def test_a_process_that_dies_ends_the_others_with_a_sentence(tmp_path):
    def work() -> None:
        processes = Processes()
        processes.agree(0.0, False)
        if not processes.is_main:
            os.kill(os.getpid(), signal.SIGKILL)
        processes.agree(1.0, False)

    with pytest.raises(AssertionError, match="died without a word"):
        in_processes(2, commanded(work, tmp_path))
    assert "another process of this run has ended" in (tmp_path / "said-0").read_text()


def test_ctrl_c_at_the_launcher_stops_and_saves_them_all(corpus, tiny_encoder, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "goama", "train", str(corpus.folder), "-o", str(run), "--encoder", str(tiny_encoder)]
    for override in (*STEPS[1:], "train.steps=5000"):
        command += ["-s", override]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + LIMIT_S
    while not (run / "checkpoint-2").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert printed.count("stopped and saved at step") == 1
    assert (run / "last" / "config.json").is_file()
    step = int(re.search(r"stopped and saved at step (\d+)", printed)[1])
    assert (run / f"checkpoint-{step}").is_dir()


def test_what_would_split_the_model_is_refused(corpus, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(GoamaError, match="FSDP does not train a goama run"):
        run_training(corpus, tiny_encoder, tmp_path / "run")()
    assert not (tmp_path / "run").exists()


def test_work_of_the_main_process_is_everybodys_and_so_are_its_faults():
    def work() -> Any:
        processes = Processes()
        done = processes.on_main(lambda: f"by {os.environ['RANK']}")
        gathered = processes.gathered(["a"] * (1 + processes.rank))

        def fail() -> None:
            raise GoamaError(f"no room in {os.environ['RANK']}")

        with pytest.raises(GoamaError, match="no room in 0"):
            processes.on_main(fail)
        with pytest.raises(GoamaError, match="no room in 1"):
            processes.together(fail if processes.rank else lambda: None)
        return done, gathered, processes.agree(5.0 + processes.rank, processes.rank == 1)

    assert in_processes(2, work) == [("by 0", ["a", "a", "a"], (5.0, True))] * 2
    assert in_processes(1, lambda: Processes().agree(5.0, False)) == [(5.0, False)]


def test_a_gradient_that_one_process_lacks_is_the_others_and_one_that_all_lack_stays_away():
    def work() -> Any:
        processes = Processes()
        one, both, none, frozen = (torch.nn.Parameter(torch.zeros(2)) for _ in range(4))
        both.grad = torch.full((2,), 1.0 + processes.rank)
        frozen.requires_grad_(False)
        if processes.is_main:
            one.grad = torch.tensor([5.0, 7.0])
        processes.sum_gradients([one, both, none, frozen])
        return one.grad.tolist(), both.grad.tolist(), none.grad, frozen.grad

    assert in_processes(2, work) == [([5.0, 7.0], [3.0, 3.0], None, None)] * 2


def test_a_process_without_clips_leaves_the_gradient_as_it_is(corpus, tiny_encoder):
    def gradient() -> Any:
        learner = make_learner(corpus, tiny_encoder, plain_descent=True)
        before = torch.cat([p.detach().flatten() for p in learner.bare_network.parameters()])
        cut = next(iter(corpus.cuts("train")))
        labels = (tuple(learner.vocabulary.encode(cut.supervisions[0].text)),)
        clip = Batch((cut.id,), (cut.load_audio()[0],), labels, ("",), (None,))
        learner.step([clip if Processes().is_main else Batch((), (), (), (), ())], seed=0, clip=1e9)
        return (before - torch.cat([p.detach().flatten() for p in learner.bare_network.parameters()])).numpy()

    (alone,) = in_processes(1, gradient)
    first, second = in_processes(2, gradient)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone, rtol=0, atol=1e-5 * float(np.abs(alone).max()))
