"""The language of a source, and with it the spelling rules: what the user says, or else what most of its clips say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from goama.sources.clip import SourceClip, count_of_clips


def language_of(clips: Iterable[SourceClip], given: str | None) -> tuple[str | None, tuple[str, ...]]:
    """(language, what to say about the choice): `given`, or the one that most clips name; None where none does.

    The first of several that are named equally often.
    """
    if given is not None:
        return given, ()
    counts = Counter(clip.language for clip in clips)
    unnamed = counts.pop(None, 0)
    if not counts:
        return None, ()
    ((language, _), *others) = counts.most_common()
    if others:
        listed = ", ".join(f"{name} ({count})" for name, count in counts.most_common())
        more = f", {count_of_clips(unnamed)} none" if unnamed else ""
        return language, (
            f"the clips name {len(counts)} languages: {listed}{more}; the spelling rules of {language} are used for "
            "all: one corpus, one set of rules (--language CODE takes another)",
        )
    if unnamed:
        taken = f"{count_of_clips(unnamed)} without a language: {language} is taken, which the others name"
        return language, (f"{taken} (--language CODE takes another)",)
    return language, ()
