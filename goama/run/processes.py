"""The processes that train one run together: a shared clock, a joint stop, one error message.

`torchrun` or `accelerate launch` starts them (docs/scale.md); accelerate connects them. A single process pays nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from goama.errors import GoamaError

if TYPE_CHECKING:
    import torch
    from torch import nn

Result = TypeVar("Result")
_EXPECTED = (GoamaError, OSError)  # a user's mistakes, and what disks and permissions do
_ERROR_COUNT = "goama/errors"
_MESSAGE_SIZE = 16 * 2**20  # numbers summed over the processes at once: 64 MB of float32
_TIMEOUT = timedelta(minutes=30)  # a checkpoint may be large and its disk slow
_EFFICIENT_LOADING = "FSDP_CPU_RAM_EFFICIENT_LOADING"


def several() -> bool:
    """Whether a launcher started this process as one of several; needs no torch."""
    return int(os.environ.get("WORLD_SIZE") or 1) > 1


def is_main() -> bool:
    """Whether this process writes the run folder and prints; needs no torch."""
    return int(os.environ.get("RANK") or 0) == 0


def processes_here() -> int:
    """The number of the run's processes on this machine, which share its cores."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1))


def load_whole_weights() -> None:
    """Make transformers load all weights in every process; accelerate launch asks for the first process only.

    Sets an environment variable, so it must be called before an encoder is loaded; without FSDP it has no effect.
    """
    os.environ[_EFFICIENT_LOADING] = "false"


def fsdp_requested() -> bool:
    """Whether the launcher asks for FSDP and there are several processes; needs no torch.

    Raises `GoamaError` for options of accelerate that goama does not support.
    """
    for name in ("DEEPSPEED", "MEGATRON_LM"):
        if _is_on(f"ACCELERATE_USE_{name}"):
            raise GoamaError(f"goama does not support {name}; if memory is short, launch with FSDP (version 2)")
    if not _is_on("ACCELERATE_USE_FSDP"):
        return False
    if os.environ.get("FSDP_VERSION") != "2":
        raise GoamaError("goama supports only version 2 of FSDP: accelerate launch --use_fsdp --fsdp_version 2")
    for name, instead in (
        ("FSDP_OFFLOAD_PARAMS", "a larger data.accumulate or model.lora"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "model.gradient_checkpointing=true"),
    ):
        if _is_on(name):
            setting = name.lower()
            raise GoamaError(f"goama does not support {setting}; launch with --{setting} false and use {instead}")
    if several() and _is_on(_EFFICIENT_LOADING):
        raise GoamaError(
            "under FSDP every process of a goama run loads all weights; call load_whole_weights() first, as `goama "
            f"train` does, or set {_EFFICIENT_LOADING}=false"
        )
    return several()


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in {"true", "1"}


