"""Clips that the source gives no split, beside others that it gives one: where they go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UNSPLIT = ("train", "leave-out", "split")
"""What can become of them: all to train; left out; each to the split where its speaker is, the others to train."""


@dataclass(frozen=True)
class Unsplit:
    """The facts of a clip that its split depends on; `recording`: the file that the clip was cut from."""

    text: str
    speaker: str | None
    seconds: float
    split: str | None
    recording: str | None = None


def place_unsplit(clips: Sequence[Unsplit], unsplit: str) -> tuple[list[str], str]:
    """A split for each clip, and what to add to the sentence about splits.

    `unsplit` "split": a clip goes where the source has its speaker, else its recording, else its sentence; to train
    where that is in several splits or in none. "train": all go to train, and the speakers that are then on both sides
    are counted.
    """
    without = [index for index, clip in enumerate(clips) if clip.split is None]
    splits = [clip.split or "train" for clip in clips]
    if not without:
        return splits, ""
    count = f"{len(without)} clip{'s' if len(without) > 1 else ''} without a split"
    if unsplit == "train":
        return splits, f"; {count} went to train{_on_both_sides(clips, without)}"
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    for clip in clips:
        if clip.split is not None:
            for key in _keys(clip):
                known[key].add(clip.split)
    for index in without:
        there = next((known[key] for key in _keys(clips[index]) if key in known), {"train"})
        splits[index] = next(iter(there)) if len(there) == 1 else "train"
    gone = Counter(splits[index] for index in without)
    where = ", ".join(f"{gone[split]} to {split}" for split in ("train", "dev", "test") if gone[split])
    return splits, (
        f"; {count}: {where}, where the source has their speaker, recording or sentence, else to train "
        "(--unsplit train or --unsplit leave-out decides otherwise)"
    )


def _keys(clip: Unsplit) -> Iterator[tuple[str, str]]:
    for kind, value in (("speaker", clip.speaker), ("recording", clip.recording), ("text", clip.text)):
        if value:
            yield kind, value


def _on_both_sides(clips: Sequence[Unsplit], without: Sequence[int]) -> str:
    held_out = {clip.speaker for clip in clips if clip.split in ("dev", "test")} - {None}
    speakers = {clips[index].speaker for index in without} - {None}
    both = len(speakers & held_out)
    return (
        f", and {both} of their {len(speakers)} speakers are in dev or test too, so scores will flatter" if both else ""
    )
