"""A checkpoint is whole or it is not there; a damaged one is passed over for the one before."""

import pytest
import torch

from goama.acoustics.batches import DataPlace
from goama.errors import GoamaError
from goama.training.checkpoint import RunState, list_checkpoints, load_newest, save_checkpoint


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
    save_checkpoint(tmp_path, state, network, optimiser, keep=2)
    step(network, optimiser)

    resumed, its_optimiser = learner(seed=9)
    found, damaged = load_newest(tmp_path, resumed, its_optimiser)
    assert (found, damaged) == (state, [])
    step(resumed, its_optimiser)
    assert torch.equal(resumed.weight, network.weight)


def test_only_the_newest_are_kept(tmp_path):
    network, optimiser = learner()
    for number in (2, 9, 10, 11):
        save_checkpoint(tmp_path, RunState(step=number), network, optimiser, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-11"]


@pytest.mark.parametrize("file", ["network.safetensors", "optimiser.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, file):
    network, optimiser = learner()
    for number in (1, 2):
        step(network, optimiser)
        save_checkpoint(tmp_path, RunState(step=number), network, optimiser, keep=3)
    path = tmp_path / "checkpoint-2" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    state, damaged = load_newest(tmp_path, *learner(seed=1))
    assert state.step == 1
    assert damaged == [tmp_path / "checkpoint-2"]


def test_a_damaged_checkpoint_is_written_again_when_its_step_is_reached_again(tmp_path):
    network, optimiser = learner()
    step(network, optimiser)
    save_checkpoint(tmp_path, RunState(step=2), network, optimiser, keep=3)
    (tmp_path / "checkpoint-2" / "network.safetensors").write_bytes(b"damaged")
    save_checkpoint(tmp_path, RunState(step=2, finished=True), network, optimiser, keep=3)
    assert load_newest(tmp_path, *learner(seed=1)) == (RunState(step=2, finished=True), [])
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_a_checkpoint_lost_between_two_renames_comes_back(tmp_path):
    network, optimiser = learner()
    step(network, optimiser)
    save_checkpoint(tmp_path, RunState(step=2), network, optimiser, keep=1)
    (tmp_path / "checkpoint-2").rename(tmp_path / "checkpoint-2.old")
    assert load_newest(tmp_path, *learner(seed=1))[0].step == 2


def test_a_half_written_checkpoint_is_not_one(tmp_path):
    (tmp_path / "checkpoint-5.partial").mkdir()
    assert list_checkpoints(tmp_path) == []
    assert load_newest(tmp_path, *learner())[0] == RunState()


def test_when_none_can_be_read_the_run_says_so(tmp_path):
    (tmp_path / "checkpoint-5").mkdir()
    with pytest.raises(GoamaError, match="none of its 1 checkpoints"):
        load_newest(tmp_path, *learner())
