"""Wrong input of every kind: one clear sentence, exit status 2, and nothing lost that was good."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

import goama.errors
from goama.corpus.corpus import Corpus
from goama.sound.audio import read_audio

ROOT = Path(goama.errors.__file__).parents[1]
Command = Callable[..., Any]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def one_sentence(outcome: Any) -> str:
    """The one line on stderr of a command that stopped because of its user."""
    assert outcome.status == 2, outcome
    assert "Traceback" not in outcome.err
    (line,) = outcome.err.splitlines()
    assert line.startswith("goama: ") and len(line) > 30
    return line.removeprefix("goama: ")


@pytest.fixture
def good(sentences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Four good rows of a manifest."""
    return sentences[:4]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    def manifest(rows: list[dict[str, Any]]) -> Path:
        path = tmp_path / "clips.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return manifest


@pytest.fixture
def standing(corpus: Corpus, tmp_path: Path) -> Path:
    """A corpus that somebody has already."""
    return Path(shutil.copytree(corpus.folder, tmp_path / "corpus"))


# --- good input, to compare with


def test_good_input_ends_with_status_0_and_says_what_to_do_next(goama: Command, speech: Path, tmp_path: Path) -> None:
    outcome = goama("prepare", speech, "-o", tmp_path / "corpus", "--language", "nl")
    assert (outcome.status, outcome.err) == (0, "")
    assert "train     16 clips" in outcome.out
    assert f"next: goama train {tmp_path / 'corpus'} -o run" in outcome.out


def test_a_telephone_recording_in_stereo_is_converted_with_a_note_and_status_0(
    goama: Command, good: list[dict], write: Command, tmp_path: Path
) -> None:
    samples = 0.9 * read_audio(good[0]["file_name"]).samples[::2]
    soundfile.write(tmp_path / "phone.wav", np.stack([samples, samples], axis=1), 8_000)
    phone = good[0] | {"id": "phone", "file_name": str(tmp_path / "phone.wav")}
    outcome = goama("prepare", write([*good, phone]), "-o", tmp_path / "corpus")
    assert (outcome.status, outcome.err) == (0, "")
    assert "converted from 8000 Hz to 16000 Hz: telephone quality" in outcome.out


# --- faults of one clip: it is named, the others become a corpus


def cut(content: bytes) -> bytes:
    return content[: int(0.6 * len(content))]


def in_format(container: str) -> Callable[[Path, Path], None]:
    def write_cut(source: Path, target: Path) -> None:
        whole = target.with_name(f"whole.{container.lower()}")
        soundfile.write(whole, 0.9 * read_audio(source).samples, 16_000, format=container)
        target.write_bytes(cut(whole.read_bytes()))

    return write_cut


