"""Windows cover a recording once, whatever its length and whatever blocks it is read in, and are cut at pauses."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.recognition.windows import CONTEXT_S, LONGEST_S, SHORTEST_S, WINDOW_S, cut_windows
from goama.sound.audio import SAMPLE_RATE

LONGEST = int(WINDOW_S * SAMPLE_RATE)


def speech(seconds: float, pauses: tuple[float, ...] = (), seed: int = 0, pause_s: float = 0.8) -> np.ndarray:
    """Noise in place of speech, with pauses around the times `pauses` (s)."""
    generator = np.random.default_rng(seed)
    samples = 0.1 * generator.standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)
    for pause in pauses:
        samples[round((pause - pause_s / 2) * SAMPLE_RATE) : round((pause + pause_s / 2) * SAMPLE_RATE)] *= 1e-3
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
        if window.frames:
            assert len(window.samples) > context + window.frames * shift  # no network lacks the last used frame
        used += window.frames * shift if window.frames is not None else len(window.samples) - context
        used += window.silence * shift
    assert used == len(recording)
    assert [len(window.samples) for window in windows] == [len(w.samples) for w in cut_windows([recording], shift)]


def test_a_recording_of_at_most_a_window_is_not_cut():
    assert len(list(cut_windows([speech(WINDOW_S, pauses=(10, 20))], 320))) == 1
    assert len(list(cut_windows([speech(WINDOW_S + 0.1, pauses=(10, 20))], 320))) == 3
    assert len(list(cut_windows([], 320))) == 1


def test_a_long_recording_is_cut_in_the_middle_of_its_pauses():
    pauses = (0.6, 5.0, 11.0, 15.0, 24.0, 30.0)
    windows = list(cut_windows([speech(33, pauses)], 320))
    ends = np.cumsum([0.02 * ((window.frames or 0) + window.silence) for window in windows[:-1]])
    assert pauses[0] < SHORTEST_S  # a window of 0.6 s would be too short
    assert np.abs(ends - pauses[1:]).max() < 0.4
    assert all(window.silence for window in windows[:-1])


def test_short_pauses_part_windows_only_where_there_are_no_long_ones():
    recording = speech(20, pauses=(4, 6, 9), pause_s=0.4)
    recording[round(5.95 * SAMPLE_RATE) : round(6.25 * SAMPLE_RATE)] *= 1e-3  # the longest of the three
    first, *_ = cut_windows([np.concatenate([recording, speech(20)])], 320)
    assert abs(first.frames * 0.02 - 6) < 0.3


def test_long_silence_is_not_recognised_and_weak_speech_is():
    recording = speech(40)
    recording[: 3 * SAMPLE_RATE] *= 1e-4
    recording[10 * SAMPLE_RATE : 25 * SAMPLE_RATE] *= 1e-4
    syllables = 10 ** (np.cos(np.arange(3 * SAMPLE_RATE) * 8 * np.pi / SAMPLE_RATE) - 2)  # four a second, 20 to 60 dB
    recording[30 * SAMPLE_RATE : 33 * SAMPLE_RATE] *= syllables.astype(np.float32)  # below the rest
    windows = list(cut_windows([recording], 320))
    silent_s = 0.02 * sum(window.silence for window in windows)
    assert 16.5 < silent_s < 18
    assert (windows[0].frames, len(windows[0].samples)) == (0, 0)


def test_speech_without_a_pause_is_cut_where_it_is_quietest_with_context_on_both_sides():
    recording = speech(40)
    recording[round(8.9 * SAMPLE_RATE) : round(9.1 * SAMPLE_RATE)] *= 0.2  # no pause, only a weak syllable
    first, second, *_ = cut_windows([recording], 320)
    assert first.silence == 0
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
        given_s += ((window.frames or 0) + window.silence) * 320 / SAMPLE_RATE
        assert window.frames is None or read / SAMPLE_RATE - given_s <= WINDOW_S + LONGEST_S
