"""What all readers share: a clip as its source gives it, the source, and the options for reading it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from goama.errors import GoamaError
from goama.files import is_readable, readable


@dataclass(frozen=True, slots=True)
class Remark:
    """What a reader decided about a clip that people should know; `kind` is the name of the audit's finding."""

    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class SourceClip:
    """One clip as its source gives it: text not normalised, audio not decoded."""

    id: str
    audio: Path | bytes
    text: str
    where: str
    """File and line, tier and time, or data set and row: what a message names."""
    offset: float | None = None
    duration: float | None = None
    speaker: str | None = None
    split: str | None = None
    language: str | None = None
    id_given: bool = True
    """False: the id was made of the file's name, and may be changed where two files have the same name."""
    fault: str | None = None
    """What is wrong with the row itself; such a clip is left out."""
    tags: tuple[str, ...] = ()
    """What its source says of its quality, such as `background-noise`."""
    fault_kind: str = "row-faulty"
    """The finding that the fault belongs to, one of the constants in `goama.sources.judge`."""
    remarks: tuple[Remark, ...] = ()
    mend: bool = False
    """Whether the clip is used although some of its sound is lost: silence stands there."""
    columns: tuple[tuple[str, str], ...] = ()
    """Further columns of its row, (name, value): what the evaluation can group clips by."""
    licence: str | None = None
    consent: str | None = None
    """What its speaker agreed to, in the words of the source."""
    source: str | None = None
    """Whom or what it comes from: what must be named where it is used."""


@dataclass(frozen=True)
class Columns:
    """Column names that the user gave; None: the column is found by its usual names."""

    id: str | None = None
    audio: str | None = None
    text: str | None = None
    speaker: str | None = None
    split: str | None = None
    language: str | None = None
    offset: str | None = None
    duration: str | None = None
    end: str | None = None
    licence: str | None = None
    consent: str | None = None
    source: str | None = None


RIGHTS = ("licence", "consent", "source")
"""The columns that say what may be done with a clip; they go along into the corpus and the model card."""


@dataclass(frozen=True)
class Choices:
    """Other options for reading a source; None or empty: goama chooses and says what it chose."""

    format: str | None = None
    tiers: tuple[str, ...] = ()
    delimiter: str | None = None
    sheet: str | None = None
    audio_folder: Path | None = None
    recording: str | None = None
    where: str | None = None
    overlaps: str | None = None
    """What to do with annotations that overlap in time: one of `OVERLAPS`; None: leave-out."""
    speaker_labels: str | None = None
    """Names before a colon in subtitles: `take` as the speaker or `keep` as text; None: take those that are clear."""
    damaged: str | None = None
    """Clips some of whose sound is lost: `leave-out` or `mend`, which puts silence there; None: leave-out."""


OVERLAPS = ("leave-out", "trim", "keep")
SPEAKER_LABELS = ("take", "keep")
DAMAGED = ("leave-out", "mend")


@dataclass(frozen=True)
class Source:
    """An opened source: iterating gives its clips, anew each time, each with an id of its own."""

    taken: str
    """How it was read: format, files, columns or tiers."""
    read: Callable[[], Iterator[SourceClip]]
    notes: tuple[str, ...] = ()
    """Sentences: other ways to read it, and what in it is not a clip."""
    after_reading: Callable[[], tuple[str, ...]] = tuple
    """Sentences that are known only once all clips were read."""
    count: int | None = None
    """How many clips it has; None where only reading them would tell."""

    def __iter__(self) -> Iterator[SourceClip]:
        return _with_ids_of_their_own(map(_readable, self.read()))


def count_of_clips(count: int) -> str:
    """ "1 clip", "12 clips"."""
    return "1 clip" if count == 1 else f"{count} clips"


def _readable(clip: SourceClip) -> SourceClip:
    """The clip with names that every file and screen takes; the path of its sound stays as it is."""
    rights = (clip.licence or "", clip.consent or "", clip.source or "")
    texts = (clip.id, clip.where, clip.fault or "", clip.speaker or "", *(remark.sentence for remark in clip.remarks))
    if all(is_readable(text) for text in (*texts, *rights)):
        return clip
    return replace(
        clip,
        id=readable(clip.id),
        where=readable(clip.where),
        fault=clip.fault and readable(clip.fault),
        speaker=clip.speaker and readable(clip.speaker),
        remarks=tuple(replace(remark, sentence=readable(remark.sentence)) for remark in clip.remarks),
        licence=clip.licence and readable(clip.licence),
        consent=clip.consent and readable(clip.consent),
        source=clip.source and readable(clip.source),
    )


def _with_ids_of_their_own(clips: Iterable[SourceClip]) -> Iterator[SourceClip]:
    """Refuse an id or a recording that is listed twice; tell apart files that only have the same name.

    Of each clip only its id, its place in the source and a hash of its piece are kept.
    """
    first: dict[str, tuple[str, bool, int | None]] = {}
    copies: dict[str, int] = {}
    for clip in clips:
        twin = first.get(clip.id)
        piece = hash((clip.audio, clip.offset, clip.duration)) if isinstance(clip.audio, Path) else None
        if twin:
            where, twin_id_given, twin_piece = twin
            if clip.id_given and twin_id_given:
                raise GoamaError(
                    f"{clip.where}: the id {clip.id!r} is used twice (first at {where}); "
                    "every clip needs an id of its own"
                )
            if isinstance(clip.audio, Path) and not clip.fault and piece == twin_piece:
                raise GoamaError(
                    f"{clip.where}: {clip.audio} is listed twice (first at {where}); remove one of the two rows"
                )
            number = copies.get(clip.id, 1) + 1
            while f"{clip.id}-{number}" in first:
                number += 1
            copies[clip.id] = number
            clip = replace(clip, id=f"{clip.id}-{number}")
        first[clip.id] = (clip.where, clip.id_given, piece)
        yield clip
