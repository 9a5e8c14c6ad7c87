"""Which tiers of annotation files hold the transcription: those the user named, else found by name, else by content."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from goama.errors import GoamaError
from goama.sources.annotation_file import Annotation, Tier

_TRANSCRIPTION_NAMES = (
    "transcription", "transcript", "orthographic transcription", "orthographic", "orthography", "ortho", "orth",
    "utterance", "utterances", "utt", "sentence", "sentences", "phrase", "phrases", "tx", "text", "txt",
)  # fmt: skip
"""Usual names of the transcription tier or of its linguistic type, by precedence."""

_OTHER_CONTENT = {
    "translation", "translations", "gloss", "glosses", "note", "notes", "comment", "comments", "phone", "phones",
    "phonemes", "segments", "morph", "morphs", "morphemes", "pos", "ft", "ge", "ps",
}  # fmt: skip
"""Words in the names of tiers that hold no transcription; such a tier is taken only if the user names it."""

_MOST_OVERLAP = 0.2  # share of a tier's time that it may share with the transcription and still be another speaker


@dataclass(frozen=True)
class TierSummary:
    """What is kept of a tier between the choice of the tiers and the reading of their clips."""

    name: str
    base_name: str
    kind: str
    with_text: int
    empty: int
    marks_points: bool


SummariesByFile = Mapping[Path, Sequence[TierSummary]]
NamesByFile = Mapping[Path, Sequence[str]]


def summary_of(tier: Tier) -> TierSummary:
    """The tier's names and its numbers of annotations, without the annotations."""
    with_text = len(tier.with_text)
    return TierSummary(
        tier.name, tier.base_name, tier.kind, with_text, len(tier.annotations) - with_text, tier.marks_points
    )


def choose_tiers(surveyed: SummariesByFile, guessed: NamesByFile, wanted: tuple[str, ...], where: str) -> NamesByFile:
    """The names of the tiers to take, by file.

    surveyed:  all tiers, by file
    guessed:   names of the tiers that look like the transcription, by file; used if no tier has a usual name
    wanted:    names, linguistic types or patterns given by the user; empty: choose
    where:     the source, for error messages

    Raises `GoamaError` when a wanted tier does not exist or marks points, or when the chosen tiers hold no text.
    """
    taken = _tiers_named(surveyed, wanted, where) if wanted else _tiers_with_usual_names(surveyed) or guessed
    if surveyed and not any(taken.values()):
        raise GoamaError(f"{where}: no tier holds text with times ({list_tiers(surveyed.values()) or 'no tiers'})")
    if wanted and surveyed and not count_texts(surveyed, taken):
        filled = list_tiers([tier for tier in tiers if tier.with_text] for tiers in surveyed.values())
        raise GoamaError(
            f"{where}: no text in {', '.join(map(repr, wanted))}; the tiers with text are: {filled or 'none'}"
        )
    return taken


def count_texts(surveyed: SummariesByFile, taken: NamesByFile) -> int:
    """The number of annotations with text in the taken tiers: the number of clips."""
    return sum(tier.with_text for tier in _taken_tiers(surveyed, taken))


def _taken_tiers(surveyed: SummariesByFile, taken: NamesByFile) -> list[TierSummary]:
    return [tier for file, tiers in surveyed.items() for tier in tiers if tier.name in taken[file]]


