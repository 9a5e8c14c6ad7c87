"""Pieces of a recording that cannot be sought in: reading them in time order decodes the file once.

MP3, Ogg, AAC and the like only decode from their beginning. The decoder stays open between two pieces of one file, so
the next piece goes on where the last one ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from goama.sound.repairs import Repairs

if TYPE_CHECKING:
    import numpy as np


class SequentialDecoder:
    """Reads pieces of a recording from its blocks (N, channels) at `rate`, which begin with its first sample.

    `total`: frames of the recording, known once it has been read to its end. `repairs`: what was mended so far.
    """

    def __init__(self, blocks: Iterator[np.ndarray], rate: int, channels: int, repairs: Repairs | None = None) -> None:
        self.rate = rate
        self.channels = channels
        self.repairs = Repairs() if repairs is None else repairs
        self.total: int | None = None
        self._blocks = blocks
        self._kept: deque[np.ndarray] = deque()
        self._begin = self._end = 0  # frames of the recording that the kept blocks span

    def reaches(self, start: int) -> bool:
        """Whether the frame `start` is kept or still to be decoded."""
        return start >= self._begin

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Blocks (N, channels) of the frames from `start` to `stop`, fewer at the recording's end.

        They stay in memory until the next call, whose piece may overlap with this one but not begin before it.
        """
        while self._end < stop:
            block = next(self._blocks, None)
            if block is None:
                self.total = self._end
                break
            self._kept.append(block)
            self._end += len(block)
            self._forget_before(start)
        self._forget_before(start)
        at = self._begin
        for block in tuple(self._kept):
            if at < stop and at + len(block) > start:
                yield block[max(0, start - at) : stop - at]
            at += len(block)

    def _forget_before(self, start: int) -> None:
        while len(self._kept) > 1 and self._begin + len(self._kept[0]) <= start:
            self._begin += len(self._kept.popleft())


class OpenDecoder(threading.local):
    """The decoder from which this thread read last, and its file."""

    _file: tuple[str, int, int] | None = None
    _decoder: SequentialDecoder | None = None

    def of(self, path: Path) -> SequentialDecoder | None:
        """The open decoder of a file; None when the last file was another one or has changed since."""
        return self._decoder if self._file == _identity(path) else None

    def keep(self, path: Path, decoder: SequentialDecoder) -> None:
        """Keep a decoder for the next piece of its file."""
        self._file, self._decoder = _identity(path), decoder

    def close(self) -> None:
        """Keep none."""
        self._file = self._decoder = None


def _identity(path: Path) -> tuple[str, int, int]:
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns
