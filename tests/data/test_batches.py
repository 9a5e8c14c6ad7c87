"""Batches hold so many seconds, every clip once an epoch, in an order that only seed and epoch decide."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.data.batches import Batch, DataPlace, TrainingBatches, ordered_batches, split_over_ranks
from goama.data.mixture import Mixture
from goama.sound.audio import SAMPLE_RATE
from goama.text import Vocabulary


@pytest.fixture(scope="module")
def vocabulary(corpus):
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]


def batches(corpus, vocabulary, **changes) -> TrainingBatches:
    return TrainingBatches(corpus.cuts("train"), vocabulary, **{"batch_s": 10.0, "seed": 0, **changes})


def ids(stream, count: int) -> list[tuple[str, ...]]:
    return [batch.ids for _, batch in islice(stream, count)]


def test_an_epoch_holds_every_clip_once(corpus, vocabulary):
    seen, epoch = [], 0
    for place, batch in batches(corpus, vocabulary).starting_at(DataPlace()):
        if place.epoch != epoch:
            break
        seen.extend(batch.ids)
    assert sorted(seen) == sorted(cut.id for cut in corpus.cuts("train"))


def test_no_batch_is_longer_than_the_limit(corpus, vocabulary):
    for _, batch in islice(batches(corpus, vocabulary).starting_at(DataPlace()), 8):
        assert batch.samples <= 10.0 * SAMPLE_RATE


def test_starting_at_a_place_gives_the_batches_that_would_have_followed(corpus, vocabulary):
    whole = list(islice(batches(corpus, vocabulary).starting_at(DataPlace()), 20))
    for position in (0, 3, 9, 15):
        place = whole[position][0]
        resumed = ids(batches(corpus, vocabulary).starting_at(place), 4)
        assert resumed == [batch.ids for _, batch in whole[position + 1 : position + 5]]


def test_worker_processes_do_not_change_the_order(corpus, vocabulary):
    alone = ids(batches(corpus, vocabulary).starting_at(DataPlace()), 6)
    assert ids(batches(corpus, vocabulary, workers=3).starting_at(DataPlace()), 6) == alone


def test_seeds_and_epochs_shuffle_differently(corpus, vocabulary):
    first = ids(batches(corpus, vocabulary).starting_at(DataPlace()), 4)
    assert ids(batches(corpus, vocabulary, seed=1).starting_at(DataPlace()), 4) != first
    assert ids(batches(corpus, vocabulary).starting_at(DataPlace(epoch=1)), 4) != first


def test_each_epoch_of_several_languages_is_sampled_anew_and_resumes_the_same(corpus, frisian, vocabulary):
    cuts = Mixture((corpus, frisian)).cuts("train")
    changes = {"repeats": {"nl": 0.5, "fy": 2.0}}
    epochs: dict[int, Counter] = {0: Counter(), 1: Counter()}
    whole = list(
        islice(TrainingBatches(cuts, vocabulary, batch_s=10.0, seed=0, **changes).starting_at(DataPlace()), 24)
    )
    for place, batch in whole:
        epochs.setdefault(place.epoch, Counter()).update(batch.ids)
    assert {clip for clip in epochs[0] if "frisian" in clip} == {c.id for c in cuts if "frisian" in c.id}
    assert all(count == 2 for clip, count in epochs[0].items() if "frisian" in clip)
    assert all(count == 1 for clip, count in epochs[0].items() if "frisian" not in clip)
    assert 2 <= sum("frisian" not in clip for clip in epochs[0]) <= 14
    assert set(epochs[0]) != set(epochs[1])
    place = whole[14][0]
    resumed = TrainingBatches(cuts, vocabulary, batch_s=10.0, seed=0, **changes).starting_at(place)
    assert ids(resumed, 5) == [batch.ids for _, batch in whole[15:20]]


@dataclass(frozen=True)
class Clip:
    """The fields of a cut that `split_over_ranks` reads."""

    id: int
    duration: float


@given(st.lists(st.floats(0.1, 60.0), max_size=40), st.integers(1, 9))
def test_every_clip_goes_to_one_rank_and_all_ranks_get_about_the_same_seconds(durations, ranks):
    clips = [Clip(number, duration) for number, duration in enumerate(durations)]
    parts = split_over_ranks(clips, ranks)
    assert sorted(clip.id for part in parts for clip in part) == list(range(len(clips)))
    assert all([clip.id for clip in part] == sorted(clip.id for clip in part) for part in parts)
    seconds = [sum(clip.duration for clip in part) for part in parts]
    assert max(seconds) - min(seconds) <= max(durations, default=0.0) + 1e-6


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_processes_share_the_batches_of_a_single_process_without_overlap(corpus, vocabulary, world_size):
    alone = ids(batches(corpus, vocabulary).starting_at(DataPlace()), 12)
    shares = [
        list(islice(batches(corpus, vocabulary, rank=rank, world_size=world_size).starting_at(DataPlace()), 12))
        for rank in range(world_size)
    ]
    for number, together in enumerate(alone):
        assert len({share[number][0] for share in shares}) == 1
        assert sorted(i for share in shares for i in share[number][1].ids) == sorted(together)
    if world_size == 7:
        assert any(not batch.ids and not batch.padded_samples for share in shares for _, batch in share)


def test_another_number_of_processes_continues_with_the_same_batches(corpus, vocabulary):
    whole = list(islice(batches(corpus, vocabulary).starting_at(DataPlace()), 12))
    place = whole[4][0]
    shares = [ids(batches(corpus, vocabulary, rank=r, world_size=3).starting_at(place), 4) for r in range(3)]
    for number, (_, batch) in enumerate(whole[5:9]):
        assert sorted(i for share in shares for i in share[number]) == sorted(batch.ids)


def test_labels_are_those_of_the_texts(corpus, vocabulary):
    _, batch = next(batches(corpus, vocabulary).starting_at(DataPlace()))
    assert [vocabulary.decode(labels, collapse=False) for labels in batch.labels] == list(batch.texts)
    assert batch.padded_samples >= batch.samples


def test_evaluation_takes_each_clip_once_shortest_first(corpus, vocabulary):
    lengths = [len(w) for b in ordered_batches(corpus.cuts("dev"), vocabulary, batch_s=10.0) for w in b.waveforms]
    assert lengths == sorted(lengths)
    assert len(lengths) == corpus.clips("dev")


def test_evaluation_batches_are_distributed_whole(corpus, vocabulary):
    alone = [batch.ids for batch in ordered_batches(corpus.cuts("train"), vocabulary, batch_s=12.0)]
    assert len(alone) > 3
    for rank in range(3):
        share = ordered_batches(corpus.cuts("train"), vocabulary, batch_s=12.0, rank=rank, world_size=3)
        assert [batch.ids for batch in share] == alone[rank::3]


def test_clips_that_are_not_finite_leave_their_batch():
    good, bad = np.ones(160, np.float32), np.full(160, np.nan, np.float32)
    batch = Batch(("a", "b"), (good, bad), ((3,), (4,)), ("x", "y"), (None, None))
    kept, dropped = batch.without_non_finite()
    assert (kept.ids, kept.texts, dropped) == (("a",), ("x",), ("b",))
    alone = Batch(("b",), (bad,), ((4,),), ("y",), (None,))
    nothing, dropped = alone.without_non_finite()
    assert nothing == Batch((), (), (), (), ()) and dropped == ("b",)
