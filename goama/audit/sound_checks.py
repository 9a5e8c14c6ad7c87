"""Checks of the sound: silence, clipping, noise, loudness, channels, sample rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from goama.audit.faults import check_faults
from goama.audit.findings import ClipFacts, Finding, finding_if, of
from goama.audit.measure import MeasuredClips, Sound
from goama.audit.narrow import check_bandwidth
from goama.audit.repaired import check_repairs
from goama.sources.clip import Remark

SILENT_DB = -60.0
SILENT_MODULATION_DB = 10.0
DEAD_DB = -85.0
"""Nothing to hear: no loud frame above −60 dB and no ups and downs of 10 dB; or below −85 dB, the noise of 16-bit
samples. Faint speech (−70 dB in a 24-bit file) has its ups and downs and is not silence."""

_PEAK_OVER_LEVEL_DB = 12.0  # a click that is louder than its frame by more is something to hear

STEADY_MODULATION_DB = 6.0
STEADY_SECONDS = 0.5
"""Between the loudest and the quietest frames: hiss and hum have 2 dB, the most even vowel of half a second has more
than 6, speech 15 to 70."""

CLIPPED_RUNS, CLIPPED_SHARE = 8, 0.001
"""Flat tops: eight of them and one sample in 1000 can be heard. A wave that was never clipped has none, one that was
recorded a little too loudly a few."""

LOUDNESS_DB, LOUDNESS_DEVIATIONS = 12.0, 4.0
"""From the corpus's median, in dB and in robust standard deviations."""

NOISY_DB, NOISY_SECONDS = 12.0, 1.0
"""Speech over pauses; in shorter clips there may be no pause to measure the noise in."""

NEARLY_EMPTY_SILENCE = 0.7
NEARLY_EMPTY_CHARACTERS = 10
NEARLY_EMPTY_RATE = 40.0
"""Characters a second: twice what the fastest speakers reach (about 20), in a clip that is mostly silence."""

LONG_SILENCE_S = 2.0

_FEWEST = 10  # clips, for a median to mean something


@dataclass(frozen=True)
class AuditedClip:
    """A clip with its facts and what was measured of its sound; `fault_kind`: the finding that its fault belongs to."""

    facts: ClipFacts
    sound: Sound | None = None
    fault_kind: str | None = None
    remarks: tuple[Remark, ...] = ()


def check_sound(clips: Sequence[AuditedClip]) -> list[Finding]:
    """Findings on the sound: of all clips those that cannot be read, of the others what was measured."""
    faults = {c.facts.id: (c.fault_kind, c.facts.fault or "") for c in clips if c.fault_kind}
    found: list[Finding | None] = [*check_faults(faults, len(clips))]
    measured = [(clip.facts, clip.sound) for clip in clips if clip.sound and not clip.facts.fault]
    silent = _silent(measured)
    cancelled = _layout(measured, "cancel")
    mute = {*silent, *cancelled}
    audible = [(facts, sound) for facts, sound in measured if facts.id not in mute]
    steady = _steady(audible)
    audible = [(facts, sound) for facts, sound in audible if facts.id not in steady]
    total = len(measured)
    empty = _nearly_empty(audible, total)
    audible = [(facts, sound) for facts, sound in audible if not empty or facts.id not in empty.details]
    found += [
        finding_if(
            "audio-silent",
            "error",
            silent,
            f"{of(len(silent), total)} that are silent",
            "The model would learn that words are silent.",
            "Check first whether the right recording or channel is linked: the words may be in another one. If it is, "
            "record these clips again, or remove them.",
        ),
        finding_if(
            "audio-channels-cancel",
            "error",
            cancelled,
            f"{of(len(cancelled), total)} with two channels of opposite phase: their average is silence",
            "Channels are averaged, and these cancel each other out.",
            "Keep one channel: ffmpeg -i FILE -af pan=mono|c0=c0 clip.wav",
        ),
        finding_if(
            "audio-no-speech",
            "warning",
            steady,
            f"{of(len(steady), total)} with a steady sound (hiss, hum, a tone) and no speech",
            "Speech goes up and down; this does not.",
            "Listen to these clips; record them again, or remove them.",
        ),
        empty,
        _clipped(audible, total),
        _over_full_scale(audible, total),
        _two_speakers(audible, total),
        _one_channel(audible, total),
        *check_bandwidth(audible, total),
        _mixed_rates(measured),
        *check_repairs(measured),
        _loudness(audible, total),
        _noisy(audible, total),
        _long_silence(audible, total),
    ]
    return [finding for finding in found if finding]


