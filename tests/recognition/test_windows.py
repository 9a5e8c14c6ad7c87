"""Windows cover a recording once, whatever its length and whatever blocks it is read in, and are cut at pauses."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.recognition.windows import CONTEXT_S, LONGEST_S, SHORTEST_S, WINDOW_S, cut_windows
from goama.sound.audio import SAMPLE_RATE

LONGEST = int(WINDOW_S * SAMPLE_RATE)


def speech(seconds: float, pauses: tuple[float, ...] = (), seed: int = 0) -> np.ndarray:
    """Noise of changing level in place of speech, with a quiet half second around each of the `pauses` (s)."""
    generator = np.random.default_rng(seed)
    samples = 0.1 * generator.standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)
    for pause in pauses:
        samples[round((pause - 0.25) * SAMPLE_RATE) : round((pause + 0.25) * SAMPLE_RATE)] *= 1e-3
    return samples


@given(
    seconds=st.floats(0, 80),
    block=st.integers(3000, 10 * LONGEST),
    shift=st.sampled_from([160, 320, 480, 640]),
    pauses=st.lists(st.floats(1, 79), max_size=8),
)
@settings(max_examples=15, deadline=None)
def test_used_frames_are_the_frames_of_the_recording_whatever_the_blocks(seconds, block, shift, pauses):
    recording = speech(seconds, tuple(pause for pause in pauses if pause < seconds))
    blocks = [recording[start : start + block] for start in range(0, len(recording), block)]
    windows = list(cut_windows(blocks, shift))
    assert [window.frames is None for window in windows] == [False] * (len(windows) - 1) + [True]
    used = 0
    for window in windows:
        assert len(window.samples) <= LONGEST
        context = window.first_frame * shift
        np.testing.assert_array_equal(window.samples, recording[used - context :][: len(window.samples)])
        if window.frames is not None:
            assert len(window.samples) > context + window.frames * shift  # no network lacks the last used frame
        used += window.frames * shift if window.frames is not None else len(window.samples) - context
    assert used == len(recording)
    assert [len(window.samples) for window in windows] == [len(w.samples) for w in cut_windows([recording], shift)]


def test_a_recording_of_at_most_a_window_is_not_cut():
    assert len(list(cut_windows([speech(WINDOW_S, pauses=(10, 20))], 320))) == 1
    assert len(list(cut_windows([speech(WINDOW_S + 0.1, pauses=(10, 20))], 320))) == 3
    assert len(list(cut_windows([], 320))) == 1


def test_a_long_recording_is_cut_in_the_middle_of_its_pauses():
    pauses = (1.0, 5.0, 11.0, 15.0, 24.0, 30.0)
    starts, at = [], 0.0
    for window in cut_windows([speech(33, pauses)], 320):
        starts.append(at)
        at += (window.frames or 0) * 0.02
    assert np.abs(np.array(starts[1:]) - pauses[1:]).max() < 0.05  # a window of one second would be too short
    assert pauses[0] < SHORTEST_S


def test_speech_without_a_pause_is_cut_where_it_is_quietest_with_context_on_both_sides():
    recording = speech(40)
    recording[round(8.9 * SAMPLE_RATE) : round(9.1 * SAMPLE_RATE)] *= 0.2  # no pause, only a weak syllable
    first, second, *_ = cut_windows([recording], 320)
    assert abs(first.frames * 0.02 - 9) < 0.15
    assert len(first.samples) == first.frames * 320 + int(CONTEXT_S * SAMPLE_RATE)
    assert second.first_frame * 320 == int(CONTEXT_S * SAMPLE_RATE)
    assert all(len(w.samples) <= (LONGEST_S + 2 * CONTEXT_S) * SAMPLE_RATE for w in cut_windows([recording], 320))


def test_windows_are_cut_while_the_recording_is_read():
    read = 0

    def blocks():
        nonlocal read
        for second in range(200):
            read += SAMPLE_RATE
            yield speech(1, seed=second)

    given_s = 0.0
    for window in cut_windows(blocks(), 320):
        given_s += (window.frames or 0) * 320 / SAMPLE_RATE
        assert window.frames is None or read / SAMPLE_RATE - given_s <= WINDOW_S + LONGEST_S
