"""Clips that cannot be used at all: what is wrong with their rows, annotations and sound files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import zip_longest

from goama.audit.findings import Finding, finding_if, of
from goama.sources.judge import (
    DAMAGED,
    LONGEST_S,
    NOT_FINITE,
    OUTSIDE_RECORDING,
    OVERLAPPING,
    ROW_FAULTY,
    SHORTEST_S,
    TOO_LONG,
    TOO_SHORT,
    TRUNCATED,
    UNREADABLE,
)

_LEFT_OUT = "`goama prepare` leaves such a clip out."

_WARNINGS = frozenset({OVERLAPPING})  # left out by a choice that has a switch, not for a mistake

KINDS = {
    ROW_FAULTY: (
        "with a row or an annotation that cannot be used",
        _LEFT_OUT,
        "Correct what each reason names: in the table, in the annotation file, or where its recording lies.",
    ),
    UNREADABLE: (
        "whose sound cannot be read",
        _LEFT_OUT,
        "Check the path, copy the file again, or convert it: ffmpeg -i FILE clip.wav",
    ),
    TRUNCATED: (
        "whose sound file is cut off",
        f"The end of the sentence is missing; {_LEFT_OUT}",
        "Copy the file again from its origin.",
    ),
    DAMAGED: (
        "some of whose sound cannot be decoded",
        f"Words of the text may be missing in the sound; {_LEFT_OUT}",
        "Copy the file again from its origin; --damaged mend takes such clips, with silence where sound is lost.",
    ),
    NOT_FINITE: (
        "with samples that are not finite numbers (NaN or infinity)",
        f"A program that made these files divided by zero or read memory that it had not filled; {_LEFT_OUT}",
        "Make these files again; --damaged mend takes such clips, with silence in place of these samples.",
    ),
    OVERLAPPING: (
        "whose annotation overlaps another one in time",
        f"Two voices, or words of the neighbour, are in the sound and not in the text; {_LEFT_OUT}",
        "Correct the borders; or choose: --overlaps trim cuts both at the middle of the overlap, --overlaps keep takes "
        "them as they are.",
    ),
    OUTSIDE_RECORDING: (
        "cut at times that do not lie within their recording",
        f"The times belong to another recording, or are not in seconds; {_LEFT_OUT}",
        "Correct the offset and the duration of the clip.",
    ),
    TOO_LONG: (
        f"longer than {LONGEST_S:.0f} s",
        "Text and sound cannot be aligned over such a length, and one of them fills the memory of a graphics card; "
        f"{_LEFT_OUT}",
        "Cut them at pauses into sentences of 2 to 20 s.",
    ),
    TOO_SHORT: (
        f"shorter than {SHORTEST_S} s",
        f"No word fits; {_LEFT_OUT}",
        "Check how the clip was cut, or remove it.",
    ),
}
"""Finding -> what such clips are, why it matters, what to do."""

_NAMES_AND_NUMBERS = re.compile(r"'[^']*'|\"[^\"]*\"|\S*[\d./\\]\S*")


def check_faults(faults: Mapping[str, tuple[str, str]], total: int) -> list[Finding | None]:
    """`faults`: clip id -> (finding, reason), in the order of the source; `total`: all clips."""
    return [
        _faults(kind, {clip_id: fault for clip_id, (of_kind, fault) in faults.items() if of_kind == kind}, total)
        for kind in KINDS
    ]


def _faults(kind: str, faults: Mapping[str, str], total: int) -> Finding | None:
    """The reasons take turns, so that the first clips named show all of them; the first of each says how many."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for clip_id, fault in faults.items():
        by_reason[_NAMES_AND_NUMBERS.sub("…", fault)].append(clip_id)
    groups = sorted(by_reason.values(), key=len, reverse=True)
    details = {id: faults[id] for turn in zip_longest(*groups) for id in turn if id is not None}
    for first, *others in groups:
        if others and len(groups) > 1:
            details[first] += f"; {len(others)} more for a reason like this"
    what, why, remedy = KINDS[kind]
    reasons = f", for {len(groups)} different reasons" if len(groups) > 1 else ""
    severity = "warning" if kind in _WARNINGS else "error"
    return finding_if(kind, severity, details, f"{of(len(details), total)} {what}{reasons}", why, remedy)
