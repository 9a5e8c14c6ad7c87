"""`RUN/checkpoint-<step>`: everything a killed run needs to go on to the same weights, in safetensors and JSON.

Written beside its place and renamed, so that a folder of that name is always whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from goama.data.batches import DataPlace
from goama.errors import GoamaError
from goama.files import empty_partial, recover_folder, replace_folder
from goama.model.fsdp import part, whole
from goama.model.trainable import frozen_fingerprint, trained_state
from goama.training.guard import GROWS_WITHIN, GuardState
from goama.training.processes import Processes

_NAME = re.compile(r"checkpoint-(\d+)")
_TENSORS = ("network.safetensors", "optimiser.safetensors")
_FROZEN = "frozen"
"""In the header of network.safetensors: the fingerprint of the encoder's weights that do not learn."""


@dataclass(frozen=True)
class RunState:
    """Where a run stands after `step` optimiser steps."""

    step: int = 0
    elapsed_s: float = 0.0
    evaluation_s: float = 0.0
    """The longest evaluation so far: a budget in minutes leaves room for the last one."""
    evaluated_at_s: float = 0.0
    """When the last one ended: a budget in minutes is not spent on evaluations."""
    owes_evaluation: bool = False
    """Whether the run was stopped just before one."""
    finished: bool = False
    place: DataPlace = field(default_factory=DataPlace)
    best_cer: float | None = None
    best_step: int | None = None
    skipped_steps: int = 0
    guard: GuardState = field(default_factory=GuardState)
    scaler: dict[str, Any] = field(default_factory=dict)
    """The fp16 gradient scaler's state; empty in other precisions."""


def save_checkpoint(
    run: Path, state: RunState, network: nn.Module, optimiser: torch.optim.Optimizer, keep: int
) -> Path:
    """Write checkpoint-<step>; drop all but the newest `keep` and the guard's way back.

    Raises `GoamaError` when it cannot be written.
    """
    return _write(run, state, _held(network, optimiser), keep)


def save_everywhere(
    processes: Processes, run: Path, state: RunState, network: nn.Module, optimiser: torch.optim.Optimizer, keep: int
) -> None:
    """As `save_checkpoint`, by the main process; each gives its part of a network that is spread over them."""
    held = _held(network, optimiser, is_kept=processes.is_main)
    processes.on_main(lambda: _write(run, state, held, keep))


@dataclass(frozen=True)
class _Held:
    """What a checkpoint holds of a network and its optimiser, whole and on the CPU."""

    weights: dict[str, torch.Tensor]
    moments: dict[str, torch.Tensor]
    frozen: str


def _held(network: nn.Module, optimiser: torch.optim.Optimizer, *, is_kept: bool = True) -> _Held:
    """Not `is_kept`: only other processes need it, and what this one has of it."""
    weights = _on_cpu(trained_state(network), is_kept)
    return _Held(weights, _on_cpu(_flatten(network, optimiser), is_kept), frozen_fingerprint(network))


def _on_cpu(tensors: dict[str, torch.Tensor], is_kept: bool) -> dict[str, torch.Tensor]:
    found = {}
    for name, tensor in tensors.items():
        gathered = whole(tensor.detach())
        if is_kept:
            found[name] = gathered.cpu().contiguous()
    return found


