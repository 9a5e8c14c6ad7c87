"""The exponential moving average of a network's weights: what is evaluated and kept in the place of the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_MASS = "mass"


class Average:
    """Of the weights that learn, with a half-life as a share of training: as long for 300 steps as for 30,000.

    The early average is not pulled towards the weights of the beginning: each step's weights count, and only these,
    divided by what they count in all (as in Kingma & Ba 2015, section 3). With LoRA its adapters are averaged.
    """

    def __init__(self, network: nn.Module, half_life: float):
        self._half_life = half_life
        self._learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self._weights = {name: p.detach().clone() for name, p in self._learning.items()}
        self._mass = 0.0

    def on(self, device: torch.device) -> Average:
        """The same, on the network's device."""
        self._weights = {name: value.to(device) for name, value in self._weights.items()}
        return self

    @torch.no_grad()
    def follow(self, passed: float) -> None:
        """Take in the network's weights after a step that has `passed` a share of training."""
        kept = 0.5 ** (passed / self._half_life)
        self._mass = kept * self._mass + (1.0 - kept)
        share = (1.0 - kept) / self._mass if self._mass else 1.0
        torch._foreach_lerp_(list(self._weights.values()), list(self._learning.values()), share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the network has the average for its weights; afterwards its own again, bit by bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint keeps."""
        mass = torch.tensor(self._mass, dtype=torch.float64)
        return {_MASS: mass, **{f"{name}/average": value.cpu().contiguous() for name, value in self._weights.items()}}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from `state`; `KeyError` where it is not of the same weights."""
        if state.keys() != self.state().keys():
            raise KeyError("not the parameters that this run averages")
        for name, value in self._weights.items():
            value.copy_(state[f"{name}/average"])
        self._mass = float(state[_MASS])

    def _swap(self) -> None:
        for name, parameter in self._learning.items():
            parameter.data, self._weights[name] = self._weights[name], parameter.data