def _worst_first(clips: MeasuredClips, badness: Callable[[ClipFacts, Sound], float | None]) -> MeasuredClips:
    """Clips for which `badness` is a number, the greatest first."""
    bad = [(value, index) for index, pair in enumerate(clips) if (value := badness(*pair)) is not None]
    return [clips[index] for _, index in sorted(bad, key=lambda entry: (-entry[0], entry[1]))]


def _silent(clips: MeasuredClips) -> dict[str, str]:
    return {
        facts.id: f"its loudest parts are at {sound.rms_db:.0f} dB"
        for facts, sound in clips
        if sound.channel_layout != "cancel" and _is_silent(sound)
    }


def _is_silent(sound: Sound) -> bool:
    if sound.rms_db > SILENT_DB or sound.peak_db > SILENT_DB + _PEAK_OVER_LEVEL_DB:
        return False
    return sound.modulation_db < SILENT_MODULATION_DB or sound.peak_db <= DEAD_DB + _PEAK_OVER_LEVEL_DB


def _layout(clips: MeasuredClips, layout: str) -> dict[str, str]:
    return {facts.id: f"{sound.channels} channels" for facts, sound in clips if sound.channel_layout == layout}


def _steady(clips: MeasuredClips) -> dict[str, str]:
    return {
        facts.id: f"{sound.modulation_db:.1f} dB between its loudest and its quietest parts"
        for facts, sound in clips
        if sound.modulation_db < STEADY_MODULATION_DB and sound.seconds >= STEADY_SECONDS
    }


def _nearly_empty(clips: MeasuredClips, total: int) -> Finding | None:
    details = {
        facts.id: f"{sound.speech_s:.2f} s of sound in {sound.seconds:.1f} s, for {facts.characters} letters"
        for facts, sound in clips
        if sound.silence_share > NEARLY_EMPTY_SILENCE
        and facts.characters >= NEARLY_EMPTY_CHARACTERS
        and facts.characters > NEARLY_EMPTY_RATE * sound.speech_s
    }
    return finding_if(
        "audio-nearly-empty",
        "warning",
        details,
        f"{of(len(details), total)} with hardly any sound for their text",
        "A click or a breath, but not the words: the recording was stopped too early, or the wrong part was cut.",
        "Listen to these clips; record them again, or remove them.",
    )


def _clipped(clips: MeasuredClips, total: int) -> Finding | None:
    bad = _worst_first(clips, lambda _, sound: sound.clipped_share if _is_clipped(sound) else None)
    details = {
        facts.id: f"{100 * sound.clipped_share:.2f} % of the samples lie on {sound.clipped_runs} flat tops at "
        f"{sound.peak_db:.1f} dB"
        for facts, sound in bad
    }
    return finding_if(
        "audio-clipped",
        "warning",
        details,
        f"{of(len(details), total)} that are clipped: recorded or converted with too much gain",
        "Clipping adds sounds like s and f to every loud vowel; it cannot be undone.",
        "Keep them if speech like that will be recognised too; record new clips with less gain, peaks at −12 to −6 dB.",
    )


def _is_clipped(sound: Sound) -> bool:
    return sound.clipped_runs >= CLIPPED_RUNS and sound.clipped_share >= CLIPPED_SHARE


def _over_full_scale(clips: MeasuredClips, total: int) -> Finding | None:
    bad = _worst_first(
        clips,
        lambda _, sound: (
            sound.over_share
            if sound.over_runs >= CLIPPED_RUNS and sound.over_share >= CLIPPED_SHARE and not _is_clipped(sound)
            else None
        ),
    )
    details = {
        facts.id: f"{100 * sound.over_share:.2f} % of the samples lie beyond full scale, in {sound.over_runs} places"
        for facts, sound in bad
    }
    return finding_if(
        "audio-over-full-scale",
        "info",
        details,
        f"{of(len(details), total)} whose files hold more than full scale (compressed ones may): louder than 16-bit "
        "samples can be",
        "The recording itself need not be cut off, but `goama prepare` writes 16-bit files, which cuts these tops off.",
        "Nothing to do, or convert them with less gain first: ffmpeg -i FILE -af volume=-6dB clip.wav",
    )


