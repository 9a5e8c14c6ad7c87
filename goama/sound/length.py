"""How long a recording lasts, by its header."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.decode import length_in_header


def seconds_of(path: Path) -> float | None:
    """The length of a recording (s); None where only decoding it would tell, as for MP3, or it cannot be read."""
    try:
        facts = path.stat()
        return _remembered(path, facts.st_size, facts.st_mtime_ns)
    except (OSError, GoamaError):
        return None


@lru_cache(maxsize=1024)
def _remembered(path: Path, size: int, changed: int) -> float | None:
    return length_in_header(path)
