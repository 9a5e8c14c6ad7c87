"""A corpus is a lhotse manifest and a Hugging Face audiofolder at once; a folder that is neither gets one sentence."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import datasets
import numpy as np
import pytest
from lhotse import CutSet

from goama.corpus.corpus import SPLITS, Corpus
from goama.corpus.prepare import prepare
from goama.errors import GoamaError
from goama.sound.audio import read_audio
from goama.sources.source import SourceClip

HUB_NAMES = {"train": "train", "dev": "validation", "test": "test"}


# --- what it says of itself


def test_a_corpus_knows_its_language_its_splits_and_its_hours(corpus: Corpus) -> None:
    assert corpus.language == "nl"
    assert [corpus.clips(split) for split in SPLITS] == [16, 4, 4]
    assert sum(corpus.seconds(split) for split in SPLITS) == pytest.approx(66.9, abs=0.2)
    assert corpus.normaliser("Één vis!") == "één vis"


def test_opening_it_again_gives_the_same(corpus: Corpus) -> None:
    assert Corpus.open(str(corpus.folder)) == corpus
    assert Corpus.open(corpus.folder).fingerprint() == corpus.fingerprint()


# --- lhotse


def test_the_manifest_is_an_ordinary_lhotse_cut_set(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(corpus.folder)  # paths inside are relative: the folder can be moved
    cuts = CutSet.from_file("cuts.jsonl.gz")
    assert len(cuts) == 24
    for cut in cuts:
        assert cut.sampling_rate == 16_000 and cut.num_channels == 1
        assert cut.load_audio().shape == (1, cut.num_samples)
        (supervision,) = cut.supervisions
        assert supervision.text and supervision.speaker in {"small fish", "big fish"} and supervision.language == "nl"


def test_the_cuts_of_a_split_load_from_anywhere(corpus: Corpus) -> None:
    for split in SPLITS:
        cuts = list(corpus.cuts(split))
        assert len(cuts) == corpus.clips(split)
        assert sum(cut.duration for cut in cuts) == pytest.approx(corpus.seconds(split), abs=0.01)
    assert cuts[0].load_audio().dtype == np.float32


def test_a_corpus_that_was_moved_still_loads(corpus: Corpus, tmp_path: Path) -> None:
    shutil.copytree(corpus.folder, tmp_path / "moved")
    moved = Corpus.open(tmp_path / "moved")
    (first, *_) = moved.cuts("dev")
    assert str(tmp_path / "moved") in first.recording.sources[0].source
    assert first.load_audio().size


def test_an_empty_split_is_named_with_those_that_are_not(tmp_path: Path, speech: Path) -> None:
    (sound, *_) = (speech / "audio").iterdir()
    made = prepare([SourceClip("a", sound, "ja", "here")], tmp_path / "corpus", source="x").corpus
    with pytest.raises(GoamaError, match=r"the split 'test' is empty \(with clips: train\)"):
        made.cuts("test")


# --- Hugging Face


def test_load_dataset_finds_every_file_of_every_split(corpus: Corpus) -> None:
    found = datasets.load_dataset_builder(str(corpus.folder)).config.data_files
    assert {str(split): len(files) for split, files in found.items()} == {"train": 17, "validation": 5, "test": 5}


def test_load_dataset_gives_all_rows_with_all_columns(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not importlib.util.find_spec("torchcodec"):
        # `datasets` imports torchcodec before it looks whether there is anything to encode; here there is nothing.
        for name in ("torchcodec", "torchcodec.encoders"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setattr(sys.modules["torchcodec.encoders"], "AudioEncoder", None, raising=False)
    loaded = datasets.load_dataset(str(corpus.folder), cache_dir=str(tmp_path))
    assert isinstance(loaded, datasets.DatasetDict)
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 16, "validation": 4, "test": 4}
    assert loaded["train"].column_names == [
        "audio",
        "id",
        "text",
        "original_text",
        "speaker",
        "language",
        "duration",
    ]
    for split in SPLITS:
        rows = loaded[HUB_NAMES[split]].cast_column("audio", datasets.Audio(decode=False))
        for row, cut in zip(rows, corpus.cuts(split), strict=True):
            assert (row["id"], row["text"]) == (cut.id, cut.supervisions[0].text)
            assert row["duration"] == pytest.approx(cut.duration, abs=1e-4)
            np.testing.assert_array_equal(read_audio(row["audio"]["path"]).samples, cut.load_audio()[0])


def test_without_torchcodec_the_metadata_open_as_json(corpus: Corpus, tmp_path: Path) -> None:
    files = {split: str(corpus.folder / split / "metadata.jsonl") for split in SPLITS}
    loaded = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 16, "dev": 4, "test": 4}


def test_every_row_of_the_metadata_names_a_file_and_every_file_has_a_row(corpus: Corpus) -> None:
    for split in SPLITS:
        lines = (corpus.folder / split / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
        named = sorted(json.loads(line)["file_name"] for line in lines)
        assert named == sorted(path.name for path in (corpus.folder / split).glob("*.flac"))


# --- what is no corpus


def test_a_folder_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match="no such corpus; make it with `goama prepare SOURCE -o"):
        Corpus.open(tmp_path / "no")


def test_the_source_folder_taken_for_the_corpus_says_how_to_go_on(speech: Path) -> None:
    with pytest.raises(GoamaError, match="this folder is not a corpus; make one of it with `goama prepare"):
        Corpus.open(speech)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"format": 2}', b'{"format": 1}', b'{"format": 1, "splits": []}'],
)
def test_a_damaged_corpus_is_refused(corpus: Corpus, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(corpus.folder, tmp_path / "corpus")
    (tmp_path / "corpus" / "corpus.json").write_bytes(content)
    with pytest.raises(GoamaError, match=r"corpus\.json: .*prepare the corpus again"):
        Corpus.open(tmp_path / "corpus")
