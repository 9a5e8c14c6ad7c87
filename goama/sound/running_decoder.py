"""A long recording that cannot be sought in, decoded once for all its pieces instead of from its beginning for each.

MP3, Ogg, AAC and the like only decode from where they begin. Who reads an hour's clips in the order of the hour gets
each from a decoder that was left where the last clip ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class RunningDecoder:
    """The blocks (n, channels) of a recording at `rate`, from its first sample on.

    `total`: samples of the recording, known when it has been read to its end.
    """

    def __init__(self, blocks: Iterator[np.ndarray], rate: int) -> None:
        self.rate = rate
        self.total: int | None = None
        self._blocks = blocks
        self._kept: deque[np.ndarray] = deque()
        self._begin = self._end = 0  # of what is kept

    def reaches(self, start: int) -> bool:
        """Whether the sample is still to come, or kept."""
        return start >= self._begin

    def read(self, start: int, stop: int) -> np.ndarray:
        """(N, channels), fewer than `stop - start` at the recording's end.

        Keeps what it returns: the next piece may overlap with it, but must not begin before `start`.
        """
        while self._end < stop:
            block = next(self._blocks, None)
            if block is None:
                self.total = self._end
                break
            self._kept.append(block)
            self._end += len(block)
            self._forget(start)
        self._forget(start)
        import numpy as np

        if not self._kept:
            return np.zeros((0, 1), dtype=np.float32)
        return np.concatenate(self._kept)[start - self._begin : stop - self._begin]

    def _forget(self, start: int) -> None:
        while len(self._kept) > 1 and self._begin + len(self._kept[0]) <= start:
            self._begin += len(self._kept.popleft())


class LeftRunning(threading.local):
    """The decoder that this thread read from last, by the file it reads."""

    _file: tuple[str, int, int] | None = None
    _decoder: RunningDecoder | None = None

    def find(self, path: Path) -> RunningDecoder | None:
        """None when the last file was another, or has changed since."""
        return self._decoder if self._file == _identity(path) else None

    def leave(self, path: Path, decoder: RunningDecoder | None) -> None:
        self._file, self._decoder = _identity(path), decoder

    def forget(self) -> None:
        self._file = self._decoder = None


def _identity(path: Path) -> tuple[str, int, int]:
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns
