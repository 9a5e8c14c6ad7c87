"""Subtitles keep the limits of lines and times, lose no word, and end before the next begins."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from goama.transcript import Segment, Transcript, Word
from goama.transcript.layout import SubtitleLimits
from goama.transcript.subtitles import cues


def spoken(words: list[tuple[str, float, float]]) -> Transcript:
    """All words in one segment: subtitles are cut at pauses, whatever the segments."""
    return Transcript("a.wav", 99.0, (Segment(tuple(Word(*word, 0.9) for word in words)),) if words else ())


@st.composite
def speech(draw):
    words, time = [], 0.0
    for _ in range(draw(st.integers(0, 60))):
        start = round(time + draw(st.sampled_from([0.0, 0.06, 0.2, 0.5, 2.0])), 3)
        time = round(start + draw(st.sampled_from([0.02, 0.2, 0.4, 0.8])), 3)
        words.append((draw(st.sampled_from(["a", "vis", "zwemmen", "onderzeeër", "hottentottententen"])), start, time))
    return words


@given(speech())
@settings(max_examples=60, deadline=None)
def test_limits_hold_whatever_is_said(words):
    made = cues(spoken(words))
    assert [word for cue in made for line in cue.lines for word in line.split()] == [word for word, *_ in words]
    for cue in made:
        assert len(cue.lines) <= 2 and all(len(line) <= 42 for line in cue.lines)
        assert 0 < cue.end - cue.start <= 7.0001
    assert all(cue.end <= following.start + 1e-6 for cue, following in pairwise(made))


def test_a_short_word_stays_a_second_when_nobody_speaks_after_it():
    first, second = cues(spoken([("ja", 1.0, 1.2), ("kom", 5.0, 5.2)]))
    assert (first.start, first.end) == (1.0, 2.0)
    assert (second.start, second.end) == (5.0, 6.0)


def test_a_short_word_joins_its_neighbour_when_it_could_not_stay_a_second():
    (cue,) = cues(spoken([("ja", 1.0, 1.2), ("kom", 1.3, 1.5), ("mee", 1.6, 1.9)]))
    assert cue.lines == ("ja kom mee",)


def test_a_cue_stays_until_it_can_be_read():
    words = [("onderwatertelefoon", 0.3 * n, 0.3 * n + 0.25) for n in range(4)]
    (cue,) = cues(spoken(words))
    assert cue.end - cue.start == (4 * 18 + 3) / 17
    assert cue.lines == ("onderwatertelefoon onderwatertelefoon",) * 2


def test_a_pause_is_the_place_to_cut():
    before = [("links", 0.4 * n, 0.4 * n + 0.35) for n in range(8)]
    after = [("rechts", 4.5 + 0.4 * n, 4.85 + 0.4 * n) for n in range(8)]
    assert [set(" ".join(cue.lines).split()) for cue in cues(spoken(before + after))] == [{"links"}, {"rechts"}]


def test_other_limits_can_be_set():
    words = [("vissen", 0.5 * n, 0.5 * n + 0.4) for n in range(20)]
    made = cues(spoken(words), SubtitleLimits(line_characters=20, lines=1, longest_s=2.0))
    assert all(len(cue.lines) == 1 and len(cue.lines[0]) <= 20 and cue.end - cue.start <= 2.0001 for cue in made)


def test_a_word_longer_than_a_line_stands_alone_and_one_held_too_long_is_let_go():
    long = "llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"
    made = cues(spoken([("naar", 0.0, 0.3), (long, 0.4, 12.0), ("toe", 12.1, 12.4)]))
    assert [cue.lines for cue in made] == [("naar",), (long,), ("toe",)]
    assert made[1].end - made[1].start == 7.0
