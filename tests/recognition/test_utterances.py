"""Utterances hold all speech, are never long, and do not depend on how an emission comes in pieces."""

from __future__ import annotations

from functools import partial

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.recognition.utterances import cut_at_pauses

PAUSE, LONGEST = 8, 40


def is_quiet(piece: torch.Tensor) -> torch.Tensor:
    return piece[:, 0] == 0


cut = partial(cut_at_pauses, is_quiet=is_quiet, pause=PAUSE, longest=LONGEST)

runs = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12)
sizes = st.lists(st.integers(1, 50), min_size=1)


def emission_of(lengths: list[tuple[bool, int]]) -> torch.Tensor:
    loud = torch.tensor([is_loud for is_loud, length in lengths for _ in range(length)], dtype=torch.float32)
    return torch.stack([loud, torch.arange(len(loud), dtype=torch.float32)], dim=1)


def in_pieces(emission: torch.Tensor, sizes: list[int]) -> list[torch.Tensor]:
    pieces, start = [], 0
    while start < len(emission):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(emission[start : start + size])
        start += size
    return pieces


@settings(max_examples=200, deadline=None)
@given(runs, sizes)
def test_pieces_make_no_difference_and_no_speech_is_lost_or_doubled(lengths, sizes):
    emission = emission_of(lengths)
    whole = [(first, part.tolist()) for first, part in cut([emission])]
    assert [(first, part.tolist()) for first, part in cut(in_pieces(emission, sizes))] == whole
    frames = [int(number) for _, part in whole for _, number in part]
    assert frames == sorted(set(frames))
    loud = {int(number) for is_loud, number in emission.tolist() if is_loud}
    assert loud <= set(frames)
    for first, part in whole:
        assert part[0][1] == first and len(part) <= LONGEST and any(is_loud for is_loud, _ in part)


def test_a_pause_ends_an_utterance_and_a_shorter_gap_does_not():
    emission = emission_of([(True, 5), (False, PAUSE - 1), (True, 5), (False, PAUSE), (True, 5)])
    assert [first for first, _ in cut([emission])] == [0, 17 + PAUSE // 2]


def test_speech_without_a_pause_is_cut_in_its_longest_late_gap():
    emission = emission_of([(True, 10), (False, 6), (True, 10), (False, 4), (True, 30)])
    first, second = (len(part) for _, part in cut([emission]))
    assert (first, second) == (28, 32)


def test_of_a_long_silence_before_speech_half_a_pause_is_kept():
    (found,) = cut(in_pieces(emission_of([(False, 1000), (True, 5)]), [10]))
    assert found[0] == 1000 - PAUSE // 2 and len(found[1]) == PAUSE // 2 + 5
