"""Blocks of samples at any rate, with any number of channels, become 16 kHz mono float32, block by block.

soxr's stream gives the same samples, bit by bit, as resampling the whole recording at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE = 16_000
"""Hz; all encoders that goama trains were pretrained at this rate."""


def to_16_khz_mono(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """(M,) float32 at 16 kHz for each block (N, channels) float32 at `rate`; channels are averaged.

    The samples are finite. A block of the result may be empty: the resampler's filter needs some samples
    ahead, which come with a last block.
    """
    import numpy as np

    if rate == SAMPLE_RATE:
        yield from (np.ascontiguousarray(_mono(block), dtype=np.float32) for block in blocks)
        return
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(_mono(block)))
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def _mono(block: np.ndarray) -> np.ndarray:
    return block.mean(axis=1) if block.shape[1] > 1 else block[:, 0]
