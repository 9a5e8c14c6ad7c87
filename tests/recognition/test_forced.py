"""The likeliest path of a text is the best of all paths that write it."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.recognition.forced import forced_units

BLANK = 0


def collapsed(path: tuple[int, ...]) -> list[int]:
    return [label for label, _ in groupby(path) if label != BLANK]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(1, 2), max_size=4), st.integers(0, 2**32 - 1))
def test_the_units_are_those_of_the_best_of_all_paths(frames, labels, seed):
    emission = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), frames)).astype(np.float32)
    writing = [path for path in product(range(3), repeat=frames) if collapsed(path) == labels]
    units = forced_units(emission, labels, emission[:, BLANK])
    if not writing or not labels:
        assert units == []
        return
    best = max(writing, key=lambda path: emission[range(frames), path].sum())
    frame, expected = 0, []
    for label, run in groupby(best):
        end = frame + len(list(run))
        if label != BLANK:
            expected.append((label, frame, end, emission[frame:end, label].mean()))
        frame = end
    found = [(unit.id, unit.start, unit.end, unit.log_probability) for unit in units]
    assert [each[:3] for each in found] == [each[:3] for each in expected]
    assert np.allclose([each[3] for each in found], [each[3] for each in expected], atol=1e-5)


def test_frames_are_counted_from_the_first_of_the_recording():
    emission = np.log(np.full((4, 3), 1 / 3, np.float32))
    (unit,) = forced_units(emission, [2], emission[:, BLANK], first_frame=100)
    assert 100 <= unit.start < unit.end <= 104
