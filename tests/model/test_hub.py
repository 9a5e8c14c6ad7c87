"""A checkpoint on the Hub is loaded like a folder; when that fails, the sentence says why."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from goama.errors import GoamaError
from goama.model.hub import CONFIGURATION_FILES, local_folder
from tests.model.hub_server import hub

LOAD = """
import json, resource, sys
from goama.errors import GoamaError
from goama.model.loading import load_for_training
from goama.text import Vocabulary
vocabulary = Vocabulary.from_texts(["de kat zit op de mat"], min_count=1)[0]
answers = {}
for name in sys.argv[1:]:
    if name == "owner/large":  # what a full disk does to a download, a limit of bytes a file does too
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        loaded = load_for_training(name, vocabulary, adapter=False, languages=["nld"])
        answers[name] = [loaded.network.config.model_type, loaded.carried_over.language]
    except GoamaError as error:
        answers[name] = str(error)
print(json.dumps(answers))
"""


def load(endpoint: str, cache: Path, *names: str) -> dict:
    """What `load_for_training` says of each name, in a process of its own that has this Hub and this cache."""
    surroundings = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    surroundings |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    answer = subprocess.run(
        [sys.executable, "-c", LOAD, *names], env=surroundings, capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def repositories(tiny_encoder, waveform_encoders, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("repositories")
    shutil.copytree(tiny_encoder, folder / "pickled")
    torch.save(load_file(folder / "pickled" / "model.safetensors"), folder / "pickled" / "pytorch_model.bin")
    (folder / "pickled" / "model.safetensors").unlink()
    (folder / "data").mkdir()
    (folder / "data" / "README.md").write_text("# not a model")
    return {
        "owner/whole": tiny_encoder,
        "owner/mms": waveform_encoders["mms"],
        "owner/pickled": folder / "pickled",
        "owner/data": folder / "data",
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def answers(repositories, cache) -> dict:
    names = [*repositories, "owner/gated", "owner/nowhere", "not a name", "owner/large"]
    with hub(repositories | {"owner/large": repositories["owner/whole"]}, gated=frozenset({"owner/gated"})) as endpoint:
        return load(endpoint, cache, *names)


def test_a_checkpoint_is_loaded_with_the_adapter_of_its_language(answers):
    assert answers["owner/whole"] == ["wav2vec2-bert", None]
    assert answers["owner/mms"] == ["wav2vec2", "nld"]


@pytest.mark.parametrize(
    "name, cause",
    [
        ("owner/nowhere", "has no model of this name that you may see; check the name"),
        ("owner/gated", "its authors ask on the Hugging Face Hub that you accept their terms first"),
        ("owner/pickled", "it has no weights in model.safetensors, and pickled ones"),
        ("owner/data", "it has no config.json"),
        ("not a name", "this is not a name that the Hugging Face Hub can have"),
        ("owner/large", "it does not fit on the disk"),
    ],
)
def test_each_cause_has_its_own_sentence(answers, name, cause):
    assert cause in answers[name]
    assert len(answers[name].splitlines()) == 1
    others = [answers[other] for other in answers if other != name]
    assert not any(cause in other for other in others)


def test_a_hub_that_cannot_be_reached_is_named_and_what_was_downloaded_is_still_used(answers, cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        unplugged = load(f"http://127.0.0.1:{unused.getsockname()[1]}", cache, "owner/whole", "owner/new")
    assert unplugged["owner/whole"] == answers["owner/whole"]
    assert "the Hugging Face Hub cannot be reached; check the network" in unplugged["owner/new"]


def test_a_hub_that_is_switched_off_is_named():
    with pytest.raises(GoamaError, match=r"cannot be reached \(HF_HUB_OFFLINE is set\)"):  # as it is in the tests
        local_folder("owner/new", CONFIGURATION_FILES)
