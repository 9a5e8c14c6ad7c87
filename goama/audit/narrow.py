"""Clips without the sounds above 4 kHz: recorded at a low sample rate, or cut off there once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from goama.audit.findings import Finding, finding_if, of
from goama.audit.measure import MeasuredClips
from goama.sound.audio import SAMPLE_RATE

NARROW_HZ = 6500.0
NARROW_SPEECH_S = 0.5
NARROW_LEVEL_DB = -45.0
"""Below it s and f can hardly be told apart; 8 and 11 kHz recordings end at 4.0 and 5.5 kHz, after a resampler with a
soft filter at 4.7 and 6.3. Half a second of speech at least, and not too faint, or all that is high drowns in 16-bit
rounding."""

SAME_EDGE_HZ = 300.0
FEWEST_SAME_EDGES = 5
SAME_EDGE_SHARE = 0.5
"""Encoders leave out what is too faint to be heard, so a clip without s and f may end in an edge of its own; edges of
a source's own history lie at one place. Five clips within 300 Hz, and half of all that end so, are no chance."""

OWN_EDGE_HZ, OWN_FALL_DB = 4100.0, 48.0
"""An edge so low and so deep tells of one clip alone that it was cut off: of 526 clips and pieces of 2 s of 20 sources
none that was wide had it, and of 113 pieces of 2 s that were resampled to 6 or 6.8 kHz 104 do. Lossy encoders leave
out faint high sounds too, with edges of up to 46 dB there."""

WHOLE_CORPUS_SHARE = 0.9
"""From this share of clips on, a narrow band is a property of the corpus and not a mistake."""

_WHY = (
    "s, f and sh differ above 4 kHz. If all recordings are so, those to be transcribed should be so too; if some "
    "are, the model learns two kinds of sound."
)
_REMEDY = "Look for the original recordings; converting to a higher rate brings nothing back."


def check_bandwidth(clips: MeasuredClips, total: int) -> list[Finding | None]:
    """Findings on clips of a low rate, or cut off below their rate's limit; `total`: clips whose sound was read."""
    low = {facts.id: f"{sound.native_rate} Hz" for facts, sound in clips if sound.native_rate < SAMPLE_RATE}
    rates = ", ".join(rate for rate, _ in Counter(low.values()).most_common(3))
    edges = _limited([(facts, sound) for facts, sound in clips if facts.id not in low])
    details = {
        clip_id: f"falls by {fall:.0f} dB at {hz / 1000:.1f} kHz, and does not rise again"
        for clip_id, (hz, fall) in sorted(edges.items(), key=lambda entry: entry[1][0])
    }
    return [
        finding_if(
            "audio-low-rate",
            _severity(len(low), total),
            low,
            f"{of(len(low), total)} recorded at a low sample rate ({rates}); nothing above half of it can be heard",
            _WHY,
            _REMEDY,
        ),
        finding_if(
            "audio-band-limited",
            _severity(len(details), total),
            details,
            f"{of(len(details), total)} whose sound ends abruptly {_where([hz for hz, _ in edges.values()])}, lower "
            "than their sample rate would allow",
            "Telephones, low sample rates converted upwards and strong compression leave such an edge. " + _WHY,
            _REMEDY,
        ),
    ]


def _severity(count: int, total: int) -> str:
    return "info" if count >= WHOLE_CORPUS_SHARE * total else "warning"


def _where(edges_hz: Sequence[float]) -> str:
    """ "at 4.0 kHz", or "between 3.9 and 5.4 kHz, half of them below 5.1 kHz"."""
    if not edges_hz:
        return ""
    lowest, highest, middle = (f"{hz / 1000:.1f}" for hz in (min(edges_hz), max(edges_hz), np.median(edges_hz)))
    if lowest == highest:
        return f"at {lowest} kHz"
    half = f", half of them below {middle} kHz" if len(edges_hz) > 2 and lowest < middle < highest else ""
    return f"between {lowest} and {highest} kHz{half}"


def _limited(clips: MeasuredClips) -> dict[str, tuple[float, float]]:
    """Clip id -> (Hz, dB) of its edge, where the clip itself or the other clips show that it was cut off there."""
    edges = {
        facts.id: sound.edge
        for facts, sound in clips
        if sound.edge
        and sound.edge.hz < NARROW_HZ
        and sound.speech_s >= NARROW_SPEECH_S
        and sound.rms_db >= NARROW_LEVEL_DB
    }
    places = list(_places(sorted(edge.hz for edge in edges.values())))
    return {
        clip_id: (edge.hz, edge.fall_db)
        for clip_id, edge in edges.items()
        if edge.in_noise
        or (edge.hz < OWN_EDGE_HZ and edge.fall_db >= OWN_FALL_DB)
        or any(first <= edge.hz <= last for first, last in places)
    }


def _places(edges_hz: Sequence[float]) -> Iterator[tuple[float, float]]:
    """From sorted edges the ranges of 300 Hz in which many lie, and half of those that no other range has."""
    left = np.array(edges_hz)
    while len(left) >= FEWEST_SAME_EDGES:
        counts = np.searchsorted(left, left + SAME_EDGE_HZ, side="right") - np.arange(len(left))
        if counts.max() < max(FEWEST_SAME_EDGES, SAME_EDGE_SHARE * len(left)):
            return
        first = float(left[counts.argmax()])
        yield first, first + SAME_EDGE_HZ
        left = left[(left < first) | (left > first + SAME_EDGE_HZ)]
