"""The clips of a batch that explain an odd or skipped step: each is recognised again and its loss looked at alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from torch import nn

from goama.data.batches import Batch
from goama.model.ctc import ctc_loss
from goama.recognition.emission import emissions
from goama.training.learner import Learner

NAMED = 3
"""Clips named for one batch."""

_FAR = 2.0  # times the median loss of the batch


@dataclass(frozen=True)
class WorstClip:
    """A clip, its loss in nats per label (None where it is not finite), and what is wrong with it."""

    id: str
    text: str
    loss: float | None
    why: str


def worst_clips(learner: Learner, batches: Sequence[Batch]) -> tuple[WorstClip, ...]:
    """At most three clips of all processes that stand out of their batches, the worst first; none where all are alike.

    Recognised without augmentation and after the step, so a loss is not exactly the one of the step. Every process
    must call.
    """
    network = learner.whole_network()
    was_training = network.training
    network.eval()
    try:
        found = [clip for batch in batches if batch.ids for clip in _in_batch(learner, network, batch)]
    finally:
        network.train(was_training)
    return _first(learner.processes.gathered(_first(found)))


def _first(found: Iterable[WorstClip]) -> tuple[WorstClip, ...]:
    by_loss = sorted(found, key=lambda clip: math.inf if clip.loss is None else clip.loss, reverse=True)
    return tuple(by_loss[:NAMED])


def _in_batch(learner: Learner, network: nn.Module, batch: Batch) -> list[WorstClip]:
    vocabulary = learner.vocabulary
    recognised = emissions(network, learner.front_end, batch.waveforms, precision=learner.precision)
    losses = [
        ctc_loss(emission, labels, vocabulary.blank_id) / max(1, len(labels))
        for emission, labels in zip(recognised, batch.labels, strict=True)
    ]
    finite = [loss for loss in losses if math.isfinite(loss)]
    middle = median(finite) if finite else 0.0
    found = []
    for name, text, waveform, labels, emission, loss in zip(
        batch.ids, batch.texts, batch.waveforms, batch.labels, recognised, losses, strict=True
    ):
        if not np.isfinite(waveform).all():
            why = "some samples of its sound are not finite"
        elif vocabulary.required_frames(labels) > len(emission):
            why = f"its text needs {vocabulary.required_frames(labels)} frames, its sound has {len(emission)}"
        elif not math.isfinite(loss):
            why = "the network's answer to it is not finite"
        elif loss > _FAR * middle:
            why = f"its loss is {loss:.1f} nats per label, {middle:.1f} in the middle of its batch"
        else:
            continue
        found.append(WorstClip(name, text, loss if math.isfinite(loss) else None, why))
    return found