def _two_speakers(clips: MeasuredClips, total: int) -> Finding | None:
    details = _layout(clips, "two-speakers")
    return finding_if(
        "audio-two-speakers",
        "warning",
        details,
        f"{of(len(details), total)} with a different voice on each of two channels",
        "Channels are averaged, and the text would have to be that of both voices at once.",
        "Make two clips, one of each channel, each with its own text: "
        "ffmpeg -i FILE -af pan=mono|c0=c0 left.wav; c0=c1 for the right.",
    )


def _one_channel(clips: MeasuredClips, total: int) -> Finding | None:
    details = _layout(clips, "one-silent")
    return finding_if(
        "audio-one-channel-silent",
        "info",
        details,
        f"{of(len(details), total)} with sound on one of their channels only",
        "Averaging with a silent channel makes the clip half as loud; recognition does not depend on loudness.",
        "Nothing to do.",
    )


def _mixed_rates(clips: MeasuredClips) -> Finding | None:
    rates = Counter(sound.native_rate for _, sound in clips)
    if len(rates) < 2:
        return None
    usual = rates.most_common(1)[0][0]
    details = {facts.id: f"{sound.native_rate} Hz" for facts, sound in clips if sound.native_rate != usual}
    listed = ", ".join(f"{rate} Hz ({count})" for rate, count in rates.most_common(5))
    return finding_if(
        "audio-mixed-rates",
        "info",
        details,
        f"several sample rates: {listed}",
        "Clips from several sources may differ in more than their rate.",
        "Nothing to do: goama converts everything to 16 kHz.",
    )


def _loudness(clips: MeasuredClips, total: int) -> Finding | None:
    if len(clips) < _FEWEST:
        return None
    levels = np.array([sound.rms_db for _, sound in clips])
    usual = float(np.median(levels))
    deviation = max(1.0, 1.4826 * float(np.median(np.abs(levels - usual))))
    limit = max(LOUDNESS_DB, LOUDNESS_DEVIATIONS * deviation)
    bad = _worst_first(clips, lambda _, sound: abs(sound.rms_db - usual) if abs(sound.rms_db - usual) > limit else None)
    details = {
        facts.id: f"{abs(sound.rms_db - usual):.0f} dB {'louder' if sound.rms_db > usual else 'quieter'} than usual"
        for facts, sound in bad
    }
    return finding_if(
        "audio-loudness",
        "warning",
        details,
        f"{of(len(details), total)} far louder or quieter than the others (usual: {usual:.0f} dB)",
        "Loudness itself does no harm (features are levelled), but such a clip is often of another microphone, a "
        "distant voice, or no speech at all.",
        "Listen to these clips; remove those that cannot be understood.",
    )


def _noisy(clips: MeasuredClips, total: int) -> Finding | None:
    bad = _worst_first(
        clips,
        lambda _, sound: (
            -(sound.rms_db - sound.noise_db)
            if sound.rms_db - sound.noise_db < NOISY_DB and sound.seconds >= NOISY_SECONDS
            else None
        ),
    )
    details = {
        facts.id: f"speech {sound.rms_db - sound.noise_db:.0f} dB above its quietest parts" for facts, sound in bad
    }
    return finding_if(
        "audio-noisy",
        "info",
        details,
        f"{of(len(details), total)} with noise or music nearly as loud as the speech",
        "A recogniser copes with noise that it has met in training, and learns slowly from speech it can hardly hear.",
        "Listen to these clips; remove those that you do not understand yourself.",
    )


def _long_silence(clips: MeasuredClips, total: int) -> Finding | None:
    def silence(sound: Sound) -> float:
        return max(sound.leading_silence_s, sound.trailing_silence_s)

    bad = _worst_first(clips, lambda _, sound: silence(sound) if silence(sound) > LONG_SILENCE_S else None)
    details = {
        facts.id: f"{sound.leading_silence_s:.1f} s before and {sound.trailing_silence_s:.1f} s after the speech"
        for facts, sound in bad
    }
    return finding_if(
        "audio-long-silence",
        "info",
        details,
        f"{of(len(details), total)} with more than {LONG_SILENCE_S:.0f} s of silence before or after the speech",
        "Harmless in small amounts, but it costs training time, and sometimes words are missing from the recording.",
        "Listen whether something is missing; cut the silence off if there is much of it.",
    )