BAD_FILES: dict[str, tuple[str, Callable[[Path, Path], object], str]] = {
    "missing file": ("no.wav", lambda good, bad: None, "no such file"),
    "folder": ("folder.wav", lambda good, bad: bad.mkdir(), "this is a folder"),
    "text renamed": ("text.wav", lambda good, bad: bad.write_text("Dit is tekst.\n" * 99), "not a sound file"),
    "no bytes": ("empty.wav", lambda good, bad: bad.touch(), "the file is empty (0 bytes)"),
    "no length": ("none.wav", lambda good, bad: soundfile.write(bad, np.zeros(0), 16_000), "holds no samples"),
    "truncated wav": ("cut.wav", in_format("WAV"), "truncated, 40 % of the sound that its header promises"),
    "truncated flac": ("cut.flac", in_format("FLAC"), "the sound breaks off in the middle (truncated"),
    "truncated mp3": ("cut.mp3", in_format("MP3"), "truncated, 40 % of the sound that its header promises"),
    "truncated ogg": ("cut.ogg", lambda good, bad: bad.write_bytes(cut(good.read_bytes())), "last Ogg page is cut off"),
    "too short": ("short.wav", lambda good, bad: soundfile.write(bad, np.zeros(99), 16_000), "too short to hold"),
    "too long": ("long.flac", lambda good, bad: soundfile.write(bad, np.zeros(488_000), 8_000), "cut it into pieces"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_with_its_reason_and_the_good_clips_make_a_corpus(
    goama: Command, good: list[dict], write: Command, tmp_path: Path, kind: str
) -> None:
    name, make, reason = BAD_FILES[kind]
    make(Path(good[0]["file_name"]), tmp_path / name)
    source = write([*good[:2], good[2] | {"id": "bad one", "file_name": name}, *good[2:]])
    outcome = goama("prepare", source, "-o", tmp_path / "corpus", "--language", "nl")
    assert outcome.status == 0
    named, summary = outcome.err.splitlines()
    assert named.startswith(f"left out: bad one ({source}:3): ") and reason in named
    assert summary.startswith("goama: 1 clip was left out") and "(--strict makes this an error)" in summary
    assert name in named or kind == "too short"
    (entry,) = map(json.loads, (tmp_path / "corpus" / "left-out.jsonl").read_text().splitlines())
    assert entry["id"] == "bad one" and reason in entry["reason"]
    made = Corpus.open(tmp_path / "corpus")
    assert sum(facts["clips"] for facts in made.about["splits"].values()) == 4
    assert "next: goama train" in outcome.out


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": ""}, "the transcript is empty"),
        ({"text": " \t"}, "the transcript is empty"),
        ({"text": None}, "the transcript is empty"),
        ({"text": "?!…"}, "nothing with a sound is left of the transcript '?!…'"),
        ({"text": {"nl": "ja"}}, "the column 'text' holds a dict, not text"),
        ({"file_name": ""}, "the column 'file_name' is empty"),
        ({"duration": 60}, "its manifest promises"),
        ({"duration": "1:02:"}, "the duration '1:02:' is not a number of seconds"),
        ({"offset": 50}, "does not lie within the recording's"),
    ],
    ids=range(9),
)
def test_a_bad_row_is_named_with_its_reason_and_the_good_clips_make_a_corpus(
    goama: Command, good: list[dict], write: Command, tmp_path: Path, row: dict, reason: str
) -> None:
    outcome = goama("prepare", write([*good, good[0] | {"id": "bad"} | row]), "-o", tmp_path / "corpus")
    assert outcome.status == 0
    assert outcome.err.startswith(f"left out: bad ({tmp_path / 'clips.jsonl'}:5): ") and reason in outcome.err
    assert sum(facts["clips"] for facts in Corpus.open(tmp_path / "corpus").about["splits"].values()) == 4


def test_strict_ends_with_status_2_when_a_clip_was_left_out(
    goama: Command, good: list[dict], write: Command, tmp_path: Path
) -> None:
    source = write([*good, good[0] | {"id": "bad", "text": ""}])
    outcome = goama("prepare", source, "-o", tmp_path / "corpus", "--strict")
    assert outcome.status == 2
    assert "left out: bad" in outcome.err


def test_a_source_without_one_good_clip_makes_nothing(
    goama: Command, good: list[dict], write: Command, tmp_path: Path
) -> None:
    outcome = goama("prepare", write([row | {"text": ""} for row in good]), "-o", tmp_path / "corpus")
    assert "no clip can be used" in one_sentence(outcome)
    assert not (tmp_path / "corpus").exists()


# --- faults of the whole source: one sentence, and what stood at the output is untouched

