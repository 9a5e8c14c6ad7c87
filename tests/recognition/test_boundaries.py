"""Where units begin and end, from the peaks of CTC, the scores between them, and the energy at pauses."""

import numpy as np

from goama.recognition.boundaries import Peak, spread

SHIFT_S = 0.02
LOUD, SOFT = -20.0, -60.0


def test_a_unit_begins_a_frame_before_it_becomes_likelier_than_the_one_before():
    scores = np.zeros((12, 2))
    scores[:, 0] = [0, 0, 0, -1, -1, -1, -1, -9, -9, -9, -9, -9]
    scores[:, 1] = [-9, -9, -9, -9, -9, -9, -9, -1, -1, 0, 0, 0]
    spans = spread([Peak(0, 0, 3), Peak(1, 9, 12)], scores, np.full(12, LOUD), SHIFT_S)
    assert spans == [(0, 6), (6, 12)]


def test_neighbouring_peaks_leave_no_gap_and_every_unit_has_a_frame():
    peaks = [Peak(0, 1, 2), Peak(1, 2, 3), Peak(0, 3, 4), Peak(1, 5, 6)]
    spans = spread(peaks, np.zeros((8, 2)), np.full(8, LOUD), SHIFT_S)
    assert all(start < end for start, end in spans)
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]


def test_at_a_pause_units_end_and_begin_with_their_sound():
    levels = np.full(100, SOFT)
    levels[5:14] = levels[67:90] = LOUD
    spans = spread([Peak(0, 8, 10), Peak(1, 70, 72)], np.zeros((100, 2)), levels, SHIFT_S)
    assert spans == [(5, 14), (67, 80)]


def test_in_noise_a_unit_at_a_pause_still_ends_soon_after_its_peak():
    [(_, end), (start, _)] = spread([Peak(0, 8, 10), Peak(1, 70, 72)], np.zeros((100, 2)), np.full(100, LOUD), SHIFT_S)
    assert end == 10 + 8 and start == 70 - 2


def test_frames_of_40_ms_give_the_same_times():
    levels = np.full(50, SOFT)
    levels[3:7] = levels[34:45] = LOUD
    spans = spread([Peak(0, 4, 5), Peak(1, 35, 36)], np.zeros((50, 2)), levels, 0.04)
    assert spans == [(3, 7), (34, 40)]
