"""A source becomes an Audit: one pass over the sound, of which only facts and fingerprints are kept."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from goama.audit import pairs, sets
from goama.audit.audio import AuditedClip, check_audio
from goama.audit.duplicates import check_duplicates
from goama.audit.findings import SEVERITIES, Audit, ClipFacts, Finding
from goama.audit.language import check_language
from goama.audit.measure import Sound, measure
from goama.audit.spelling import alphabet, check_spelling
from goama.audit.text import check_text
from goama.corpus.prepare import LONGEST_S, SHORTEST_S
from goama.errors import GoamaError
from goama.interrupt import stop_requests
from goama.sound.audio import OutsideRecordingError, TooLongSoundError, TruncatedSoundError, decode_audio
from goama.sources.source import SourceClip
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import segment

if TYPE_CHECKING:
    from goama.recognition.recogniser import Recogniser

_AHEAD = 16  # clips decoded before they are looked at: bounds memory, keeps the cores busy
_SPEECHLESS = ("audio-silent", "audio-channels-cancel", "audio-no-speech")
_MISSING_S = 0.25  # as `goama prepare`: less of what a manifest promises than this may be rounding


@dataclass(frozen=True)
class _Heard:
    """What became of a clip's sound: measured, or a fault and the finding it belongs to."""

    sound: Sound | None = None
    waveform: np.ndarray | None = None
    fault: str | None = None
    kind: str | None = None


def audit(
    clips: Iterable[SourceClip],
    *,
    source: str,
    language: str | None = None,
    read_sound: bool = True,
    recogniser: Recogniser | None = None,
    model: str = "",
    progress: Callable[[int], None] | None = None,
) -> Audit:
    """Look at every clip; `progress` is called with the clips done so far.

    Without `read_sound` only the manifest is checked: texts, splits, and durations where it has them.
    `recogniser` (its folder is `model`) also judges whether texts match.

    Raises `GoamaError` when there are no clips, or the language code is none.
    """
    given = language
    scorer = None
    if recogniser is not None:
        from goama.audit.mismatch import TextScorer

        scorer = TextScorer(recogniser)
    normaliser: Normaliser | None = None
    audited: list[AuditedClip] = []
    with stop_requests(lambda _: None, "") as stop_requested:  # or libsndfile swallows the Ctrl-C
        for clip, heard in _heard(clips, read_sound, keep_waveform=scorer is not None):
            if stop_requested():
                raise KeyboardInterrupt
            language = language or clip.language
            normaliser = normaliser or Normaliser.for_language(language)
            audited.append(_facts(clip, heard, normaliser, language))
            if scorer and heard.waveform is not None and audited[-1].facts.normalised and not heard.fault:
                scorer.add(clip.id, heard.waveform, clip.text)
            if progress:
                progress(len(audited))
    if normaliser is None:
        raise GoamaError(f"{source}: the source is empty; there is nothing to check")
    findings = check(audited, normaliser, given)
    audited = _without_speech(audited, _clips_of(findings, *_SPEECHLESS))
    facts = [clip.facts for clip in audited]
    if scorer:
        from goama.audit.mismatch import check_mismatch

        scorer.finish()
        findings += check_mismatch(scorer.scores, facts, model)
    return Audit(
        source=source,
        language=language,
        clips=tuple(facts),
        findings=tuple(worst_first(findings)),
        alphabet=alphabet(facts),
        summary=_summary(audited),
    )


