"""The recordings of a voice, each with a verdict: usable, or left out for one named reason.

The reader's own doubt comes first, then the sound (unreadable, silent, heard before), then the text (script,
digits, brackets), and last the pace: a text far too long or too short for its recording is another text.
"""

from __future__ import annotations

import hashlib
import statistics
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from goama.sound.activity import FRAME_SAMPLES, decibels, frame_power
from goama.sound.audio import SAMPLE_RATE, Audio
from goama.sources.clip import SourceClip
from goama.sources.judge import SILENT, TOO_LONG, TOO_SHORT, TRUNCATED, UNREADABLE, Fault, judge_sound
from goama.sources.reading import examine_clips
from goama.voices.clip import WRONG_SCRIPT, VoiceClip, reject_brackets
from goama.voices.splits import comparison_key

SAME_AUDIO = "same audio as another clip"
NO_TEXT = "the text holds no letter"
DIGITS = "the text holds digits"
TOO_FAST = "the text is too long for the recording"
TOO_SLOW = "the text is too short for the recording"

_REASONS = {
    UNREADABLE: "the recording cannot be decoded",
    TRUNCATED: "the recording cannot be decoded",
    TOO_LONG: "the recording is too long",
    TOO_SHORT: "the recording is empty",
    SILENT: "silent",
}
"""Kind of a fault of the sound -> the reason that `left-out.jsonl` gives."""

_SILENT_DB, _SHORTEST_ACTIVE_S = -60.0, 0.1
_ACTIVE_BELOW_LOUDEST_DB, _ACTIVE_ABOVE_DB = 35.0, -65.0

_SCRIPTS = {"be": "CYRILLIC", "bg": "CYRILLIC", "ru": "CYRILLIC", "el": "GREEK"}


@dataclass(frozen=True)
class Verdict:
    """reason: why the clip is left out, empty if it is usable. detail: what the reason concerns, or empty."""

    clip: VoiceClip
    duration_s: float
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class _Sound:
    """Facts of a recording: level of the whole, seconds from first to last sound, equal for equal samples."""

    seconds: float
    rms_db: float
    active_s: float
    digest: bytes


@dataclass(frozen=True)
class _Candidate:
    """A verdict before the pace is judged, and what judging the pace needs: the text's key, characters a second."""

    verdict: Verdict
    key: str
    characters_per_s: float


def judge_clips(
    clips: Sequence[VoiceClip],
    language: str,
    fastest: float = 2.2,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """One verdict a clip, in order; every recording is decoded once.

    fastest: a text is too long above this multiple of the voice's median pace (characters an active second).
    progress: called with (done, all) after each clip.
    """
    sources = (SourceClip(clip.id, clip.audio, clip.text, clip.id) for clip in clips)
    examined = examine_clips(
        sources, _measured, progress=(lambda done: progress(done, len(clips))) if progress else None
    )
    first_with_sound: dict[bytes, str] = {}
    candidates = [
        _candidate(clip, sound, language, first_with_sound) for clip, (_, sound) in zip(clips, examined, strict=True)
    ]
    trusted = [
        candidate.characters_per_s
        for candidate in candidates
        if not (candidate.verdict.reason or candidate.verdict.clip.repaired) and len(candidate.key) >= 8
    ]
    median = statistics.median(trusted) if len(trusted) >= 30 else 0.0
    return [_with_pace(candidate, median, fastest) for candidate in candidates]


def _measured(clip: SourceClip, audio: Audio) -> _Sound | Fault:
    fault = judge_sound(clip, audio)
    if fault:
        return fault
    samples = audio.samples
    levels = decibels(frame_power(samples))  # DC counts: the clips of the published voices were chosen so
    active = np.flatnonzero(levels > max(levels.max() - _ACTIVE_BELOW_LOUDEST_DB, _ACTIVE_ABOVE_DB))
    active_s = float(active[-1] + 1 - active[0]) * FRAME_SAMPLES / SAMPLE_RATE if len(active) else 0.0
    rms_db = float(decibels((samples**2).mean()))
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    return _Sound(audio.seconds, rms_db, active_s, hashlib.md5(pcm.tobytes(), usedforsecurity=False).digest())


def _candidate(clip: VoiceClip, sound: _Sound | Fault, language: str, first_with_sound: dict[bytes, str]) -> _Candidate:
    key = comparison_key(clip.text, language)
    if isinstance(sound, Fault):
        return _Candidate(Verdict(clip, 0.0, clip.problem or _REASONS[sound.kind]), key, 0.0)
    # A clip without a text is no reason to leave out the twin that has one.
    twin = first_with_sound.setdefault(sound.digest, clip.id) if clip.text else clip.id
    reason, detail = clip.problem, ""
    if not reason and (sound.rms_db < _SILENT_DB or sound.active_s < _SHORTEST_ACTIVE_S):
        reason = _REASONS[SILENT]
    if not reason and twin != clip.id:
        reason, detail = SAME_AUDIO, twin
    if not reason:
        reason = _text_problem(clip.text, key, language)
    pace = len(key) / sound.active_s if sound.active_s > 0 else 0.0
    return _Candidate(Verdict(clip, sound.seconds, reason, detail), key, pace)


def _text_problem(text: str, key: str, language: str) -> str:
    if not key:
        return NO_TEXT
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in key if letter.isalpha()}
    if scripts - {_SCRIPTS.get(language, "LATIN")}:
        return WRONG_SCRIPT
    if any(character.isdecimal() for character in key):
        return DIGITS
    return reject_brackets(text)


def _with_pace(candidate: _Candidate, median: float, fastest: float) -> Verdict:
    verdict, key, pace = candidate.verdict, candidate.key, candidate.characters_per_s
    if verdict.reason or not median or len(key) < 4:  # shorter texts have no pace to speak of
        return verdict
    slowest = 0.3 if len(key) >= 12 else 0.18
    if pace > fastest * median:
        reason = TOO_FAST
    elif pace < slowest * median:
        reason = TOO_SLOW
    else:
        return verdict
    return Verdict(verdict.clip, verdict.duration_s, reason, f"{pace:.1f} characters a second, median {median:.1f}")
