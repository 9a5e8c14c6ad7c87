"""Annotation files (ELAN, Praat, subtitles) become clips: one for each annotation with text of the chosen tiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goama.errors import GoamaError
from goama.sources.annotation_file import Annotation, AnnotationFile, LinkedRecording, Tier
from goama.sources.clip import Choices, Source, SourceClip
from goama.sources.linked_recordings import FoundRecording, find_recording, notes_on_recordings, recordings_named
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

_TOUCHING_S = 0.05  # annotations that overlap by less are neighbours whose border was drawn twice

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
            for tier in annotated.tiers:
                if tier.name in taken[file]:
                    yield from _clips_of_tier(file, stem, tier, recording, several_tiers)

    return Source(
        f"{kind}: {len(files)} file{'s' if len(files) != 1 else ''}{describe_choice(survey.tiers, taken)}",
        clips,
        (
            *notes_on_tiers(survey.tiers, taken, bool(choices.tiers)),
            *notes_on_recordings(survey.recordings, wanted, choices.recording, sounds),
        ),
        count=count_texts(survey.tiers, taken) + len(survey.faults),
    )


@dataclass(frozen=True)
class _Survey:
    """What the first pass found, by file: tiers, names of likely transcription tiers, links, and read errors."""

    tiers: dict[Path, list[TierSummary]] = field(default_factory=dict)
    guessed: dict[Path, list[str]] = field(default_factory=dict)
    recordings: dict[Path, Sequence[LinkedRecording]] = field(default_factory=dict)
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
    return survey


def _clips_of_tier(
    file: Path, stem: str, tier: Tier, recording: FoundRecording, several_tiers: bool
) -> Iterator[SourceClip]:
    annotations = tier.with_text
    overlapping = _overlaps(annotations, "in the same tier" if tier.name else "in the same file")
    speaker = tier.speaker or tier.name.partition("@")[2].strip() or (tier.name if several_tiers else None)
    id_start = f"{stem}__{tier.name}" if several_tiers else stem
    place = f"{file}, tier {tier.name!r}" if tier.name else str(file)
    for number, annotation in enumerate(annotations):
        start, end = annotation.start, annotation.end
        fault = recording.fault or _fault(start, end) or overlapping.get(number)
        span = None if fault or start is None or end is None else (start + recording.shift_s, end - start)
        yield SourceClip(
            id=f"{id_start}__{start:.2f}" if start is not None else f"{id_start}__{number + 1}",
            audio=recording.audio or b"",
            text=annotation.text.strip(),
            where=f"{place}, {_clock(start)}",
            offset=span[0] if span else None,
            duration=span[1] if span else None,
            speaker=annotation.speaker or speaker or None,
            id_given=False,
            fault=fault,
        )


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


def _overlaps(annotations: Sequence[Annotation], place: str) -> dict[int, str]:
    """Faults of the annotations that share sound with another, by index; `place`: "in the same tier" or "… file"."""
    faults: dict[int, str] = {}
    timed = sorted(
        (a.start, a.end, number)
        for number, a in enumerate(annotations)
        if a.start is not None and a.end is not None and a.start < a.end
    )
    last: tuple[float, float, int] | None = None  # the annotation with the latest end so far
    for start, end, number in timed:
        if last and last[1] - start > _TOUCHING_S:
            for one, (other_start, other_end) in ((number, last[:2]), (last[2], (start, end))):
                faults.setdefault(one, f"overlaps the annotation from {other_start:.2f} s to {other_end:.2f} s {place}")
        if last is None or end > last[1]:
            last = (start, end, number)
    return faults


def _clock(seconds: float | None) -> str:
    if seconds is None or not 0 <= seconds < 1e7:
        return "at no time"
    return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{seconds % 60:06.3f}"
