"""`RUN/checkpoint-<step>`: everything a killed run needs to resume to the same weights, in safetensors and JSON.

A checkpoint is written beside its place and renamed, so that a folder of that name is always complete.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from goama.data.batches import DataPlace
from goama.errors import GoamaError
from goama.files import empty_partial, recover_folder, replace_folder
from goama.model.fsdp import full_tensor, shard_like
from goama.model.trainable import frozen_fingerprint, trained_state
from goama.run.processes import Processes
from goama.run.state import WEIGHT_HISTORY_STEPS, GuardState, RunState

_NAME = re.compile(r"checkpoint-(\d+)")
_TENSORS = ("network.safetensors", "optimiser.safetensors")
_FROZEN = "frozen"
"""Key in the header of network.safetensors: the fingerprint of the encoder's frozen weights."""


def save_checkpoint(
    processes: Processes, run: Path, state: RunState, network: nn.Module, optimiser: torch.optim.Optimizer, keep: int
) -> None:
    """Write checkpoint-<step>; delete all but the newest `keep` and those the guard may need.

    Every process must call: sharded tensors are gathered, and the main process writes. Raises `GoamaError` when it
    cannot be written.
    """
    snapshot = _snapshot(network, optimiser, is_kept=processes.is_main)
    processes.on_main(lambda: _write(run, state, snapshot, keep))


@dataclass(frozen=True)
class _Snapshot:
    """The trained weights and AdamW's moments, complete and on the CPU, and the fingerprint of the frozen weights."""

    weights: dict[str, torch.Tensor]
    moments: dict[str, torch.Tensor]
    frozen: str


def _snapshot(network: nn.Module, optimiser: torch.optim.Optimizer, *, is_kept: bool) -> _Snapshot:
    """The snapshot; with `is_kept` False, take part in gathering sharded tensors, and keep none of them."""
    weights = _on_cpu(trained_state(network), is_kept)
    return _Snapshot(weights, _on_cpu(_flatten(network, optimiser), is_kept), frozen_fingerprint(network))


def _on_cpu(tensors: dict[str, torch.Tensor], is_kept: bool) -> dict[str, torch.Tensor]:
    found = {}
    for name, tensor in tensors.items():
        gathered = full_tensor(tensor.detach())
        if is_kept:
            found[name] = gathered.cpu().contiguous()
    return found


def _write(run: Path, state: RunState, snapshot: _Snapshot, keep: int) -> None:
    folder = run / f"checkpoint-{state.step}"
    for stale in run.glob("checkpoint-*.partial"):
        shutil.rmtree(stale, ignore_errors=True)
    partial = empty_partial(folder)
    try:
        save_file(snapshot.weights, partial / "network.safetensors", metadata={_FROZEN: snapshot.frozen})
        save_file(snapshot.moments, partial / "optimiser.safetensors")
    except SafetensorError as error:
        raise GoamaError(
            f"{partial}: the checkpoint cannot be written ({error}); if the disk is full, free some space and go on "
            "with --resume: earlier checkpoints are whole"
        ) from error
    content = asdict(state) | {"checksums": {name: _checksum(partial / name) for name in _TENSORS}}
    (partial / "state.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    for file in partial.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    replace_folder(partial, folder)  # one of this step may exist: damaged, or from before the run was finished
    _drop_old(run, keep, state.guard)


def _drop_old(run: Path, keep: int, guard: GuardState) -> None:
    """Delete all but the newest `keep` checkpoints and those that the guard may roll back to.

    The guard may need the newest one at or before the best evaluation, since collapse is only noticed at the next
    evaluation; the newest one from before the weights can have begun to grow; and the next one, which takes its place.
    """
    checkpoints = list_checkpoints(run)
    wrote = [folder for folder in checkpoints if guard.wrote is not None and _step(folder) <= guard.wrote_at]
    old = [folder for folder in checkpoints if _step(folder) <= _step(checkpoints[-1]) - WEIGHT_HISTORY_STEPS]
    young = checkpoints[len(old) :]
    for folder in checkpoints[:-keep]:
        if folder not in (*wrote[-1:], *old[-1:], *young[:1]):
            shutil.rmtree(folder, ignore_errors=True)


def list_checkpoints(run: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    found = [path for path in run.glob("checkpoint-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=_step)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def drop_later(run: Path, step: int) -> None:
    """Delete the checkpoints after `step`, which a diverging run wrote; the oldest one always stays."""
    for folder in list_checkpoints(run)[1:]:
        if _step(folder) > step:
            shutil.rmtree(folder, ignore_errors=True)


def load_newest(
    processes: Processes, run: Path, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[RunState, list[Path]]:
    """The state of the newest checkpoint that can be read, and the damaged ones that were skipped.

    Fills network and optimiser; every process must call, and the main one goes first, as it restores half-renamed
    checkpoints. Without any checkpoint the state is that before the first step. Raises `GoamaError` when there are
    checkpoints and none can be read, when the frozen weights are not those that the run began with, or when the
    processes do not see the same checkpoints.
    """
    fingerprint = frozen_fingerprint(network)
    state, damaged = processes.in_turn(processes.is_main, lambda: _load(run, network, optimiser, fingerprint))
    if len(set(processes.gathered([state.step]))) > 1:
        raise GoamaError(f"{run}: not every process sees the same checkpoints; all machines must share this folder")
    return state, damaged


def _load(
    run: Path, network: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> tuple[RunState, list[Path]]:
    """As `load_newest`, in one process: it fills its own part of a sharded network, without the others."""
    damaged: list[Path] = []
    for retired in run.glob("checkpoint-*.old"):
        recover_folder(retired.with_suffix(""))
    checkpoints = list_checkpoints(run)
    for folder in reversed(checkpoints):
        try:
            saved = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if any(_checksum(folder / name) != checksum for name, checksum in saved.pop("checksums", {}).items()):
                raise ValueError("its files are not as they were written")
            weights = load_file(folder / "network.safetensors")
            moments = load_file(folder / "optimiser.safetensors")
            state = _state(saved)
            with safe_open(folder / "network.safetensors", framework="pt") as file:
                frozen = (file.metadata() or {}).get(_FROZEN, "")
            places = trained_state(network)
            if weights.keys() != places.keys():
                raise KeyError("not the parameters that this run trains")
            local = {name: shard_like(value, places[name]) for name, value in weights.items()}
            network.load_state_dict(local, strict=False)
            _unflatten(network, optimiser, moments)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
            damaged.append(folder)
            continue
        if frozen != fingerprint:
            raise GoamaError(
                f"{run}: the encoder's frozen weights are not those that this run began with; "
                "put the same encoder back, or train again into another folder"
            )
        return state, damaged
    if checkpoints:
        raise GoamaError(
            f"{run}: none of its {len(checkpoints)} checkpoints can be read; train again into another folder"
        )
    return RunState(), damaged


def _checksum(path: Path) -> int:
    """CRC-32: safetensors does not notice a block of zeros that a crash left."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _state(saved: dict[str, Any]) -> RunState:
    remembered = saved.get("guard", {})
    guard: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in remembered.items()}
    return RunState(**{**saved, "place": DataPlace(**saved["place"]), "guard": GuardState(**guard)})


def _flatten(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """AdamW's moments by the names of their parameters."""
    tensors = {}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"{name}/{key}"] = value
    return tensors


def _unflatten(network: nn.Module, optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    parameters = dict(network.named_parameters())
    optimiser.state.clear()
    for flat, value in tensors.items():
        name, _, key = flat.rpartition("/")
        parameter = parameters[name]
        optimiser.state[parameter][key] = shard_like(value, parameter)
