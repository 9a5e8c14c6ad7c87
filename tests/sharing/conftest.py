"""A run that has ended, with a model that babbles: quick to publish."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from goama.corpus.corpus import Corpus
from goama.data.mixture import Mixture
from goama.run.recipe import read_recipe
from goama.training.train import train


@pytest.fixture(scope="session")
def trained(mixture: Mixture, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps on the shared corpus; for reading only."""
    run = tmp_path_factory.mktemp("runs") / "run"
    recipe = read_recipe(None, ["train.steps=3", "data.batch_seconds=20", "train.eval_every=3", "data.workers=0"])
    train(mixture, run, encoder=str(tiny_encoder), recipe=recipe)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run, to change."""
    return Path(shutil.copytree(trained, tmp_path / "my-run"))


@pytest.fixture
def own(corpus: Corpus, tmp_path: Path) -> Corpus:
    """A copy of the shared corpus, to change."""
    return Corpus.open(shutil.copytree(corpus.folder, tmp_path / "corpus"))
