"""What `prepare` and its dry run decide: the spelling rules, the clips that can be used, and their splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from goama.corpus.left_out import LeftOut, why_no_clip
from goama.corpus.split import assign_splits
from goama.corpus.unsplit import Unsplit
from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE, Audio
from goama.sound.repairs import Repair
from goama.sources import remarks
from goama.sources.clip import Remark, SourceClip, count_of_clips
from goama.sources.judge import Fault, judge, judge_sound
from goama.sources.language import language_of
from goama.sources.reading import read_clips
from goama.text.changes import numbers_in
from goama.text.codes import is_registered, require_registered
from goama.text.normaliser import Normaliser
from goama.text.notes import notes_in
from goama.text.spelling import Spelling
from goama.text.spelling_notes import spelling_notes


@dataclass(frozen=True)
class CorpusOptions:
    """What the user asks for: arguments of `prepare` and `dry_run`, see there."""

    source: str
    language: str | None = None
    seed: int = 0
    split_by: str | None = None
    spelling: Spelling = field(default_factory=Spelling)
    unsplit: str = "split"


@dataclass(frozen=True)
class StoredSound:
    """The audio of a clip that can be used: `samples` at 16 kHz; `file` is what `store` returned."""

    samples: int
    native_rate: int
    native_channels: int
    file: str
    repairs: tuple[Repair, ...] = ()

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.samples / SAMPLE_RATE


@dataclass(frozen=True)
class Kept:
    """A clip that can be used, with its normalised text, its split and its audio."""

    clip: SourceClip
    text: str
    split: str
    sound: StoredSound


@dataclass(frozen=True)
class Selection:
    """The clips of a source parted into those kept and those left out.

    clips:  all of them, without their encoded bytes
    how:    a sentence on the splits
    notes:  sentences on what is changed on the way in, and on what the user may want to decide
    """

    language: str | None
    normaliser: Normaliser
    clips: tuple[SourceClip, ...]
    kept: tuple[Kept, ...]
    left_out: tuple[LeftOut, ...]
    how: str
    notes: tuple[str, ...]


def select_clips(
    clips: Iterable[SourceClip],
    options: CorpusOptions,
    *,
    store: Callable[[SourceClip, Audio], str] = lambda *_: "",
    progress: Callable[[int], None] | None = None,
) -> Selection:
    """The selection: all clips are read, the spelling rules chosen, each clip judged, and the usable ones split.

    `store` is called with each clip whose sound can be used, and returns its file name; the text of a few of these may
    still turn out to hold nothing that is spoken. `progress` is called with the clips done so far.

    Raises `GoamaError` when no clip can be used, the language is no language code, or the split cannot be made.
    """
    require_registered(options.language)  # a wrong code is refused before hours are read
    read: list[tuple[SourceClip, Fault | None, StoredSound | None]] = []
    for clip, audio in read_clips(clips, progress):
        fault = judge_sound(clip, audio)
        stored = None
        if isinstance(audio, Audio) and not fault and clip.text.strip():
            file = store(clip, audio)
            stored = StoredSound(len(audio.samples), audio.native_rate, audio.native_channels, file, audio.repairs)
        read.append((clip, fault, stored))
    language, notes = language_of((clip for clip, _, _ in read), options.language)
    texts = [clip.text for clip, _, _ in read if clip.text.strip() and not clip.fault]
    normaliser = options.spelling.normaliser(language, texts)
    usable: list[tuple[SourceClip, str, StoredSound]] = []
    left_out: list[LeftOut] = []
    some_are_split = any(clip.split not in (None, "train") for clip, _, _ in read)
    for clip, sound_fault, stored in read:
        text = normaliser(clip.text)
        fault = judge(clip, sound_fault, text)
        notes_here = (
            [] if fault or options.spelling.brackets != "leave-out" else notes_in(normaliser.until_tables(clip.text))
        )
        if notes_here:
            left_out.append(LeftOut(clip.id, clip.where, f"not speech, in brackets: {notes_here[0]} (--brackets)"))
            continue
        if fault:
            left_out.append(LeftOut(clip.id, clip.where, fault.reason))
        elif clip.split is None and some_are_split and options.unsplit == "leave-out" and not options.split_by:
            left_out.append(LeftOut(clip.id, clip.where, "the source gives it no split (--unsplit leave-out)"))
        elif stored:
            usable.append((clip, text, stored))
    if not usable:
        raise GoamaError(f"{options.source}: no clip can be used ({why_no_clip(left_out)})")
    splits, how = assign_splits([_unsplit(*entry) for entry in usable], options.seed, options.split_by, options.unsplit)
    kept = tuple(Kept(clip, text, split, sound) for (clip, text, sound), split in zip(usable, splits, strict=True))
    if language and not is_registered(language):
        notes = (
            *notes,
            f"the clips name the language {language}, a code that no language has: is it a slip? (--language)",
        )
    notes = (*notes, *_notes(kept, normaliser), *spelling_notes(normaliser, texts))
    return Selection(language, normaliser, tuple(clip for clip, _, _ in read), kept, tuple(left_out), how, notes)


def _notes_on_repairs(kept: Sequence[Kept]) -> Iterator[str]:
    """What was mended in the sound of clips that are used, and what their reader decided: how many, and the first."""
    first: dict[str, tuple[str, str]] = {}
    counts: Counter[str] = Counter()
    for one in kept:
        said: tuple[Repair | Remark, ...] = (*one.sound.repairs, *one.clip.remarks)
        for kind, sentence in {each.kind: each.sentence for each in said}.items():
            counts[kind] += 1
            first.setdefault(kind, (one.clip.id, sentence))
    for kind, count in counts.items():
        what = remarks.IN_WORDS.get(kind) or "the sound was mended as it was read"
        yield f"{count_of_clips(count)}: {what} ({first[kind][0]}: {first[kind][1]})"


def _unsplit(clip: SourceClip, text: str, sound: StoredSound) -> Unsplit:
    recording = str(clip.audio) if isinstance(clip.audio, Path) else None
    return Unsplit(text, clip.speaker, sound.seconds, clip.split, recording)


def _notes(kept: Sequence[Kept], normaliser: Normaliser) -> list[str]:
    """Rates converted, channels averaged, numbers in digits."""
    notes = []
    resampled = Counter(k.sound.native_rate for k in kept if k.sound.native_rate != SAMPLE_RATE)
    for rate, count in sorted(resampled.items()):
        quality = ": telephone quality, nothing above 4 kHz" if rate <= 8000 else ""
        notes.append(f"{count_of_clips(count)} converted from {rate} Hz to {SAMPLE_RATE} Hz{quality}")
    mixed = sum(k.sound.native_channels > 1 for k in kept)
    if mixed:
        notes.append(f"{count_of_clips(mixed)} had more than one channel; the channels were averaged")
    notes += _notes_on_repairs(kept)
    with_numbers = [numbers for k in kept if (numbers := numbers_in(k.text, normaliser.tables.letter_digits))]
    if with_numbers:
        frequent = ", ".join(number for number, _ in Counter(chain.from_iterable(with_numbers)).most_common(5))
        notes.append(
            f"{count_of_clips(len(with_numbers))} with numbers in digits ({frequent}, …), which nobody has said how to "
            "speak: --dry-run --numbers TABLE.tsv makes a table of their words, --replace TABLE.tsv uses it"
        )
    return notes
