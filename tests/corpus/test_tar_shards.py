"""A corpus in shards is the same corpus: lhotse opens it, and training on it gives the same weights."""

from __future__ import annotations

import dataclasses
import json
import shutil
from itertools import islice
from pathlib import Path

import fsspec
import numpy as np
import pytest
from lhotse import CutSet
from safetensors.torch import load_file

from goama.corpus.corpus import SPLITS, Corpus
from goama.corpus.tar_clips import waveforms
from goama.corpus.tar_shards import shard
from goama.data.batches import DataPlace, TrainingBatches
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.run.recipe import read_recipe
from goama.text import Vocabulary
from goama.training.train import train


@pytest.fixture(scope="module")
def sharded(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return shard(corpus, tmp_path_factory.mktemp("sharded") / "100 % sharded", clips_in_a_shard=5)


def test_it_says_of_itself_what_the_corpus_says(corpus, sharded):
    assert {**sharded.about, "shards": None} == {**corpus.about, "shards": None}
    assert sharded.normaliser == corpus.normaliser
    assert Corpus.open(sharded.folder).fingerprint() == sharded.fingerprint()
    assert list(sharded.shards) == [
        *(f"train/recording.00000{number}.tar" for number in range(4)),
        "dev/recording.000000.tar",
        "test/recording.000000.tar",
    ]
    sharded.require_sound(*SPLITS)


def test_every_clip_is_there_sample_for_sample_in_the_same_order(corpus, sharded):
    for split in SPLITS:
        before, after = list(corpus.cuts(split)), list(sharded.cuts(split))
        assert [cut.id for cut in after] == [cut.id for cut in before]
        assert [cut.supervisions for cut in after] == [cut.supervisions for cut in before]
        for cut, samples in zip(before, waveforms(after), strict=True):
            np.testing.assert_array_equal(samples, cut.load_audio()[0])


def test_lhotse_opens_the_folder_without_goama(corpus, sharded):
    opened = list(CutSet.from_shar(in_dir=sharded.folder / "train"))
    assert [cut.id for cut in opened] == [cut.id for cut in corpus.cuts("train")]
    for cut, one in zip(opened, corpus.cuts("train"), strict=True):
        assert cut.supervisions[0].text == one.supervisions[0].text
        np.testing.assert_array_equal(cut.load_audio(), one.load_audio())


def test_training_on_shards_gives_the_weights_of_training_on_the_corpus(corpus, sharded, tiny_encoder, tmp_path):
    recipe = read_recipe(None, ["train.steps=3", "data.batch_seconds=20"])
    for name, one in (("plain", corpus), ("sharded", sharded)):
        train(Mixture((one,)), tmp_path / name, encoder=str(tiny_encoder), recipe=recipe)
    plain, others = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("plain", "sharded"))
    assert all((plain[key] == others[key]).all() for key in plain)


def test_worker_processes_read_shards_and_corpora_side_by_side(corpus, sharded, frisian):
    cuts = Mixture((sharded, frisian)).cuts("train")
    vocabulary = Vocabulary.from_texts(cut.supervisions[0].text for cut in cuts)[0]
    batches = TrainingBatches(cuts, vocabulary, batch_s=15.0, seed=0, workers=2)
    sounds = {cut.id: cut.load_audio()[0] for cut in corpus.cuts("train")}
    heard = [
        pair for _, b in islice(batches.starting_at(DataPlace()), 4) for pair in zip(b.ids, b.waveforms, strict=True)
    ]
    assert {clip.split("/")[0] for clip, _ in heard} == {"100 % sharded", "frisian"}
    for clip, samples in heard:
        np.testing.assert_array_equal(samples, sounds[clip.split("/")[1]])


# --- object storage


