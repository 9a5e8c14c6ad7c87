"""Several corpora are one to the trainer, whatever their order and wherever they lie."""

import shutil

import pytest

from goama.corpus.corpus import SPLITS, Corpus
from goama.data.mixture import Mixture
from goama.errors import GoamaError


def test_one_corpus_is_a_mixture_of_one(corpus):
    alone = Mixture((corpus,))
    assert [c.id for c in alone.cuts("train")] == [c.id for c in corpus.cuts("train")]
    assert alone.fingerprints() == (corpus.fingerprint(),)
    assert (alone.languages, alone.normaliser) == (("nl",), corpus.normaliser)
    assert str(alone) == str(corpus.folder)


def test_two_corpora_give_the_clips_of_both_with_unique_ids(corpus, frisian):
    both = Mixture.open([corpus.folder, frisian.folder])
    for split in ("train", "dev"):
        ids = [c.id for c in both.cuts(split)]
        assert len(set(ids)) == len(ids) == both.clips(split) == corpus.clips(split) + frisian.clips(split)
    assert both.seconds("train") == pytest.approx(corpus.seconds("train") + frisian.seconds("train"))
    assert both.languages == ("fy", "nl")
    assert {c.supervisions[0].language for c in both.cuts("train")} == {"fy", "nl"}
    assert all(c.load_audio().size for c in both.cuts("dev"))


def test_the_order_of_the_corpora_changes_only_the_order_of_their_names(corpus, frisian):
    one, other = Mixture((corpus, frisian)), Mixture((frisian, corpus))
    assert [c.id for c in one.cuts("train")] == [c.id for c in other.cuts("train")]
    assert one.fingerprints() == other.fingerprints()
    assert one.names == tuple(reversed(other.names)) == ("corpus", "frisian")


def test_corpora_with_the_same_folder_name_get_different_names(corpus, frisian, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    moved = Corpus.open(shutil.copytree(frisian.folder, tmp_path / "elsewhere" / "corpus"))
    first, second = Mixture((corpus, moved)).names
    assert first == f"corpus-{corpus.fingerprint()[:8]}" and second == f"corpus-{frisian.fingerprint()[:8]}"


def test_a_split_can_come_from_only_one_of_the_corpora(corpus, frisian):
    both = Mixture((corpus, frisian))
    assert sum(1 for _ in both.cuts("test")) == corpus.clips("test") > 0 == frisian.clips("test")
    both.require_sound(*SPLITS)


def test_a_split_that_no_corpus_has_is_refused(corpus, frisian, tmp_path):
    from goama.corpus.prepare import prepare
    from goama.sources.source import read_source

    half = [clip for clip in read_source(str(corpus.folder)) if clip.split != "test"]
    third = prepare(half, tmp_path / "third", source="test", language="nl").corpus
    with pytest.raises(GoamaError, match=r"'test' is empty in all of them \(with clips: train, dev\)"):
        Mixture((third, frisian)).require_sound("test")


def test_missing_audio_is_reported_with_its_corpus(corpus, frisian, tmp_path):
    copied = Corpus.open(shutil.copytree(frisian.folder, tmp_path / "copied"))
    next((copied.folder / "train").glob("*.flac")).unlink()
    with pytest.raises(GoamaError, match="copied: the sound of .* is gone"):
        Mixture((corpus, copied)).require_sound("train", "dev")


def test_the_same_corpus_twice_is_refused(corpus, tmp_path):
    shutil.copytree(corpus.folder, tmp_path / "copy")
    with pytest.raises(GoamaError, match="give each corpus once"):
        Mixture.open([corpus.folder, tmp_path / "copy"])


def test_a_model_of_several_languages_has_only_general_spelling_rules(corpus, frisian):
    rules = Mixture((corpus, frisian)).normaliser
    for text in ("Één vis!", "i̇stanbul  «dır»"):
        assert rules(text) == " ".join(text.split())
    for cut in (*corpus.cuts("train"), *frisian.cuts("train")):
        text = cut.supervisions[0].text
        assert rules(text) == text, "what a corpus normalised stays as it is"
    assert rules("e\u0301e\u0301n") == "één"


def test_corpora_with_the_same_rules_keep_them(corpus, tmp_path):
    from goama.corpus.prepare import prepare
    from goama.sources.source import read_source

    half = [clip for number, clip in enumerate(read_source(str(corpus.folder))) if number % 2]
    other = prepare(half, tmp_path / "other", source="test", language="nl").corpus
    assert Mixture((corpus, other)).normaliser == corpus.normaliser
