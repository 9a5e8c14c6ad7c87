"""An `Audit` becomes one HTML file that says what there is, what to mend first, and lets a person hear it."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from markupsafe import Markup

from goama.audit.findings import Audit, ClipFacts, Letter
from goama.errors import GoamaError
from goama.files import write_beside
from goama.reports.charts import Histogram, density, histogram
from goama.reports.listening import Excerpt, excerpt
from goama.reports.page import render
from goama.sound.audio import read_audio

SOUND_LIMIT = 7_000_000
"""Characters of the page that may be sound: with the texts it stays below about 8 MB."""

MOST_SOUNDS = 120
WORST_SHOWN = 5  # of a finding's clips
MOST_LISTED = 300  # rows of a table; the JSON of the audit has them all
RANDOM_CLIPS = 12
LETTER_EXAMPLES = 2
RARE_BELOW = 10
_SPEAKERS_SHOWN = 12
_CONTEXT = 40  # characters on either side of an example's letter

_SPLITS = ("train", "dev", "test")
_SEVERITY_WORDS = {"error": "Error", "warning": "Warning", "info": "Note"}

# (what it is called, its value, its unit, how to read the picture)
_MEASURES: tuple[tuple[str, Callable[[ClipFacts], float | None], str, str], ...] = (
    ("Length of a clip", lambda c: c.seconds, "s", "goama trains on clips of 0.1 to 60 s."),
    (
        "Speaking rate",
        lambda c: c.characters / c.speech_s if c.speech_s and c.characters else None,
        "characters/s",
        "At the far right the text says more than the voice; at the far left, less.",
    ),
    ("Loudness of the speech", lambda c: c.rms_db, "dB", "0 dB is the loudest a file can hold."),
    ("Speech above the noise", lambda c: c.snr_db, "dB", "Below 10 dB the noise is nearly as loud as the voice."),
    (
        "Highest frequency heard",
        lambda c: c.bandwidth_hz / 1000 if c.bandwidth_hz else None,
        "kHz",
        "Telephones end at 4 kHz; a clip without s, f and sh may, too.",
    ),
    (
        "Silence in a clip",
        lambda c: None if c.silence_share is None else 100 * c.silence_share,
        "%",
        "Pauses do no harm; a clip that is mostly silence holds little to learn.",
    ),
)


@dataclass(frozen=True)
class _Verdict:
    severity: str
    judgement: str
    reason: str


@dataclass(frozen=True)
class _Part:
    """A split, or a speaker: how much of the sound is in it. `share` is relative to the largest."""

    name: str
    seconds: float
    clips: int
    speakers: int
    share: float


@dataclass(frozen=True)
class _Tile:
    """A letter as the page shows it; an example is a clip's id and its text in pieces, (piece, is it the letter)."""

    shown: str
    name: str
    codes: str
    count: int
    rare: bool
    examples: tuple[tuple[str, tuple[tuple[str, bool], ...]], ...]


@dataclass(frozen=True)
class _LetterGroup:
    name: str
    letters: tuple[_Tile, ...]


@dataclass(frozen=True)
class _Sound:
    key: str
    excerpt: Excerpt
    shortened: bool


def write_audit_report(audit: Audit, path: Path, *, sound: Callable[[ClipFacts], bytes | None]) -> None:
    """Write the page. `sound` gives the bytes of a clip's sound file, in any format goama reads, or None.

    The worst clips of each finding, random clips and clips of the rare letters can be heard, as far as 8 MB go;
    what cannot be heard is shown with the reason. Raises `OSError` when the file cannot be written.
    """
    facts = {clip.id: clip for clip in audit.clips}
    usable = [clip for clip in audit.clips if clip.fault is None]
    chosen = _random_clips(usable)
    tiles = [_tile(letter, facts) for letter in audit.alphabet]
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
        alphabet=_groups(tiles),
        chosen=chosen,
        left_out=[clip for clip in audit.clips if clip.fault is not None],
        sounds=sounds,
        not_embedded=not_embedded,
        sound_store={sound.key: sound.excerpt.mp3 for sound in sounds.values()},
        megabytes=f"{sum(sound.excerpt.size for sound in sounds.values()) / 1e6:.1f}",
        language_attribute=Markup(' lang="{}"').format(audit.language) if audit.language else "",
        severity_word=_SEVERITY_WORDS,
        worst_shown=WORST_SHOWN,
        most_listed=MOST_LISTED,
    )
    write_beside(path, page)


def _verdict(audit: Audit, usable: int) -> _Verdict:
    count = {s: sum(finding.severity == s for finding in audit.findings) for s in _SEVERITY_WORDS}
    left_out = len(audit.clips) - usable
    rest = f"{f'{usable:,} of' if left_out else 'All'} {len(audit.clips):,} clips can be used."
    if not usable:
        return _Verdict("error", "Nothing to train on yet", "No clip can be used; the findings below say why.")
    warnings = f"{_things(count['warning'])} to look at" if count["warning"] else ""
    if count["error"]:
        also = f", and {warnings}" if warnings else ""
        return _Verdict("error", f"Mend {_things(count['error'])} before you train{also}", rest)
    if warnings:
        return _Verdict("warning", f"Fit to train on, with {warnings}", rest)
    return _Verdict("good", "Fit to train on", rest)


def _things(count: int) -> str:
    return "one thing" if count == 1 else f"{count} things"


