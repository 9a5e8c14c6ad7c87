"""What an audit says: findings with their clips and remedies, the facts measured of each clip, the alphabet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SEVERITIES = ("info", "warning", "error")
"""info: good to know, goama deals with it; warning: look at it; error: these clips cannot be learnt from, or a
score on this corpus would be false."""


@dataclass(frozen=True)
class Finding:
    """One thing the audit has to say.

    name:      a stable word such as `audio-clipped`; other tools build on it
    severity:  one of `SEVERITIES`
    clips:     ids, worst first where there is a worst; empty where the corpus as a whole is meant
    message:   one sentence a linguist understands: what, how much, where
    why:       why it matters for recognition
    remedy:    the command or edit that mends it
    details:   clip id -> short evidence ("peak 1.00 in 3.1 % of samples")
    """

    name: str
    severity: str
    clips: tuple[str, ...]
    message: str
    why: str
    remedy: str
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity {self.severity!r} is none of {SEVERITIES}")

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON, each field under its own name."""
        return {**asdict(self), "clips": list(self.clips), "details": dict(self.details)}


@dataclass(frozen=True)
class ClipFacts:
    """What the audit measured of one clip; never its sound. None: not measured, because the sound was not read.

    where:               file and line, or data set and row
    text:                as people wrote it; `normalised` as training will see it
    seconds:             of sound, or what the manifest says where the sound was not read
    native_rate:         Hz, before conversion to 16 kHz
    peak_db, rms_db, noise_db:  dB relative to digital full scale; rms of the speech, noise of the quietest frames
    snr_db:              rms_db - noise_db
    clipped_share:       share of the samples that lie on flat tops, 0 to 1
    silence_share:       share of the clip without speech, 0 to 1
    leading_silence_s, trailing_silence_s:  before the first and after the last speech
    bandwidth_hz:        highest frequency at which the clip has anything to hear, at most 8000
    characters:          graphemes of the normalised text, spaces not counted
    labels:              CTC labels of the normalised text, word delimiters counted
    frames_needed:       frames that CTC needs for them: one a label, one more between two equal neighbours
    fault:               why it cannot be used at all, or None
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
        """One line of the facts file; JSON knows neither NaN nor infinity."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Letter:
    """A character of the normalised transcripts: how often it occurs, and up to five clips that have it."""

    character: str
    name: str
    count: int
    clips: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """Everything an audit found; light enough to keep: there is no sound in it.

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

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """What `goama check --json` writes."""
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
    """On one line, cut between words where it is longer; "…" says so."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    whole_words = text[: longest + 1].rpartition(" ")[0]
    return (whole_words or text[:longest]) + "…"


def finding_if(
    name: str, severity: str, details: dict[str, str], message: str, why: str, remedy: str
) -> Finding | None:
    """The finding on the clips that `details` has evidence of, in its order; None where it has none."""
    return Finding(name, severity, tuple(details), message, why, remedy, details) if details else None
