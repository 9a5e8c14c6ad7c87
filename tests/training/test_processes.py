"""Several processes train as one would: the same steps, the same score, one end. Over gloo, on the CPU."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import goama.cli.app
import goama.cli.terminal
from goama.corpus.corpus import Corpus
from goama.data.batches import Batch
from goama.errors import GoamaError
from goama.run.processes import Processes, one_error_message
from tests.children import struck
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


@pytest.mark.parametrize(("count", "batch_s", "number"), [(2, 12.0, 8), (3, 4.0, 6)])
def test_the_steps_are_those_of_one_process(corpus, tiny_encoder, count, batch_s, number):
    """Three processes on batches of one or two clips: some have nothing to do and must still answer."""
    ((alone, all_clips),) = in_processes(1, lambda: learn(corpus, tiny_encoder, batch_s, number))
    results = in_processes(count, lambda: learn(corpus, tiny_encoder, batch_s, number))
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


def test_two_processes_undo_what_goes_wrong_at_the_same_step_as_one(hot_run, corpus, tiny_encoder, tmp_path):
    run = tmp_path / "run"
    assert {result[:2] for result in in_processes(2, run_training(corpus, tiny_encoder, run, HOT))} == {(24, False)}
    assert_same_roll_backs(hot_run, run)


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
        return run_training(corpus, tiny_encoder, tmp_path / "run", ["train.minutes=0.05", "data.batch_seconds=10"])()

    first, second = in_processes(2, work)
    assert first == second and not first[1]


def test_a_signal_to_one_process_stops_and_saves_them_all(corpus, tiny_encoder, tmp_path):
    run = tmp_path / "run"
    endless = run_training(corpus, tiny_encoder, run, [*STEPS[1:], "train.steps=5000"])

    def work() -> Any:
        here = os.environ["RANK"] == "1"
        return struck(endless, run / "checkpoint-2", signal.SIGTERM)() if here else endless()

    first, second = in_processes(2, work)
    assert first == second and first[1]
    assert (run / f"checkpoint-{first[0]}").is_dir()


def commanded(work: Callable[[], Any], folder: Path) -> Callable[[], tuple[int, str]]:
    """`work` as the command line does it: its exit status and what it said on stderr."""

    def command() -> tuple[int, str]:
        sys.stderr = goama.cli.terminal.err.file = (folder / f"said-{os.environ['RANK']}").open("w", encoding="utf-8")
        status = 0

        def app(**_: Any) -> None:
            with one_error_message():
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
    assert line.startswith("goama: the audio of one of these clips cannot be read")


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


@pytest.mark.parametrize("sharded", [False, True])
def test_a_process_without_clips_leaves_the_gradient_as_it_is(corpus, tiny_encoder, sharded):
    def gradient(sharded: bool = False) -> Any:
        learner = make_learner(corpus, tiny_encoder, plain_descent=True, sharded=sharded)
        before = torch.cat([p.detach().flatten() for p in learner.whole_network().parameters()])
        cut = next(iter(corpus.cuts("train")))
        labels = (tuple(learner.vocabulary.encode(cut.supervisions[0].text)),)
        clip = Batch((cut.id,), (cut.load_audio()[0],), labels, ("",), (None,))
        learner.step([clip if Processes().is_main else Batch((), (), (), (), ())], seed=0, clip=1e9)
        return (before - torch.cat([p.detach().flatten() for p in learner.whole_network().parameters()])).numpy()

    (alone,) = in_processes(1, gradient)
    first, second = in_processes(2, lambda: gradient(sharded))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone, rtol=0, atol=1e-5 * float(np.abs(alone).max()))