BAD_SOURCES: dict[str, tuple[str, list[str], str]] = {
    "unknown column": ("", ["--text-column", "txt"], "no column 'txt' (did you mean 'text'?); the columns are: "),
    "ids twice": ('{"id": "%(id)s", "file_name": "other.ogg", "text": "ja"}\n', [], "is used twice (first at "),
    "not utf-8": ("\udcff\n", [], "clips.jsonl:5: not UTF-8 text"),
    "unknown split": ('{"id": "x", "file_name": "x.ogg", "text": "ja", "split": "trian"}\n', [], "unknown split"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_SOURCES)
def test_a_bad_source_is_one_sentence_and_the_corpus_that_was_there_stays(
    goama: Command, good: list[dict], write: Command, standing: Path, kind: str
) -> None:
    line, options, sentence = BAD_SOURCES[kind]
    source = write(good)
    with source.open("ab") as manifest:
        manifest.write((line % good[0] if "%" in line else line).encode(errors="surrogateescape"))
    before = files(standing)
    outcome = goama("prepare", source, "-o", standing, "--overwrite", *options)
    assert sentence in one_sentence(outcome)
    assert files(standing) == before
    assert not list(standing.parent.glob("corpus.*"))


@pytest.mark.parametrize("source", ["no-such-folder", "no/such/manifest.csv", ".", "README.md"])
def test_a_source_that_is_none_is_one_sentence(
    goama: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("# Not a manifest\n")
    one_sentence(goama("prepare", source, "-o", "corpus"))
    assert not (tmp_path / "corpus").exists()


def test_an_output_that_exists_is_one_sentence(goama: Command, speech: Path, standing: Path) -> None:
    before = files(standing)
    assert "exists already" in one_sentence(goama("prepare", speech, "-o", standing))
    assert files(standing) == before


@pytest.mark.parametrize("place", ["file/corpus", "/proc/corpus", "/dev/null/corpus", "a" * 300])
def test_an_output_that_cannot_be_made_is_one_sentence(
    goama: Command, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("good")
    one_sentence(goama("prepare", speech, "-o", place))
    assert Path("file").read_text() == "good"


def test_an_output_without_permission_is_one_sentence(goama: Command, speech: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "Permission denied" in one_sentence(goama("prepare", speech, "-o", tmp_path / "locked" / "corpus"))


# --- the disk


def command(*arguments: object, **environment: str) -> Any:
    """The command line in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "goama", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    return SimpleNamespace(status=ended.returncode, out=ended.stdout, err=ended.stderr)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Bytes that a file may have; a larger one fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [0, 20_000], ids=["from the start", "on the way"])
def test_a_file_that_may_not_grow_is_one_sentence_and_the_corpus_that_was_there_stays(
    goama: Command, speech: Path, standing: Path, limit: int
) -> None:
    before = files(standing)
    with files_of_at_most(limit):
        outcome = goama("prepare", speech, "-o", standing, "--overwrite")
    assert "the file grew larger than the system allows" in one_sentence(outcome)
    assert files(standing) == before
    assert not list(standing.parent.glob("corpus.*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 700 kB: four clips fit twice, all twenty-four do not."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("only root on Linux can make a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be made here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_one_sentence_and_the_corpus_that_was_there_stays(
    goama: Command, speech: Path, good: list[dict], write: Command, small_disk: Path
) -> None:
    assert goama("prepare", write(good), "-o", small_disk / "corpus").status == 0
    before = files(small_disk)
    outcome = goama("prepare", speech, "-o", small_disk / "corpus", "--overwrite")
    assert "the disk is full" in one_sentence(outcome)
    assert files(small_disk) == before
    again = goama("prepare", write(good), "-o", small_disk / "corpus", "--overwrite")
    assert again.status == 0


# --- the network


def test_a_hub_that_cannot_be_reached_is_one_sentence_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        start = time.monotonic()
        outcome = command("prepare", "owner/name", "-o", tmp_path / "corpus", HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0")
    sentence = one_sentence(outcome)
    assert "owner/name: there is no such folder here, and the Hugging Face Hub cannot be reached" in sentence
    assert time.monotonic() - start < 30
    assert not (tmp_path / "corpus").exists()


# --- other commands, and a process of their own


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "{corpus}", "-o", "run", "-s", "train.minuts=3"], "minuts"),
        (["train", "{corpus}", "-o", "run", "--recipe", "no.toml"], "no.toml"),
        (["train", "no-corpus", "-o", "run"], "no such corpus; make it with `goama prepare"),
        (["evaluate", "no-model", "{corpus}", "--split", "tset"], "--split tset: splits are train, dev, test"),
        (["evaluate", "no-model", "{corpus}"], "no-model"),
        (["transcribe", "no-model", "no.wav"], "no-model"),
        (["voices", "get", "filets-nl", "-o", "voice"], "the nearest name is 'fillets-nl'"),
    ],
    ids=range(7),
)
def test_the_other_commands_answer_a_mistake_with_one_sentence(
    goama: Command,
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = goama(*(argument.format(corpus=corpus.folder) for argument in arguments))
    assert sentence in one_sentence(outcome)
    assert not (tmp_path / "run").exists()


def test_a_name_with_brackets_is_printed_as_it_is(goama: Command, speech: Path, tmp_path: Path) -> None:
    outcome = goama("prepare", speech, "-o", tmp_path / "[bold] corpus[/]")
    assert outcome.status == 0
    assert f"next: goama train '{tmp_path / '[bold] corpus[/]'}' -o run" in outcome.out


def test_a_second_column_of_the_same_name_is_refused(goama: Command, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file_name,text,text\na.wav,een,Awa\n")
    assert "two columns are named 'text'" in one_sentence(goama("prepare", tmp_path / "m.csv", "-o", tmp_path / "x"))


def test_a_clip_whose_sound_was_deleted_is_named_before_training(
    corpus: Corpus, goama: Command, tmp_path: Path
) -> None:
    shutil.copytree(corpus.folder, tmp_path / "corpus")
    gone = next((tmp_path / "corpus" / "train").glob("*.flac"))
    gone.unlink()
    said = one_sentence(goama("train", tmp_path / "corpus", "-o", tmp_path / "run", "--encoder", "scratch"))
    assert gone.stem in said and "is gone" in said
    assert not (tmp_path / "run").exists()


def test_a_clip_whose_sound_was_damaged_is_named_when_it_is_met(
    corpus: Corpus, goama: Command, tmp_path: Path, tiny_model: Path
) -> None:
    shutil.copytree(corpus.folder, tmp_path / "corpus")
    bad = next((tmp_path / "corpus" / "test").glob("*.flac"))
    bad.write_bytes(bad.read_bytes()[:200])
    assert bad.stem in one_sentence(goama("evaluate", tiny_model, tmp_path / "corpus"))


def test_a_damaged_manifest_is_named(corpus: Corpus, goama: Command, tmp_path: Path) -> None:
    shutil.copytree(corpus.folder, tmp_path / "corpus")
    manifest = tmp_path / "corpus" / "cuts.jsonl.gz"
    manifest.write_bytes(manifest.read_bytes()[:300])
    said = one_sentence(goama("train", tmp_path / "corpus", "-o", tmp_path / "run"))
    assert "cuts.jsonl.gz: damaged" in said


def test_ctrl_c_stops_prepare_and_leaves_nothing(speech: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (speech / "metadata.jsonl").read_text().splitlines()]
    many = [
        {**row, "file_name": str(speech / row["file_name"]), "id": f"{row['id']}-{n}"}
        for n in range(200)
        for row in rows
    ]
    (tmp_path / "many.jsonl").write_text("\n".join(json.dumps(row) for row in many))
    process = subprocess.Popen(
        [sys.executable, "-m", "goama", "prepare", str(tmp_path / "many.jsonl"), "-o", str(tmp_path / "corpus")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list((tmp_path / "corpus.partial" / "clips").glob("*")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "stopped; nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["many.jsonl"]


def test_a_process_of_its_own_answers_alike(speech: Path, tmp_path: Path) -> None:
    assert "no column 'txt'" in one_sentence(command("prepare", speech, "-o", tmp_path / "x", "--text-column", "txt"))
    done = command("prepare", speech, "-o", tmp_path / "corpus", "--language", "nl")
    assert (done.status, done.err) == (0, "")
    assert command("prepare").status == 2  # typer's own words


def test_names_are_shown_as_they_are_typed(goama: Command, tmp_path: Path) -> None:
    outcome = goama("train", tmp_path / "root:x:0", "-o", tmp_path / "run")
    assert "root:x:0" in one_sentence(outcome)  # and not with an emoji for `:x:`


def test_an_option_given_twice_is_refused_where_only_the_last_would_be_taken(
    goama: Command, good: list[dict], write: Command
) -> None:
    outcome = goama("prepare", write(good), "--where", "text != ''", "--where", "text != 'x'", "--dry-run")
    assert outcome.status == 2 and "--where is given twice" in outcome.err


def test_a_recording_that_is_not_there_in_a_folder_whose_name_is_not_utf_8_is_named(
    goama: Command, good: list[dict], tmp_path: Path
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "caf") + b"\xe9"))
    folder.mkdir()
    shutil.copy(good[0]["file_name"], folder / "a.ogg")
    (folder / "metadata.csv").write_text("file_name,text\na.ogg,een\nb.ogg,twee\n")
    outcome = goama("prepare", folder, "-o", tmp_path / "corpus")
    assert outcome.status == 0
    assert "caf\\xe9/b.ogg" in (tmp_path / "corpus" / "left-out.jsonl").read_text().replace("\\\\", "\\")