def check(audited: Sequence[AuditedClip], normaliser: Normaliser, given: str | None = None) -> list[Finding]:
    """All findings on clips that have been looked at, in no order; `given`: the language that the user named."""
    facts = [clip.facts for clip in audited]
    of_sound = check_audio(audited)
    mute = _clips_of(of_sound, *_SPEECHLESS, "audio-nearly-empty")
    twice = check_duplicates(audited, mute)
    return [
        *of_sound,
        *twice,
        *check_language(facts, given),
        *check_text(facts, normaliser),
        *check_spelling(facts),
        *pairs.check_pairs([clip for clip in facts if clip.id not in mute]),
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


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors, warnings, infos; of each the one with the most clips first."""
    return sorted(findings, key=lambda f: (-SEVERITIES.index(f.severity), -len(f.clips), f.name))


def _heard(
    clips: Iterable[SourceClip], read_sound: bool, *, keep_waveform: bool
) -> Iterator[tuple[SourceClip, _Heard]]:
    """Each clip with what was heard of it, in order; decoding runs ahead on all cores.

    Threads: libsndfile, soxr and numpy's transforms work without Python's lock.
    """
    if not read_sound:
        for clip in clips:
            yield clip, _Heard(fault=clip.fault, kind="row-faulty" if clip.fault else None)
        return
    waiting: deque[tuple[SourceClip, Future[_Heard]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for clip in clips:
                waiting.append((clip, pool.submit(_listen, clip, keep_waveform)))
                if len(waiting) > _AHEAD:
                    first, future = waiting.popleft()
                    yield _without_bytes(first), future.result()
            while waiting:
                first, future = waiting.popleft()
                yield _without_bytes(first), future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _without_bytes(clip: SourceClip) -> SourceClip:
    return replace(clip, audio=b"") if isinstance(clip.audio, bytes) else clip


def _listen(clip: SourceClip, keep_waveform: bool) -> _Heard:
    if clip.fault:
        return _Heard(fault=clip.fault, kind="row-faulty")
    name = str(clip.audio) if not isinstance(clip.audio, bytes) else clip.where
    cut_out = clip.duration if clip.offset is not None else None
    try:
        samples, rate = decode_audio(
            clip.audio, offset=clip.offset or 0.0, duration=cut_out, longest_s=LONGEST_S, name=name
        )
    except TooLongSoundError as error:
        return _Heard(fault=str(error), kind="audio-too-long")
    except TruncatedSoundError as error:
        return _Heard(fault=str(error), kind="audio-truncated")
    except OutsideRecordingError as error:
        return _Heard(fault=str(error), kind="audio-outside-recording")
    except GoamaError as error:
        return _Heard(fault=str(error), kind="audio-unreadable")
    if not len(samples):
        return _Heard(fault="the recording holds no samples", kind="audio-unreadable")
    seconds = len(samples) / rate
    if seconds < SHORTEST_S:
        return _Heard(fault=f"{seconds:.3f} s of sound", kind="audio-too-short")
    if clip.offset is None and clip.duration and seconds < clip.duration - _MISSING_S:
        missing = f"{seconds:.2f} s of the {clip.duration:.2f} s its manifest promises"
        return _Heard(fault=missing, kind="audio-truncated")
    sound, mono = measure(samples, rate)
    return _Heard(sound, mono if keep_waveform else None)


def _facts(clip: SourceClip, heard: _Heard, normaliser: Normaliser, language: str | None) -> AuditedClip:
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
        fault=heard.fault,
    )
    if heard.sound is None:
        return AuditedClip(facts, None, heard.kind)
    sound = heard.sound
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
    return AuditedClip(facts, sound)


def _summary(audited: Sequence[AuditedClip]) -> dict[str, Any]:
    facts = [clip.facts for clip in audited]
    usable = [clip for clip in facts if not clip.fault]
    heard = [clip for clip in usable if clip.native_rate]
    spoken = [clip.speech_s for clip in heard if clip.speech_s is not None]
    return {
        "clips": len(facts),
        "usable_clips": sum(bool(clip.normalised) for clip in usable),
        "hours": round(sum(clip.seconds or 0.0 for clip in usable) / 3600, 4),
        "speech_hours": round(sum(spoken) / 3600, 4) if heard else None,
        "words": sum(clip.words for clip in usable),
        **sets.summary(usable),
        "languages": dict(Counter(clip.language or "unknown" for clip in facts).most_common()),
        "rates": {str(rate): count for rate, count in Counter(clip.native_rate for clip in heard).most_common()},
        "channels": {str(count): clips for count, clips in Counter(clip.channels for clip in heard).most_common()},
        **pairs.summary(usable),
    }
