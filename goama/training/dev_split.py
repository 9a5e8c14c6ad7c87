"""The dev split as the network in training recognises it, and whether that can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from goama.evaluation.evaluate import score_batches
from goama.evaluation.scores import ClipScore
from goama.model.fsdp import local_part
from goama.training.learner import Learner

if TYPE_CHECKING:
    from lhotse import CutSet


def recognise_dev(learner: Learner, dev_cuts: CutSet) -> tuple[ClipScore, ...]:
    """The scores of all dev clips in every process; each process recognises its share of the batches."""
    network, processes = learner.whole_network(), learner.processes
    network.eval()
    try:
        scored = score_batches(
            network,
            learner.front_end,
            learner.vocabulary,
            dev_cuts,
            precision=learner.precision,
            rank=processes.rank,
            world_size=processes.count,
        )
        return tuple(processes.gathered(processes.together(lambda: list(scored))))
    finally:
        network.train()


def output_length(clips: Sequence[ClipScore]) -> float:
    """Characters that the network wrote, divided by those of the references."""
    return sum(len(clip.hypothesis) for clip in clips) / max(1, sum(len(clip.reference) for clip in clips))


def has_finite_weights(learner: Learner) -> bool:
    """Whether all weights of all processes are finite; every process must call."""
    broken = sum(not bool(torch.isfinite(local_part(weights)).all()) for weights in learner.network.parameters())
    return not learner.processes.sums(broken)[0]


def has_nan_loss(clips: Sequence[ClipScore]) -> bool:
    """Whether any loss is NaN; an infinite loss is only a text that is too long for its audio."""
    return any(clip.loss is not None and math.isnan(clip.loss) for clip in clips)
