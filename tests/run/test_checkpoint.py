"""A checkpoint is whole or it is not there; a damaged one is passed over for the one before."""

import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from goama.data.batches import DataPlace
from goama.errors import GoamaError
from goama.run.checkpoint import drop_later, list_checkpoints, load_newest, save_checkpoint
from goama.run.processes import Processes
from goama.run.state import GuardState, RunState


def learner(seed: int = 0) -> tuple[torch.nn.Module, torch.optim.AdamW]:
    torch.manual_seed(seed)
    network = torch.nn.Linear(4, 3)
    return network, torch.optim.AdamW(network.parameters(), lr=0.1)


def step(network, optimiser) -> None:
    network(torch.ones(2, 4)).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_going_on_from_a_checkpoint_gives_the_same_weights(tmp_path):
    network, optimiser = learner()
    step(network, optimiser)
    state = RunState(step=1, elapsed_s=2.5, place=DataPlace(3, 4), best_cer=0.5, best_step=1)
    save_checkpoint(Processes(), tmp_path, state, network, optimiser, keep=2)
    step(network, optimiser)

    resumed, its_optimiser = learner(seed=9)
    found, damaged = load_newest(Processes(), tmp_path, resumed, its_optimiser)
    assert (found, damaged) == (state, [])
    step(resumed, its_optimiser)
    assert torch.equal(resumed.weight, network.weight)