def _write(run: Path, state: RunState, held: _Held, keep: int) -> Path:
    folder = run / f"checkpoint-{state.step}"
    for stale in run.glob("checkpoint-*.partial"):
        shutil.rmtree(stale, ignore_errors=True)
    partial = empty_partial(folder)
    try:
        save_file(held.weights, partial / "network.safetensors", metadata={_FROZEN: held.frozen})
        save_file(held.moments, partial / "optimiser.safetensors")
    except SafetensorError as error:
        raise GoamaError(
            f"{partial}: the checkpoint cannot be written ({error}); if the disk is full, free some space and go on "
            "with --resume: earlier checkpoints are whole"
        ) from error
    facts = asdict(state) | {"checksums": {name: _checksum(partial / name) for name in _TENSORS}}
    (partial / "state.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for file in partial.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    replace_folder(partial, folder)  # a damaged one of this step, or one that did not know the run was finished
    _drop_old(run, keep, state.guard)
    return folder


def _drop_old(run: Path, keep: int, guard: GuardState) -> None:
    """All but the newest `keep`, and the guard's ways back.

    These are the newest from when the network last wrote best, for that it has fallen silent shows at evaluations only,
    when all of the newest may be silent; and the newest from before the weights can have begun to grow, with the one
    that takes its place.
    """
    checkpoints = list_checkpoints(run)
    wrote = [folder for folder in checkpoints if guard.wrote is not None and _step(folder) <= guard.wrote_at]
    old = [folder for folder in checkpoints if _step(folder) <= _step(checkpoints[-1]) - GROWS_WITHIN]
    young = checkpoints[len(old) :]
    for folder in checkpoints[:-keep]:
        if folder not in (*wrote[-1:], *old[-1:], *young[:1]):
            shutil.rmtree(folder, ignore_errors=True)


def list_checkpoints(run: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [path for path in run.glob("checkpoint-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=_step)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def drop_later(run: Path, step: int) -> None:
    """Drop the checkpoints after `step`, but never the oldest there is: a diverging run may have written them."""
    for folder in list_checkpoints(run)[1:]:
        if _step(folder) > step:
            shutil.rmtree(folder, ignore_errors=True)


def load_newest(run: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[RunState, list[Path]]:
    """Fill network and optimiser from the newest checkpoint that can be read.

    Returns the state, and the damaged checkpoints that were passed over. With no checkpoint at all the run
    starts from its first step. Raises `GoamaError` when there are checkpoints and none can be read, or when
    the weights that do not learn are not those that the run began with.
    """
    return _load(run, network, optimiser, frozen_fingerprint(network))


def _load(
    run: Path, network: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> tuple[RunState, list[Path]]:
    """As `load_newest`; of a network that is spread over processes each fills its own part, without the others."""
    damaged: list[Path] = []
    for retired in run.glob("checkpoint-*.old"):
        recover_folder(retired.with_suffix(""))
    checkpoints = list_checkpoints(run)
    for folder in reversed(checkpoints):
        try:
            facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if any(_checksum(folder / name) != checksum for name, checksum in facts.pop("checksums", {}).items()):
                raise ValueError("its files are not as they were written")
            weights = load_file(folder / "network.safetensors")
            moments = load_file(folder / "optimiser.safetensors")
            state = _state(facts)
            with safe_open(folder / "network.safetensors", framework="pt") as file:
                frozen = (file.metadata() or {}).get(_FROZEN, "")
            places = trained_state(network)
            if weights.keys() != places.keys():
                raise KeyError("not the parameters that this run trains")
            network.load_state_dict({name: part(value, places[name]) for name, value in weights.items()}, strict=False)
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


def load_everywhere(
    processes: Processes, run: Path, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[RunState, list[Path]]:
    """As `load_newest`, in every process: the main one first, which puts half-renamed checkpoints back.

    Raises `GoamaError` where they do not see the same checkpoints.
    """
    fingerprint = frozen_fingerprint(network)
    state, damaged = processes.in_turn(processes.is_main, lambda: _load(run, network, optimiser, fingerprint))
    if len(set(processes.gathered([state.step]))) > 1:
        raise GoamaError(f"{run}: not every process sees the same checkpoints; all machines must share this folder")
    return state, damaged


def _checksum(path: Path) -> int:
    """CRC-32: safetensors would not notice a block that a crash left full of zeros."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _state(facts: dict[str, Any]) -> RunState:
    remembered = facts.get("guard", {})
    guard: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in remembered.items()}
    return RunState(**{**facts, "place": DataPlace(**facts["place"]), "guard": GuardState(**guard)})


def _flatten(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """AdamW's moments under their parameters' names."""
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
        optimiser.state[parameter][key] = part(value, parameter)
