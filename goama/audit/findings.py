"""Findings: what is wrong with data or with a training run; and what an audit consists of.

`Finding` serves `goama check` and the diagnosis of a training run alike: both are shown by the same lines in a terminal
and by the same part of a page.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from goama.html import facts_html
from goama.sources.clip import count_of_clips

SEVERITIES = ("info", "warning", "error")
"""info: nothing to mend; warning: look at it; error: these clips or this run cannot be used, or a score would be
false."""

_WIDTH = 110  # columns of a terminal
_INDENT = " " * 9
_NAMED_CLIPS = 3


@dataclass(frozen=True)
class Finding:
    """One finding of the audit or of the diagnosis.

    name:      a stable word such as `audio-clipped`; other tools build on it
    severity:  one of `SEVERITIES`
    clips:     where: ids, worst first where there is a worst; empty where the corpus or the run as a whole is meant
    message:   what: one sentence for a linguist, with how much and where
    why:       why it matters for recognition
    remedy:    the command or edit that mends it
    details:   clip id -> evidence for that clip ("peak 1.00 in 3.1 % of samples")
    evidence:  what was measured of the corpus or the run as a whole; "" where `details` or `message` say it
    subject:   the speaker or corpus it is about, where several may each have a finding of this name; else ""
    step:      the training step at which it was first true; None for a finding about data
    """

    name: str
    severity: str
    clips: tuple[str, ...]
    message: str
    why: str
    remedy: str
    details: Mapping[str, str] = field(default_factory=dict)
    evidence: str = ""
    subject: str = ""
    step: int | None = None

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity {self.severity!r} is none of {SEVERITIES}")

    @property
    def key(self) -> str:
        """Distinguishes it from the other findings of a run."""
        return f"{self.name}: {self.subject}" if self.subject else self.name

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON, each field under its own name."""
        return {**asdict(self), "clips": list(self.clips), "details": dict(self.details)}

    def lines(self) -> Iterator[str]:
        """Lines for a terminal, without markup: severity and message, evidence or the first clips, remedy."""
        yield from _wrapped(f"{self.severity:8} {self.message}  [{self.name}]")
        if self.evidence:
            yield from _wrapped(_INDENT + self.evidence)
        elif self.clips:
            for id in self.clips[:_NAMED_CLIPS]:
                yield from _wrapped(_INDENT + id + (f" ({self.details[id]})" if self.details.get(id) else ""))
            if len(self.clips) > _NAMED_CLIPS:
                yield f"{_INDENT}and {len(self.clips) - _NAMED_CLIPS} more"
        yield from _wrapped(f"{_INDENT}→ {self.remedy}")

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _wrapped(line: str) -> Iterator[str]:
    indent = _INDENT + "  " * line.startswith(f"{_INDENT}→")
    yield from textwrap.wrap(
        line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


@dataclass(frozen=True)
class ClipFacts:
    """What the audit measured of one clip, without its sound; None where the sound was not read.

    where:               file and line, or data set and row
    text:                as people wrote it; `normalised` as training will see it
    seconds:             of sound, or what the manifest says where the sound was not read
    native_rate:         Hz, before conversion to 16 kHz
    peak_db, rms_db, noise_db:  dB relative to digital full scale; rms of the speech, noise of the quietest frames
    snr_db:              rms_db - noise_db
    clipped_share:       share of the samples that lie on flat tops, 0 to 1
    silence_share:       share of the clip without speech, 0 to 1
    leading_silence_s, trailing_silence_s:  before the first and after the last speech
    bandwidth_hz:        highest frequency with audible sound, at most 8000
    characters:          graphemes of the normalised text, without spaces
    labels:              CTC labels of the normalised text, word delimiters included
    frames_needed:       frames that CTC needs for them: one per label, one more between two equal neighbours
    fault:               why the clip cannot be used at all, or None
    """

    id: str
    where: str
    text: str
    normalised: str = ""
    speaker: str | None = None
    split: str | None = None
    language: str | None = None
    seconds: float | None = None
    native_rate: int | None = None
    channels: int | None = None
    peak_db: float | None = None
    rms_db: float | None = None
    noise_db: float | None = None
    snr_db: float | None = None
    clipped_share: float | None = None
    silence_share: float | None = None
    leading_silence_s: float | None = None
    trailing_silence_s: float | None = None
    bandwidth_hz: float | None = None
    characters: int = 0
    words: int = 0
    labels: int = 0
    frames_needed: int = 0
    fault: str | None = None

    @property
    def speech_s(self) -> float | None:
        """Seconds with speech in them."""
        if self.seconds is None or self.silence_share is None:
            return None
        return self.seconds * (1.0 - self.silence_share)

    def to_json(self) -> dict[str, Any]:
        """One line of `goama check --facts`; values that are not finite become null."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Letter:
    """A character of the normalised transcripts: how often it occurs, and up to five clips that contain it."""

    character: str
    name: str
    count: int
    clips: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """Everything an audit found; it holds no sound.

    clips:     in the order of the source
    findings:  worst first
    alphabet:  most frequent first
    summary:   `clips`, `hours`, `speakers`, `splits` (each: clips, seconds, speakers), `rates`, `audio_ms_per_label`, …
    """

    source: str
    language: str | None
    clips: tuple[ClipFacts, ...]
    findings: tuple[Finding, ...]
    alphabet: tuple[Letter, ...]
    summary: dict[str, Any]

    def __repr__(self) -> str:
        counts = ", ".join(f"{sum(f.severity == s for f in self.findings)} {s}" for s in reversed(SEVERITIES))
        return f"Audit({self.source}: {len(self.clips)} clips; findings: {counts})"

    def _repr_html_(self) -> str:
        rows = [(finding.severity, f"{finding.message} → {finding.remedy}") for finding in self.findings]
        return facts_html(f"{self.source}: {count_of_clips(len(self.clips))}", rows)

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The content of `goama check --json`."""
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "corpus": {
                "source": self.source,
                "language": self.language,
                **self.summary,
                "alphabet": [asdict(letter) for letter in self.alphabet],
            },
        }


def of(count: int, total: int) -> str:
    """ "3 of 24 clips", "the only clip", "all 24 clips"."""
    if count == total:
        return "the only clip" if total == 1 else f"all {total} clips"
    return f"{count} of {total} clips"


def shortened(text: str, longest: int = 40) -> str:
    """The text on one line of at most about `longest` characters, cut between words and ended by "…"."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    whole_words = text[: longest + 1].rpartition(" ")[0]
    return (whole_words or text[:longest]) + "…"


def finding_if(
    name: str, severity: str, details: dict[str, str], message: str, why: str, remedy: str
) -> Finding | None:
    """The finding about the clips in `details` (clip id -> evidence), in that order; None when `details` is empty."""
    return Finding(name, severity, tuple(details), message, why, remedy, details) if details else None
