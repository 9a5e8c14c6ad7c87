"""Shared by every test: real Dutch speech (`speech`), the corpus made of it (`corpus`), the command line (`goama`)."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait starve the other tests
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the libraries are imported: no test needs the network
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goama.cli import main
from goama.corpus.corpus import Corpus
from goama.corpus.mixture import Mixture
from goama.corpus.prepare import prepare
from goama.corpus.source import SourceClip, read_source


@pytest.fixture(scope="session")
def speech() -> Path:
    """An audiofolder of 24 Dutch sentences by two speakers: 16 train, 4 dev, 4 test; one minute of Ogg Vorbis."""
    return Path(__file__).parent / "data" / "nl"


@pytest.fixture(scope="session")
def corpus(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """`speech` as `goama prepare` makes it; for reading only, every test shares it."""
    folder = tmp_path_factory.mktemp("shared") / "corpus"
    return prepare(read_source(str(speech)), folder, source="tests/data/nl", language="nl").corpus


@pytest.fixture(scope="session")
def mixture(corpus: Corpus) -> Mixture:
    """The shared corpus as the trainer takes it: a mixture of one."""
    return Mixture((corpus,))


@pytest.fixture(scope="session")
def frisian(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Half of the shared corpus's train and dev under another language's name, with the same clip ids."""
    clips = [
        SourceClip(c.id, Path(c.recording.sources[0].source), c.supervisions[0].text, c.id, split=split)
        for split in ("train", "dev")
        for c in list(corpus.cuts(split))[::2]
    ]
    return prepare(clips, tmp_path_factory.mktemp("second") / "frisian", source="test", language="fy").corpus


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the Hub gives facebook/w2v-bert-2.0, with its names and its 20 ms frames, but 64 wide."""
    import torch
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, output_hidden_size=64
    )
    Wav2Vec2BertModel(config).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(padding_value=1.0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(corpus: Corpus, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model folder of the tiny encoder: quick to open, and it babbles."""
    from goama.acoustics.log_mel import LogMel
    from goama.model.encoder import load_for_training
    from goama.model.folder import SpeechModel, save_model_folder
    from goama.text import Vocabulary

    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))
    network = load_for_training(str(tiny_encoder), vocabulary, adapter=False).network
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model_folder(folder, SpeechModel(network, LogMel(2), vocabulary, corpus.normaliser), "# card")
    return folder


@pytest.fixture
def accelerator():
    """A fresh accelerator on the CPU in float32."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
    return Accelerator(cpu=True, mixed_precision="no")


@pytest.fixture(scope="session")
def sentences(speech: Path) -> list[dict[str, Any]]:
    """The rows of `speech`'s metadata, with absolute file names: to write manifests of."""
    rows = [json.loads(line) for line in (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row | {"file_name": str(speech / row["file_name"])} for row in rows]


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def goama(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """The command line in this process: `goama("prepare", source, "-o", corpus)`."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["goama", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else 0
        printed = capsys.readouterr()
        return Outcome(status, printed.out, printed.err)

    return run
