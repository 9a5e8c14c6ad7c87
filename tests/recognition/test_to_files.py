"""Many recordings become files, in one process or several; what fails stops nothing and is named."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from goama.errors import GoamaError
from goama.recognition.recogniser import Recogniser
from goama.recognition.to_files import Outcome, Task, transcribe_to_files
from goama.transcript.writers import Layout


@pytest.fixture
def tasks(speech: Path, tmp_path: Path) -> list[Task]:
    """Three recordings, the second of which is no sound."""
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound")
    first, second = sorted((speech / "audio").iterdir())[:2]
    return [
        Task(path, path.name, tuple(tmp_path / "out" / f"{path.stem}.{ending}" for ending in ("txt", "json")))
        for path in (first, broken, second)
    ]


def transcribed(tasks: list[Task], model: Path, jobs: int = 1) -> list[Outcome]:
    return sorted(
        transcribe_to_files(tasks, partial(Recogniser.load, model, "cpu"), Layout(), jobs=jobs),
        key=lambda outcome: outcome.number,
    )


def test_every_file_of_each_recording_is_written_and_what_failed_is_named(tasks, tiny_model):
    good, bad, _ = transcribed(tasks, tiny_model)
    assert good.error is None and good.transcript.text == tasks[0].files[0].read_text().replace("\n", " ").strip()
    assert good.saved == tuple(map(str, tasks[0].files)) and all(file.is_file() for file in tasks[2].files)
    assert "broken.wav: this is not a sound file" in bad.error
    assert not tasks[1].files[0].exists()


@pytest.mark.slow
def test_several_processes_write_the_files_of_one(tasks, tiny_model):
    transcribed(tasks, tiny_model)
    alone = {file: file.read_bytes() for task in tasks for file in task.files if file.exists()}
    for file in alone:
        file.unlink()
    outcomes = transcribed(tasks, tiny_model, jobs=2)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert {file: file.read_bytes() for file in alone} == alone and len(alone) == 4


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_ends_all_processes_with_its_sentence(tasks, tmp_path):
    with pytest.raises(GoamaError, match="no such model folder"):
        transcribed(tasks, tmp_path / "nowhere", jobs=2)


@pytest.mark.slow
def test_processes_end_when_the_command_is_killed_and_what_is_written_is_whole(tiny_model, speech, tmp_path):
    tapes = tmp_path / "tapes"
    tapes.mkdir()
    clips = sorted((speech / "audio").iterdir())
    for number in range(80):
        (tapes / f"{number}.ogg").symlink_to(clips[number % len(clips)])
    command = [sys.executable, "-m", "goama", "transcribe", tiny_model, tapes, "-o", tmp_path / "out", "--to", "json"]
    process = subprocess.Popen([*map(str, command), "--jobs", "2"], stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list((tmp_path / "out").glob("*.json"))) < 4:
        time.sleep(0.05)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 10
    while any(Path("/proc", worker).exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert workers and not any(Path("/proc", worker).exists() for worker in workers)
    made = {file: file.read_bytes() for file in (tmp_path / "out").glob("*.json")}
    assert all(content.endswith(b"}\n") for content in made.values())
    again = subprocess.run([*map(str, command), "--skip-existing"], capture_output=True, text=True, check=True)
    assert f"{len(made)} of 80 recordings" in again.stdout
    assert len(list((tmp_path / "out").glob("*.json"))) == 80
    assert {file: file.read_bytes() for file in made} == made
