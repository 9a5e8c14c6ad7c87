"""An `Audit` as one HTML file: what the corpus holds, what to mend first, and clips to hear."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from goama.audit.findings import SEVERITIES, Audit, ClipFacts
from goama.errors import GoamaError
from goama.files import write_beside
from goama.reports.alphabet import LetterTile, letter_groups, letter_tile
from goama.reports.charts import Histogram, density, histogram
from goama.reports.formatting import duration
from goama.reports.listening import EmbeddedSound, excerpt
from goama.reports.page import Verdict, language_attribute, render
from goama.sound.audio import read_audio

SOUND_LIMIT = 7_000_000
"""Characters of sound in a page; with the texts it stays below about 8 MB."""

MOST_SOUNDS = 120
WORST_SHOWN = 5  # of a finding's clips
MOST_LISTED = 300  # rows of a table; `goama check --json` has all of them
RANDOM_CLIPS = 12
_SPEAKERS_SHOWN = 12
_LEFT_OUT_HEARD = 20  # clips that cannot be used: people must hear why

_SPLITS = ("train", "dev", "test")

# (title, value, unit, how to read the chart)
_MEASURES: tuple[tuple[str, Callable[[ClipFacts], float | None], str, str], ...] = (
    ("Length of a clip", lambda c: c.seconds, "s", "goama trains on clips of 0.1 to 60 s."),
    (
        "Speaking rate",
        lambda c: c.characters / c.speech_s if c.speech_s and c.characters else None,
        "characters/s",
        "Far to the right the text has more than was spoken; far to the left, less.",
    ),
    ("Loudness of the speech", lambda c: c.rms_db, "dB", "0 dB is the loudest a file can hold."),
    ("Speech above the noise", lambda c: c.snr_db, "dB", "Below 10 dB the noise is nearly as loud as the voice."),
    (
        "Highest frequency heard",
        lambda c: c.bandwidth_hz / 1000 if c.bandwidth_hz else None,
        "kHz",
        "Telephone speech ends at 4 kHz; so may a clip without s, f and sh.",
    ),
    (
        "Silence in a clip",
        lambda c: None if c.silence_share is None else 100 * c.silence_share,
        "%",
        "Pauses do no harm; a clip that is mostly silence holds little to learn.",
    ),
)


@dataclass(frozen=True)
class _Part:
    """The sound of a split or of a speaker; `share` is relative to the largest."""

    name: str
    seconds: float
    clips: int
    speakers: int
    share: float


def write_audit_report(audit: Audit, path: Path, *, sound: Callable[[ClipFacts], bytes | None]) -> None:
    """Write the page. `sound` returns the bytes of a clip's sound file, in any format that goama reads, or None.

    The worst clips of each finding, random clips and clips with rare letters can be heard, up to 7 MB of sound; the
    others are shown with the reason. Raises `OSError` when the file cannot be written.
    """
    facts = {clip.id: clip for clip in audit.clips}
    usable = [clip for clip in audit.clips if clip.fault is None]
    chosen = _random_clips(usable)
    tiles = [letter_tile(letter, facts) for letter in audit.alphabet]
    sounds, not_embedded = _embed(_in_order_of_need(audit, chosen, tiles), facts, sound)
    page = render(
        "audit.html.jinja",
        audit=audit,
        facts=facts,
        verdict=_verdict(audit, len(usable)),
        tiles=_key_figures(audit, usable),
        splits=_parts(usable, lambda clip: clip.split, _SPLITS),
        speakers=_speakers(usable),
        text_against_sound=density(
            [(c.speech_s, c.characters) for c in usable if c.speech_s and c.characters], "second of speech"
        ),
        histograms=_histograms(usable),
        alphabet=letter_groups(tiles),
        chosen=chosen,
        left_out=[clip for clip in audit.clips if clip.fault is not None],
        sounds=sounds,
        not_embedded=not_embedded,
        language_attribute=language_attribute(audit.language),
        worst_shown=WORST_SHOWN,
        most_listed=MOST_LISTED,
    )
    write_beside(path, page)


def _verdict(audit: Audit, usable: int) -> Verdict:
    count = {s: sum(finding.severity == s for finding in audit.findings) for s in SEVERITIES}
    left_out = len(audit.clips) - usable
    rest = f"{f'{usable:,} of' if left_out else 'All'} {len(audit.clips):,} clips can be used."
    if not usable:
        return Verdict("error", "Nothing to train on yet", "No clip can be used; the findings below say why.")
    warnings = f"{_things(count['warning'])} to look at" if count["warning"] else ""
    if count["error"]:
        also = f", and {warnings}" if warnings else ""
        return Verdict("error", f"Mend {_things(count['error'])} before you train{also}", rest)
    if warnings:
        return Verdict("warning", f"Fit to train on, with {warnings}", rest)
    return Verdict("good", "Fit to train on", rest)


def _things(count: int) -> str:
    return "one thing" if count == 1 else f"{count} things"


def _key_figures(audit: Audit, usable: Sequence[ClipFacts]) -> list[tuple[str, str]]:
    seconds = sum(clip.seconds or 0.0 for clip in usable)
    speakers = len({clip.speaker for clip in usable} - {None})
    rates = sorted({clip.native_rate for clip in usable if clip.native_rate})
    figures = [
        (duration(seconds), "of sound"),
        (f"{len(usable):,}", "usable clips"),
        (f"{speakers:,}" if speakers else "not named", "speakers"),
        (f"{sum(clip.words for clip in usable):,}", "words"),
        (f"{len(audit.alphabet):,}", "different characters"),
    ]
    if any(clip.speech_s is not None for clip in usable):
        figures.insert(1, (duration(sum(clip.speech_s or 0.0 for clip in usable)), "of it speech"))
    if rates:
        kilohertz = [f"{rate / 1000:g}" for rate in rates]
        shown = kilohertz if len(rates) <= 2 else [kilohertz[0], "…", kilohertz[-1]]
        figures.append((f"{' '.join(shown) if len(rates) > 2 else ' and '.join(shown)} kHz", "recorded at"))
    return figures


def _parts(clips: Iterable[ClipFacts], name: Callable[[ClipFacts], str | None], order: Sequence[str]) -> list[_Part]:
    """The clips by `name`: names in `order` first, then the others, the longest first."""
    members: dict[str, list[ClipFacts]] = defaultdict(list)
    for clip in clips:
        if (part := name(clip)) is not None:
            members[part].append(clip)
    seconds = {part: sum(clip.seconds or 0.0 for clip in inside) for part, inside in members.items()}
    most = max(seconds.values(), default=0.0) or 1.0
    rank = {part: place for place, part in enumerate(order)}
    ranked = sorted(members, key=lambda part: (rank.get(part, len(order)), -seconds[part], part))
    return [
        _Part(
            part,
            seconds[part],
            len(members[part]),
            len({clip.speaker for clip in members[part]} - {None}),
            seconds[part] / most,
        )
        for part in ranked
    ]


def _speakers(clips: Sequence[ClipFacts]) -> list[_Part]:
    speakers = _parts(clips, lambda clip: clip.speaker, ())
    shown, others = speakers[:_SPEAKERS_SHOWN], speakers[_SPEAKERS_SHOWN:]
    if others:
        seconds = sum(part.seconds for part in others)
        share = min(1.0, seconds * shown[0].share / (shown[0].seconds or 1.0))
        shown.append(_Part(f"{len(others)} others", seconds, sum(part.clips for part in others), len(others), share))
    unnamed = [clip for clip in clips if clip.speaker is None]
    if unnamed and speakers:
        seconds = sum(clip.seconds or 0.0 for clip in unnamed)
        shown.append(_Part("not named", seconds, len(unnamed), 0, min(1.0, seconds / (shown[0].seconds or 1.0))))
    return shown


def _histograms(clips: Sequence[ClipFacts]) -> list[Histogram]:
    charts = []
    for title, measure, unit, hint in _MEASURES:
        values = [value for clip in clips if (value := measure(clip)) is not None and math.isfinite(value)]
        chart = histogram(title, values, unit, hint)
        if chart:
            charts.append(chart)
    return charts


def _random_clips(clips: Sequence[ClipFacts]) -> list[str]:
    """Ids chosen by their hash: the same at every audit, so that a mended clip can be found again."""
    return sorted((clip.id for clip in clips), key=lambda id: hashlib.sha256(id.encode()).digest())[:RANDOM_CLIPS]


def _in_order_of_need(audit: Audit, chosen: Sequence[str], tiles: Sequence[LetterTile]) -> list[str]:
    """Ids to embed: the worst clip of each finding, the second worst of each …, random clips, rare letters,
    clips left out."""
    worst = chain.from_iterable(zip_longest(*(finding.clips[:WORST_SHOWN] for finding in audit.findings)))
    rare_first = sorted(tiles, key=lambda tile: tile.count)
    examples = chain.from_iterable(zip_longest(*([id for id, _ in tile.examples] for tile in rare_first)))
    left_out = [clip.id for clip in audit.clips if clip.fault is not None][:_LEFT_OUT_HEARD]
    return [id for id in dict.fromkeys([*worst, *chosen, *examples, *left_out]) if id is not None]


def _embed(
    ids: Iterable[str], facts: dict[str, ClipFacts], sound: Callable[[ClipFacts], bytes | None]
) -> tuple[dict[str, EmbeddedSound], dict[str, str]]:
    """(id to sound of the clips that fit, id to reason of the others)."""
    sounds: dict[str, EmbeddedSound] = {}
    reasons: dict[str, str] = {}
    size = 0
    for id in ids:
        clip = facts.get(id)
        if clip is None:
            reasons[id] = "it is no single clip"
            continue
        if size > SOUND_LIMIT or len(sounds) == MOST_SOUNDS:
            reasons[id] = "the page would become too large"
            continue
        data = sound(clip)
        if data is None:
            reasons[id] = "its sound is not at hand" if clip.fault is None else "its sound cannot be read"
            continue
        try:
            audio = read_audio(data, name=id)
        except GoamaError as error:
            reasons[id] = str(error)
            continue
        made = excerpt(audio.samples)
        size += made.size
        sounds[id] = EmbeddedSound(f"s{len(sounds)}", made)
    return sounds, reasons
