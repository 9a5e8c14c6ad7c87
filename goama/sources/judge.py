"""Whether a clip can be used, and if not, why: one set of thresholds for `prepare`, its dry run, `check` and voices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from goama.errors import GoamaError
from goama.files import readable
from goama.sound import repairs
from goama.sound.piece import OutsideRecordingError, TooLongSoundError, TruncatedSoundError
from goama.sound.repairs import loss
from goama.sources.clip import SourceClip

if TYPE_CHECKING:
    from goama.sound.audio import Audio

SHORTEST_S = 0.1
LONGEST_S = 60.0
SILENT_PEAK = 10 ** (-80 / 20)
"""Of full scale: three steps of 16 bits. The faintest of 2850 clips of speech peaks at -23 dB."""

_MISSING_S = 0.25  # a recording may be shorter than its manifest says by up to this: rounding

ROW_FAULTY = "row-faulty"
UNREADABLE = "audio-unreadable"
TRUNCATED = "audio-truncated"
OUTSIDE_RECORDING = "audio-outside-recording"
TOO_LONG = "audio-too-long"
TOO_SHORT = "audio-too-short"
DAMAGED = "audio-damaged"
NOT_FINITE = "audio-not-finite"
OVERLAPPING = "overlapping"
SILENT = "audio-silent"
TEXT_EMPTY = "text-empty"
TEXT_UNSPOKEN = "text-unspoken"


@dataclass(frozen=True)
class Fault:
    """Why a clip cannot be used. `kind` is one of the constants above, `reason` is for people."""

    kind: str
    reason: str


def judge(clip: SourceClip, sound_fault: Fault | None, normalised: str) -> Fault | None:
    """The first reason why a clip cannot be used: its row, its text, its sound; None when it can be used.

    `sound_fault`: what `judge_sound` said. `normalised`: the clip's text as training will see it.
    """
    if clip.fault:
        return Fault(clip.fault_kind, clip.fault)
    if not clip.text.strip():
        return Fault(TEXT_EMPTY, "the transcript is empty")
    if not normalised:
        return Fault(TEXT_UNSPOKEN, f"nothing with a sound is left of the transcript {clip.text.strip()[:40]!r}")
    return sound_fault


def judge_sound(clip: SourceClip, sound: Audio | Fault) -> Fault | None:
    """Why a clip's sound cannot be used, whatever its text; None when it can."""
    if isinstance(sound, Fault):
        return sound
    seconds = sound.seconds
    if seconds < SHORTEST_S:
        return Fault(TOO_SHORT, f"{seconds:.3f} s of sound: too short to hold speech (at least {SHORTEST_S} s)")
    lost = None if clip.mend else loss(sound.repairs)
    if lost:
        kind = NOT_FINITE if lost.kind == repairs.NOT_FINITE else DAMAGED
        return Fault(kind, f"{lost.sentence.partition(';')[0]}; --damaged mend takes the clip with silence there")
    if abs(sound.samples).max() < SILENT_PEAK:
        return Fault(SILENT, "silent: there is nothing to hear; is it the right recording?")
    if clip.offset is None and clip.duration and seconds < clip.duration - _MISSING_S:
        return Fault(TRUNCATED, f"truncated: {seconds:.2f} s of the {clip.duration:.2f} s its manifest promises")
    return None


def reading_fault(error: GoamaError) -> Fault:
    """The fault of a clip whose sound could not be read."""
    reason = readable(str(error))
    if isinstance(error, TooLongSoundError):
        return Fault(TOO_LONG, reason)
    if isinstance(error, TruncatedSoundError):
        return Fault(TRUNCATED, reason)
    if isinstance(error, OutsideRecordingError):
        return Fault(OUTSIDE_RECORDING, reason)
    return Fault(UNREADABLE, reason)
