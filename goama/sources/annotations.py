"""Annotation files (ELAN, Praat, subtitles) become clips: one for each annotation with text of the chosen tiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goama.errors import GoamaError
from goama.sources import remarks
from goama.sources.annotation_file import Annotation, AnnotationFile, LinkedRecording, Tier
from goama.sources.clip import Choices, Remark, Source, SourceClip
from goama.sources.judge import OVERLAPPING, ROW_FAULTY
from goama.sources.lengths import Fit, fit
from goama.sources.linked_recordings import FoundRecording, find_recording, notes_on_recordings, recordings_named
from goama.sources.overlaps import Span, mark_overlaps
from goama.sources.sound_cell import stem_of
from goama.sources.sound_files import SoundFiles
from goama.sources.tiers import (
    TierSummary,
    choose_tiers,
    count_texts,
    describe_choice,
    guess_transcription,
    notes_on_tiers,
    summary_of,
)

_NOTES_SHOWN = 12

Parse = Callable[[Path], AnnotationFile]


def read_annotations(
    kind: str, files: Sequence[Path], folder: Path | None, parse: Parse, choices: Choices, sounds: SoundFiles
) -> Source:
    """The clips of annotation files; empty annotations are counted and give no clip.

    kind:     the format, for messages
    folder:   the source that the files are in; None: the source is the one file
    parse:    reads a file of this format
    choices:  tiers and recording that the user named
    sounds:   finds sound files

    Each file is parsed once to choose the tiers, and again for its clips.
    Raises `GoamaError` when no file has the tiers or the recording that the user named, when there is no text, and
    when the only file cannot be read; an unreadable file of a folder becomes one faulty clip.
    """
    survey = _survey(files, folder, parse)
    where = str(folder or files[0])
    wanted = recordings_named(survey.recordings, choices.recording, where)
    taken = choose_tiers(survey.tiers, survey.guessed, choices.tiers, where)
    several_tiers = any(len(names) > 1 for names in taken.values())

    def clips() -> Iterator[SourceClip]:
        for file in files:
            stem = stem_of(str(file.relative_to(folder) if folder else file.name))
            if file in survey.faults:
                yield SourceClip(stem, b"", "", str(file), id_given=False, fault=survey.faults[file])
                continue
            annotated = parse(file)
            recording = find_recording(file, annotated.recordings, wanted.get(file, ()), sounds)
            tiers = [tier for tier in annotated.tiers if tier.name in taken[file]]
            place = fit(file, annotated.span, recording.audio)
            yield from _clips_of_tiers(_Place(file, stem, recording, place, several_tiers), tiers, choices.overlaps)

    return Source(
        f"{kind}: {len(files)} file{'s' if len(files) != 1 else ''}{describe_choice(survey.tiers, taken)}",
        clips,
        (
            *notes_on_tiers(survey.tiers, taken, bool(choices.tiers)),
            *notes_on_recordings(survey.recordings, wanted, choices.recording, sounds),
            *_few(survey.notes),
            *_few(_notes_on_lengths(survey, wanted, sounds)),
        ),
        count=count_texts(survey.tiers, taken) + len(survey.faults),
    )


@dataclass(frozen=True)
class _Survey:
    """What the first pass found, by file: tiers, names of likely transcription tiers, links, spans and read errors;
    and what the files' readers noted."""

    tiers: dict[Path, list[TierSummary]] = field(default_factory=dict)
    guessed: dict[Path, list[str]] = field(default_factory=dict)
    recordings: dict[Path, Sequence[LinkedRecording]] = field(default_factory=dict)
    spans: dict[Path, tuple[float, float] | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: dict[Path, str] = field(default_factory=dict)


def _survey(files: Sequence[Path], folder: Path | None, parse: Parse) -> _Survey:
    survey = _Survey()
    for file in files:
        try:
            annotated = parse(file)
        except GoamaError as error:
            if folder is None:
                raise
            survey.faults[file] = str(error)
            continue
        survey.tiers[file] = [summary_of(tier) for tier in annotated.tiers]
        survey.guessed[file] = guess_transcription(annotated.tiers)
        survey.recordings[file] = annotated.recordings
        survey.spans[file] = annotated.span
        survey.notes.extend(annotated.notes)
    return survey


def _notes_on_lengths(
    survey: _Survey, wanted: Mapping[Path, Sequence[LinkedRecording]], sounds: SoundFiles
) -> list[str]:
    """Sentences on files whose times do not begin at 0, or whose length is not that of their recording."""
    notes = []
    for file, span in survey.spans.items():
        if span is not None:
            audio = find_recording(file, survey.recordings[file], wanted.get(file, ()), sounds).audio
            found = fit(file, span, audio)
            notes += [note for note in (found.mismatch, found.note) if note]
    return notes


def _few(notes: Sequence[str]) -> list[str]:
    """The first notes, and how many more there are."""
    more = len(notes) - _NOTES_SHOWN
    return [*notes[:_NOTES_SHOWN], *([f"… and {more} more notes like these on other files"] if more > 0 else [])]


@dataclass(frozen=True)
class _Place:
    """Where the clips of a file come from."""

    file: Path
    stem: str
    recording: FoundRecording
    fit: Fit
    several_tiers: bool


def _clips_of_tiers(place: _Place, tiers: Sequence[Tier], overlaps: str | None) -> Iterator[SourceClip]:
    """The clips of the taken tiers of a file, tier by tier."""
    spans: dict[tuple[int, int], Span] = {}
    for tier_number, tier in enumerate(tiers):
        for number, annotation in enumerate(tier.with_text):
            if not _fault(annotation.start, annotation.end):
                assert annotation.start is not None and annotation.end is not None
                spans[tier_number, number] = Span(annotation.start, annotation.end, tier_number)
    mark_overlaps(list(spans.values()), [tier.name for tier in tiers], trim=overlaps == "trim")
    for tier_number, tier in enumerate(tiers):
        for number, annotation in enumerate(tier.with_text):
            yield _clip(place, tier, number, annotation, spans.get((tier_number, number)), overlaps)


def _clip(
    place: _Place, tier: Tier, number: int, annotation: Annotation, span: Span | None, overlaps: str | None
) -> SourceClip:
    speaker = tier.speaker or tier.name.partition("@")[2].strip() or (tier.name if place.several_tiers else None)
    id_start = f"{place.stem}__{tier.name}" if place.several_tiers else place.stem
    where = f"{place.file}, tier {tier.name!r}" if tier.name else str(place.file)
    start, recording = annotation.start, place.recording
    fault = recording.fault or _fault(start, annotation.end)
    left_out = span.fault(overlaps) if span else None
    usable = span if not fault and not left_out else None
    return SourceClip(
        id=f"{id_start}__{start:.2f}" if start is not None else f"{id_start}__{number + 1}",
        audio=recording.audio or b"",
        text=annotation.text.strip(),
        where=f"{where}, {_clock(start)}",
        offset=usable.start + recording.shift_s + place.fit.shift_s if usable else None,
        duration=usable.end - usable.start if usable else None,
        speaker=annotation.speaker or speaker or None,
        id_given=False,
        fault=fault or left_out,
        fault_kind=OVERLAPPING if left_out and not fault else ROW_FAULTY,
        remarks=tuple(_remarks(place, annotation, span)),
    )


def _remarks(place: _Place, annotation: Annotation, span: Span | None) -> Iterator[Remark]:
    if span and span.overlap:
        yield span.remark()
    if annotation.interpolated and span:
        yield Remark(remarks.INTERPOLATED, f"from {_clock(span.start)} to {_clock(span.end)}")
    if place.fit.mismatch:
        yield Remark(remarks.LENGTH, place.fit.mismatch)


def _fault(start: float | None, end: float | None) -> str | None:
    if start is None or end is None:
        return "this annotation has no time of its own; give it one, or take its parent tier with --tier"
    if not 0 <= start < float("inf") or not end < float("inf"):
        return f"from {start:.2f} s to {end:.2f} s is not a time range in a recording"
    if end == start:
        return "this annotation lasts 0 s"
    if end < start:
        return f"this annotation ends ({end:.2f} s) before it starts ({start:.2f} s)"
    return None


def _clock(seconds: float | None) -> str:
    if seconds is None or not 0 <= seconds < 1e7:
        return "at no time"
    return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{seconds % 60:06.3f}"
