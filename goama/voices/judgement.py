"""Recordings to a verdict each: usable, or left out for one named reason.

The reader's own doubt comes first, then the sound (unreadable, silent, heard before), then the text (script,
digits, brackets), and last the pace: a text far too long or too short for its recording is another text.
"""

from __future__ import annotations

import hashlib
import statistics
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from goama.voices.recording import WRONG_SCRIPT, Recording, reject_brackets
from goama.voices.sound import SAMPLE_RATE, UnreadableError, activity, decode, pcm_16
from goama.voices.splits import comparison_key

SILENT = "silent"
SAME_AUDIO = "same audio as another clip"
NO_TEXT = "the text holds no letter"
DIGITS = "the text holds digits"
TOO_FAST = "the text is too long for the recording"
TOO_SLOW = "the text is too short for the recording"

_SCRIPTS = {"be": "CYRILLIC", "bg": "CYRILLIC", "ru": "CYRILLIC", "el": "GREEK"}


@dataclass(frozen=True)
class Verdict:
    """reason: why the clip is left out, empty if it is usable. detail: what the reason concerns, or empty."""

    recording: Recording
    duration_s: float
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class _Heard:
    recording: Recording
    key: str
    duration_s: float
    characters_per_s: float
    reason: str
    detail: str


def judge(
    recordings: Sequence[Recording],
    language: str,
    fastest: float = 2.2,
    listened: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """One verdict a recording, in order; every recording is decoded once.

    fastest: a text is too long above this multiple of the voice's median pace (characters an active second).
    listened: called with (done, all) after each recording.
    """
    first_with_sound: dict[bytes, str] = {}
    heard: list[_Heard] = []
    for number, recording in enumerate(recordings, start=1):
        heard.append(_listen(recording, language, first_with_sound))
        if listened:
            listened(number, len(recordings))
    trusted = [h.characters_per_s for h in heard if not (h.reason or h.recording.repaired) and len(h.key) >= 8]
    median = statistics.median(trusted) if len(trusted) >= 30 else 0.0
    return [_with_pace(h, median, fastest) for h in heard]


def _listen(recording: Recording, language: str, first_with_sound: dict[bytes, str]) -> _Heard:
    key = comparison_key(recording.text, language)
    try:
        samples = decode(recording)
    except UnreadableError as problem:
        return _Heard(recording, key, 0.0, 0.0, recording.problem or str(problem), "")
    measured = activity(samples)
    digest = hashlib.md5(pcm_16(samples).tobytes(), usedforsecurity=False).digest()
    # A clip without a text is no reason to leave out the twin that has one.
    twin = first_with_sound.setdefault(digest, recording.id) if recording.text else recording.id
    silent = measured.rms_db < -60 or measured.active_s < 0.1
    reason, detail = recording.problem, ""
    if not reason and silent:
        reason = SILENT
    if not reason and twin != recording.id:
        reason, detail = SAME_AUDIO, twin
    if not reason:
        reason = _text_problem(recording.text, key, language)
    pace = len(key) / measured.active_s if measured.active_s > 0 else 0.0
    return _Heard(recording, key, len(samples) / SAMPLE_RATE, pace, reason, detail)


def _text_problem(text: str, key: str, language: str) -> str:
    if not key:
        return NO_TEXT
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in key if letter.isalpha()}
    if scripts - {_SCRIPTS.get(language, "LATIN")}:
        return WRONG_SCRIPT
    if any(character.isdecimal() for character in key):
        return DIGITS
    return reject_brackets(text)


def _with_pace(heard: _Heard, median: float, fastest: float) -> Verdict:
    reason, detail = heard.reason, heard.detail
    if not reason and median and len(heard.key) >= 4:  # shorter texts have no pace to speak of
        slowest = 0.3 if len(heard.key) >= 12 else 0.18
        if heard.characters_per_s > fastest * median:
            reason = TOO_FAST
        elif heard.characters_per_s < slowest * median:
            reason = TOO_SLOW
        if reason:
            detail = f"{heard.characters_per_s:.1f} characters a second, median {median:.1f}"
    return Verdict(heard.recording, heard.duration_s, reason, detail)
