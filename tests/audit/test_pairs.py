"""The line between letters and seconds, and the room that CTC has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.audit.findings import ClipFacts
from goama.audit.pairs import check_pairs, fit_line, frames
from goama.model.attention import pooled_length
from goama.sound.log_mel import LogMel


@settings(deadline=None)
@given(samples=st.integers(400 + 160, 16_000 * 60))
def test_frames_are_those_the_encoder_makes(samples: int) -> None:
    stacked = LogMel(2).frames(samples)
    assert frames(samples / 16_000, 20) == stacked
    assert frames(samples / 16_000, 40) == int(pooled_length(torch.tensor(stacked), 3, 2))


def test_nothing_at_all_has_no_frames() -> None:
    assert frames(0.0, 20) == frames(0.0, 40) == 0


@settings(max_examples=30, deadline=None)
@given(pause=st.floats(0, 1), rate=st.floats(5, 25), seed=st.integers(0, 99))
def test_the_line_does_not_bend_to_a_quarter_of_false_pairs(pause: float, rate: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    characters = generator.integers(5, 120, 200).astype(float)
    seconds = (pause + characters / rate) * np.exp(generator.normal(0, 0.1, 200))
    seconds[:50] = generator.uniform(0.1, 20, 50)
    assert fit_line(characters, seconds).seconds_per_character == pytest.approx(1 / rate, rel=0.25)


def clip(name: str, characters: int, seconds: float) -> ClipFacts:
    return ClipFacts(name, "", "", seconds=seconds, silence_share=0.0, characters=characters, labels=characters,
                     frames_needed=characters)  # fmt: skip


def test_clips_far_from_the_line_are_named_worst_first() -> None:
    generator = np.random.default_rng(0)
    good = [clip(f"good{n}", n, n / 12 * float(np.exp(generator.normal(0, 0.15)))) for n in range(10, 110)]
    bad = [clip("fast", 100, 3.5), clip("faster", 100, 2.2), clip("slow", 20, 9.0)]
    found = {finding.name: finding.clips for finding in check_pairs([*good, *bad])}
    assert found["pair-too-much-text"] == ("faster", "fast")
    assert found["pair-too-little-text"] == ("slow",)


def test_what_has_no_room_at_40_ms_is_told_from_what_has_none_at_all() -> None:
    found = {f.name: (f.severity, f.clips) for f in check_pairs([clip("tight", 40, 1.0), clip("none", 60, 1.0)])}
    assert found == {"pair-no-room": ("error", ("none",)), "pair-no-room-at-40-ms": ("info", ("tight",))}