def _key_figures(audit: Audit, usable: Sequence[ClipFacts]) -> list[tuple[str, str]]:
    seconds = sum(clip.seconds or 0.0 for clip in usable)
    speakers = len({clip.speaker for clip in usable} - {None})
    rates = sorted({clip.native_rate for clip in usable if clip.native_rate})
    figures = [
        (_time(seconds), "of sound"),
        (f"{len(usable):,}", "usable clips"),
        (f"{speakers:,}" if speakers else "not named", "speakers"),
        (f"{sum(clip.words for clip in usable):,}", "words"),
        (f"{len(audit.alphabet):,}", "different characters"),
    ]
    if any(clip.speech_s is not None for clip in usable):
        figures.insert(1, (_time(sum(clip.speech_s or 0.0 for clip in usable)), "of it speech"))
    if rates:
        kilohertz = [f"{rate / 1000:g}" for rate in rates]
        shown = kilohertz if len(rates) <= 2 else [kilohertz[0], "…", kilohertz[-1]]
        figures.append((f"{' '.join(shown) if len(rates) > 2 else ' and '.join(shown)} kHz", "recorded at"))
    return figures


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _parts(clips: Iterable[ClipFacts], name: Callable[[ClipFacts], str | None], order: Sequence[str]) -> list[_Part]:
    """The parts that the clips' names make, in the order given, the others after them, the longest first."""
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
    """The same ones each time: who mends a clip finds it again."""
    return sorted((clip.id for clip in clips), key=lambda id: hashlib.sha256(id.encode()).digest())[:RANDOM_CLIPS]


# --- the alphabet


def _tile(letter: Letter, facts: dict[str, ClipFacts]) -> _Tile:
    examples: list[tuple[str, tuple[tuple[str, bool], ...]]] = []
    for id in letter.clips:
        clip = facts.get(id)
        if clip and len(examples) < LETTER_EXAMPLES:
            text = clip.normalised if letter.character in clip.normalised else clip.text
            examples.append((id, _marked(text, letter.character)))
    first = letter.character[:1]
    category = unicodedata.category(first) if first else "Cn"
    codes = " ".join(f"U+{ord(character):04X}" for character in letter.character)
    shown = codes if category[0] in "ZC" else f"◌{letter.character}" if category[0] == "M" else letter.character
    return _Tile(shown, letter.name, codes, letter.count, letter.count < RARE_BELOW, tuple(examples))


def _marked(text: str, letter: str) -> tuple[tuple[str, bool], ...]:
    """The text around the letter's first place, in pieces; a letter that carries another mark is another letter."""
    places = [
        match
        for match in re.finditer(re.escape(letter), text)
        if not unicodedata.category(text[match.end() : match.end() + 1] or " ").startswith("M")
    ]
    if not places:
        return ((text, False),)
    start, end = max(0, places[0].start() - _CONTEXT), min(len(text), places[0].end() + _CONTEXT)
    pieces, at = [("…", False)] if start else [], start
    for match in places:
        if match.end() <= end:
            pieces += [(text[at : match.start()], False), (match[0], True)]
            at = match.end()
    pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    return tuple((piece, marked) for piece, marked in pieces if piece)


def _groups(tiles: Iterable[_Tile]) -> list[_LetterGroup]:
    groups: dict[str, list[_Tile]] = {"Letters": [], "Digits": [], "Other signs": []}
    for tile in tiles:
        kind = unicodedata.category(chr(int(tile.codes[2:].split(" ")[0], 16)))[0] if tile.codes else "S"
        groups["Letters" if kind in "LM" else "Digits" if kind == "N" else "Other signs"].append(tile)
    return [_LetterGroup(name, tuple(members)) for name, members in groups.items() if members]


# --- sound


def _in_order_of_need(audit: Audit, chosen: Sequence[str], tiles: Sequence[_Tile]) -> list[str]:
    """Ids to embed: the worst clip of each finding, the second worst of each …, random clips, rare letters."""
    worst = chain.from_iterable(zip_longest(*(finding.clips[:WORST_SHOWN] for finding in audit.findings)))
    rare_first = sorted(tiles, key=lambda tile: tile.count)
    examples = chain.from_iterable(zip_longest(*([id for id, _ in tile.examples] for tile in rare_first)))
    return [id for id in dict.fromkeys([*worst, *chosen, *examples]) if id is not None]


def _embed(
    ids: Iterable[str], facts: dict[str, ClipFacts], sound: Callable[[ClipFacts], bytes | None]
) -> tuple[dict[str, _Sound], dict[str, str]]:
    """The sounds that fit, and of every other clip why it has none."""
    sounds: dict[str, _Sound] = {}
    reasons: dict[str, str] = {}
    size = 0
    for id in ids:
        clip = facts.get(id)
        if clip is None or clip.fault is not None:
            reasons[id] = "the clip cannot be used" if clip else "it is no single clip"
            continue
        if size > SOUND_LIMIT or len(sounds) == MOST_SOUNDS:
            reasons[id] = "the page would become too large"
            continue
        data = sound(clip)
        if data is None:
            reasons[id] = "its sound is not at hand"
            continue
        try:
            audio = read_audio(data, name=id)
        except GoamaError as error:
            reasons[id] = str(error)
            continue
        made = excerpt(audio.samples)
        size += made.size
        sounds[id] = _Sound(f"s{len(sounds)}", made, audio.seconds > made.seconds + 0.05)
    return sounds, reasons
