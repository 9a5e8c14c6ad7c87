"""Which clips of a batch made its step odd or impossible: each is recognised again and its loss looked at alone."""

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
from goama.sound.front_end import FrontEnd
from goama.text.vocabulary import Vocabulary

NAMED = 3
"""Clips named for one batch."""

_FAR = 2.0  # times the middle of the batch


@dataclass(frozen=True)
class Culprit:
    """A clip, its loss in nats per label (None where it is not finite), and what is wrong with it."""

    id: str
    text: str
    loss: float | None
    why: str


def culprits(
    network: nn.Module, front_end: FrontEnd, vocabulary: Vocabulary, batches: Sequence[Batch]
) -> tuple[Culprit, ...]:
    """At most three clips that stand out of their batches, the worst first; none where all are alike.

    Without augmentation and after the step, so that a loss is not to the digit the one that was stepped on.
    """
    was_training = network.training
    network.eval()
    try:
        found = [
            culprit for batch in batches if batch.ids for culprit in _in_batch(network, front_end, vocabulary, batch)
        ]
    finally:
        network.train(was_training)
    return worst(found)


def worst(found: Iterable[Culprit]) -> tuple[Culprit, ...]:
    """The three that are most in the way."""
    by_loss = sorted(found, key=lambda culprit: math.inf if culprit.loss is None else culprit.loss, reverse=True)
    return tuple(by_loss[:NAMED])


def _in_batch(network: nn.Module, front_end: FrontEnd, vocabulary: Vocabulary, batch: Batch) -> list[Culprit]:
    recognised = emissions(network, front_end, batch.waveforms)
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
        found.append(Culprit(name, text, loss if math.isfinite(loss) else None, why))
    return found
