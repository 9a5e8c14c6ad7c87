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
from tests.hub_server import READER, Fault, Hub, serving

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


SAME = {"owner/nowhere": ["owner/private"], "owner/data": ["owner/moved"]}
"""Names with the same cause: who may not see a repository is not told that it is there."""


@pytest.fixture(scope="module")
def repositories(tiny_encoder, waveform_encoders, tmp_path_factory) -> Hub:
    folder = tmp_path_factory.mktemp("repositories")
    shutil.copytree(tiny_encoder, folder / "pickled")
    torch.save(load_file(folder / "pickled" / "model.safetensors"), folder / "pickled" / "pytorch_model.bin")
    (folder / "pickled" / "model.safetensors").unlink()
    (folder / "data").mkdir()
    (folder / "data" / "README.md").write_text("# not a model")
    hub = Hub()
    for name in ("owner/whole", "owner/large"):
        hub.add_folder(name, tiny_encoder)
    hub.add_folder("owner/mms", waveform_encoders["mms"])
    hub.add_folder("owner/pickled", folder / "pickled")
    hub.add_folder("owner/data", folder / "data")
    hub.add_folder("owner/gated", tiny_encoder, gated=True)
    hub.add_folder("owner/private", tiny_encoder, private=True)
    first = hub.add_folder("owner/moved", tiny_encoder)
    hub.models["owner/moved"].refs |= {"v1": first, "refs/pr/1": first}
    hub.add_folder("owner/moved", folder / "data")
    return hub


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def answers(repositories, cache) -> dict:
    names = ["whole", "mms", "pickled", "data", "gated", "private", "nowhere", "moved", "moved@v1", "moved@refs/pr/1"]
    names += ["moved@v2", "large"]
    with serving(repositories) as hub:
        return load(hub.address, cache, "not a name", *(f"owner/{name}" for name in names))


def test_a_checkpoint_is_loaded_with_the_adapter_of_its_language(answers):
    assert answers["owner/whole"] == ["wav2vec2-bert", None]
    assert answers["owner/mms"] == ["wav2vec2", "nld"]


@pytest.mark.parametrize(
    "name, cause",
    [
        ("owner/nowhere", "has no model of this name that you may see; check the name"),
        ("owner/moved@v2", "has no revision 'v2' of it"),
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
    others = [answers[other] for other in answers if other not in (name, *SAME.get(name, ()))]
    assert not any(cause in other for other in others if isinstance(other, str))


def test_a_hub_that_cannot_be_reached_is_named_and_what_was_downloaded_is_still_used(answers, cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        unplugged = load(f"http://127.0.0.1:{unused.getsockname()[1]}", cache, "owner/whole", "owner/new")
    assert unplugged["owner/whole"] == answers["owner/whole"]
    assert "the Hugging Face Hub cannot be reached; check the network" in unplugged["owner/new"]


def test_a_revision_is_a_tag_or_a_branch_after_the_at_sign(answers):
    assert "it has no config.json" in answers["owner/moved"]  # what main has become
    assert answers["owner/moved@v1"] == answers["owner/moved@refs/pr/1"] == answers["owner/whole"]


def test_a_private_repository_needs_a_token_and_a_bad_token_is_named(hub, tiny_encoder, monkeypatch):
    hub.add_folder("owner/private", tiny_encoder, private=True)
    monkeypatch.setenv("HF_TOKEN", READER)
    assert (local_folder("owner/private", CONFIGURATION_FILES) / "config.json").is_file()
    monkeypatch.setenv("HF_TOKEN", "hf_stale")
    with pytest.raises(GoamaError, match="does not accept the token of this machine; log in again") as stale:
        local_folder("owner/other", CONFIGURATION_FILES)
    assert "hf_stale" not in str(stale.value)


def test_a_busy_hub_says_when_to_try_again(hub, tiny_encoder):
    hub.add_folder("owner/whole", tiny_encoder)
    hub.faults.append(Fault("GET /api/models/owner/whole", times=99, status=429, headers={"Retry-After": "30"}))
    with pytest.raises(GoamaError, match="has had too many requests from here; try again in 30 s"):
        local_folder("owner/whole", CONFIGURATION_FILES)


def test_a_hub_that_is_switched_off_is_named():
    with pytest.raises(GoamaError, match=r"cannot be reached \(HF_HUB_OFFLINE is set\)"):  # as it is in the tests
        local_folder("owner/new", CONFIGURATION_FILES)