class Processes:
    """The processes of a run, seen from one of them. All of them call every method, in the same order."""

    def __init__(self) -> None:
        import torch
        from accelerate import PartialState

        accelerator = torch.accelerator.current_accelerator()
        on_cpu = several() and (accelerator is None or accelerator.type == "mps")
        self._state = PartialState(cpu=on_cpu, timeout=_TIMEOUT)
        self.device: torch.device = self._state.device
        self.rank, self.count = self._state.process_index, self._state.num_processes
        self.is_main, self.is_main_here = self._state.is_main_process, self._state.is_local_main_process

    def agree(self, elapsed_s: float, wants_to_stop: bool) -> tuple[float, bool]:
        """The main process's clock, and whether any process wants to stop."""
        if self.count == 1:
            return elapsed_s, wants_to_stop
        clock, wishes = self.sums(elapsed_s if self.is_main else 0.0, float(wants_to_stop))
        return clock, wishes > 0

    def on_main(self, work: Callable[[], Result]) -> Result:
        """The result of `work` in the main process, for all processes; an error there is raised in all of them."""
        if self.count == 1:
            return work()
        from accelerate.utils import broadcast_object_list

        message: list = [None, None]
        if self.is_main:
            try:
                message[0] = work()
            except _EXPECTED as error:
                message[1] = error
        result, failure = broadcast_object_list(message)
        if failure is not None:
            raise failure
        return result

    def together(self, work: Callable[[], Result]) -> Result:
        """The result of `work` in this process; an error in one process is raised in all of them."""
        if self.count == 1:
            return work()
        failure = None
        try:
            result = work()
        except _EXPECTED as error:
            failure = error
        if self.sums(float(failure is not None))[0]:
            raise next(failure for failure in self.gathered([failure]) if failure is not None)
        return result

    def in_turn(self, goes_first: bool, work: Callable[[], Result]) -> Result:
        """The result of `work` in this process; processes with `goes_first` finish before the others begin."""
        early = self.together(lambda: work() if goes_first else None)
        late = self.together(lambda: None if goes_first else work())
        return cast(Result, early if goes_first else late)

    def gathered(self, items: Iterable[Result]) -> list[Result]:
        """The items of all processes, in the order of the processes."""
        from accelerate.utils import gather_object

        return gather_object(list(items))

    def sums(self, *values: float) -> list[float]:
        """Each value summed over the processes."""
        if self.count == 1:
            return list(values)
        import torch

        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(summed)
        return summed.tolist()

    def same_weights(self, network: nn.Module) -> None:
        """Copy the main process's weights to all others, in case libraries or machines drew different ones."""
        if self.count == 1:
            return
        import torch

        for tensor in network.state_dict().values():
            torch.distributed.broadcast(tensor, src=0)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every process's gradients by the sum over all processes.

        Once a step, after its last part, and not during the backward pass as DDP does: a process may have had no clip,
        and a parameter that no process used keeps no gradient. A process without a gradient counts as 0.
        """
        if self.count == 1:
            return
        import torch

        trained = [parameter for parameter in parameters if parameter.requires_grad]
        users = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=self.device)
        torch.distributed.all_reduce(users)
        used = [parameter for parameter, count in zip(trained, users.tolist(), strict=True) if count]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in used]
        for together in _in_groups(gradients):
            flat = torch.cat([gradient.flatten() for gradient in together])
            torch.distributed.all_reduce(flat)
            for gradient, summed in zip(together, flat.split([g.numel() for g in together]), strict=True):
                gradient.copy_(summed.view_as(gradient))
        for parameter, gradient in zip(used, gradients, strict=True):
            parameter.grad = gradient


def _in_groups(gradients: Iterable[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Groups of gradients of one dtype, each of about the size of a message."""
    group: list[torch.Tensor] = []
    numbers = 0
    for gradient in gradients:
        if group and (numbers + gradient.numel() > _MESSAGE_SIZE or gradient.dtype != group[0].dtype):
            yield group
            group, numbers = [], 0
        group.append(gradient)
        numbers += gradient.numel()
    if group:
        yield group


@contextmanager
def one_error_message() -> Iterator[None]:
    """A context in which only the first process that fails reports its error; the others exit silently with status 2.

    Raises `GoamaError` if another process of the run has died without a message.
    """
    if not several():
        yield
        return
    import torch
    from accelerate import PartialState

    Processes()
    try:
        yield
    except _EXPECTED:
        if _is_first_to_report():
            raise
        raise SystemExit(2) from None
    except RuntimeError as error:
        if not _is_broken_connection(error):
            raise
        if _is_first_to_report():
            raise GoamaError("another process of this run has ended before its time; go on with --resume") from error
        raise SystemExit(2) from None
    if torch.distributed.is_initialized():
        PartialState().destroy_process_group()


def _is_first_to_report() -> bool:
    """Counts in the store through which the processes met; if that is gone, so is the process that kept it."""
    from torch.distributed import DistError
    from torch.distributed.distributed_c10d import _get_default_store

    try:
        return _get_default_store().add(_ERROR_COUNT, 1) == 1
    except (DistError, RuntimeError):
        return False


def _is_broken_connection(error: RuntimeError) -> bool:
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error)
