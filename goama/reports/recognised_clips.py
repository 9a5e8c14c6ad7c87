"""A recognised clip as pages show it: its words in pairs, and what the page's search finds it by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goama.evaluation.alignment import Pieces, WordPair, align_words, marked
from goama.evaluation.confusions import character_errors, slight_errors
from goama.evaluation.scores import ClipScore
from goama.reports.error_lists import token


@dataclass(frozen=True)
class ShownPair:
    """A word of the reference over one of the hypothesis; pieces are None where both are the same, or there is none."""

    reference: str | None
    same: bool
    missed: Pieces | None
    wrong: Pieces | None


@dataclass(frozen=True)
class Entry:
    """A clip in the list of all clips.

    about:   facts after its length and speaker
    kinds:   `right`, or `wrong`, and `slight` where all its errors are marks, case, punctuation or spaces
    tokens:  its errors, such as `e→a`, between tabs
    """

    clip: ClipScore
    pairs: tuple[ShownPair, ...]
    about: tuple[str, ...]
    kinds: str
    tokens: str


def entry(clip: ClipScore, about: Sequence[str] = ()) -> Entry:
    """The entry of a clip."""
    pairs = align_words(clip.reference, clip.hypothesis)
    wrong = [pair for pair in pairs if not pair.is_right]
    slight = sum(width for *_, width in slight_errors(pairs))
    kinds = "right" if not wrong else "wrong slight" if slight == len(wrong) else "wrong"
    tokens = dict.fromkeys(token(pair.reference, pair.hypothesis) for pair in wrong)
    tokens |= dict.fromkeys(token(*pair) for pair in character_errors(clip.reference, clip.hypothesis))
    return Entry(clip, shown_pairs(pairs), tuple(about), kinds, "\t".join(["", *tokens, ""]))


def shown_pairs(pairs: Sequence[WordPair]) -> tuple[ShownPair, ...]:
    """The pairs with the pieces in which they differ."""
    return tuple(_shown(pair) for pair in pairs)


def _shown(pair: WordPair) -> ShownPair:
    if pair.reference is not None and pair.hypothesis is not None:
        return ShownPair(pair.reference, pair.is_right, *marked(pair.reference, pair.hypothesis))
    missed = None if pair.reference is None else ((pair.reference, True),)
    wrong = None if pair.hypothesis is None else ((pair.hypothesis, True),)
    return ShownPair(pair.reference, False, missed, wrong)
