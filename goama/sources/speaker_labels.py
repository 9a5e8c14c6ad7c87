"""Names before a colon at the start of a subtitle, such as `[SPEAKER_00]:` and `JOHN:`, become its speaker."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from goama.sources.cues import Cue

_CHANGE = re.compile(r"[\s>]*>>\s*|^\s*[-–—]\s+(?=\S)")
"""Marks of a change of speaker: two or three >, or a dash."""

_BRACKETED = re.compile(r"[\[(]\s*([^\[\]()]{1,40}?)\s*[\])]\s*[:：]\s*")
_NUMBERED = re.compile(
    r"[\[(]?\s*((?:speaker|spkr?|sprecher|sprecherin|locuteur|locutrice|intervenant|hablante|locutor|locutora|orador"
    r"|falante|interlocutore|parlante|spreker|talare|taler|puhuja|mówca|mluvčí|hovorca|govornik|beszélő|vorbitor"
    r"|konuşmacı|pembicara|msemaji|спикер|диктор|говорящий|участник|мовець|говорител|ομιλητής|متحدث|المتحدث|گوینده"
    r"|वक्ता|話者|发言人|說話者|说话人|화자|s)[ _-]?\d{1,3}|speaker[ _-]?[a-z])\s*"
    r"(?:[\])]\s*[:：]?|[:：])\s*",
    re.IGNORECASE,
)
_BEFORE_COLON = re.compile(r"([^\W\d_][^:：\n.,!?;\"]{0,39}?)\s*(?:[:：]$|:\s+(?=\S)|：\s*(?=\S))")
_MOST_WORDS = 4
_USUAL_SHARE, _FEWEST_LABELLED, _USES = 0.5, 3, 2
"""Names that are not all in capitals are clear where half of the cues have one, each twice on average."""


def take_speakers(cues: Sequence[Cue], choice: str | None) -> tuple[list[Cue], list[str]]:
    """The cues with names before a colon as their speakers, and notes on what was taken and what was not.

    choice: `take` takes every short name before a colon, `keep` none; None takes what is clearly a name: in brackets,
    a number (SPEAKER_00), in capitals, or before the colon of most cues.
    """
    if choice == "keep":
        return list(cues), []
    unclear = Counter(name for cue in cues for line in cue.lines if (name := _label(line, False)[0]))
    clear = Counter(name for cue in cues for line in cue.lines if (name := _label(line, True)[0]))
    unclear -= clear
    labelled = sum(unclear.values())
    usual = labelled >= max(_FEWEST_LABELLED, _USUAL_SHARE * len(cues)) and labelled >= _USES * len(unclear)
    only_clear = not usual and choice != "take"
    taken: Counter[str] = Counter()
    several = 0
    result = []
    for cue in cues:
        names, lines = [], []
        for line in cue.lines:
            name, rest = _label(line, only_clear)
            if name:
                names.append(name)
            if rest:
                lines.append(rest)
        taken.update(names)
        different = dict.fromkeys(names)
        several += len(different) > 1
        speaker = cue.speaker if not names else names[0] if len(different) == 1 else None
        result.append(replace(cue, lines=tuple(lines), speaker=speaker))
    notes = []
    if taken:
        notes.append(
            f"names before a colon are taken as speakers ({_counted(taken)}); "
            "--speaker-labels keep leaves them in the text"
        )
    if several:
        cues_with_several = "1 cue holds" if several == 1 else f"{several} cues hold"
        notes.append(f"{cues_with_several} the words of several speakers; no speaker is given")
    if unclear and only_clear:
        notes.append(
            f"{_lines(labelled)} with words and a colon ({_counted(unclear)}), which stay in the text; "
            "--speaker-labels take takes them as speakers"
        )
    return result, notes


def _label(line: str, only_clear: bool) -> tuple[str | None, str]:
    """(name, the rest of the line); None and the line without marks of a change where there is no name."""
    change = _CHANGE.match(line)
    rest = line[change.end() :] if change else line
    for pattern in (_NUMBERED, _BRACKETED):
        found = pattern.match(rest)
        if found:
            return found[1].strip(), rest[found.end() :].strip()
    found = _BEFORE_COLON.match(rest)
    if found:
        name = found[1].strip()
        in_capitals = name == name.upper() and name != name.lower() and len(name) > 1
        has_capital = name[0] != name[0].lower() or name[0].lower() == name[0].upper()  # or a script without them
        is_name = len(name.split()) <= _MOST_WORDS and has_capital
        if is_name and (in_capitals or not only_clear):
            return name, rest[found.end() :].strip()
    return None, rest


def _lines(count: int) -> str:
    return "1 line begins" if count == 1 else f"{count} lines begin"


def _counted(names: Counter[str]) -> str:
    shown = ", ".join(f"{name!r} {count}" for name, count in names.most_common(5))
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
