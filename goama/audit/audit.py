"""A source becomes an Audit: its sound is read once, and only facts and fingerprints of it are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from goama.audit import pairs, sets
from goama.audit.duplicates import check_duplicates
from goama.audit.encoder_frames import EncoderFrames, encoder_frames
from goama.audit.findings import SEVERITIES, Audit, ClipFacts, Finding
from goama.audit.language import check_language
from goama.audit.measure import Sound, measure
from goama.audit.remarks import check_remarks
from goama.audit.sound_checks import AuditedClip, check_sound
from goama.audit.source_says import check_what_source_says
from goama.audit.spelling import alphabet, check_spelling
from goama.audit.text import check_text
from goama.audit.variants import check_variants
from goama.errors import GoamaError
from goama.files import readable
from goama.sound.audio import Audio
from goama.sources.clip import SourceClip
from goama.sources.judge import SILENT, Fault, judge_sound
from goama.sources.language import language_of
from goama.sources.reading import examine_clips
from goama.text.codes import require_registered
from goama.text.normaliser import Normaliser
from goama.text.spelling import Spelling
from goama.text.vocabulary import segment

if TYPE_CHECKING:
    from goama.recognition.recogniser import Recogniser

LEFT_OUT_SHARE = 0.1
"""Of the clips; where `prepare` leaves out more, something is wrong with the source as a whole."""

_SPEECHLESS = ("audio-silent", "audio-channels-cancel", "audio-no-speech")


@dataclass(frozen=True)
class _Measured:
    """What is kept of a clip's sound: its facts, and the sound itself (N,) at 16 kHz where a model will score it."""

    sound: Sound
    waveform: np.ndarray | None


def audit(
    clips: Iterable[SourceClip],
    *,
    source: str,
    language: str | None = None,
    spelling: Spelling | None = None,
    normaliser: Normaliser | None = None,
    read_sound: bool = True,
    encoder: str | None = None,
    recogniser: Recogniser | None = None,
    model: str = "",
    progress: Callable[[int], None] | None = None,
) -> Audit:
    """Everything that is found in the clips; `progress` is called with the clips done so far.

    Without `read_sound` only the manifest is checked: texts, splits, and durations where it has them.
    `spelling`: the user's choices; `normaliser`: of a corpus that has its rules already, taken in place of both.
    `encoder`: whose frames must suffice for the texts; None: the one that `goama train` would take.
    `recogniser` (its folder is `model`) also judges whether texts match.

    Raises `GoamaError` when there are no clips, the language code is none, or the encoder cannot be found.
    """
    require_registered(language)  # a wrong code, or encoder, is refused before hours are read
    frames = encoder_frames(encoder)
    scorer = None
    if recogniser is not None:
        from goama.audit.mismatch import TextScorer

        scorer = TextScorer(recogniser)
    read: list[tuple[SourceClip, Sound | Fault | None]] = []
    for clip, result in _read(clips, read_sound, keep_waveform=scorer is not None, progress=progress):
        if isinstance(result, _Measured):
            if scorer and result.waveform is not None and clip.text.strip():
                scorer.add(clip.id, result.waveform, clip.text)
            read.append((clip, result.sound))
        else:
            read.append((clip, result))
    if not read:
        raise GoamaError(f"{source}: the source is empty; there is nothing to check")
    chosen, _ = language_of((clip for clip, _ in read), language)
    if normaliser is None:
        texts = [clip.text for clip, _ in read if clip.text.strip() and not clip.fault]
        normaliser = (spelling or Spelling()).normaliser(chosen, texts)
    audited = [_audited(clip, sound, normaliser, chosen) for clip, sound in read]
    findings = check(audited, normaliser, frames, language)
    findings += check_what_source_says([clip for clip, _ in read])
    audited = _without_speech(audited, _clips_of(findings, *_SPEECHLESS))
    facts = [clip.facts for clip in audited]
    if scorer:
        from goama.audit.mismatch import check_mismatch

        scorer.finish()
        findings += check_mismatch(scorer.scores, facts, model)
    return Audit(
        source=readable(source),
        language=chosen,
        clips=tuple(facts),
        findings=tuple(worst_first(_as_they_harm(findings, facts))),
        alphabet=alphabet(facts),
        summary=_summary(audited, frames),
    )


def check(
    audited: Sequence[AuditedClip], normaliser: Normaliser, frames: EncoderFrames, given: str | None = None
) -> list[Finding]:
    """All findings on clips that were read, in no order.

    frames: of the encoder that will be trained. given: the language that the user named.
    """
    facts = [clip.facts for clip in audited]
    of_sound = check_sound(audited)
    mute = _clips_of(of_sound, *_SPEECHLESS, "audio-nearly-empty")
    twice = check_duplicates(audited, mute)
    return [
        *of_sound,
        *check_remarks(audited),
        *twice,
        *check_language(facts, given),
        *check_text(facts, normaliser),
        *check_spelling(facts, normaliser),
        *check_variants(facts, normaliser),
        *pairs.check_pairs([clip for clip in facts if clip.id not in mute], frames),
        *sets.check_sets(facts, _clips_of(twice, "duplicate-in-two-splits")),
    ]


