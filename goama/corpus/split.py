"""Clips without a split get one: whole speakers, or whole sentences, go to train, dev or test, always the same way."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

DEV_SHARE = TEST_SHARE = 0.1
_ENOUGH_SPEAKERS = 8
_SHARE_OF_ONE_SPEAKER = 0.5


@dataclass(frozen=True)
class Unsplit:
    """What splitting looks at."""

    text: str
    speaker: str | None
    seconds: float
    split: str | None


def assign_splits(clips: Sequence[Unsplit], seed: int = 0) -> tuple[list[str], str]:
    """A split for each clip, and one sentence that says how they were chosen.

    Splits that the source gives are kept; only a missing dev split is taken out of train. A source where all is
    train gives none. Otherwise whole speakers are kept together when there are at least eight and none holds
    half the speech, else whole sentences, so that no sentence is in two splits. The choice hashes the group's
    name with `seed`: the order of the clips does not matter, and adding recordings moves as few as can be.
    """
    given = {clip.split for clip in clips} - {None}
    if given <= {"train"}:
        splits, kind = _held_out(clips, {"test": TEST_SHARE, "dev": DEV_SHARE}, seed)
        return splits, f"split by {kind}, seed {seed}"
    splits = [clip.split or "train" for clip in clips]
    if "dev" in splits or "train" not in splits:
        return splits, "splits as the source gives them"
    members = [index for index, split in enumerate(splits) if split == "train"]
    chosen, kind = _held_out([clips[index] for index in members], {"dev": DEV_SHARE}, seed)
    for index, split in zip(members, chosen, strict=True):
        splits[index] = split
    return splits, f"splits as the source gives them, dev taken out of train by {kind}, seed {seed}"


def _held_out(clips: Sequence[Unsplit], shares: dict[str, float], seed: int) -> tuple[list[str], str]:
    if _speakers_suffice(clips):
        return _fill(clips, [clip.speaker or "" for clip in clips], shares, seed), "speaker (none is in two splits)"
    return _fill(clips, [clip.text for clip in clips], shares, seed), "sentence (none is in two splits)"


def _speakers_suffice(clips: Sequence[Unsplit]) -> bool:
    seconds: dict[str | None, float] = defaultdict(float)
    for clip in clips:
        seconds[clip.speaker] += clip.seconds
    if None in seconds or len(seconds) < _ENOUGH_SPEAKERS:
        return False
    return max(seconds.values()) < _SHARE_OF_ONE_SPEAKER * sum(seconds.values())


def _fill(clips: Sequence[Unsplit], groups: Sequence[str], shares: dict[str, float], seed: int) -> list[str]:
    """Walk the groups in hashed order and fill each held-out split to its share of the speech.

    A group that would overfill a split by half stays in train; where no group is small enough, the smallest goes.
    """
    seconds: dict[str, float] = defaultdict(float)
    for clip, group in zip(clips, groups, strict=True):
        seconds[group] += clip.seconds
    total = sum(seconds.values())
    order = sorted(seconds, key=lambda group: hashlib.sha256(f"{seed}\n{group}".encode()).hexdigest())
    chosen: dict[str, str] = {}
    for split, share in shares.items():
        filled = 0.0
        for group in order:
            if filled >= share * total or len(chosen) >= len(order) - 1:
                break
            if group in chosen or filled + seconds[group] > 1.5 * share * total:
                continue
            chosen[group] = split
            filled += seconds[group]
        if not filled and len(chosen) < len(order) - 1:
            chosen[min((g for g in order if g not in chosen), key=seconds.__getitem__)] = split
    return [chosen.get(group, "train") for group in groups]
