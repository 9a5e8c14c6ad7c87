"""A network sharded over the processes of a run with FSDP2, and a plain copy of it with all weights.

PyTorch's `fully_shard` gathers a layer's parameters when the layer computes, and sums their gradients into the shards.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel


class ShardedNetwork:
    """A network whose parameters are sharded over all processes of the default process group."""

    def __init__(self, network: PreTrainedModel):
        """Shard `network` in place, on its device: its parameters become `DTensor`s.

        Every process must have the same weights. An optimiser must be made afterwards, of the new parameters.
        """
        nothing = {
            id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in network.parameters()
        }
        self._network, self._without_weights = network, copy.deepcopy(network, nothing)
        mesh = init_device_mesh(network.device.type, (torch.distributed.get_world_size(),))
        for layer in network.base_model.encoder.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(network, mesh=mesh)
        for module in network.modules():
            if isinstance(module, FSDPModule):  # gradients are summed: the loss has been divided by all labels already
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)

    def full_network(self) -> PreTrainedModel:
        """A plain network with all weights, in every process. Every process must call."""
        network = copy.deepcopy(self._without_weights)
        state = {name: full_tensor(value) for name, value in self._network.state_dict().items()}
        network.load_state_dict(state, assign=True)
        return network


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor of any shape, gathered from all processes, all of which must call; other tensors unchanged."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a sharded tensor of any shape; other tensors unchanged."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def shard_like(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """This process's part of a tensor (any shape) that all processes have, on the device of `like`, sharded like it."""
    if not isinstance(like, DTensor) or tensor.shape != like.shape:
        return tensor.to(like.device)
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