def _clips_of(findings: Iterable[Finding], *names: str) -> frozenset[str]:
    return frozenset(clip_id for finding in findings if finding.name in names for clip_id in finding.clips)


def _without_speech(audited: Sequence[AuditedClip], speechless: frozenset[str]) -> list[AuditedClip]:
    """Energy alone takes the loudest parts of silence, and a hum, for speech."""
    return [
        replace(clip, facts=replace(clip.facts, silence_share=1.0)) if clip.facts.id in speechless else clip
        for clip in audited
    ]


def _as_they_harm(findings: Iterable[Finding], facts: Sequence[ClipFacts]) -> list[Finding]:
    """An error about a few clips that `prepare` leaves out is a warning: it costs these clips and harms no model."""
    unusable = {clip.id for clip in facts if clip.fault or not clip.normalised}
    few = len(unusable) <= LEFT_OUT_SHARE * len(facts)

    def harmless(finding: Finding) -> bool:
        return few and finding.severity == "error" and bool(finding.clips) and unusable.issuperset(finding.clips)

    return [replace(f, severity="warning") if harmless(f) else f for f in findings]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors, warnings, infos; of each the one with the most clips first."""
    return sorted(findings, key=lambda f: (-SEVERITIES.index(f.severity), -len(f.clips), f.name))


def _read(
    clips: Iterable[SourceClip],
    read_sound: bool,
    *,
    keep_waveform: bool,
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[SourceClip, _Measured | Fault | None]]:
    """Each clip with what was measured of its sound, or why it cannot be used; None: the sound was not read."""

    def measured(clip: SourceClip, audio: Audio) -> _Measured | Fault:
        fault = judge_sound(clip, audio)
        if fault and fault.kind != SILENT:  # of silence the checks say more
            return fault
        return _Measured(measure(audio), audio.samples if keep_waveform else None)

    if read_sound:
        yield from examine_clips(clips, measured, keep_native=True, progress=progress)
        return
    for number, clip in enumerate(clips, start=1):
        yield clip, Fault(clip.fault_kind, clip.fault) if clip.fault else None
        if progress:
            progress(number)


def _audited(
    clip: SourceClip, sound: Sound | Fault | None, normaliser: Normaliser, language: str | None
) -> AuditedClip:
    normalised = normaliser(clip.text)
    units = [segment(word) for word in normalised.split()]
    characters = sum(len(word) for word in units)
    labels = characters + max(0, len(units) - 1)
    doubled = sum(left == right for word in units for left, right in pairwise(word))
    facts = ClipFacts(
        id=clip.id,
        where=clip.where,
        text=clip.text,
        normalised=normalised,
        speaker=clip.speaker,
        split=clip.split,
        language=clip.language or language,
        seconds=clip.duration,
        characters=characters,
        words=len(units),
        labels=labels,
        frames_needed=labels + doubled,
        fault=sound.reason if isinstance(sound, Fault) else None,
    )
    if not isinstance(sound, Sound):
        return AuditedClip(facts, None, sound.kind if sound else None, clip.remarks)
    facts = replace(
        facts,
        seconds=round(sound.seconds, 4),
        native_rate=sound.native_rate,
        channels=sound.channels,
        peak_db=round(sound.peak_db, 1),
        rms_db=round(sound.rms_db, 1),
        noise_db=round(sound.noise_db, 1),
        snr_db=round(sound.rms_db - sound.noise_db, 1),
        clipped_share=round(sound.clipped_share, 5),
        silence_share=round(sound.silence_share, 3),
        leading_silence_s=round(sound.leading_silence_s, 2),
        trailing_silence_s=round(sound.trailing_silence_s, 2),
        bandwidth_hz=round(sound.bandwidth_hz),
    )
    return AuditedClip(facts, sound, remarks=clip.remarks)


def _summary(audited: Sequence[AuditedClip], frames: EncoderFrames) -> dict[str, Any]:
    facts = [clip.facts for clip in audited]
    usable = [clip for clip in facts if not clip.fault]
    measured = [clip for clip in usable if clip.native_rate]
    spoken = [clip.speech_s for clip in measured if clip.speech_s is not None]
    return {
        "clips": len(facts),
        "usable_clips": sum(bool(clip.normalised) for clip in usable),
        "hours": round(sum(clip.seconds or 0.0 for clip in usable) / 3600, 4),
        "speech_hours": round(sum(spoken) / 3600, 4) if measured else None,
        "words": sum(clip.words for clip in usable),
        **sets.summary(usable),
        "languages": dict(Counter(clip.language or "unknown" for clip in facts).most_common()),
        "rates": {str(rate): count for rate, count in Counter(clip.native_rate for clip in measured).most_common()},
        "channels": {str(count): clips for count, clips in Counter(clip.channels for clip in measured).most_common()},
        **pairs.summary(usable, frames),
    }
