"""The clips of a source that are not in its corpus, each with its reason, and how to tell of many of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PLACE_IN_FILE = re.compile(r"(, tier .*|, [\d:.]+|[: ]\d+)$", re.DOTALL)


@dataclass(frozen=True)
class LeftOut:
    """A clip that is not in the corpus; `where` is its place in the source."""

    id: str
    where: str
    reason: str


def why_no_clip(left_out: Sequence[LeftOut]) -> str:
    """The end of a sentence for when no clip can be used: the first clip and its reason."""
    if not left_out:
        return "the source is empty"
    first = left_out[0]
    others = f", and {len(left_out) - 1} more were left out" if len(left_out) > 1 else ""
    return f"{first.id}, {first.where}: {first.reason}{others}"


def by_reason(left_out: Iterable[LeftOut]) -> list[tuple[int, str]]:
    """(number of clips, sentence) for the clips of each file and reason, such as a missing recording."""
    members: dict[tuple[str, str], list[LeftOut]] = {}
    for entry in left_out:
        file = _PLACE_IN_FILE.sub("", entry.where)
        members.setdefault((file, entry.reason), []).append(entry)
    return [
        (len(those), f"{those[0].id} ({those[0].where}): {reason}")
        if len(those) == 1
        else (len(those), f"{len(those)} clips, the first {those[0].id} ({those[0].where}): {reason}")
        for (_, reason), those in members.items()
    ]
