"""The length of an annotation file against that of its recording, and the recording's time at the file's start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from goama.sound.length import seconds_of
from goama.sound.repairs import clock_time

_SAME_S = 0.25  # encoders add up to 0.1 s


@dataclass(frozen=True)
class Fit:
    """`shift_s`: the recording's time less the file's. `mismatch`, `note`: sentences, or None."""

    shift_s: float = 0.0
    mismatch: str | None = None
    note: str | None = None


def fit(file: Path, span: tuple[float, float] | None, audio: Path | None) -> Fit:
    """How the times of an annotation file that covers `span` (s) lie in its recording.

    Praat saves a sound without the time of its start. So a recording as long as the span begins where the span does;
    one that holds the whole span counts from 0.
    """
    if span is None or audio is None:
        return Fit()
    start, end = span
    length = seconds_of(audio)
    covers = f"{file.name} covers {clock_time(max(0.0, start))} to {clock_time(max(0.0, end))}"
    if length is None:
        return Fit(-start)
    lasts = f"its recording {audio.name} lasts {clock_time(length)}"
    if abs(length - (end - start)) <= _SAME_S:
        note = f"{covers}, and {lasts}: its times are taken from {clock_time(max(0.0, start))} on" if start else None
        return Fit(-start, note=note)
    if start > 0 and length >= end - _SAME_S:
        return Fit(note=f"{covers}, a part of its recording {audio.name}")
    return Fit(-start, mismatch=f"{covers}, but {lasts}")
