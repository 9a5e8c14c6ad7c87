"""A model is published whole or not at all, whatever the network does, and the plain client gets the same model."""

from __future__ import annotations

import io
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi, ModelCard, constants, snapshot_download

import goama as package
from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.recognition.recogniser import Recogniser
from goama.sharing.publish import publish
from goama.sharing.upload import Target, upload_folder
from goama.sound.audio import read_audio
from goama.sources.source import read_source
from tests.clean_process import CleanProcess
from tests.hub_server import READER, TOKEN, Fault, Hub, Repository

NAME = "writer/dutch"
Command = Callable[..., Any]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files as a model has them: two that go by LFS, one that does not."""
    folder = tmp_path / "model"
    (folder / "ngram").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 800)
    (folder / "ngram" / "lm.bin").write_bytes(b"ngram" * 1000)
    (folder / "README.md").write_text("---\nlanguage: nl\n---\n# Dutch\n")
    return folder


def upload(folder: Path, said: list[str] | None = None, waits_s: tuple[float, ...] = (0.0, 0.0, 0.0)) -> str:
    say = [].append if said is None else said.append
    return upload_folder(HfApi(), Target(NAME), folder, "publish", say, waits_s).oid


# --- the whole way


def test_what_the_plain_client_downloads_transcribes_as_goama_did(
    hub: Hub, run: Path, corpus: Corpus, goama: Command, speech: Path, without_goama: CleanProcess
) -> None:
    (run / "best" / ".env").write_text(f"HF_TOKEN={TOKEN}")
    (run / "best" / "pytorch_model.bin").write_bytes(b"pickle")
    (run / "best" / "ngram.partial").mkdir()
    (run / "best" / "ngram.partial" / "lm.bin").write_bytes(b"half")
    before = files(run / "best")
    outcome = goama("publish", run, NAME)
    assert outcome.status == 0, outcome.err
    assert "transformers alone wrote the same text as goama of 3 clips of test" in outcome.out
    assert f"published: {hub.address}/{NAME}" in outcome.out and f"next: goama transcribe {NAME}" in outcome.out
    assert files(run / "best") == before and not list(run.glob(".publish-*"))
    _, commit = hub.models[NAME].commits  # the one that creates a repository, and all files in one
    assert {"model.safetensors", "vocab.json", "preprocessor_config.json", "normaliser.json", "README.md"} <= set(
        commit[1]
    )
    assert any(name.startswith("runs/goama/events.out.tfevents") for name in commit[1])

    assert not {".env", "pytorch_model.bin", "ngram.partial/lm.bin"} & set(commit[1])
    assert all(TOKEN.encode() not in content for content in commit[1].values()) and TOKEN not in outcome.out

    recordings = sorted((speech / "audio").iterdir())[:2]
    waveforms = [read_audio(recording).samples for recording in recordings]
    waveforms = [w[: 240 + (len(w) - 240) // 1280 * 1280] for w in waveforms]  # no half-filled frame of the adapter
    downloaded = Path(snapshot_download(NAME))
    opened = without_goama.open([downloaded], waveforms)[downloaded]
    texts = Recogniser.load(NAME).texts(waveforms)
    assert opened.texts == texts == Recogniser.load(run).texts(waveforms)

    from_hub = goama("transcribe", NAME, *recordings)
    assert from_hub.out == goama("transcribe", run / "best", *recordings).out
    at_commit = goama("evaluate", f"{NAME}@{commit[0]}", corpus.folder, "--split", "dev", "--no-report")
    assert at_commit.status == 0 and "CER" in at_commit.out
    card = ModelCard.load(NAME)
    assert f'model="{NAME}"' in card.text and card.data.language == "nl"


def test_a_model_that_transformers_opens_otherwise_is_not_uploaded(hub: Hub, run: Path) -> None:
    extractor = run / "best" / "preprocessor_config.json"
    extractor.write_text(json.dumps(json.loads(extractor.read_text()) | {"stride": 1}))
    with pytest.raises(GoamaError, match="nothing was uploaded"):
        publish(run, NAME)
    assert hub.count("POST") == 0


def test_a_later_publication_replaces_the_files_of_the_model_and_leaves_others(hub: Hub, folder: Path) -> None:
    upload(folder)
    hub.models[NAME].add(hub.models[NAME].commits[-1][1] | {"NOTES.md": b"mine"}, "by hand")
    (folder / "ngram" / "lm.bin").unlink()
    upload(folder)
    assert set(hub.models[NAME].commits[-1][1]) == {".gitattributes", "NOTES.md", "README.md", "model.safetensors"}


def test_a_folder_in_no_run_is_compared_on_noise_and_a_card_changed_by_hand_is_published_as_it_is(
    hub: Hub, run: Path, tmp_path: Path
) -> None:
    alone = shutil.copytree(run / "best", tmp_path / "alone")
    card = alone / "README.md"
    card.write_text(card.read_text().replace("# Speech recogniser", "# Our recogniser"))
    made = package.publish(alone, NAME)
    assert "of noise" in made.checked
    assert hub.models[NAME].commits[-1][1]["README.md"] == card.read_bytes()
    assert "changed by hand" in made.notes[0]


# --- who may write


def test_without_a_login_nothing_is_done_and_the_command_is_named(
    hub: Hub, run: Path, goama: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    outcome = goama("publish", run, NAME)
    assert outcome.status == 2 and "not logged in; use `hf auth login`" in outcome.err


@pytest.mark.parametrize(
    ("token", "name", "sentence"),
    [
        ("hf_wrong", NAME, "does not accept the token of this machine"),
        (READER, NAME, "does not let this token write to writer/dutch; use a token with the right to write there"),
        (TOKEN, "others/dutch", "does not let this token write to others/dutch"),
    ],
)
def test_a_refused_token_is_named_and_never_shown(
    hub: Hub,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    token: str,
    name: str,
    sentence: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", token)
    said: list[str] = []
    with pytest.raises(GoamaError, match=sentence) as refused:
        upload_folder(HfApi(), Target(name), folder, "publish", said.append)
    assert hub.count("POST /api/repos/create") == 1  # what will not pass is not tried again
    assert token not in f"{refused.value}{said}{caplog.text}"


def test_private_is_refused_for_a_repository_that_everybody_sees(hub: Hub, folder: Path) -> None:
    upload(folder)
    with pytest.raises(GoamaError, match="exists and is public; publish without --private"):
        upload_folder(HfApi(), Target(NAME, private=True, refuse_public=True), folder, "publish", print)
    upload_folder(HfApi(), Target("writer/new", private=True, refuse_public=True), folder, "publish", print)
    assert hub.models["writer/new"].private


@pytest.mark.parametrize("name", ["dutch", "writer/dutch@v1", "writer/du tch", "a/b/c"])
def test_a_name_that_no_repository_has_is_refused_first(hub: Hub, run: Path, name: str) -> None:
    with pytest.raises(GoamaError, match="named OWNER/NAME"):
        publish(run, name)
    assert not hub.requests


# --- what may pass


@pytest.mark.parametrize("status", [409, 412, 429, 500, 503])
def test_a_commit_that_fails_for_a_moment_is_made_once_in_the_end(hub: Hub, folder: Path, status: int) -> None:
    hub.faults.append(Fault("POST /api/models/writer/dutch/commit", times=2, status=status))
    said: list[str] = []
    upload(folder, said)
    assert len(hub.models[NAME].commits) == 2 and len(said) == 2
    assert f"the Hub answers with status {status}; trying again in 0 s" in said[0]
    assert hub.count("PUT /lfs/") == 2  # each large file was sent once


def test_retry_after_is_waited_for_and_a_long_one_is_told(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault("POST .*/commit", status=429, headers={"Retry-After": "1"}))
    said: list[str] = []
    upload(folder, said)
    assert said == ["the Hub answers with status 429; trying again in 1 s"]
    hub.faults.append(Fault("POST /api/repos/create", status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(GoamaError, match="too many requests from here; try again in 7200 s"):
        upload(folder)


def test_a_connection_that_breaks_in_the_middle_of_a_file_is_made_again(hub: Hub, folder: Path) -> None:
    hub.multipart = True  # parts of 50 kB
    hub.faults.append(Fault("PUT /lfs/.*/3", broken_after=10_000))
    said: list[str] = []
    upload(folder, said)
    assert said == ["the Hub is busy or the connection broke; going on in 1 s"]
    assert hub.models[NAME].commits[-1][1]["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert hub.count("PUT /lfs/.*/3$") == 2 and hub.count("PUT /lfs/.*/2$") == 1  # only the broken part again


def test_an_answer_that_is_lost_after_the_commit_gives_no_second_commit(hub: Hub, folder: Path) -> None:
    hub.lost_answers = 1
    upload(folder)
    assert len(hub.models[NAME].commits) == 2


def test_an_upload_that_failed_goes_on_where_it_was(hub: Hub, folder: Path) -> None:
    before = files(folder)
    hub.faults.append(Fault("POST .*/commit", times=99, status=503))
    with pytest.raises(GoamaError, match=f"{NAME}: the Hugging Face Hub answers with status 503; try again later"):
        upload(folder)
    assert files(folder) == before and len(hub.models[NAME].commits) == 1
    hub.faults.clear()
    hub.requests.clear()
    upload(folder)
    assert hub.count("PUT /lfs/") == 0
    assert hub.models[NAME].commits[-1][1]["model.safetensors"] == before["model.safetensors"]


def test_a_page_that_is_not_the_hub_s_is_tried_again_and_named(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault("POST /api/validate-yaml", times=99, status=502))
    with pytest.raises(GoamaError, match="the Hub's answer cannot be read; start again"):
        upload(folder, waits_s=(0.0,))


def test_a_hub_that_is_gone_is_named(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(GoamaError, match="the connection failed .*; start again, what has arrived is not sent again"):
        upload(folder, waits_s=(0.0,))


def test_offline_nothing_is_published(hub: Hub, run: Path, goama: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    outcome = goama("publish", run, NAME)
    assert outcome.status == 2 and "nothing can be published offline" in outcome.err
    assert not hub.requests


def test_the_client_s_own_way_for_large_files_ends_in_the_same_commit(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    hub.faults.append(Fault("POST .*/commit", status=503))
    upload(folder)
    assert hub.xet_shards and hub.count("PUT /lfs/") == 0
    assert set(hub.models[NAME].commits[-1][1]) == {".gitattributes", *files(folder)}


# --- reading data sets


def test_a_data_set_of_sound_files_is_read_from_the_hub_also_at_a_revision(hub: Hub, speech: Path) -> None:
    rows = (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    whole = {f"audio/{p.name}": p.read_bytes() for p in (speech / "audio").iterdir()}
    hub.datasets["owner/speech"] = Repository()
    for tag, count in (("v1", 3), ("v2", 5)):
        table = "\n".join(rows[:count]).encode()
        commit = hub.datasets["owner/speech"].add({"metadata.jsonl": table, **_sounds(rows[:count], whole)})
        hub.datasets["owner/speech"].refs[tag] = commit
    newest, first = (list(read_source(name)) for name in ("owner/speech", "owner/speech@v1"))
    assert (len(newest), len(first)) == (5, 3)
    assert all(Path(str(clip.audio)).is_file() for clip in newest)
    with pytest.raises(GoamaError, match="has no revision 'v3' of it"):
        read_source("owner/speech@v3")


def test_a_data_set_of_parquet_files_is_streamed_from_the_hub_also_at_a_revision(
    hub: Hub, sentences: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.datasets["owner/speech"] = Repository()
    for tag, count in (("v1", 3), ("v2", 5)):
        packed = io.BytesIO()
        sounds = [{"bytes": Path(row["file_name"]).read_bytes(), "path": row["id"]} for row in sentences[:count]]
        texts = [row["text"] for row in sentences[:count]]
        pq.write_table(pa.table({"audio": sounds, "text": texts, "license": ["cc0-1.0"] * count}), packed)
        name = "data/train-00000-of-00001.parquet"
        hub.datasets["owner/speech"].refs[tag] = hub.datasets["owner/speech"].add({name: packed.getvalue()})
    monkeypatch.delenv("HF_DATASETS_OFFLINE")
    code = (
        "import sys; from goama.sources.source import read_source; "
        "print(*([clip.licence for clip in read_source(name)].count('cc0-1.0') for name in sys.argv[1:]))"
    )
    names = ["owner/speech", "owner/speech@v1"]  # in a process of its own: `datasets` reads its settings once
    answer = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["5", "3"]


@pytest.mark.parametrize(("flag", "sentence"), [("private", "if it is private"), ("gated", "accept their terms first")])
def test_a_data_set_that_is_not_for_everybody_says_what_to_do(
    hub: Hub, speech: Path, monkeypatch: pytest.MonkeyPatch, flag: str, sentence: str, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    hub.add_folder("owner/speech", speech, kind="datasets", **{flag: True})
    with pytest.raises(GoamaError, match=sentence):
        read_source("owner/speech")


def _sounds(rows: list[str], sounds: dict[str, bytes]) -> dict[str, bytes]:
    names = [json.loads(row)["file_name"] for row in rows]
    return {name: sounds[name] for name in names}
