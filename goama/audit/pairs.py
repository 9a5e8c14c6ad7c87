"""Whether text and sound can belong together: the speaking rate, and whether CTC has enough frames for the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goama.audit.encoder_frames import EncoderFrames, FrameCount
from goama.audit.findings import ClipFacts, Finding, finding_if, of

FEWEST_CLIPS = 20
"""Minimum number of clips for a fitted line."""

FAR_DEVIATIONS, LEAST_RATIO = 4.0, 1.8
"""A clip is far from the line when log(seconds) is off by more than four robust standard deviations of clips of its
length, and its speed by more than 1.8 times: nobody who reads aloud changes speed so much."""

FEWEST_LETTERS = 4
"""Shorter texts are never reported as too much text: a quick "si" takes a tenth of a second."""

IMPOSSIBLE_RATE = 32.0
"""Letters a second of speech, in texts of ten letters and more: the fastest auctioneers reach 25."""

_LEAST_DEVIATION = 0.12
"""Lower bound of the deviation of log(seconds): that of a trained speaker who reads."""

_CLIPS_PER_LENGTH = 100  # short clips scatter more than long ones: each length has its own deviation
_SLOPES = 20_000  # pairs of clips that the Theil-Sen slope is the median of

TIGHT_FRAMES_PER_LABEL = 1.25
"""Frames per label that the tightest hundredth of the clips must keep with the adapter, as `goama train` decides."""


@dataclass(frozen=True)
class RateLine:
    """seconds of speech = pause_s + seconds_per_character * characters, by Theil and Sen."""

    pause_s: float
    seconds_per_character: float

    def seconds(self, characters: np.ndarray) -> np.ndarray:
        """(N,) seconds of speech that texts of (N,) characters usually take."""
        return np.maximum(self.pause_s + self.seconds_per_character * characters, 0.02)


def check_pairs(clips: Sequence[ClipFacts], frames: EncoderFrames) -> list[Finding]:
    """Findings on clips whose text does not fit the length of their sound; `frames`: of the encoder to be trained."""
    paired = [clip for clip in clips if clip.characters and clip.seconds and not clip.fault]
    if not paired:
        return []
    missing = _missing_frames(paired, frames.plain)
    found = [_no_room(paired, missing, frames.plain), *_off_the_line(paired, missing <= 0)]
    if frames.with_adapter:
        halved = np.where(missing > 0, 0, _missing_frames(paired, frames.with_adapter))
        found.insert(1, _no_room_with_adapter(paired, halved, frames))
    return [finding for finding in found if finding]


def _missing_frames(clips: Sequence[ClipFacts], frames: FrameCount) -> np.ndarray:
    """(N,) frames that CTC needs beyond those that there are; 0 and less: there are enough."""
    return np.array([clip.frames_needed for clip in clips]) - frames.of([clip.seconds or 0.0 for clip in clips])


def fit_line(characters: np.ndarray, seconds: np.ndarray, *, seed: int = 0) -> RateLine:
    """The line through (N,) characters and (N,) seconds of speech, by Theil and Sen.

    It has the median of the slopes between pairs of clips: a third of false pairs does not bend it.
    """
    generator = np.random.default_rng(seed)
    first, second = generator.integers(0, len(characters), (2, _SLOPES))
    differ = np.abs(characters[first] - characters[second]) >= 1
    if not differ.any():
        return RateLine(0.0, float(np.median(seconds) / np.median(characters)))
    first, second = first[differ], second[differ]
    slope = float(np.median((seconds[first] - seconds[second]) / (characters[first] - characters[second])))
    if slope <= 0:
        return RateLine(0.0, float(np.median(seconds / characters)))
    return RateLine(max(0.0, float(np.median(seconds - slope * characters))), slope)


def summary(clips: Sequence[ClipFacts], frames: EncoderFrames) -> dict[str, Any]:
    """Speaking rate, sound per label and frames per label; empty where no clip has text and sound."""
    paired = [clip for clip in clips if clip.characters and clip.seconds and not clip.fault]
    if not paired:
        return {}
    needed = np.array([clip.frames_needed for clip in paired])
    room: dict[str, dict[str, Any]] = {}
    for count in frames.counts:
        per_label = count.of([clip.seconds or 0.0 for clip in paired]) / needed
        room[count.label] = {
            "clips_without_room": int((per_label < 1).sum()),
            "frames_per_label": round(float(np.median(per_label)), 2),
            "frames_per_label_in_the_tightest_hundredth": round(float(np.percentile(per_label, 1)), 2),
        }
    tight = room[frames.counts[-1].label]["frames_per_label_in_the_tightest_hundredth"]
    return {
        "characters_per_second": round(
            float(np.median([clip.characters / max(0.02, _spoken_s(clip)) for clip in paired])), 2
        ),
        "audio_ms_per_label": round(
            1000 * sum(clip.seconds or 0.0 for clip in paired) / sum(clip.labels for clip in paired), 1
        ),
        "frames": room,
        "adapter": bool(frames.with_adapter) and tight >= TIGHT_FRAMES_PER_LABEL,
    }


def _spoken_s(clip: ClipFacts) -> float:
    return clip.seconds or 0.0 if clip.speech_s is None else clip.speech_s


def _no_room(clips: Sequence[ClipFacts], missing: np.ndarray, frames: FrameCount) -> Finding | None:
    details = _evidence(clips, missing)
    return finding_if(
        "pair-no-room",
        "error",
        details,
        f"{of(len(details), len(clips))} with more letters than CTC can place in their sound, even at {frames.label} a "
        "frame",
        "Each letter needs a frame of its own; such a clip has an infinite loss and training leaves it out. Nobody "
        f"speaks {1000 / frames.shift_ms:.0f} letters in a second: the text or the cut is wrong.",
        "Listen to these clips: correct the text, or the times at which the clip was cut.",
    )


def _no_room_with_adapter(clips: Sequence[ClipFacts], missing: np.ndarray, frames: EncoderFrames) -> Finding | None:
    assert frames.with_adapter
    plain, halved = frames.plain.label, frames.with_adapter.label
    details = _evidence(clips, missing)
    return finding_if(
        f"pair-no-room-at-{halved.replace(' ', '-')}",
        "info",
        details,
        f"{of(len(details), len(clips))} with room for their letters at {plain} a frame but not at {halved} (with the "
        "adapter)",
        "Fast speech, or a long spelling: the stride-2 adapter halves the frames and would lose these clips.",
        f"`goama train` measures this and chooses; `-s model.adapter=false` keeps {plain} whatever it measures.",
    )


def _evidence(clips: Sequence[ClipFacts], missing: np.ndarray) -> dict[str, str]:
    """Clip id -> evidence, those that lack most frames first."""
    return {
        clips[index].id: f"room for {clips[index].frames_needed - missing[index]} of the {clips[index].frames_needed} "
        "steps that its letters need"
        for index in np.argsort(-missing, kind="stable")
        if missing[index] > 0
    }


def _off_the_line(clips: Sequence[ClipFacts], room: np.ndarray) -> list[Finding | None]:
    """`room` (N,) bool: clips whose text CTC can place; the others are reported already."""
    if len(clips) < FEWEST_CLIPS:
        return []
    characters = np.array([clip.characters for clip in clips], dtype=float)
    seconds = np.maximum([_spoken_s(clip) for clip in clips], 0.02)
    line = fit_line(characters, seconds)
    residuals = np.log(seconds) - np.log(line.seconds(characters))
    deviations = _deviations(characters, residuals)
    far = (np.abs(residuals) > FAR_DEVIATIONS * deviations) & (np.abs(residuals) > np.log(LEAST_RATIO))
    impossible = (characters >= 10) & (characters / seconds > IMPOSSIBLE_RATE)
    too_much = room & (residuals < 0) & (characters >= FEWEST_LETTERS) & (far | impossible)
    expected = line.seconds(characters)
    usual = float(np.median(characters / seconds))

    def details(indices: np.ndarray) -> dict[str, str]:
        ordered = sorted(indices.tolist(), key=lambda index: -abs(residuals[index]))
        return {
            clips[index].id: f"{clips[index].characters} letters in {seconds[index]:.1f} s of speech, "
            f"{expected[index]:.1f} s would be usual"
            for index in ordered
        }

    fast, slow = details(np.flatnonzero(too_much)), details(np.flatnonzero(far & (residuals > 0)))
    return [
        finding_if(
            "pair-too-much-text",
            "warning",
            fast,
            f"{of(len(fast), len(clips))} with too much text for their audio (usual in this corpus: "
            f"{usual:.0f} letters a second)",
            "The transcript probably belongs to another recording, or the recording was cut off; the model would learn "
            "letters that nobody said.",
            "Listen to these clips; correct the text or the cut. If the voice sounds like a cartoon's, the file's "
            "sample rate is wrong.",
        ),
        finding_if(
            "pair-too-little-text",
            "warning",
            slow,
            f"{of(len(slow), len(clips))} with too little text for their audio (usual in this corpus: "
            f"{usual:.0f} letters a second)",
            "Something is said (or laughed, or played) that is not written; the model would learn to leave words out.",
            "Listen to these clips; write what is missing, or cut it off.",
        ),
    ]


def _deviations(characters: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """For each clip 1.4826 times the median absolute deviation of clips of about its length."""
    order = np.argsort(characters, kind="stable")
    deviations = np.empty(len(order))
    for part in np.array_split(order, max(1, len(order) // _CLIPS_PER_LENGTH)):
        around = residuals[part] - np.median(residuals[part])
        deviations[part] = max(_LEAST_DEVIATION, 1.4826 * float(np.median(np.abs(around))))
    return deviations
