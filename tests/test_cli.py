"""Every verb as a user types it, on real speech."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from goama.cli.app import sentence_for


def goama(*arguments, check: bool = True) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "goama", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def run(corpus, tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    answer = goama(
        *("train", corpus.folder, "-o", folder, "--encoder", tiny_encoder),
        *("-s", "train.steps=3", "-s", "data.batch_seconds=20"),
    )
    assert "next: goama evaluate" in answer.stdout
    return folder


def test_training_explains_its_choices(corpus, run):
    choices = {choice["key"] for choice in json.loads((run / "run.json").read_text())["choices"]}
    assert {"model.adapter", "train.learning_rate", "data.batch_seconds", "train.precision"} <= choices


def test_evaluate_shows_and_writes_the_scores(corpus, run, tmp_path):
    answer = goama("evaluate", run / "best", corpus.folder, "--split", "test", "--json", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert {"wer", "cer", "wer_interval", "cer_interval", "clips", "seconds"} <= scores.keys()
    assert scores["clips"] == 4
    assert scores["wer_interval"][0] <= scores["wer"] <= scores["wer_interval"][1]
    assert f"WER {100 * scores['wer']:5.1f} %" in answer.stdout
    assert "reference" in answer.stdout and "next: goama transcribe" in answer.stdout


def test_transcribe_writes_to_the_screen_or_into_a_folder(run, speech, tmp_path):
    first, second = sorted((speech / "audio").iterdir())[:2]
    on_screen = json.loads(goama("transcribe", run, first, "--to", "json").stdout)
    assert on_screen["duration"] > 1
    goama("transcribe", run, first, second, "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{first.stem}.txt", f"{second.stem}.txt"]
    (tmp_path / "out" / f"{first.stem}.txt").write_text("corrected by hand")
    again = goama("transcribe", run, first, "-o", tmp_path / "out", check=False)
    assert again.returncode == 2 and "exists already" in again.stderr
    assert (tmp_path / "out" / f"{first.stem}.txt").read_text() == "corrected by hand"


def test_an_eaf_that_is_there_gets_tiers_with_add_tiers_alone(tiny_model, speech, tmp_path):
    recording = sorted((speech / "audio").iterdir())[0]
    eaf, names = tmp_path / f"{recording.stem}.eaf", ("--to", "eaf", "--tiers", "tx,mb")
    goama("transcribe", tiny_model, recording, "-o", tmp_path, *names)
    first = eaf.read_bytes()
    refused = goama("transcribe", tiny_model, recording, "-o", tmp_path, *names, check=False)
    assert refused.returncode == 2 and "--add-tiers to add to it" in refused.stderr
    assert eaf.read_bytes() == first
    added = goama("transcribe", tiny_model, recording, "-o", tmp_path, *names, "--add-tiers")
    assert f"tiers added: tx 2, mb 2; as it was: {eaf.name}.bak" in added.stdout
    assert (tmp_path / f"{eaf.name}.bak").read_bytes() == first


def test_a_bad_recording_does_not_keep_the_others_back(run, speech, tmp_path):
    good = next((speech / "audio").iterdir())
    (tmp_path / "text.wav").write_text("this is not sound")
    answer = goama("transcribe", run, tmp_path / "text.wav", good, tmp_path / "absent.wav", check=False)
    assert answer.returncode == 2
    assert f"{good}: " in answer.stdout
    assert "text.wav: this is not a sound file" in answer.stderr
    assert "absent.wav: no such file" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_doctor_says_what_there_is_and_how_to_mend_what_is_not():
    answer = goama("doctor")
    for what in ("torch", "processor", "gpu", "disk", "audio formats", "Hub"):
        assert what in answer.stdout


def test_voices_are_listed():
    assert "fillets-nl" in goama("voices", "list").stdout


def test_the_version_is_said():
    assert goama("--version").stdout.startswith("goama ")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("evaluate", "nowhere", "{corpus}"), "nowhere: no such model folder"),
        (("evaluate", "{run}", "nowhere"), "nowhere: no such corpus"),
        (("evaluate", "{run}", "{corpus}", "--split", "tests"), "splits are train, dev, test"),
        (("train", "{corpus}", "-o", "{run}"), "--resume"),
        (("train", "{corpus}", "-o", "new", "-s", "train.minuets=1"), "did you mean train.minutes?"),
        (("train", "{corpus}", "-o", "new", "--encoder", "nobody/nothing"), "no such folder here"),
        (("transcribe", "{run}", "a.wav", "--to", "docx"), "formats are txt, json"),
        (("transcribe", "{run}", "a.wav", "--tiers", "tx,,mb"), "one to three different names"),
        (("transcribe", "{run}", "a.wav", "--template", "absent.etf"), "absent.etf: cannot be read (No such file"),
        (("transcribe", "{run}", "a.wav", "--add-tiers"), "--add-tiers goes with -o"),
        (("transcribe", "{run}", "a.wav", "--precision", "int8"), "possible are no, bf16"),
        (("transcribe", "{run}", "a/tape.wav", "b/tape.wav", "-o", "new"), "another recording has the same name"),
        (("evaluate", "{run}", "{corpus}", "--json", "nowhere/scores.json"), "there is no folder nowhere"),
        (("voices", "get", "fillets-de", "-o", "new"), "fillets-nl"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(arguments, said, corpus, run, tmp_path):
    filled = [argument.format(corpus=corpus.folder, run=run) for argument in arguments]
    filled = [str(tmp_path / "new") if argument == "new" else argument for argument in filled]
    answer = goama(*filled, check=False)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


def os_error(call) -> OSError:
    with pytest.raises(OSError) as caught:
        call()
    return caught.value


def test_a_path_that_the_user_gave_is_one_sentence_and_any_other_may_be_a_bug(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("good")
    words = ["train", "corpus", "-o", "file/run", f"--recipe={tmp_path / 'no.toml'}"]
    given = {
        "corpus": lambda: Path("corpus").read_text(),
        "no.toml": lambda: (tmp_path / "no.toml").read_text(),
        "file/run": lambda: Path("file/run").mkdir(),
        "file/run.partial": lambda: Path("file/run.partial").mkdir(),
        "file/run/best": lambda: Path("file/run/best").mkdir(),  # run itself is what cannot be made
    }
    for where, call in given.items():
        sentence = sentence_for(os_error(call), words)
        assert sentence and sentence.split(": ")[0].endswith(where)
    Path("corpus").mkdir()
    bugs = (
        lambda: Path("corpus/train/clip.flac").read_text(),  # in a folder of the user's, which is there
        lambda: Path("other/run.json").read_text(),
        lambda: os.close(4_000),  # no path at all
    )
    for call in bugs:
        assert sentence_for(os_error(call), words) is None


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_missing_permission_is_the_user_s_inside_the_paths_that_they_gave(code, tmp_path):
    words = ["prepare", "source", "-o", str(tmp_path / "corpus")]
    for path in (tmp_path / "corpus.partial", tmp_path / "corpus" / "train", tmp_path):
        assert f"{path}: " in (sentence_for(OSError(code, "", str(path)), words) or "")
    assert sentence_for(OSError(code, "", "/usr/lib/goama/starter"), words) is None


def test_a_full_disk_is_always_the_user_s():
    assert "the output: the disk is full" in (sentence_for(OSError(errno.ENOSPC, ""), []) or "")
    assert "/tmp/x: your disk quota" in (sentence_for(OSError(errno.EDQUOT, "", "/tmp/x"), []) or "")