def _tiers_named(surveyed: SummariesByFile, wanted: tuple[str, ...], where: str) -> dict[Path, list[str]]:
    """Tiers whose name, name before @, linguistic type or, failing these, pattern is one of the wanted."""
    every = [tier for tiers in surveyed.values() for tier in tiers]
    matching: set[str] = set()
    for name in wanted:
        matches = (
            {tier.name for tier in every if tier.name == name}
            or {tier.name for tier in every if name in (tier.base_name, tier.kind)}
            or {tier.name for tier in every if fnmatchcase(tier.name.casefold(), name.casefold())}
        )
        if not matches and every:
            close = difflib.get_close_matches(name, {tier.name for tier in every}, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise GoamaError(f"{where}: no tier {name!r}{hint}; the tiers are: {list_tiers(surveyed.values())}")
        points = sorted(tier.name for tier in every if tier.name in matches and tier.marks_points)
        if points:
            raise GoamaError(f"{where}: the tier {points[0]!r} marks points, and clips need intervals")
        matching |= matches
    return {file: [tier.name for tier in tiers if tier.name in matching] for file, tiers in surveyed.items()}


def _tiers_with_usual_names(surveyed: SummariesByFile) -> dict[Path, list[str]] | None:
    """The tiers with the most usual name or type that any file has; None if none has one.

    One name counts for all files, so that a file without a transcription does not contribute its translation.
    """
    every = [tier for tiers in surveyed.values() for tier in tiers if tier.with_text and not tier.marks_points]
    for attribute in ("base_name", "kind"):
        there = {getattr(tier, attribute).casefold() for tier in every}
        usual = next((name for name in _TRANSCRIPTION_NAMES if name in there), None)
        if usual is not None:
            return {
                file: [t.name for t in tiers if getattr(t, attribute).casefold() == usual and not t.marks_points]
                for file, tiers in surveyed.items()
            }
    return None


# --- tiers with unusual names


def guess_transcription(tiers: Sequence[Tier]) -> list[str]:
    """The names of the tiers of one file that look like the transcription, judged by their annotations.

    The first is a tier with at least half as many characters as the fullest tier and at least half of the greatest
    mean length: words and phones have shorter texts. Others are added if their annotations are at other times, as
    those of another speaker are: a translation has the times of what it translates.
    """
    all_texts = {tier.name: tier.with_text for tier in tiers if not tier.marks_points}
    texts = {
        name: found
        for name, found in all_texts.items()
        if found and _OTHER_CONTENT.isdisjoint(re.findall(r"[^\W\d_]+", name.casefold()))
    } or {name: found for name, found in all_texts.items() if found}
    characters = {name: sum(len(annotation.text) for annotation in found) for name, found in texts.items()}
    most = max(characters.values(), default=0)
    full = [name for name in texts if 2 * characters[name] >= most]
    longest = max((characters[name] / len(texts[name]) for name in full), default=0.0)
    taken = [name for name in full if 2 * characters[name] / len(texts[name]) >= longest][:1]
    for name, found in texts.items():
        if name not in taken and all(_overlap(found, texts[other]) < _MOST_OVERLAP for other in taken):
            taken.append(name)
    return taken


def _overlap(these: Sequence[Annotation], those: Sequence[Annotation]) -> float:
    """The share of the time of `these` that is also in `those`, 0 to 1."""
    ours, theirs = _merged_spans(these), _merged_spans(those)
    common, other = 0.0, 0
    for start, end in ours:
        while other < len(theirs) and theirs[other][1] <= start:
            other += 1
        at = other
        while at < len(theirs) and theirs[at][0] < end:
            common += min(end, theirs[at][1]) - max(start, theirs[at][0])
            at += 1
    total = sum(end - start for start, end in ours)
    return common / total if total else 1.0


def _merged_spans(annotations: Sequence[Annotation]) -> list[tuple[float, float]]:
    """(start, end) in order of time; overlapping annotations are merged."""
    spans: list[tuple[float, float]] = []
    for start, end in sorted((a.start, a.end) for a in annotations if a.start is not None and a.end is not None):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        elif start < end:
            spans.append((start, end))
    return spans


# --- what is said about the choice


def describe_choice(surveyed: SummariesByFile, taken: NamesByFile) -> str:
    """The end of the sentence about what was read: tiers, numbers of annotations; empty if no tier was taken."""
    tiers = _taken_tiers(surveyed, taken)
    names = list(dict.fromkeys(tier.name for tier in tiers))
    if not tiers:
        return ""
    texts, empty = count_texts(surveyed, taken), sum(tier.empty for tier in tiers)
    without = f", {empty} without text (silence) are no clips" if empty else ""
    if names == [""]:
        return f"; {texts} annotations{without}"
    kinds = ", ".join(dict.fromkeys(tier.kind for tier in tiers if tier.kind))
    shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"; tier{'s' if len(names) > 1 else ''} {shown}{f' (type {kinds})' if kinds else ''}: "
        f"{texts} annotations{without}"
    )


def notes_on_tiers(surveyed: SummariesByFile, taken: NamesByFile, named: bool) -> list[str]:
    """Sentences about tiers that were not taken, and files without any that was. `named`: the user chose the tiers."""
    notes = []
    others = [
        [tier for tier in tiers if tier.name not in taken[file] and tier.with_text] for file, tiers in surveyed.items()
    ]
    if any(others) and not named:
        notes.append(f"tiers not taken: {list_tiers(others)}; --tier NAME, once for each, takes those you name")
    none = [file.name for file in surveyed if not taken[file]]
    if none:
        shown = ", ".join(none[:5]) + (f" and {len(none) - 5} more" if len(none) > 5 else "")
        notes.append(f"{len(none)} file{'s have' if len(none) > 1 else ' has'} none of these tiers: {shown}")
    return notes


def list_tiers(files: Iterable[Sequence[TierSummary]]) -> str:
    """`'tx@AW' (801), 'ft@AW' (722)`: the names of up to 12 tiers with their numbers of annotations."""
    counts: Counter[str] = Counter()
    for tiers in files:
        for tier in tiers:
            counts[tier.name] += tier.with_text
    shown = ", ".join(f"{name!r} ({count})" for name, count in list(counts.items())[:12])
    return shown + (f" and {len(counts) - 12} more" if len(counts) > 12 else "")
