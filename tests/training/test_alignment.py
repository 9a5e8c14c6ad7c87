"""The best path is the best of all paths, and what is made of it keeps every label in its place."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.errors import GoamaError
from goama.training.alignment import (
    NO_LABEL,
    Alignment,
    Passing,
    best_paths,
    frame_targets,
    label_starts,
    make_chain,
    spread_starts,
)

SILENCE, SPACE = 0, 1
COLUMNS = {2: (1,), 3: (2, 3)}  # a letter of one state and a letter of two
PASSING = Passing(stay=-0.4, leave=-1.1)

texts = st.lists(st.sampled_from([2, 3]), min_size=1, max_size=3).flatmap(
    lambda letters: st.sampled_from([letters, [letters[0], SPACE, *letters[1:]] if letters[1:] else letters])
)


def score_of(path, scores, chain) -> float:
    """What a path through the chain is worth, straight from the definition; -inf where it is none."""
    last = len(chain.states) - 1
    if path[0] > 1 or path[-1] < last - 1:
        return -np.inf
    total = scores[0, chain.states[path[0]]]
    for frame, (before, now) in enumerate(pairwise(path), start=1):
        if now == before:
            total += PASSING.stay_in_silence if chain.is_silence[now] else PASSING.stay
        elif now == before + 1 or (now == before + 2 and chain.is_silence[now - 1]):
            total += PASSING.leave
        else:
            return -np.inf
        total += scores[frame, chain.states[now]]
    return total


@settings(max_examples=30, deadline=None)
@given(texts, st.integers(2, 6), st.integers(0, 10_000))
def test_viterbi_finds_what_trying_all_paths_finds(labels, frames, seed):
    chain = make_chain(labels, COLUMNS, SILENCE, SPACE)
    scores = np.random.default_rng(seed).normal(0, 2, (frames, 4)).astype(np.float32)
    if frames < chain.fewest_frames:
        with pytest.raises(ValueError, match="fewer frames"):
            best_paths([scores], [chain], PASSING)
        return
    (found,) = best_paths([scores], [chain], PASSING)
    best = max(score_of(path, scores, chain) for path in product(range(len(chain.states)), repeat=frames))
    assert score_of(found, scores, chain) == pytest.approx(best, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(texts, st.integers(6, 40)), min_size=2, max_size=8), st.integers(0, 10_000))
def test_a_clips_path_does_not_depend_on_the_clips_beside_it(clips, seed):
    random = np.random.default_rng(seed)
    chains = [make_chain(labels, COLUMNS, SILENCE, SPACE) for labels, _ in clips]
    scores = [random.normal(0, 2, (frames, 4)).astype(np.float32) for _, frames in clips]
    together = best_paths(scores, chains, PASSING)
    for score, chain, path in zip(scores, chains, together, strict=True):
        assert np.array_equal(best_paths([score], [chain], PASSING)[0], path)


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(6, 40), st.integers(0, 10_000))
def test_starts_rise_and_every_letter_has_its_frames(labels, frames, seed):
    chain = make_chain(labels, COLUMNS, SILENCE, SPACE)
    scores = np.random.default_rng(seed).normal(0, 2, (frames, 4)).astype(np.float32)
    starts = label_starts(best_paths([scores], [chain], PASSING)[0], chain)
    assert len(starts) == len(labels) + 1
    assert starts[0] >= 0 and starts[-1] <= frames
    for label, length in zip(labels, np.diff(starts), strict=True):
        assert length >= (0 if label == SPACE else len(COLUMNS[label]))


def test_silence_at_the_edges_and_between_words_is_heard_where_it_is():
    """Frames that are certain: two of silence, a letter of three, a space of two, a letter of two."""
    heard = [0, 0, 1, 1, 1, 0, 0, 2, 3]
    scores = np.where(np.arange(4) == np.array(heard)[:, None], 0.0, -50.0).astype(np.float32)
    chain = make_chain([2, SPACE, 3], COLUMNS, SILENCE, SPACE)
    (path,) = best_paths([scores], [chain], PASSING)
    assert label_starts(path, chain).tolist() == [2, 5, 7, 9]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 20))
def test_spread_labels_begin_in_loud_frames_in_their_order(loud, labels):
    loud = np.array(loud)
    starts = spread_starts(loud, labels)
    assert len(starts) == labels + 1
    assert (np.diff(starts) >= 0).all() and starts[-1] <= len(loud)
    if loud.sum() >= labels:
        assert loud[starts[:-1]].all() and (np.diff(starts) > 0).all()
        shares = np.diff(np.searchsorted(np.flatnonzero(loud), starts))
        assert shares.max() - shares.min() <= 1


def test_targets_are_the_labels_in_the_middle_of_the_networks_frames():
    starts, labels = [np.array([2, 5, 5, 9]), np.array([0, 3])], [(7, 1, 8), (9,)]
    targets = frame_targets(starts, labels, [4, 2], stride=3, stretches=[1.0, 1.0], blank_id=0)
    assert targets.tolist() == [[0, 7, 8, 0], [9, 0, NO_LABEL, NO_LABEL]]
    assert frame_targets([starts[0]], [labels[0]], [12], stride=1, stretches=[1.0], blank_id=0).tolist() == [
        [0, 0, 7, 7, 7, 8, 8, 8, 8, 0, 0, 0]
    ]


def test_another_tempo_moves_the_targets_along():
    starts, labels = [np.array([20, 50, 90])], [(7, 8)]
    for stretch in (0.8, 1.0, 1.25):
        row = frame_targets(starts, labels, [round(100 * stretch)], stride=1, stretches=[stretch], blank_id=0)[0]
        assert int((row == 7).nonzero()[0, 0]) == round(20 * stretch)
        assert int((row == 8).nonzero()[0, 0]) == round(50 * stretch)
        assert int((row == 8).sum()) == round(40 * stretch)


def test_a_saved_alignment_comes_back(tmp_path):
    saved = Alignment({"a/één": np.array([3, 9, 12]), "b": np.array([0, 4]), "stil": np.array([0])})
    saved.save(tmp_path / "alignment-0.npz")
    loaded = Alignment.load(tmp_path / "alignment-0.npz")
    assert {clip: starts.tolist() for clip, starts in loaded.starts.items()} == {
        clip: starts.tolist() for clip, starts in saved.starts.items()
    }
    assert loaded.moved_s(saved) == 0.0
    assert [path.name for path in tmp_path.iterdir()] == ["alignment-0.npz"]


def test_a_damaged_alignment_is_a_sentence(tmp_path):
    path = tmp_path / "alignment-1.npz"
    with pytest.raises(GoamaError, match="gone or damaged"):
        Alignment.load(path)
    Alignment({"a": np.array([3, 9])}).save(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(GoamaError, match="gone or damaged"):
        Alignment.load(path)
