"""Fuzzing: each reader and decoder for GOAMA_FUZZ_SECONDS (default 60), each input in bounded time and memory."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goama.errors import GoamaError

SECONDS = float(os.environ.get("GOAMA_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("GOAMA_FUZZ_SEED", "20260101"))
LONGEST_S = 10.0
LARGEST_BYTES = 1_000_000_000


def mutated(content: bytes, random: random.Random) -> bytes:
    """The bytes with a few of them changed, removed, repeated or put elsewhere."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at, size = random.randrange(len(data) + 1), random.choice((1, 1, 2, 8, 64, 1_000))
        kind = random.randrange(6)
        if kind == 0:
            data[at : at + size] = random.randbytes(len(data[at : at + size]))
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = random.choice(
                (b"\0", b"\xff", b'"', b"\r", b"\n\n", b"\t\t", b"{", b"[", b"9" * 400, b"\xe2\x80")
            )
        elif kind == 3:
            data[at:at] = data[at : at + size] * random.choice((1, 3, 50))
        elif kind == 4:
            other = random.randrange(len(data) + 1)
            data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]
        else:
            del data[at:]
        if not data:
            data = bytearray(b"\n")
    return bytes(data)


def files_of(folder: Path) -> dict[str, float]:
    return {str(file): file.stat().st_mtime for file in folder.rglob("*")}


@pytest.fixture
def fuzz(tmp_path: Path) -> Iterator[Callable[[Path, Callable[[], object]], int]]:
    """`fuzz(file, read)` changes a file of `tmp_path` and reads it, for GOAMA_FUZZ_SECONDS; returns how often."""

    def run(file: Path, read: Callable[[], object]) -> int:
        with contextlib.suppress(GoamaError):
            read()  # imports what it needs
        original, tried, ends = file.read_bytes(), 0, time.monotonic() + SECONDS
        while time.monotonic() < ends:
            seed = f"{SEED}-{tried}"
            file.write_bytes(mutated(original, random.Random(seed)))
            before, started, cpu = files_of(tmp_path), time.monotonic(), time.process_time()
            try:
                read()
            except GoamaError as error:
                assert "\n" not in str(error) and len(str(error)) < 3_000, seed
            except Exception as error:
                raise AssertionError(f"seed {seed}: {file.name} gives {type(error).__name__}: {error}") from error
            assert time.process_time() - cpu < LONGEST_S, f"seed {seed}: too slow"
            assert time.monotonic() - started < 6 * LONGEST_S, f"seed {seed}: it hangs"  # the machine may be busy
            assert files_of(tmp_path) == before, f"seed {seed}: a file was touched"
            tried += 1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < LARGEST_BYTES
        return tried

    yield run
