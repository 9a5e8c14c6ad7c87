"""The first hour with goama: help pages, swapped arguments, folders of recordings, Python, the model folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import typer.main

import goama as package
from goama.cli.app import app
from goama.corpus.corpus import Corpus
from goama.errors import GoamaError

Command = Callable[..., Any]
ROOT = Path(__file__).parent.parent


# --- help


def commands() -> Iterator[tuple[str, click.Command]]:
    root = typer.main.get_command(app)
    for name, command in getattr(root, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", each) for inner, each in command.commands.items())
        else:
            yield name, command


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_help_page_shows_every_option_with_its_default(
    goama: Command, monkeypatch: pytest.MonkeyPatch, name: str, command: click.Command
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERMINAL_WIDTH", "400")
    outcome = goama(*name.split(), "--help")
    page = " ".join(re.sub(r"[│╭╮╰╯─]", " ", outcome.out).split())
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert option in page, option
        text = (getattr(parameter, "help", None) or "").replace("`", "")
        assert " ".join(text.split()) in page, parameter.name
        default = parameter.default
        if (
            isinstance(default, (str, int, float, Path))
            and not isinstance(default, bool)
            and "--help" not in parameter.opts
        ):
            assert f"[default: {default}]" in page, f"{parameter.name}: {default}"


def test_no_extra_is_offered_without_its_feature() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "goama").rglob("*.py"))
    for name, packages in extras.items():
        for package_name in packages if name != "dev" else ():
            module = re.split(r"[<>=\[; ]", package_name)[0].replace("-", "_")
            assert re.search(rf"\bimport {module}\b|\bfrom {module}\b", sources), f"{name}: {module} is used nowhere"


def test_the_readme_names_an_install_command_for_cpu_cuda_and_mac() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install torch --index-url https://download.pytorch.org/whl/cpu" in text
    assert "CUDA" in text and "Mac" in text


def test_no_text_gives_pipeline_the_name_of_a_file_which_would_need_the_ffmpeg_program() -> None:
    for file in (ROOT / "README.md", ROOT / "goama" / "model" / "card.py"):
        text = file.read_text(encoding="utf-8")
        assert 'recognise("' not in text, file
        assert "chunk_length_s" in text, file


# --- arguments


def test_the_model_comes_first_is_said_when_arguments_are_swapped(
    goama: Command, corpus: Corpus, tiny_model: Path, speech: Path
) -> None:
    outcome = goama("evaluate", corpus.folder, tiny_model)
    assert outcome.status == 2 and "the model comes first: goama evaluate" in outcome.err
    recording = sorted((speech / "audio").iterdir())[0]
    outcome = goama("transcribe", recording, tiny_model)
    assert outcome.status == 2
    assert f"the model comes first: goama transcribe {tiny_model} {recording}" in outcome.err


def test_a_folder_is_transcribed_and_what_is_there_already_is_skipped(
    goama: Command, tiny_model: Path, speech: Path, tmp_path: Path
) -> None:
    recordings = sorted((speech / "audio").iterdir())[:3]
    (tmp_path / "tapes" / "day 1").mkdir(parents=True)
    shutil.copy(recordings[0], tmp_path / "tapes")
    for recording in recordings[1:]:
        shutil.copy(recording, tmp_path / "tapes" / "day 1")
    (tmp_path / "tapes" / "notes.txt").write_text("no sound")
    shutil.copy(recordings[0], os.fsencode(tmp_path / "tapes") + b"/caf\xe9.ogg")
    targets = [tmp_path / "out" / f"{recordings[0].stem}.txt"]
    targets += [tmp_path / "out" / "day 1" / f"{recording.stem}.txt" for recording in recordings[1:]]
    targets[0].parent.mkdir()
    targets[0].write_text("corrected by hand")
    refused = goama("transcribe", tiny_model, tmp_path / "tapes", "-o", tmp_path / "out")
    assert refused.status == 2 and "--skip-existing" in refused.err
    outcome = goama("transcribe", tiny_model, tmp_path / "tapes", "-o", tmp_path / "out", "--skip-existing")
    assert outcome.status == 0, outcome.err
    assert "1 of 4 recordings have a transcript" in outcome.out
    assert targets[0].read_text() == "corrected by hand"
    assert all(target.is_file() for target in targets) and "caf\\xe9.txt" in outcome.out
    assert os.path.exists(os.fsencode(tmp_path / "out") + b"/caf\xe9.txt")  # noqa: PTH110
    empty = goama("transcribe", tiny_model, tmp_path / "out", "-o", tmp_path / "other")
    assert empty.status == 2 and "no sound file lies in this folder" in empty.err


# --- names that are not UTF-8, in every command


def test_commands_work_with_names_that_are_not_utf_8(goama: Command, speech: Path, tmp_path: Path) -> None:
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    shutil.copytree(speech, place)
    checked = goama("check", place, "--text-only", "--json", tmp_path / "findings.json")
    assert checked.status == 0, checked.err
    assert json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))["corpus"]["source"].endswith("caf\\xe9")
    made = goama("prepare", place, "-o", tmp_path / "corpus", "--language", "nl")
    assert made.status == 0, made.err
    assert sum(facts["clips"] for facts in Corpus.open(tmp_path / "corpus").about["splits"].values()) == 24


# --- Python


def test_the_commands_are_functions_that_take_paths(tiny_model: Path, speech: Path, tmp_path: Path) -> None:
    made = package.prepare(speech, tmp_path / "corpus", language="nl")
    assert made.corpus.clips("train") == 16
    assert package.check(str(speech), language="nl", read_sound=False).summary["clips"] == 24
    recogniser = package.load(tiny_model)
    assert repr(recogniser).startswith("Recogniser(wav2vec2-bert, ")
    assert package.evaluate(recogniser, tmp_path / "corpus", "dev").score.clips == 4
    for call in (
        lambda: package.evaluate(tiny_model, b"corpus"),
        lambda: package.train(None, tmp_path / "run"),
        lambda: package.train(tmp_path / "nowhere", tmp_path / "run"),
        lambda: package.load(3),
        lambda: package.prepare(speech, None),
        lambda: package.evaluate(tiny_model, tmp_path / "corpus", "tset"),
    ):
        with pytest.raises((GoamaError, TypeError)):
            call()


def test_importing_goama_imports_nothing_heavy() -> None:
    code = "import sys, goama; print([n for n in ('torch', 'numpy', 'datasets', 'typer') if n in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


def test_samples_are_checked_before_they_are_recognised(tiny_model: Path) -> None:
    recogniser = package.load(tiny_model)
    whole = np.round(9_830 * np.sin(np.arange(16_000) / 20)).astype(np.int16)
    samples = whole.astype(np.float32) / 32_768
    (as_float,) = recogniser.texts([samples])
    for same in (whole, samples.astype(np.float64), samples.tolist()):
        assert recogniser.texts([same]) == [as_float]
    bad = samples.copy()
    bad[5] = np.nan
    for wrong, sentence in (
        ([bad], "not finite"),
        ([samples * 32_768], "full scale is 1"),
        ([np.stack([samples, samples])], "one channel"),
        ([b"RIFF"], "not a bytes"),
        (samples, "a list of waveforms is needed"),
        ([["a"]], "one channel"),
    ):
        with pytest.raises(GoamaError, match=sentence):
            recogniser.transcribe_waveforms(wrong)
    for wrong in (b"RIFF", None):
        with pytest.raises(GoamaError, match="transcribe takes the path of a recording"):
            recogniser.transcribe(wrong)


# --- the model folder


def test_every_file_of_a_model_folder_can_be_read_by_whom_the_umask_allows(tiny_model: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    for file in tiny_model.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask, file.name


# --- notebooks


def test_results_say_what_they_are_and_show_themselves_in_a_notebook(
    speech: Path, tiny_model: Path, corpus: Corpus, tmp_path: Path
) -> None:
    made = package.prepare(speech, tmp_path / "<corpus>", language="nl")
    audit = package.check(speech, language="nl", read_sound=False)
    recogniser = package.load(tiny_model)
    transcript = recogniser.transcribe(sorted((speech / "audio").iterdir())[0])
    evaluation = package.evaluate(recogniser, corpus, "dev")
    for value in (made, made.corpus, audit, recogniser, transcript, evaluation):
        assert len(repr(value)) < 400 and "object at 0x" not in repr(value)
        page = value._repr_html_()
        assert page.startswith("<div><b>") and page.endswith("</div>")
    assert "&lt;corpus&gt;" in made._repr_html_()


def test_a_run_is_one_display_in_a_notebook_with_a_bar_and_a_curve() -> None:
    from goama.evaluation.scores import ErrorRates
    from goama.reports.notebook import NotebookView, in_notebook
    from goama.training.watchers import DevEvaluation

    assert not in_notebook()
    shown: list[str] = []
    view = NotebookView(shown.append)
    view.said("7 M parameters <b>")
    view.began([], ErrorRates(wer=1.0, cer=0.98, clips=4))
    view.progressed(0.5, 61.0, "loss 2.1")
    for step, cer in ((100, 0.6), (200, 0.4)):
        view.evaluated(DevEvaluation(step, 60.0, (), ErrorRates(0.9, cer, 4), best=True, sane=True))
    assert 'value="0.500"' in shown[-1] and shown[-1].count("<circle") == 3
    assert "1:01 left" in shown[-1] and "dev CER 40.0 %  (best so far)" in shown[-1]
    assert "&lt;b&gt;" in shown[-1]


# --- what a disk and a program bring along


def test_hidden_files_of_a_folder_are_no_recordings(
    goama: Command, tiny_model: Path, speech: Path, tmp_path: Path
) -> None:
    shutil.copy(sorted((speech / "audio").iterdir())[0], tmp_path / "tape.ogg")
    (tmp_path / "._tape.ogg").write_bytes(b"\0\5\x16\7")  # a Mac's notes on the file
    outcome = goama("transcribe", tiny_model, tmp_path, "-o", tmp_path / "out")
    assert outcome.status == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["tape.txt"]


def test_whole_numbers_whose_full_scale_is_unknown_are_refused() -> None:
    from goama.sound.waveform import as_waveform

    with pytest.raises(GoamaError, match="cannot be told of int64"):
        as_waveform([100, -100])
    assert as_waveform(np.array([16_384], np.int16))[0] == 0.5


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("make") is None, reason="needs Linux and make")
def test_make_downloads_cuda_only_where_there_is_an_nvidia_gpu():
    commands = subprocess.run(
        ["make", "-n", "-B", "setup"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    (installs_torch,) = (line for line in commands.splitlines() if line.endswith(" torch"))
    assert ("download.pytorch.org/whl/cpu" in installs_torch) != Path("/dev/nvidiactl").exists()
