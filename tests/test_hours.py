"""`goama transcribe` of many recordings, and `goama search`, as a user types them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from goama.model.shipped import STARTER_FOLDER, has_starter


@pytest.fixture
def tapes(speech: Path, tmp_path: Path) -> Path:
    """A folder with two recordings and one that is no sound."""
    folder = tmp_path / "tapes"
    folder.mkdir()
    for number, clip in enumerate(sorted((speech / "audio").iterdir())[:2]):
        shutil.copy(clip, folder / f"{number}{clip.suffix}")
    (folder / "broken.mp3").write_text("no sound")
    return folder


def test_each_recording_gets_a_file_of_each_format_and_failures_are_listed(goama, tiny_model, tapes, tmp_path):
    outcome = goama("transcribe", tiny_model, tapes, "--to", "txt, srt,json", "-o", tmp_path / "out")
    assert outcome.status == 2
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["0.json", "0.srt", "0.txt", "1.json", "1.srt", "1.txt"]
    assert "1 of 3 recordings could not be transcribed" in outcome.err
    assert outcome.err.rstrip().endswith(f"  {tapes / 'broken.mp3'}")


def test_a_second_run_makes_only_the_files_that_are_missing(goama, tiny_model, tapes, tmp_path):
    (tapes / "broken.mp3").unlink()
    goama("transcribe", tiny_model, tapes, "-o", tmp_path / "out")
    for text in (tmp_path / "out").glob("*.txt"):
        text.write_text("corrected by hand")
    (tmp_path / "out" / "1.txt").unlink()
    outcome = goama("transcribe", tiny_model, tapes, "--to", "txt,json", "-o", tmp_path / "out", "--skip-existing")
    assert outcome.status == 0 and "0 of 2 recordings have a transcript" in outcome.out
    assert (tmp_path / "out" / "0.txt").read_text() == "corrected by hand"
    assert (tmp_path / "out" / "1.txt").read_text() != "corrected by hand"
    assert json.loads((tmp_path / "out" / "0.json").read_text(encoding="utf-8"))["duration"] > 1
    again = goama("transcribe", tiny_model, tapes, "--to", "txt,json", "-o", tmp_path / "out", "--skip-existing")
    assert "2 of 2 recordings have a transcript" in again.out


def test_a_piped_recording_is_transcribed_as_its_file(goama, tiny_model, tapes, monkeypatch):
    recording = next(tapes.glob("0.*"))
    of_file = goama("transcribe", tiny_model, recording).out
    piped = ((recording.read_bytes(), None), (b"no sound", "stdin: this is not a sound file"), (b"", "-: nothing came"))
    for content, error in piped:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False))
        outcome = goama("transcribe", tiny_model, "-")
        assert outcome.out == ("" if error else of_file)
        assert (outcome.status, outcome.err[: len(f"goama: {error}")]) == ((2, f"goama: {error}") if error else (0, ""))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--to", "txt,docx"], "--to docx: formats are txt"),
        (["--to", "txt,json"], "name a folder with -o"),
        (["--to", "srt"], "name a folder with -o"),
        (["--jobs", "2"], "--jobs goes with -o"),
    ],
)
def test_options_that_cannot_go_together_are_refused(goama, tiny_model, tapes, options, sentence):
    outcome = goama("transcribe", tiny_model, tapes, *options)
    assert outcome.status == 2 and sentence in outcome.err


def test_two_files_of_one_name_do_not_share_a_transcript(goama, tiny_model, tapes, tmp_path):
    (tapes / "0.wav").write_text("the same name")
    outcome = goama("transcribe", tiny_model, tapes, "-o", tmp_path / "out")
    assert outcome.status == 2 and "another recording has the same name" in outcome.err


def test_search_shows_the_best_hits_of_each_keyword_and_writes_all(goama, tiny_model, tapes, tmp_path):
    (tapes / "broken.mp3").unlink()
    found = goama("search", tiny_model, tapes, "--for", "dat, ik ben", "--for", "de", "-o", tmp_path / "hits.tsv")
    assert found.status == 0, found.err
    lines = found.out.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == ["dat", "ik ben", "de"]
    rows = [line.split("\t") for line in (tmp_path / "hits.tsv").read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["keyword", "audio", "start", "end", "score"]
    assert len(rows) - 1 == sum(int(line.split(":")[1].split()[0]) for line in lines if not line.startswith(" "))


def test_a_keyword_with_a_strange_letter_is_refused_before_anything_is_read(goama, tiny_model, tapes):
    outcome = goama("search", tiny_model, tapes, "--for", "дом")
    assert outcome.status == 2 and "does not know" in outcome.err and "broken" not in outcome.err


def test_a_place_that_is_no_folder_is_refused_before_anything_is_read(goama, tapes, tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        outcome = goama("transcribe", "no-model", tapes, "-o", output)
        assert outcome.status == 2 and f"{tmp_path / 'file'} is a file; name a folder" in outcome.err


def test_a_file_in_the_way_of_a_folder_stops_no_other_recording(goama, tiny_model, tapes, tmp_path):
    (tapes / "broken.mp3").unlink()
    (tapes / "a").mkdir()
    (tapes / "0.ogg").rename(tapes / "a" / "0.ogg")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("in the way")
    outcome = goama("transcribe", tiny_model, tapes, "-o", tmp_path / "out")
    assert outcome.status == 2 and "no file can be written at" in outcome.err
    assert (tmp_path / "out" / "1.txt").exists()


def test_names_that_are_no_text_are_written_into_every_format(goama, tiny_model, tapes, tmp_path):
    name = os.fsdecode(b"Stra\xdfe: 1.ogg")
    (tapes / "broken.mp3").unlink()
    (tapes / "0.ogg").rename(tapes / name)
    formats = "txt,json,srt,vtt,tsv,ctm,textgrid,eaf,html"
    outcome = goama("transcribe", tiny_model, tapes / name, "--to", formats, "-o", tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert len(list((tmp_path / "out").iterdir())) == 9
    assert json.loads((tmp_path / "out" / name).with_suffix(".json").read_bytes())["audio"].endswith(
        r"Stra\xdfe: 1.ogg"
    )
    found = goama("search", tiny_model, tapes / name, "--for", "de", "-o", tmp_path / "hits.tsv")
    assert found.status == 0, found.err


@pytest.mark.skipif(not has_starter(), reason="this copy of goama holds no starter")
def test_silence_is_said_to_hold_no_speech(goama, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(32000, np.float32), 16000)
    outcome = goama("transcribe", STARTER_FOLDER, tmp_path / "silence.wav")
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err == f"{tmp_path / 'silence.wav'}: no speech was recognised\n"
