"""Windows cover a recording once, whatever its length and whatever blocks it is read in."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.recognition.windows import CONTEXT_SHARE, WINDOW_S, cut_windows
from goama.sound.audio import SAMPLE_RATE

LONGEST = int(WINDOW_S * SAMPLE_RATE)


@given(
    samples=st.integers(0, 8 * LONGEST),
    block=st.integers(1000, 10 * LONGEST),
    shift=st.sampled_from([160, 320, 480, 640]),
)
@settings(max_examples=40, deadline=None)
def test_used_frames_are_the_frames_of_the_recording(samples, block, shift):
    recording = np.arange(samples, dtype=np.float32)
    blocks = [recording[start : start + block] for start in range(0, samples, block)]
    windows = list(cut_windows(blocks, shift))
    assert [window.frames is None for window in windows] == [False] * (len(windows) - 1) + [True]
    used = 0
    for window in windows:
        assert len(window.samples) <= LONGEST
        if samples:
            assert window.samples[window.first_frame * shift] == recording[used]
        used += window.frames * shift if window.frames is not None else len(window.samples) - window.first_frame * shift
    assert used == samples


def test_a_recording_of_at_most_a_window_is_not_cut():
    assert len(list(cut_windows([np.zeros(LONGEST, np.float32)], 320))) == 1
    assert len(list(cut_windows([np.zeros(LONGEST + 1, np.float32)], 320))) == 2
    assert len(list(cut_windows([], 320))) == 1


def test_frames_between_windows_have_context_on_both_sides():
    context = int(CONTEXT_SHARE * WINDOW_S * SAMPLE_RATE)
    windows = list(cut_windows([np.zeros(5 * LONGEST, np.float32)], 320))
    for window in windows[1:]:
        assert window.first_frame * 320 == context
    for window in windows[:-1]:
        assert window.frames is not None
        assert len(window.samples) - (window.first_frame + window.frames) * 320 == context


def test_windows_are_cut_while_the_recording_is_read():
    read = 0

    def blocks():
        nonlocal read
        for _ in range(600):
            read += SAMPLE_RATE
            yield np.zeros(SAMPLE_RATE, np.float32)

    given_s = 0.0
    for window in cut_windows(blocks(), 320):
        given_s += (window.frames or 0) * 320 / SAMPLE_RATE
        assert window.frames is None or read / SAMPLE_RATE - given_s <= 2 * CONTEXT_SHARE * WINDOW_S + 1
