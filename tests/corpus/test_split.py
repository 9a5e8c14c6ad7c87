"""Train, dev and test: kept when given, else whole speakers or whole sentences, always the same way."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.corpus.split import Unsplit, assign_splits


def clip(text: str, speaker: str | None = None, seconds: float = 3.0, split: str | None = None) -> Unsplit:
    return Unsplit(text, speaker, seconds, split)


def of(splits: list[str], clips: list[Unsplit], what: str) -> dict[str, set]:
    return {
        s: {getattr(c, what) for c, t in zip(clips, splits, strict=True) if s == t} for s in ("train", "dev", "test")
    }


HUNDRED = [clip(f"sentence {n}") for n in range(100)]
TEN_SPEAKERS = [clip(f"sentence {n % 7}", f"speaker {n % 10}") for n in range(200)]

CLIPS = st.lists(
    st.builds(
        Unsplit,
        text=st.sampled_from([f"sentence {n}" for n in range(12)]),
        speaker=st.none() | st.sampled_from([f"speaker {n}" for n in range(12)]),
        seconds=st.floats(0.1, 20),
        split=st.none(),
    ),
    min_size=1,
    max_size=80,
)


# --- splits that are given


def test_given_splits_are_kept() -> None:
    clips = [clip("a", split="train"), clip("b", split="dev"), clip("c", split="test"), clip("a", split="test")]
    assert assign_splits(clips) == (["train", "dev", "test", "test"], "splits as the source gives them")


def test_a_clip_without_a_split_among_others_with_one_is_for_training() -> None:
    clips = [clip("a", split="train"), clip("b", split="dev"), clip("c", split="test"), clip("d")]
    assert assign_splits(clips)[0][-1] == "train"


def test_a_missing_dev_split_is_taken_out_of_train_and_test_stays() -> None:
    clips = [clip(f"sentence {n}", split="train" if n < 80 else "test") for n in range(100)]
    splits, how = assign_splits(clips)
    assert splits[80:] == ["test"] * 20
    assert 6 <= splits.count("dev") <= 12
    assert how.startswith("splits as the source gives them, dev taken out of train by sentence")


def test_dev_is_taken_out_of_train_by_speaker_where_there_are_enough() -> None:
    clips = [clip(f"sentence {n}", f"speaker {n % 10}", split="train" if n < 180 else "test") for n in range(200)]
    splits, how = assign_splits(clips)
    speakers = of(splits[:180], clips[:180], "speaker")
    assert speakers["dev"] and not speakers["dev"] & speakers["train"]
    assert "by speaker" in how


def test_a_source_where_all_is_train_is_split_like_one_that_says_nothing() -> None:
    """Most data sets on the Hub have one split, and it is called train."""
    given_train = [clip(c.text, split="train") for c in HUNDRED]
    assert assign_splits(given_train) == assign_splits(HUNDRED)


def test_a_source_that_is_only_a_test_set_stays_one() -> None:
    assert assign_splits([clip("a", split="test"), clip("b", split="test")])[0] == ["test", "test"]


# --- splits that are chosen


def test_about_a_tenth_of_the_speech_goes_to_dev_and_to_test() -> None:
    splits, how = assign_splits(HUNDRED)
    assert (splits.count("train"), splits.count("dev"), splits.count("test")) == (80, 10, 10)
    assert how == "split by sentence (none is in two splits), seed 0"


def test_eight_speakers_are_enough_to_keep_speakers_apart() -> None:
    splits, how = assign_splits(TEN_SPEAKERS)
    speakers = of(splits, TEN_SPEAKERS, "speaker")
    assert all(speakers.values())
    assert sum(map(len, speakers.values())) == 10
    assert how == "split by speaker (none is in two splits), seed 0"


@pytest.mark.parametrize(
    "clips",
    [
        [clip(f"s{n}", f"speaker {n % 7}") for n in range(70)],
        [clip(f"s{n}", f"speaker {n % 10}" if n else None) for n in range(70)],
        [clip(f"s{n}", f"speaker {n % 10}", 100.0 if n % 10 == 0 else 3.0) for n in range(70)],
    ],
    ids=["seven speakers", "one clip without a speaker", "one speaker holds half the speech"],
)
def test_otherwise_sentences_are_kept_apart(clips: list[Unsplit]) -> None:
    assert "by sentence" in assign_splits(clips)[1]


@given(CLIPS)
def test_no_sentence_or_no_speaker_is_in_two_splits(clips: list[Unsplit]) -> None:
    splits, how = assign_splits(clips)
    groups = of(splits, clips, "speaker" if "by speaker" in how else "text")
    assert len(splits) == len(clips)
    assert sum(map(len, groups.values())) == len(set().union(*groups.values()))


@given(CLIPS)
def test_something_is_always_left_to_train_on(clips: list[Unsplit]) -> None:
    assert "train" in assign_splits(clips)[0]


@given(CLIPS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_the_clips_does_not_matter(clips: list[Unsplit], seed: int, chance: random.Random) -> None:
    rounded = [Unsplit(c.text, c.speaker, round(c.seconds), None) for c in clips]  # sums that are exact in any order
    order = chance.sample(range(len(rounded)), len(rounded))
    splits, _ = assign_splits(rounded, seed)
    assert assign_splits([rounded[i] for i in order], seed)[0] == [splits[i] for i in order]


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    assert assign_splits(HUNDRED, 1) == assign_splits(HUNDRED, 1)
    assert assign_splits(HUNDRED, 1)[0] != assign_splits(HUNDRED, 2)[0]


def test_the_split_does_not_depend_on_the_machine() -> None:
    """Recorded once: a corpus prepared again years later must not mix training and test speech."""
    splits, _ = assign_splits([clip(f"sentence {n}") for n in range(20)])
    assert {n: s for n, s in enumerate(splits) if s != "train"} == {3: "dev", 7: "test", 14: "dev", 16: "test"}


def test_recordings_added_later_move_few_clips() -> None:
    before, _ = assign_splits(HUNDRED)
    after, _ = assign_splits([*HUNDRED, *(clip(f"new sentence {n}") for n in range(10))])
    assert sum(old != new for old, new in zip(before, after, strict=False)) <= 6


def test_no_speaker_overfills_a_held_out_split() -> None:
    """One of eight speakers with 45 % of the speech must not become the test set."""
    clips = [Unsplit(f"a {n}", "loud", 1.0, None) for n in range(45)]
    clips += [Unsplit(f"{speaker} {n}", f"s{speaker}", 1.0, None) for speaker in range(7) for n in range(8)]
    for seed in range(20):
        splits, _ = assign_splits(clips, seed)
        assert splits.count("test") <= 16 and splits.count("dev") <= 16
        assert "test" in splits and "dev" in splits
