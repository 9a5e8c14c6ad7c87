"""Runs of one process, which those of several processes are compared with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from goama.corpus.corpus import Corpus
from tests.training.several import HOT, in_processes, in_small_batches, run_training


@pytest.fixture(scope="session")
def whole_run(corpus: Corpus, tiny_encoder: Path, once: Callable[..., Path]) -> Path:
    """Eight steps of one process, with its dev clips in batches of a few."""

    def make(folder: Path) -> None:
        (result,) = in_processes(1, in_small_batches(run_training(corpus, tiny_encoder, folder)))
        assert result[:2] == (8, False)

    return once("whole-run", make)


@pytest.fixture(scope="session")
def hot_run(corpus: Corpus, tiny_encoder: Path, once: Callable[..., Path]) -> Path:
    """24 steps of one process at a rate that the guard takes back."""

    def make(folder: Path) -> None:
        (result,) = in_processes(1, run_training(corpus, tiny_encoder, folder, HOT))
        assert result[:2] == (24, False)

    return once("hot-run", make)
