"""A comparison of two models as one HTML file: is the difference real, where it lies, and the clips that changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from goama import __version__
from goama.corpus.corpus import Corpus
from goama.evaluation.comparison import Changed, Comparison, Difference, difference_of
from goama.evaluation.confusions import Confusions, confusions
from goama.evaluation.scores import BOOTSTRAP_SAMPLES, FEW_SPEAKERS, FEWEST_SPEAKERS, ClipScore
from goama.evaluation.slices import FEW_CLIPS
from goama.files import write_beside
from goama.reports.clip_properties import Property, about_clip, clip_properties
from goama.reports.clip_sounds import clip_sounds
from goama.reports.error_lists import NOTHING, token
from goama.reports.formatting import count_of_clips, percent
from goama.reports.listening import COARSE
from goama.reports.page import Verdict, language_attribute, render
from goama.reports.recognised_clips import Entry, entry

_LISTED = 12
_MOST_LEFT_OUT = 200

_SORTS = (
    ("errors", "most changed"),
    ("change-up", "B better"),
    ("change", "A better"),
    ("seconds", "longest"),
    ("speaker", "speaker"),
    ("place", "name"),
)
_SHOWS = (
    ("changed", "changed clips"),
    ("better", "B has fewer errors"),
    ("worse", "A has fewer errors"),
    ("", "all clips"),
)


@dataclass(frozen=True)
class ChangedEntry:
    """A clip with what both models wrote; `kinds` are those that the page filters by."""

    clip: ClipScore
    a: Entry
    b: Entry
    change: int
    kinds: str
    tokens: str


@dataclass(frozen=True)
class ComparedGroup:
    """Clips of a group: the CER of both, and the difference."""

    name: str
    clips: int
    a: float
    b: float
    difference: Difference


@dataclass(frozen=True)
class ComparedProperty:
    """A property with its groups as a table."""

    key: str
    about: Property
    groups: tuple[ComparedGroup, ...]


@dataclass(frozen=True)
class _Shift:
    """An error that one model makes more often."""

    shown: str
    token: str
    a: int
    b: int


def write_comparison_report(
    comparison: Comparison, corpus: Corpus, path: Path, progress: Callable[[int], None] | None = None
) -> None:
    """Write the page of a comparison. `progress` is called with the number of clips whose sound was read.

    Raises `OSError` when the file cannot be written.
    """
    split = comparison.a.split
    ranked = sorted(comparison.clips, key=lambda changed: (-abs(changed.change), changed.a.id))
    sound = clip_sounds(corpus, split, [changed.a.id for changed in ranked], progress)
    columns = corpus.columns(split)
    clips = comparison.a.clips
    fewer, more = _shifts(confusions(comparison.a.clips), confusions(comparison.b.clips))
    page = render(
        "comparison.html.jinja",
        comparison=comparison,
        verdict=verdict(comparison),
        rates=_rates(comparison),
        counts=_counts(comparison.clips),
        fewer=fewer,
        more=more,
        properties=_compared(clip_properties(clips, sound.measured, columns, None), comparison.clips),
        entries=[_entry(changed, about_clip(changed.a, sound.measured, columns)) for changed in ranked],
        places={id: place for place, id in enumerate(sorted(clip.id for clip in clips))},
        sounds=sound.sounds,
        not_embedded=sound.reasons,
        coarse=sound.encoding.quality is COARSE,
        sorts=_SORTS,
        shows=_SHOWS,
        facts=_facts(comparison, corpus),
        few_speakers=comparison.by_speaker is not None and comparison.by_speaker["cer"].units < FEW_SPEAKERS,
        few_clips=FEW_CLIPS,
        most_left_out=_MOST_LEFT_OUT,
        language_attribute=language_attribute(corpus.language),
        percent=percent,
        points=points,
    )
    write_beside(path, page)


def points(share: float) -> str:
    """-0.054 -> −5.4: a difference of two rates in percentage points."""
    return f"{100 * share:+.1f}".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


def verdict(comparison: Comparison) -> Verdict:
    """Whether the difference is real, in a sentence, and its figures."""
    cer, wer = (comparison.by_clip[rate] for rate in ("cer", "wer"))
    figures = (
        f"CER {percent(comparison.a.score.cer)} with A, {percent(comparison.b.score.cer)} with B "
        f"({points(cer.value)} points, 95 % interval {points(cer.interval[0])} to {points(cer.interval[1])}); "
        f"WER {percent(comparison.a.score.wer)} and {percent(comparison.b.score.wer)} "
        f"({points(wer.value)}, {points(wer.interval[0])} to {points(wer.interval[1])})."
    )
    better = comparison.better
    if better is None:
        if cer.is_real and wer.is_real:
            return Verdict("warning", "One model has the lower CER, the other the lower WER", figures)
        return Verdict("info", "No difference can be shown", f"{figures} It may be chance; more clips would tell.")
    judgement = f"{better.upper()} makes fewer errors"
    holds = comparison.holds_for_other_speakers
    if holds is None:
        alone = f"For other speakers it may differ: to tell, clips of at least {FEWEST_SPEAKERS} speakers are needed."
        return Verdict("good", judgement, f"{figures} {alone}")
    if not holds:
        return Verdict(
            "warning",
            f"{judgement} for these speakers; for others it may be chance",
            f"{figures} Over speakers, the interval contains 0.",
        )
    return Verdict("good", judgement, f"{figures} It holds over speakers, too.")


def _rates(comparison: Comparison) -> list[tuple[str, float, float, Difference, Difference | None]]:
    speaker = comparison.by_speaker or {}
    a, b = comparison.a.score, comparison.b.score
    return [
        ("CER", a.cer, b.cer, comparison.by_clip["cer"], speaker.get("cer")),
        ("WER", a.wer, b.wer, comparison.by_clip["wer"], speaker.get("wer")),
    ]


def _counts(clips: Sequence[Changed]) -> list[tuple[str, str, int]]:
    """(kind, what, how many clips)."""
    better = sum(changed.change < 0 for changed in clips)
    worse = sum(changed.change > 0 for changed in clips)
    return [
        ("right", "B has fewer errors", better),
        ("same", "as many errors", len(clips) - better - worse),
        ("confused", "A has fewer errors", worse),
    ]


def _entry(changed: Changed, about: Sequence[str]) -> ChangedEntry:
    a, b = entry(changed.a, about), entry(changed.b, about)
    kinds = "better" if changed.change < 0 else "worse" if changed.change > 0 else "same"
    if changed.a.hypothesis != changed.b.hypothesis:
        kinds += " changed"
    return ChangedEntry(changed.a, a, b, changed.change, kinds, a.tokens + b.tokens)


def _shifts(a: Confusions, b: Confusions) -> tuple[list[_Shift], list[_Shift]]:
    """The errors that B makes less often, and more often, by how much."""
    shifts = []
    for of_a, of_b in ((a.characters, b.characters), (a.words, b.words)):
        for said, written in dict.fromkeys([*of_a, *of_b]):
            shown = f"{NOTHING if said is None else said} → {NOTHING if written is None else written}"
            pair = said, written
            shifts.append(_Shift(shown, token(*pair), of_a.get(pair, 0), of_b.get(pair, 0)))
    by_change = sorted(shifts, key=lambda shift: (shift.b - shift.a, shift.shown))
    fewer = [shift for shift in by_change[:_LISTED] if shift.b < shift.a]
    more = [shift for shift in reversed(by_change[-_LISTED:]) if shift.b > shift.a]
    return fewer, more


def _compared(properties: Sequence[Property], clips: Sequence[Changed]) -> list[ComparedProperty]:
    by_id: Mapping[str, Changed] = {changed.a.id: changed for changed in clips}
    compared = []
    for number, one in enumerate(properties, start=1):
        groups = []
        for name, members in one.groups:
            both = [by_id[clip.id] for clip in members]
            characters = max(1, sum(changed.a.characters for changed in both))
            groups.append(
                ComparedGroup(
                    name,
                    len(both),
                    sum(changed.a.character_errors for changed in both) / characters,
                    sum(changed.b.character_errors for changed in both) / characters,
                    difference_of(both, samples=2_000)["cer"],
                )
            )
        compared.append(ComparedProperty(str(number), one, tuple(groups)))
    return compared


def _facts(comparison: Comparison, corpus: Corpus) -> list[tuple[str, str]]:
    spelling = (
        "The two models have different spelling rules; all texts were normalised with the rules of the corpus first."
        if comparison.renormalised
        else "Both models have the same references."
    )
    return [
        ("A", f"`{comparison.a.model}`"),
        ("B", f"`{comparison.b.model}`"),
        (
            "Corpus",
            f"`{corpus.folder}`, split {comparison.a.split}, {count_of_clips(len(comparison.clips))}, SHA-256 of its "
            f"manifest `{corpus.fingerprint()}`",
        ),
        ("Spelling", spelling),
        (
            "Intervals",
            f"95 %, paired bootstrap with {BOOTSTRAP_SAMPLES:,} samples (2,000 for groups): both models are resampled "
            "together, over clips (Bisani and Ney 2004) and over speakers (Liu and Peng 2020).",
        ),
        ("Written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by goama {__version__}"),
    ]