@pytest.fixture
def stored(corpus: Corpus, tmp_path: Path) -> Corpus:
    """Its sound uploaded to fsspec's storage in memory and gone from the disk."""
    storage = fsspec.filesystem("memory")
    made = shard(corpus, tmp_path / "shards", clips_in_a_shard=6, sound_at="memory://bucket/corpus/")
    for path in made.folder.rglob("recording.*.tar"):
        storage.put(str(path), f"/bucket/corpus/{path.relative_to(made.folder)}")
        path.unlink()
    yield made
    storage.rm("/bucket", recursive=True)


def test_sound_is_fetched_from_where_it_was_uploaded_to(corpus, stored):
    stored.require_sound(*SPLITS)
    before, after = list(corpus.cuts("train"))[4:9], list(stored.cuts("train"))[4:9]
    for cut, samples in zip(before, waveforms(after), strict=True):
        np.testing.assert_array_equal(samples, cut.load_audio()[0])


def test_a_shard_that_was_not_uploaded_whole_is_named_before_training(stored):
    storage = fsspec.filesystem("memory")
    first = "/bucket/corpus/train/recording.000000.tar"
    whole = storage.cat_file(first)
    storage.pipe_file(first, whole[:-512])
    with pytest.raises(GoamaError, match=r"recording\.000000\.tar: the shard is not there or not whole"):
        stored.require_sound("train")
    stored.require_sound("dev", "test")
    storage.rm_file("/bucket/corpus/train/recording.000001.tar")
    with pytest.raises(GoamaError, match=r"recording\.000000\.tar and 1 more"):
        stored.require_sound("train")


def test_a_shard_with_other_bytes_is_a_sentence(stored, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    storage = fsspec.filesystem("memory")
    cuts = list(stored.cuts("train"))
    first = "/bucket/corpus/train/recording.000000.tar"
    storage.pipe_file(first, b"\0" * storage.size(first))
    with pytest.raises(GoamaError, match=f"the sound of {cuts[0].id} is damaged; upload the shard again"):
        waveforms(cuts[:1])
    longer = dataclasses.replace(cuts[7], custom=cuts[8].custom)
    with pytest.raises(GoamaError, match=f"holds another sound than {cuts[7].id}'s"):
        waveforms([longer])
    storage.rm_file(first)
    with pytest.raises(GoamaError, match=f"the sound of {cuts[0].id} cannot be fetched .*--resume"):
        waveforms(cuts[:2])


def test_storage_that_needs_a_package_names_it(stored, monkeypatch):
    monkeypatch.setitem(stored.about["shards"], "sound_at", "nowhere://bucket")
    with pytest.raises(GoamaError, match="nowhere://bucket/.*: this kind of storage needs a package"):
        stored.require_sound("train")


# --- what is refused


def test_what_is_there_is_not_overwritten_and_nothing_is_sharded_twice(corpus, sharded, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(GoamaError, match="exists already"):
        shard(corpus, tmp_path)
    with pytest.raises(GoamaError, match="sharded already"):
        shard(sharded, tmp_path / "again")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("shards", [None, [], {"bytes": {}}, {"bytes": 3, "sound_at": None}])
def test_a_damaged_account_of_the_shards_is_refused(sharded, tmp_path, shards):
    shutil.copytree(sharded.folder, tmp_path / "damaged")
    about = {**sharded.about, "shards": shards}
    (tmp_path / "damaged" / "corpus.json").write_text(json.dumps(about))
    with pytest.raises(GoamaError, match=r"corpus\.json: damaged"):
        Corpus.open(tmp_path / "damaged")


def test_the_command_says_what_to_upload_and_what_comes_next(goama, corpus, tmp_path):
    outcome = goama("shard", corpus.folder, "-o", tmp_path / "s", "--clips", 4, "--sound-at", "s3://bucket/c")
    assert outcome.status == 0
    assert "6 shards" in outcome.out and f"upload {tmp_path / 's'}/*/recording.*.tar to s3://bucket/c" in outcome.out
    assert f"goama train {tmp_path / 's'} -o run" in outcome.out
