"""Any id becomes a file name: every file system takes it, no other id has it, `datasets` does not misread it."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.corpus.file_names import safe_stem, without_split_words

IDS = st.text(min_size=1, max_size=300)


def test_a_plain_id_is_its_own_name() -> None:
    for clip_id in ("clip_0001", "barrel__bar-v-kdyby0", "été", "ቤት", "a.b"):
        assert safe_stem(clip_id) == clip_id


@pytest.mark.parametrize("clip_id", ["a/b", "../../etc/passwd", "..", ".", ".hidden", "-rf", "a b", "a\nb", "a:b", "*"])
def test_an_id_that_is_no_file_name_is_changed_and_marked_with_a_hash(clip_id: str) -> None:
    assert re.fullmatch(r"\w[\w.-]*-[0-9a-f]{8}", safe_stem(clip_id))


def test_ids_that_look_alike_keep_apart() -> None:
    assert len({safe_stem(clip_id) for clip_id in ("a/b", "a_b", "a b", "a\\b", "a:b")}) == 5
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    assert safe_stem(composed) != safe_stem(decomposed)
    assert unicodedata.is_normalized("NFC", safe_stem(decomposed))


@pytest.mark.parametrize(
    ("stem", "written"),
    [
        ("toy_train", "toy_train~"),
        ("test_01", "test~_01"),
        ("dev-0001", "dev~-0001"),
        ("val", "val~"),
        ("a.test.b", "a.test~.b"),
        ("train-test", "train~-test~"),
        ("latest", "latest"),
        ("contest_evaluations", "contest_evaluations"),
        ("training1", "training~1"),
    ],
)
def test_a_word_that_datasets_takes_for_a_split_is_marked(stem: str, written: str) -> None:
    assert without_split_words(stem) == written


@given(IDS)
def test_every_name_is_safe(clip_id: str) -> None:
    name = safe_stem(clip_id)
    assert 0 < len(name.encode()) <= 200
    assert re.fullmatch(r"[\w.~-]+", name)
    assert name[0] not in ".-"


@given(st.lists(IDS | st.text("aA/_. ~\u0301e", min_size=1), unique=True))
def test_different_ids_have_different_names(ids: list[str]) -> None:
    assert len({safe_stem(clip_id) for clip_id in ids}) == len(ids)


@given(
    st.lists(st.sampled_from(["train", "dev", "test", "valid", "val", "eval", "-", "_", ".", "1", "x"])).map("".join)
)
def test_no_split_word_remains(stem: str) -> None:
    """The patterns of `datasets.data_files`: a keyword at the start or after a separator, and a separator after it."""
    keyword = "train|training|validation|valid|dev|val|test|testing|eval|evaluation"
    assert not re.search(rf"(^|[-._ 0-9])({keyword})[-._ 0-9]", without_split_words(stem) + ".flac")
