"""Slices hold each clip once, and their rates are those of their clips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goama.evaluation.scores import error_rates, score_clip
from goama.evaluation.slices import column_groups, named_groups, numbered_groups, slice_of


def clips(count: int) -> list:
    return [
        score_clip(str(n), "een twee", "een twee" if n % 3 else "een", seconds=1.0 + n, speaker=f"s{n % 2}")
        for n in range(count)
    ]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_ranges_hold_every_clip_once(values):
    members = clips(len(values))
    groups = numbered_groups(members, dict(zip((clip.id for clip in members), values, strict=True)), "dB")
    inside = [clip.id for _, group in groups for clip in group]
    assert not groups or sorted(inside) == sorted(clip.id for clip in members)
    assert len({name for name, _ in groups}) == len(groups)


def test_ranges_meet_at_given_edges():
    members = clips(10)
    groups = numbered_groups(members, {clip.id: clip.seconds for clip in members}, "s", edges=(2, 4, 100))
    assert [(name, len(group)) for name, group in groups] == [("below 2 s", 1), ("2 to 4 s", 2), ("4 s and more", 7)]


def test_the_worst_name_comes_first_with_the_rates_of_its_clips():
    groups = named_groups(clips(13), lambda clip: "bad" if clip.character_errors else "good")
    first = slice_of(groups[0], intervals=True)
    assert first.name == "bad" and first.clips == 5
    assert first.cer == error_rates(groups[0][1]).cer
    assert first.wer_interval == pytest.approx((0.5, 0.5))


def test_names_of_few_clips_are_put_together():
    names = ["a"] * 6 + ["b"] * 6 + ["c", "d"]
    groups = named_groups(clips(14), lambda clip: names[int(clip.id)])
    assert groups[-1][0].startswith("2 others") and len(groups[-1][1]) == 2


def test_a_column_of_numbers_becomes_ranges_and_one_of_sentences_is_left_out():
    members = clips(40)
    ages = column_groups(members, {clip.id: str(20 + int(clip.id)) for clip in members})
    assert 2 <= len(ages) <= 4 and ages[0][0].startswith("below")
    assert column_groups(members, {clip.id: f"sentence {clip.id}" for clip in members}) == []
    assert [name for name, _ in column_groups(members, {clip.id: f"{int(clip.id) % 2}" for clip in members})]
