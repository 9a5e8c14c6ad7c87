"""Train, dev and test: kept when given, else whole speakers or whole sentences, always the same way."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.corpus.split import SPLIT_BY, assign_splits
from goama.corpus.unsplit import Unsplit
from goama.errors import GoamaError


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
        recording=st.none() | st.sampled_from([f"tapes/{n}.wav" for n in range(12)]),
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


@settings(deadline=None)
@given(CLIPS)
def test_no_sentence_or_no_speaker_is_in_two_splits(clips: list[Unsplit]) -> None:
    splits, how = assign_splits(clips)
    groups = of(splits, clips, "speaker" if "by speaker" in how else "text")
    assert len(splits) == len(clips)
    assert sum(map(len, groups.values())) == len(set().union(*groups.values()))


@settings(deadline=None)
@given(CLIPS)
def test_something_is_always_left_to_train_on(clips: list[Unsplit]) -> None:
    assert "train" in assign_splits(clips)[0]


@given(CLIPS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_the_clips_does_not_matter(clips: list[Unsplit], seed: int, chance: random.Random) -> None:
    rounded = [replace(c, seconds=round(c.seconds)) for c in clips]  # sums that are exact in any order
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


# --- recordings


def test_the_clips_of_one_recording_stay_together() -> None:
    clips = [Unsplit(f"sentence {n}", None, 3.0, None, f"tape {n // 10}.wav") for n in range(300)]
    splits, how = assign_splits(clips)
    tapes = of(splits, clips, "recording")
    assert all(tapes.values())
    assert sum(map(len, tapes.values())) == 30
    assert how == "split by sentence or recording (none is in two splits), seed 0"


@settings(deadline=None)
@given(CLIPS)
def test_no_recording_is_in_two_splits_unless_it_is_said(clips: list[Unsplit]) -> None:
    splits, how = assign_splits(clips)
    tapes = of(splits, clips, "recording")
    assert "scores will flatter" in how or not any(
        (tapes[one] & tapes[two]) - {None} for one, two in (("train", "dev"), ("train", "test"), ("dev", "test"))
    )


def test_a_single_tape_is_parted_by_sentence_and_that_is_said() -> None:
    splits, how = assign_splits([Unsplit(f"sentence {n}", None, 3.0, None, "tape.wav") for n in range(50)])
    assert 3 <= splits.count("test") <= 8 and 3 <= splits.count("dev") <= 8
    assert how.startswith("split by sentence") and "scores will flatter" in how


@pytest.mark.parametrize(
    ("minutes", "shared", "why"),
    [
        ([9, 9, 9], False, "the recordings are too few to be kept apart"),
        (
            [205, 200, 6, 6, 6, 6],
            False,
            "two of the 6 recordings hold 94 % of the speech, so they cannot be kept apart",
        ),
        ([20] * 10, True, "the recordings have sentences in common and cannot be kept apart"),
    ],
    ids=range(3),
)
def test_why_recordings_are_not_kept_apart_is_said_as_it_is(minutes: list[int], shared: bool, why: str) -> None:
    clips = [
        Unsplit("ja" if shared and not n else f"{tape} {n}", None, 6.0, None, f"{tape}.wav")
        for tape, length in enumerate(minutes)
        for n in range(length)
    ]
    _, how = assign_splits(clips)
    assert how == f"split by sentence (none is in two splits; {why}, so scores will flatter), seed 0"


# --- split anew: --split-by


def tapes(chance: random.Random) -> list[Unsplit]:
    """Forty recordings of ten clips by twenty speakers; each speaker's clips are of a length of their own."""
    return [
        Unsplit(
            f"sentence {n}", f"speaker {n // 20}", chance.gammavariate(2, 1 + n // 20 / 5), "train", f"/a/{n // 10}.wav"
        )
        for n in range(400)
    ]


@pytest.mark.parametrize(("by", "what"), [("speaker", "speaker"), ("recording", "recording"), ("text", "text")])
def test_what_is_split_by_is_in_one_split_only(by: str, what: str) -> None:
    clips = tapes(random.Random(1))
    splits, how = assign_splits(clips, by=by)
    groups = of(splits, clips, what)
    assert all(groups.values())
    assert sum(map(len, groups.values())) == len({getattr(clip, what) for clip in clips})
    assert how.startswith(f"split by {'sentence' if by == 'text' else by} (none is in two splits), durations alike")
    assert how.endswith("in place of the source's own splits")


@settings(deadline=None)
@given(st.sampled_from(SPLIT_BY), CLIPS)
def test_groups_are_never_torn(by: str, clips: list[Unsplit]) -> None:
    named = [replace(clip, speaker=clip.speaker or "somebody") for clip in clips]
    try:
        splits, _ = assign_splits(named, by=by)
    except GoamaError:
        return  # too few groups
    groups = of(splits, named, by)
    apart = [
        (groups[one] & groups[two]) - {None} for one, two in (("train", "dev"), ("train", "test"), ("dev", "test"))
    ]
    assert not any(apart)


@pytest.mark.parametrize("by", SPLIT_BY)
def test_held_out_clips_are_as_long_as_all_clips_are(by: str) -> None:
    clips = tapes(random.Random(2))
    splits, _ = assign_splits(clips, by=by)
    whole = sum(clip.seconds for clip in clips)
    mean = whole / len(clips)
    for split in ("dev", "test"):
        inside = [clip.seconds for clip, chosen in zip(clips, splits, strict=True) if chosen == split]
        assert 0.05 < sum(inside) / whole < 0.15
        assert 0.75 < sum(inside) / len(inside) / mean < 1.25


def test_split_anew_is_the_same_each_time_and_in_any_order() -> None:
    clips = [replace(clip, seconds=round(clip.seconds) + 1) for clip in tapes(random.Random(3))]
    order = random.Random(4).sample(range(len(clips)), len(clips))
    for by in SPLIT_BY:
        splits, _ = assign_splits(clips, 5, by)
        assert assign_splits([clips[i] for i in order], 5, by)[0] == [splits[i] for i in order]
        assert assign_splits(clips, 6, by)[0] != splits


def test_recordings_are_split_alike_wherever_they_lie() -> None:
    clips = tapes(random.Random(5))
    moved = [replace(clip, recording=(clip.recording or "").replace("/a/", "/home/ama/b/")) for clip in clips]
    assert assign_splits(moved, by="recording") == assign_splits(clips, by="recording")


def test_what_cannot_be_split_by_is_said_with_what_can() -> None:
    with pytest.raises(GoamaError, match="100 of 100 clips have no speaker; name the column"):
        assign_splits(HUNDRED, by="speaker")
    two = [clip(f"s{n}", f"speaker {n % 2}") for n in range(20)]
    with pytest.raises(
        GoamaError, match="2 speakers cannot be parted into train, dev and test .*--split-by recording or"
    ):
        assign_splits(two, by="speaker")
    with pytest.raises(GoamaError, match="1 recording cannot be parted"):
        assign_splits([Unsplit(f"s{n}", None, 1.0, None, "tape.wav") for n in range(9)], by="recording")


# --- clips without a split beside others that have one


def partly_split() -> list[Unsplit]:
    given = [Unsplit(f"zin {n}", f"s{n}", 1.0, ["train", "train", "dev", "test"][n]) for n in range(4)]
    return [*given, *(Unsplit(f"meer {n}", f"s{n}", 1.0, None) for n in range(5)), Unsplit("zin 3", None, 1.0, None)]


def test_a_clip_without_a_split_goes_where_its_speaker_or_sentence_is_and_that_is_said() -> None:
    splits, how = assign_splits(partly_split())
    assert splits[4:] == ["train", "train", "dev", "test", "train", "test"]
    assert "6 clips without a split: 3 to train, 1 to dev, 2 to test" in how


def test_clips_without_a_split_go_to_train_when_that_is_wanted_and_shared_speakers_are_counted() -> None:
    splits, how = assign_splits(partly_split(), unsplit="train")
    assert splits[4:] == ["train"] * 6
    assert "6 clips without a split went to train, and 2 of their 5 speakers are in dev or test too" in how
