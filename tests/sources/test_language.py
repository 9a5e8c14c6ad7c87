"""The language of a source is the user's, or that of most clips."""

from __future__ import annotations

import pytest

from goama.sources.clip import SourceClip
from goama.sources.language import language_of


def named(*languages: str | None) -> list[SourceClip]:
    return [SourceClip(str(number), b"", "ja", "here", language=code) for number, code in enumerate(languages)]


@pytest.mark.parametrize(
    ("languages", "given", "chosen", "note"),
    [
        ((None, "nl", "nl"), None, "nl", "1 clip without a language: nl is taken, which the others name"),
        (("fy", "nl", "nl", None), None, "nl", r"name 2 languages: nl \(2\), fy \(1\), 1 clip none; .* rules of nl"),
        (("fy", "nl"), None, "fy", r"name 2 languages: fy \(1\), nl \(1\); the spelling rules of fy are used for all"),
        (("nl", "nl"), None, "nl", None),
        ((None, None), None, None, None),
        ((), None, None, None),
        (("fy", "nl"), "mos", "mos", None),
    ],
)
def test_the_language_and_what_is_said_of_it(
    languages: tuple[str | None, ...], given: str | None, chosen: str | None, note: str | None
) -> None:
    import re

    language, notes = language_of(named(*languages), given)
    assert language == chosen
    assert bool(notes) == bool(note) and (not note or re.search(note, notes[0]))
