"""Shared by every test: real Dutch speech (`speech`), the corpus made of it (`corpus`), the command line (`goama`)."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait starve the other tests
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the networks are tiny; `pytest -n 2` takes the second core
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the libraries are imported: no test needs the network
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from goama.cli.app import main
from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.data.mixture import Mixture
from goama.sources.source import SourceClip, read_source
from tests.clean_process import CleanProcess, clean_process
from tests.hub_server import TOKEN, Hub, serving


@pytest.fixture(scope="session")
def speech() -> Path:
    """An audiofolder of 24 Dutch sentences by two speakers: 16 train, 4 dev, 4 test; one minute of Ogg Vorbis."""
    return Path(__file__).parent / "fixtures" / "nl"


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(name, make)`: the folder that `make(folder)` filled, in whichever process of pytest-xdist came first."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    place /= "once"
    place.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, partial = place / name, place / f"{name}.partial"
        with FileLock(place / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(partial, ignore_errors=True)
                make(partial)
                partial.rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def corpus(speech: Path, once: Once) -> Corpus:
    """`speech` as `goama prepare` makes it; for reading only, every test shares it."""

    def make(folder: Path) -> None:
        prepare(read_source(str(speech)), folder, source="tests/fixtures/nl", language="nl")

    return Corpus.open(once("corpus", make))


@pytest.fixture(scope="session")
def mixture(corpus: Corpus) -> Mixture:
    """The shared corpus as the trainer takes it: a mixture of one."""
    return Mixture((corpus,))


@pytest.fixture(scope="session")
def frisian(corpus: Corpus, once: Once) -> Corpus:
    """Half of the shared corpus's train and dev under another language's name, with the same clip ids."""
    clips = [
        SourceClip(c.id, Path(c.recording.sources[0].source), c.supervisions[0].text, c.id, split=split)
        for split in ("train", "dev")
        for c in list(corpus.cuts(split))[::2]
    ]
    return Corpus.open(once("frisian", lambda folder: prepare(clips, folder, source="test", language="fy")))


@pytest.fixture(scope="session")
def tiny_encoder(once: Once) -> Path:
    """A folder as the Hub gives facebook/w2v-bert-2.0, with its names and its 20 ms frames, but 64 wide."""
    return once("tiny-encoder", _save_tiny_encoder)


def _save_tiny_encoder(folder: Path) -> None:
    import torch
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, output_hidden_size=64
    )
    Wav2Vec2BertModel(config).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(padding_value=1.0).save_pretrained(folder)


@pytest.fixture(scope="session")
def whisper_encoder(once: Once) -> Path:
    """A folder as the Hub gives openai/whisper-base, decoder included, but 32 wide and of two layers."""
    return once("whisper-encoder", _save_whisper_encoder)


def _save_whisper_encoder(folder: Path) -> None:
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.manual_seed(0)
    config = WhisperConfig(
        **{f"{half}_layers": 2 for half in ("encoder", "decoder")},
        **{f"{half}_attention_heads": 4 for half in ("encoder", "decoder")},
        **{f"{half}_ffn_dim": 64 for half in ("encoder", "decoder")},
        d_model=32,
        vocab_size=100,
        **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 99),
        init_std=0.1,
    )
    network = WhisperForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:  # norms and biases that differ, as in a trained one
                parameter.add_(0.1 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)


_WAVEFORM_FAMILIES = {  # model type, layer norm (as large ones) or group norm (as base ones), class of the state dict
    "wav2vec2-base": ("wav2vec2", False, "Wav2Vec2ForPreTraining"),
    "xls-r": ("wav2vec2", True, "Wav2Vec2ForPreTraining"),
    "hubert-base": ("hubert", False, "HubertModel"),
    "hubert-large": ("hubert", True, "HubertModel"),
    "wavlm-base": ("wavlm", False, "WavLMModel"),
    "wavlm-large": ("wavlm", True, "WavLMModel"),
    "mms": ("wav2vec2", True, "Wav2Vec2ForCTC"),
}


@pytest.fixture(scope="session")
def waveform_encoders(once: Once) -> dict[str, Path]:
    """Folders as the Hub gives encoders of waveforms: their classes, names and frame rate, but 32 wide.

    Weight norm has the names of old checkpoints in wav2vec2-base and xls-r; MMS has a vocabulary and an adapter each
    for Dutch and English.
    """
    root = once("waveform-encoders", _save_waveform_encoders)
    return {name: root / name for name in _WAVEFORM_FAMILIES}


def _save_waveform_encoders(root: Path) -> None:
    import torch
    import transformers
    from safetensors.torch import save_file

    for number, (name, (model_type, is_large, class_name)) in enumerate(_WAVEFORM_FAMILIES.items()):
        torch.manual_seed(number)
        config = transformers.AutoConfig.for_model(
            model_type,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            conv_dim=(32,) * 7,
            num_conv_pos_embedding_groups=4,
            codevector_dim=16,
            proj_codevector_dim=16,
            feat_extract_norm="layer" if is_large else "group",
            do_stable_layer_norm=is_large,
            conv_bias=is_large,
            mask_time_prob=0.075,
            **({"adapter_attn_dim": 8, "vocab_size": 30} if name == "mms" else {}),
        )
        state = getattr(transformers, class_name)(config).state_dict()
        old = name in ("wav2vec2-base", "xls-r")
        for place, letter in enumerate("gv" if old else ""):
            state = {
                key.replace(f"parametrizations.weight.original{place}", f"weight_{letter}"): value
                for key, value in state.items()
            }
        folder = root / name
        folder.mkdir(parents=True)
        save_file(
            {key: value.contiguous() for key, value in state.items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        config.architectures = [class_name]
        config.save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(
            do_normalize=name != "wavlm-base", return_attention_mask=is_large
        ).save_pretrained(folder)
    _add_mms_languages(root / "mms")


def _add_mms_languages(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    letters = {"nld": "|eatnirodslghvkmubpwjzcf", "eng": "|etaonihsrdlumwcfgypbvk"}
    ids = {
        language: {token: id for id, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *units])}
        for language, units in letters.items()
    }
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "target_lang": "eng",
                "pad_token": "<pad>",
                "unk_token": "<unk>",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "word_delimiter_token": "|",
                "tokenizer_class": "Wav2Vec2CTCTokenizer",
            }
        )
    )
    main = load_file(folder / "model.safetensors")
    for number, language in enumerate(ids):
        torch.manual_seed(100 + number)
        adapter = {name: torch.randn_like(value) / 10 for name, value in main.items() if ".adapter_layer." in name}
        adapter["lm_head.weight"] = torch.randn(len(ids[language]), 32)
        adapter["lm_head.bias"] = torch.randn(len(ids[language]))
        save_file(adapter, folder / f"adapter.{language}.safetensors", metadata={"format": "pt"})


@pytest.fixture(scope="session")
def tiny_model(corpus: Corpus, tiny_encoder: Path, once: Once) -> Path:
    """An untrained model folder of the tiny encoder: quick to open, and it babbles."""
    return once("tiny-model", lambda folder: _save_tiny_model(folder, corpus, tiny_encoder))


def _save_tiny_model(folder: Path, corpus: Corpus, encoder: Path) -> None:
    import torch

    from goama.model.folder import SpeechModel, save_model_folder
    from goama.model.loading import load_for_training
    from goama.sound.log_mel import LogMel
    from goama.text import Vocabulary

    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))
    torch.manual_seed(1)  # an unlucky head tells texts from reversed texts by chance
    network = load_for_training(str(encoder), vocabulary, adapter=False).network
    save_model_folder(folder, SpeechModel(network, LogMel(2), vocabulary, corpus.normaliser), "# card")


@pytest.fixture(scope="session")
def sentences(speech: Path) -> list[dict[str, Any]]:
    """The rows of `speech`'s metadata, with absolute file names: to write manifests of."""
    rows = [json.loads(line) for line in (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row | {"file_name": str(speech / row["file_name"])} for row in rows]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub on the loopback interface to which huggingface_hub is connected and logged in, here and in subprocesses.

    Large files go by LFS; the client's Xet library would not tell the Hub what they hold.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with serving(Hub()) as answering:
        cache = tmp_path / "hub-cache"
        for name, value in {
            "ENDPOINT": answering.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": answering.address + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(cache),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(constants, name, value)
        for name, text in {
            "HF_ENDPOINT": answering.address,
            "HF_HUB_CACHE": str(cache),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }.items():
            monkeypatch.setenv(name, text)
        close_session()
        yield answering
        close_session()


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


@pytest.fixture(scope="session")
def without_goama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanProcess]:
    """A process without goama, for the tests of folders that transformers alone must open."""
    with clean_process(tmp_path_factory.mktemp("without-goama")) as process:
        yield process
