"""Splits clips into train, dev and test by whole speakers, recordings or sentences, deterministically."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from goama.errors import GoamaError

Name = TypeVar("Name", bound=str | None)

SPLIT_BY = ("speaker", "recording", "text")
DEV_SHARE = TEST_SHARE = 0.1
ENOUGH_SPEAKERS = 8
"""Minimum number of speakers for speaker-disjoint splits."""

_SHARE_OF_ONE_SPEAKER = 0.5
_NEAR = (0.5, 2.0)  # a held-out split of half to twice its share will do
_FEWEST_GROUPS = 3  # one for each split
_FEW_RECORDINGS = 5  # of four of one length, one alone is a quarter of the speech: more than a held-out split may have
_MOST_CHOICES = 200  # compared for their durations,
_HASHES = 100_000  # and fewer where there are so many groups that chance alone comes close,
_CLIPS_LOOKED_AT = 1_000_000  # or so many clips that it would take long
_DURATION_BINS = 10


@dataclass(frozen=True)
class Unsplit:
    """The facts of a clip that its split depends on; `recording`: the file that the clip was cut from."""

    text: str
    speaker: str | None
    seconds: float
    split: str | None
    recording: str | None = None


def assign_splits(clips: Sequence[Unsplit], seed: int = 0, by: str | None = None) -> tuple[list[str], str]:
    """A split for each clip, and one sentence that says how they were chosen.

    With `by`, one of `SPLIT_BY`, every clip gets a new split: no speaker, recording or sentence is in two splits. Of up
    to 200 candidates, the one is taken whose dev and test durations best match the corpus.

    Without, splits that the source gives are kept; only a missing dev split is taken out of train. A source where
    all is train gives none. Otherwise whole speakers are kept together when there are at least eight and none
    holds half the speech, else whole sentences, so that no sentence is in two splits; and the clips of one
    recording stay together where there are recordings enough for that. The choice hashes the group's name with
    `seed`: the order of the clips does not matter, and adding recordings moves as few as can be.

    Raises `GoamaError` when `by` cannot be done: clips without a speaker, too few speakers or recordings.
    """
    if by is not None:
        return _split_anew(clips, seed, by)
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
    by_speaker = _speakers_suffice(clips)
    names = [(clip.speaker or "") if by_speaker else clip.text for clip in clips]
    groups = _kept_with_their_recordings(clips, names)
    kind = "speaker" if by_speaker else "sentence"
    splits = _fill(clips, groups, shares, str(seed))
    if len(set(groups)) == len(set(names)):
        return splits, f"{kind} (none is in two splits)"
    if _sizes_fit(clips, splits, shares):
        return splits, f"{kind} or recording (none is in two splits)"
    return (
        _fill(clips, names, shares, str(seed)),
        f"{kind} (none is in two splits; {_why_not_apart(clips, kind, shares, seed)}, so scores will flatter)",
    )


def _why_not_apart(clips: Sequence[Unsplit], kind: str, shares: dict[str, float], seed: int) -> str:
    """Why whole recordings cannot be assigned to splits of the right sizes, as a part of a sentence."""
    recordings = _recording_of_each(clips)
    seconds = _seconds_of(clips, recordings)
    if len(seconds) < _FEW_RECORDINGS:
        return "the recordings are too few to be kept apart"
    if _sizes_fit(clips, _fill(clips, recordings, shares, str(seed)), shares):
        return f"the recordings have {kind}s in common and cannot be kept apart"
    share = 100 * sum(sorted(seconds.values())[-2:]) / sum(seconds.values())
    return f"two of the {len(seconds)} recordings hold {share:.0f} % of the speech, so they cannot be kept apart"


def _sizes_fit(clips: Sequence[Unsplit], splits: Sequence[str], shares: dict[str, float]) -> bool:
    """Whether every held-out split is near its share of the speech; a few long tapes cannot be split so."""
    seconds = _seconds_of(clips, splits)
    total = sum(seconds.values())
    return all(
        _NEAR[0] <= seconds.get(split, 0.0) / (share * total) <= _NEAR[1] for split, share in shares.items() if total
    )


def _kept_with_their_recordings(clips: Sequence[Unsplit], names: Sequence[str]) -> list[str]:
    """One group name for all clips connected by name or recording: the first of their names in the alphabet."""
    return _joined(names, _recording_of_each(clips))


def _recording_of_each(clips: Sequence[Unsplit]) -> list[str]:
    """The recording that each clip is from; a clip whose recording is not known is one of its own."""
    return [f"\n{index}" if clip.recording is None else clip.recording for index, clip in enumerate(clips)]


def _seconds_of(clips: Sequence[Unsplit], names: Sequence[Name]) -> dict[Name, float]:
    """Name to the seconds of its clips; `names` has one for each clip."""
    seconds: dict[Name, float] = defaultdict(float)
    for clip, name in zip(clips, names, strict=True):
        seconds[name] += clip.seconds
    return dict(seconds)


def _joined(names: Sequence[str], others: Sequence[str]) -> list[str]:
    parent: dict[str, str] = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first: dict[str, str] = {}
    for name, other in zip(names, others, strict=True):
        one, two = sorted((root(name), root(first.setdefault(other, name))))
        parent[two] = one
    return [root(name) for name in names]


def _split_anew(clips: Sequence[Unsplit], seed: int, by: str) -> tuple[list[str], str]:
    groups = _GROUPS[by](clips)
    count = len(set(groups))
    if count < _FEWEST_GROUPS:
        others = " or ".join(f"--split-by {other}" for other in SPLIT_BY if other != by)
        what = {"speaker": "speakers", "recording": "recordings", "text": "sentences"}[by]
        raise GoamaError(
            f"--split-by {by}: {count} {what if count != 1 else what[:-1]} cannot be parted into train, dev and test "
            f"(speakers that share a recording count as one); choose {others}"
        )
    shares = {"test": TEST_SHARE, "dev": DEV_SHARE}
    choices = max(8, min(_MOST_CHOICES, _HASHES // count, _CLIPS_LOOKED_AT // len(clips)))
    candidates = (
        _fill(clips, groups, shares, f"{seed}.{number}" if number else str(seed)) for number in range(choices)
    )
    unlikeness = _unlikeness(clips, shares)
    best = min(candidates, key=unlikeness)
    kept = {"speaker": "speaker", "recording": "recording", "text": "sentence"}[by]
    new = ", in place of the source's own splits" if any(clip.split for clip in clips) else ""
    return best, f"split by {kept} (none is in two splits), durations alike in all splits, seed {seed}{new}"


def _speaker_groups(clips: Sequence[Unsplit]) -> list[str]:
    unnamed = sum(clip.speaker is None for clip in clips)
    if unnamed:
        raise GoamaError(
            f"--split-by speaker: {unnamed} of {len(clips)} clips have no speaker; name the column that has it with "
            "--speaker-column, or choose --split-by recording or --split-by text"
        )
    return _kept_with_their_recordings(clips, [clip.speaker or "" for clip in clips])


def _recording_groups(clips: Sequence[Unsplit]) -> list[str]:
    """Groups by recording; a clip without one is a group of its own."""
    recordings = _recording_of_each(clips)
    members: dict[str, list[Unsplit]] = defaultdict(list)
    for clip, recording in zip(clips, recordings, strict=True):
        members[recording].append(clip)
    # A name that is the same on every machine, whatever folder the recordings lie in.
    names = {
        recording: f"{PurePath(inside[0].recording or '').name}\n{min(clip.text for clip in inside)}"
        for recording, inside in members.items()
    }
    return _joined([names[recording] for recording in recordings], recordings)


def _text_groups(clips: Sequence[Unsplit]) -> list[str]:
    return [clip.text for clip in clips]


_GROUPS: dict[str, Callable[[Sequence[Unsplit]], list[str]]] = {
    "speaker": _speaker_groups,
    "recording": _recording_groups,
    "text": _text_groups,
}


def _unlikeness(clips: Sequence[Unsplit], shares: dict[str, float]) -> Callable[[Sequence[str]], float]:
    """Distance of the held-out splits from the corpus in clip durations, and from their shares of the speech."""
    ordered = sorted(clip.seconds for clip in clips)
    edges = [ordered[len(ordered) * n // _DURATION_BINS] for n in range(1, _DURATION_BINS)]
    bins = [sum(clip.seconds >= edge for edge in edges) for clip in clips]
    total = sum(ordered)
    whole = [bins.count(n) / len(clips) for n in range(_DURATION_BINS)]

    def unlikeness(splits: Sequence[str]) -> float:
        distance = 0.0
        for split, share in shares.items():
            inside = [index for index, chosen in enumerate(splits) if chosen == split]
            counts = [0] * _DURATION_BINS
            for index in inside:
                counts[bins[index]] += 1
            if not inside:
                return float("inf")
            distance += sum(abs(n / len(inside) - p) for n, p in zip(counts, whole, strict=True)) / 2
            distance += abs(sum(clips[index].seconds for index in inside) / total - share) / share
        return distance

    return unlikeness


def _speakers_suffice(clips: Sequence[Unsplit]) -> bool:
    seconds = _seconds_of(clips, [clip.speaker for clip in clips])
    if None in seconds or len(seconds) < ENOUGH_SPEAKERS:
        return False
    return max(seconds.values()) < _SHARE_OF_ONE_SPEAKER * sum(seconds.values())


def _fill(clips: Sequence[Unsplit], groups: Sequence[str], shares: dict[str, float], seed: str) -> list[str]:
    """Walk the groups in hashed order and fill each held-out split to its share of the speech.

    A group that would overfill a split by half stays in train; where no group is small enough, the smallest goes.
    """
    seconds = _seconds_of(clips, groups)
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
