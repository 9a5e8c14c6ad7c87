"""Number of gradient accumulation steps that fit into the GPU's memory, measured before training.

The gradient does not depend on the number of parts. The worst case is measured: a batch of the longest clips only, with
room for the optimiser's moments.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import torch

from goama.data.batches import Batch
from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE
from goama.training.learner import Learner


def parts_that_fit(try_seconds: Callable[[float], None], batch_s: float, longest_s: float) -> int:
    """The smallest power of two into how many parts `batch_s` seconds of audio must be split.

    `try_seconds` computes a part of so many seconds, and runs out of memory where they are too many. Raises
    `GoamaError` when not even the longest clip alone can be computed.
    """
    parts = 1
    while True:
        try:
            try_seconds(batch_s / parts)
            return parts
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        if batch_s / parts <= longest_s:
            raise GoamaError(
                f"the GPU's memory does not hold one clip of {longest_s:.0f} s; train with "
                f"-s data.longest_s={max(1, int(longest_s / 2))}, which leaves longer clips out, "
                "-s model.gradient_checkpointing=true or a smaller encoder"
            )
        gc.collect()  # the network's output is still referenced by the error's frames
        torch.cuda.empty_cache()
        parts *= 2


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out: CUDA has its own error, Apple's GPUs have a message."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


def try_longest_clips(
    learner: Learner, seconds: float, longest_s: float, *, tempo: float = 0.0, views: int = 1
) -> None:
    """Compute, and discard, the gradient of a batch of noise: clips of `longest_s`, together at most `seconds`.

    Each is longer by the share `tempo`, as augmentation may make it. Raises `RuntimeError` when memory runs out.
    """
    kept = [
        torch.empty_like(parameter)
        for parameter in learner.network.parameters()
        if parameter.requires_grad
        for _ in range(0 if learner.optimiser.state else 2)  # AdamW's moments, if it has none yet
    ]
    generator = np.random.default_rng(0)
    count = max(1, int(seconds / longest_s))
    samples = generator.standard_normal((count, round((1.0 + tempo) * longest_s * SAMPLE_RATE))).astype(np.float32)
    labels = (tuple(learner.vocabulary.encode(learner.vocabulary.units[0])),) * count
    names = tuple(map(str, range(count)))
    learner.compute_without_update(Batch(names, tuple(samples), labels, ("",) * count, (None,) * count), views=views)
    del kept