def test_only_the_newest_are_kept(tmp_path):
    network, optimiser = learner()
    for number in (200, 900, 1000, 1100):
        save_checkpoint(Processes(), tmp_path, RunState(step=number), network, optimiser, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-1000", "checkpoint-1100"]


def test_weights_that_grow_have_a_checkpoint_from_before_they_did(tmp_path):
    """However close together the newest are, there is one from a hundred steps earlier."""
    network, optimiser = learner()
    for number in range(0, 400, 20):
        save_checkpoint(Processes(), tmp_path, RunState(step=number), network, optimiser, keep=2)
        kept = [int(path.name.removeprefix("checkpoint-")) for path in list_checkpoints(tmp_path)]
        assert kept[-2:] == [max(0, number - 20), number][-len(kept) :] and len(kept) <= 4
        assert number < 100 or any(number - 200 < step <= number - 100 for step in kept)
        assert number >= 100 or kept[0] == 0


def test_the_guard_keeps_its_way_back(tmp_path):
    """All later ones may be silent: that shows at the next evaluation only."""
    network, optimiser = learner()
    wrote = GuardState(wrote=0.5, wrote_at=250)
    for number, guard in ((200, GuardState()), (250, wrote), (300, wrote), (400, wrote), (500, wrote)):
        save_checkpoint(Processes(), tmp_path, RunState(step=number, guard=guard), network, optimiser, keep=1)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-250", "checkpoint-400", "checkpoint-500"]
    drop_later(tmp_path, 250)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-250"]


@pytest.mark.parametrize("file", ["network.safetensors", "optimiser.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, file):
    network, optimiser = learner()
    for number in (1, 2):
        step(network, optimiser)
        save_checkpoint(Processes(), tmp_path, RunState(step=number), network, optimiser, keep=3)
    path = tmp_path / "checkpoint-2" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    state, damaged = load_newest(Processes(), tmp_path, *learner(seed=1))
    assert state.step == 1
    assert damaged == [tmp_path / "checkpoint-2"]


@pytest.mark.parametrize("file", ["network.safetensors", "optimiser.safetensors"])
def test_a_block_of_zeros_in_the_middle_is_noticed(tmp_path, file):
    """What a power failure leaves of a file whose length is right; safetensors would read it."""
    network, optimiser = learner()
    for number in (1, 2):
        step(network, optimiser)
        save_checkpoint(Processes(), tmp_path, RunState(step=number), network, optimiser, keep=3)
    path = tmp_path / "checkpoint-2" / file
    content = path.read_bytes()
    path.write_bytes(content[:-16] + bytes(16))
    state, damaged = load_newest(Processes(), tmp_path, *learner(seed=1))
    assert (state.step, damaged) == (1, [tmp_path / "checkpoint-2"])


def child(work) -> int:
    """Do `work` in a forked process; its exit status, negative for the signal that ended it."""
    process = os.fork()
    if process == 0:
        try:
            work()
        except (GoamaError, OSError):
            os._exit(7)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["fsync", "first rename", "second rename"])
@pytest.mark.parametrize("again", [False, True], ids=["a new step", "a step that is there"])
def test_killed_while_it_writes_a_checkpoint_a_run_resumes_from_the_newest_whole_one(tmp_path, moment, again):
    network, optimiser = learner()
    step(network, optimiser)
    save_checkpoint(Processes(), tmp_path, RunState(step=1), network, optimiser, keep=2)
    step(network, optimiser)
    if again:
        save_checkpoint(Processes(), tmp_path, RunState(step=2), network, optimiser, keep=2)

    def killed_save() -> None:
        rename, count = Path.rename, 0

        def renaming(path: Path, target: Path) -> Path:
            nonlocal count
            count += 1
            if count == (1 if moment == "first rename" else 2):
                die()
            return rename(path, target)

        if moment == "fsync":
            os.fsync = die
        else:
            Path.rename = renaming
        save_checkpoint(Processes(), tmp_path, RunState(step=2, finished=True), network, optimiser, keep=2)
        die()  # a new step needs only one rename

    assert child(killed_save) == -signal.SIGKILL
    resumed, its_optimiser = learner(seed=9)
    state, damaged = load_newest(Processes(), tmp_path, resumed, its_optimiser)
    written = not again and moment == "second rename"
    assert state == RunState(step=2 if again or written else 1, finished=written) and damaged == []
    save_checkpoint(Processes(), tmp_path, RunState(step=3), resumed, its_optimiser, keep=9)
    assert not list(tmp_path.glob("*.partial")) and not list(tmp_path.glob("*.old"))


@pytest.mark.parametrize("room", [0, 100, 300])
def test_a_disk_that_is_full_leaves_the_earlier_checkpoint_whole(tmp_path, room):
    """A limit on a file's size: not a byte, half of the network, or the network alone finds room."""
    network, optimiser = learner()
    step(network, optimiser)
    state = RunState(step=1)
    save_checkpoint(Processes(), tmp_path, state, network, optimiser, keep=2)

    def save_on_a_full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        save_checkpoint(Processes(), tmp_path, RunState(step=2), network, optimiser, keep=2)

    assert child(save_on_a_full_disk) == 7, "an error that the command line has a sentence for"
    assert load_newest(Processes(), tmp_path, *learner(seed=1)) == (state, [])


def test_what_the_guard_remembers_is_resumed(tmp_path):
    state = RunState(
        step=4, guard=GuardState(losses=(2.5, 2.25), opening=(4.5,), rate=0.3, rollbacks=1, rolled_back_at=3)
    )
    save_checkpoint(Processes(), tmp_path, state, *learner(), keep=1)
    assert load_newest(Processes(), tmp_path, *learner(seed=1))[0] == state


def test_going_back_drops_what_came_after_but_never_all(tmp_path):
    for number in (2, 4, 6):
        save_checkpoint(Processes(), tmp_path, RunState(step=number), *learner(), keep=9)
    drop_later(tmp_path, 5)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-2", "checkpoint-4"]
    drop_later(tmp_path, 1)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-2"]


def test_a_damaged_checkpoint_is_written_again_when_its_step_is_reached_again(tmp_path):
    network, optimiser = learner()
    step(network, optimiser)
    save_checkpoint(Processes(), tmp_path, RunState(step=2), network, optimiser, keep=3)
    (tmp_path / "checkpoint-2" / "network.safetensors").write_bytes(b"damaged")
    save_checkpoint(Processes(), tmp_path, RunState(step=2, finished=True), network, optimiser, keep=3)
    assert load_newest(Processes(), tmp_path, *learner(seed=1)) == (RunState(step=2, finished=True), [])
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_a_checkpoint_lost_between_two_renames_comes_back(tmp_path):
    network, optimiser = learner()
    step(network, optimiser)
    save_checkpoint(Processes(), tmp_path, RunState(step=2), network, optimiser, keep=1)
    (tmp_path / "checkpoint-2").rename(tmp_path / "checkpoint-2.old")
    assert load_newest(Processes(), tmp_path, *learner(seed=1))[0].step == 2


def test_a_half_written_checkpoint_is_not_one(tmp_path):
    (tmp_path / "checkpoint-5.partial").mkdir()
    assert list_checkpoints(tmp_path) == []
    assert load_newest(Processes(), tmp_path, *learner())[0] == RunState()


def test_when_none_can_be_read_the_run_says_so(tmp_path):
    (tmp_path / "checkpoint-5").mkdir()
    with pytest.raises(GoamaError, match="none of its 1 checkpoints"):
        load_newest(Processes(), tmp_path, *learner())
