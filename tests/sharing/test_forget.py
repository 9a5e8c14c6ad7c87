"""A person leaves a corpus, whole and for good, and the models that learnt from them are named."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lhotse import CutSet

from goama.corpus.corpus import Corpus
from goama.corpus.forget import clips_of_speaker, forget
from goama.corpus.tar_shards import shard
from goama.errors import GoamaError

Command = Callable[..., Any]
SMALL, BIG = "small fish", "big fish"


def all_text(folder: Path) -> str:
    return "".join(
        (gzip.open(path, "rt", encoding="utf-8").read() if path.suffix == ".gz" else path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".gz", ".json", ".jsonl")
    )


def test_nothing_of_the_person_is_left_and_everything_of_the_others_is(own: Corpus) -> None:
    before = {cut.id: cut.to_dict() for split in ("train", "dev", "test") for cut in own.cuts(split)}
    person = clips_of_speaker(own, SMALL)
    assert 0 < len(person.ids) < 24
    left = forget(own, person)
    assert SMALL not in all_text(left.folder) and BIG in all_text(left.folder)
    assert not any(id in all_text(left.folder) for id in person.ids)
    after = {cut.id: cut.to_dict() for split in ("train", "dev", "test") for cut in left.cuts(split)}
    assert after == {id: cut for id, cut in before.items() if id not in person.ids}
    assert len(list(left.folder.rglob("*.flac"))) == 24 - len(person.ids)
    for split in ("train", "dev", "test"):
        cuts = list(left.cuts(split))
        assert left.clips(split) == len(cuts)
        assert left.seconds(split) == pytest.approx(sum(cut.duration for cut in cuts), abs=0.01)
    left.require_sound("train", "dev", "test")
    assert left.normaliser == own.normaliser
    assert len(CutSet.from_file(left.folder / "cuts.jsonl.gz")) == len(after)
    assert sorted(path.name for path in own.folder.parent.iterdir() if path.name.startswith("corpus")) == ["corpus"]


def test_a_name_that_no_clip_has_is_refused_with_those_like_it(own: Corpus) -> None:
    with pytest.raises(GoamaError, match="no clip has the speaker 'smal fish'; its speakers are such as small fish"):
        clips_of_speaker(own, "smal fish")


def test_the_last_person_is_not_forgotten_but_the_folder_deleted(own: Corpus) -> None:
    left = forget(own, clips_of_speaker(own, SMALL))
    with pytest.raises(GoamaError, match="no clip would be left; delete the folder"):
        forget(left, clips_of_speaker(left, BIG))


def test_a_sharded_corpus_says_where_to_forget(own: Corpus, tmp_path: Path) -> None:
    sharded = shard(own, tmp_path / "shards")
    with pytest.raises(GoamaError, match="forget in the corpus it was made of, and shard that again"):
        forget(sharded, clips_of_speaker(sharded, SMALL))


def test_the_models_that_learnt_from_the_corpus_are_named_with_copies_and_descendants(
    own: Corpus, run: Path, goama: Command, tmp_path: Path
) -> None:
    copy = shutil.copytree(run / "best", tmp_path / "copies" / "model")
    (run / "pushed.json").write_text(json.dumps({"step": 3, "url": "https://hub/writer/dutch"}))
    student, other = tmp_path / "student", tmp_path / "other"
    for place, facts in (
        (student, {"corpora": [], "encoder": "starter", "teacher": {"folder": str(run / "best")}}),
        (other, {"corpora": [{"fingerprint": "another", "folder": "elsewhere"}], "encoder": "starter"}),
    ):
        place.mkdir()
        (place / "run.json").write_text(json.dumps(facts))
    refused = goama("corpus", "forget", own.folder, "--speaker", SMALL, "--models", tmp_path)
    assert refused.status == 2 and "pass --yes" in refused.err and Corpus.open(own.folder).clips("train") == 16
    outcome = goama("corpus", "forget", own.folder, "--speaker", SMALL, "--models", tmp_path, "--yes")
    assert outcome.status == 0, outcome.err
    assert f"{run}: trained on this corpus, published as https://hub/writer/dutch" in outcome.out
    assert "holds sound or texts of clips: dev.jsonl, heard.jsonl, metrics.jsonl" in outcome.out
    assert f"{copy}: trained on this corpus" in outcome.out
    assert f"{student}: made of {run / 'best'}" in outcome.out
    assert str(other) not in outcome.out and "models that learnt from this person: 3;" in outcome.err
    again = goama("corpus", "forget", own.folder, "--speaker", BIG, "--models", tmp_path, "--yes")
    assert again.status == 2  # nobody would be left


def test_models_of_earlier_states_of_the_corpus_are_still_found(own: Corpus, run: Path) -> None:
    from goama.corpus.forget import former_fingerprints
    from goama.sharing.trained_on import models_trained_on

    left = forget(own, clips_of_speaker(own, SMALL))
    moved = shutil.move(left.folder, own.folder.parent / "moved")
    found = models_trained_on(Path(moved), former_fingerprints(Corpus.open(moved)), [run.parent])
    assert [model.folder for model in found] == [run]
