"""Annotated recordings (ELAN, Praat, subtitles): each annotation of the tiers taken becomes a clip of its recording.

Tiers are those that the user names, or those that look like the transcription; empty annotations are counted.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES, similar_name
from goama.sources.clip import Choices, Source, SourceClip
from goama.sources.columns import stem_of
from goama.sources.sound_files import SoundFiles

_USUAL_TIERS = (
    "transcription", "transcript", "orthographic transcription", "orthographic", "orthography", "ortho", "orth",
    "utterance", "utterances", "utt", "sentence", "sentences", "phrase", "phrases", "tx", "text", "txt",
)  # fmt: skip
"""What people call the tier of the transcription, or its linguistic type: the first of these that is there is taken."""

_NEVER_SPEECH = {
    "translation", "translations", "gloss", "glosses", "note", "notes", "comment", "comments", "phone", "phones",
    "phonemes", "segments", "morph", "morphs", "morphemes", "pos", "ft", "ge", "ps",
}  # fmt: skip
"""Words in the names of tiers that hold something else: taken only when they are named."""

_TOUCHING_S = 0.05
"""Annotations that overlap by less are neighbours whose border was drawn twice."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A text and its place in the recording (s); None where the file gives it no time."""

    start: float | None
    end: float | None
    text: str
    speaker: str | None = None


@dataclass(frozen=True)
class Tier:
    """A layer of annotations; `kind` is its linguistic type in ELAN."""

    name: str
    annotations: Sequence[Annotation]
    kind: str = ""
    speaker: str | None = None
    no_intervals: bool = False
    """A tier of points, which have no length."""

    @property
    def base_name(self) -> str:
        """ELAN's custom is tier@speaker."""
        return self.name.partition("@")[0].strip()

    @property
    def texts(self) -> list[Annotation]:
        return [annotation for annotation in self.annotations if annotation.text.strip()]


@dataclass(frozen=True)
class Recording:
    """A name that the file has for its recording, and how much later the recording's clock starts (s)."""

    name: str
    shift_s: float = 0.0


@dataclass(frozen=True)
class Annotated:
    """What an annotation file holds."""

    tiers: Sequence[Tier]
    recordings: Sequence[Recording] = ()
    """As it links them; empty: the recording has the file's own name."""


@dataclass(frozen=True)
class _Facts:
    """What the choice of tiers looks at, and what is kept of a file until its clips are wanted."""

    name: str
    base_name: str
    kind: str
    texts: int
    empty: int
    characters: int
    no_intervals: bool


Parse = Callable[[Path], Annotated]


def read_annotations(
    kind: str, files: Sequence[Path], folder: Path | None, parse: Parse, choices: Choices, sounds: SoundFiles
) -> Source:
    """The clips of annotation files; `folder` None: of one file that the user named.

    Every file is parsed once for the choice of the tiers, and again when its clips are wanted.
    Raises `GoamaError` when no file has the tiers or the recording that the user named, or any text at all; a file
    of a folder that cannot be read becomes one faulty clip.
    """
    surveyed: dict[Path, list[_Facts]] = {}
    faults: dict[Path, str] = {}
    guessed: dict[Path, list[str]] = {}
    linked: dict[Path, Sequence[Recording]] = {}
    of_several: dict[str, tuple[str, list[str]]] = {}  # the recording taken and the others, by file
    for file in files:
        try:
            annotated = parse(file)
        except GoamaError as error:
            if folder is None:
                raise
            faults[file] = str(error)
            continue
        surveyed[file] = [_facts(tier) for tier in annotated.tiers]
        guessed[file] = _guess(annotated.tiers)
        linked[file] = annotated.recordings
    where = str(folder or files[0])
    wanted = _named_recordings(linked, choices.recording, where) if choices.recording else {}
    for file in surveyed:
        audio, _, _ = _recording(file, linked[file], wanted.get(file), sounds)
        names = list(dict.fromkeys(_bare_name(recording) for recording in wanted.get(file) or linked[file]))
        if audio and len(names) > 1:
            of_several[file.name] = audio.name, [name for name in names if name != audio.name]
    taken = _named(surveyed, choices.tiers, where) if choices.tiers else _chosen(surveyed, guessed)
    if surveyed and not any(taken.values()):
        raise GoamaError(f"{where}: no tier holds text with times ({_tiers_in(surveyed.values()) or 'no tiers'})")
    if choices.tiers and surveyed and not _texts_in(surveyed, taken):
        filled = _tiers_in([t for t in tiers if t.texts] for tiers in surveyed.values())
        raise GoamaError(
            f"{where}: no text in {', '.join(map(repr, choices.tiers))}; the tiers with text are: {filled or 'none'}"
        )
    several = any(len(names) > 1 for names in taken.values())

    def clips() -> Iterator[SourceClip]:
        for file in files:
            stem = stem_of(str(file.relative_to(folder) if folder else file.name))
            if file in faults:
                yield SourceClip(stem, b"", "", str(file), id_given=False, fault=faults[file])
                continue
            annotated = parse(file)
            audio, shift, fault = _recording(file, annotated.recordings, wanted.get(file), sounds)
            for tier in annotated.tiers:
                if tier.name in taken[file]:
                    yield from _clips(file, stem, tier, several, audio, shift, fault)

    return Source(
        f"{kind}: {len(files)} file{'s' if len(files) != 1 else ''}{_in_words(surveyed, taken)}",
        clips,
        (
            *_notes(surveyed, taken, bool(choices.tiers)),
            *_notes_on_recordings(of_several, [file for file in wanted if not wanted[file]], choices.recording),
        ),
        count=_texts_in(surveyed, taken) + len(faults),
    )


# --- which tiers


def _texts_in(surveyed: dict[Path, list[_Facts]], taken: dict[Path, list[str]]) -> int:
    return sum(tier.texts for file, tiers in surveyed.items() for tier in tiers if tier.name in taken[file])


def _facts(tier: Tier) -> _Facts:
    texts = tier.texts
    return _Facts(
        tier.name,
        tier.base_name,
        tier.kind,
        len(texts),
        len(tier.annotations) - len(texts),
        sum(len(annotation.text) for annotation in texts),
        tier.no_intervals,
    )


def _named(surveyed: dict[Path, list[_Facts]], wanted: tuple[str, ...], where: str) -> dict[Path, list[str]]:
    """The tiers of each file that the user named: by name, by the name before @, by linguistic type, by pattern."""
    every = [tier for tiers in surveyed.values() for tier in tiers]
    matching: set[str] = set()
    for name in wanted:
        matches = (
            {tier.name for tier in every if tier.name == name}
            or {tier.name for tier in every if name in (tier.base_name, tier.kind)}
            or {tier.name for tier in every if fnmatchcase(tier.name.casefold(), name.casefold())}
        )
        if not matches and every:
            close = difflib.get_close_matches(name, {tier.name for tier in every}, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise GoamaError(f"{where}: no tier {name!r}{hint}; the tiers are: {_tiers_in(surveyed.values())}")
        points = sorted(tier.name for tier in every if tier.name in matches and tier.no_intervals)
        if points:
            raise GoamaError(f"{where}: the tier {points[0]!r} marks points, and clips need intervals")
        matching |= matches
    return {file: [tier.name for tier in tiers if tier.name in matching] for file, tiers in surveyed.items()}


def _chosen(surveyed: dict[Path, list[_Facts]], guessed: dict[Path, list[str]]) -> dict[Path, list[str]]:
    """A usual name counts for all files, so that no translation stands in where one file lacks its transcription."""
    every = [tier for tiers in surveyed.values() for tier in tiers if tier.texts and not tier.no_intervals]
    for attribute in ("base_name", "kind"):
        there = {getattr(tier, attribute).casefold() for tier in every}
        usual = next((name for name in _USUAL_TIERS if name in there), None)
        if usual is not None:
            return {
                file: [t.name for t in tiers if getattr(t, attribute).casefold() == usual and not t.no_intervals]
                for file, tiers in surveyed.items()
            }
    return guessed


def _guess(tiers: Sequence[Tier]) -> list[str]:
    """The first tier of much and long text, and those beside it that are spoken at other times: other speakers.

    A translation has the same times as what it translates; words and phones have shorter texts.
    """
    texts = {tier.name: tier.texts for tier in tiers if not tier.no_intervals}
    speech = {
        name: found
        for name, found in texts.items()
        if found and _NEVER_SPEECH.isdisjoint(re.findall(r"[^\W\d_]+", name.casefold()))
    } or {name: found for name, found in texts.items() if found}
    characters = {name: sum(len(annotation.text) for annotation in found) for name, found in speech.items()}
    most = max(characters.values(), default=0)
    much = [name for name in speech if 2 * characters[name] >= most]
    longest = max((characters[name] / len(speech[name]) for name in much), default=0.0)
    taken = [name for name in much if 2 * characters[name] / len(speech[name]) >= longest][:1]
    for name, found in speech.items():
        if name not in taken and all(_share_at_the_same_time(found, speech[other]) < 0.2 for other in taken):
            taken.append(name)
    return taken


def _share_at_the_same_time(these: Sequence[Annotation], those: Sequence[Annotation]) -> float:
    """The share of the time of `these` in which there is also one of `those`."""
    ours, theirs = _spans(these), _spans(those)
    common, other = 0.0, 0
    for start, end in ours:
        while other < len(theirs) and theirs[other][1] <= start:
            other += 1
        at = other
        while at < len(theirs) and theirs[at][0] < end:
            common += min(end, theirs[at][1]) - max(start, theirs[at][0])
            at += 1
    total = sum(end - start for start, end in ours)
    return common / total if total else 1.0


def _spans(annotations: Sequence[Annotation]) -> list[tuple[float, float]]:
    """Times in order, those that overlap made one."""
    spans: list[tuple[float, float]] = []
    for start, end in sorted((a.start, a.end) for a in annotations if a.start is not None and a.end is not None):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        elif start < end:
            spans.append((start, end))
    return spans


def _in_words(surveyed: dict[Path, list[_Facts]], taken: dict[Path, list[str]]) -> str:
    tiers = [tier for file, facts in surveyed.items() for tier in facts if tier.name in taken[file]]
    names = list(dict.fromkeys(tier.name for tier in tiers))
    if not tiers:
        return ""
    texts, empty = sum(tier.texts for tier in tiers), sum(tier.empty for tier in tiers)
    without = f", {empty} without text (silence) are no clips" if empty else ""
    if names == [""]:
        return f"; {texts} annotations{without}"
    kinds = ", ".join(dict.fromkeys(tier.kind for tier in tiers if tier.kind))
    shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"; tier{'s' if len(names) > 1 else ''} {shown}{f' (type {kinds})' if kinds else ''}: "
        f"{texts} annotations{without}"
    )


def _notes(surveyed: dict[Path, list[_Facts]], taken: dict[Path, list[str]], named: bool) -> tuple[str, ...]:
    notes = []
    others = [
        [tier for tier in tiers if tier.name not in taken[file] and tier.texts] for file, tiers in surveyed.items()
    ]
    if any(others) and not named:
        notes.append(f"tiers not taken: {_tiers_in(others)}; --tier NAME, once for each, takes those you name")
    none = [file.name for file in surveyed if not taken[file]]
    if none:
        shown = ", ".join(none[:5]) + (f" and {len(none) - 5} more" if len(none) > 5 else "")
        notes.append(f"{len(none)} file{'s have' if len(none) > 1 else ' has'} none of these tiers: {shown}")
    return tuple(notes)


def _notes_on_recordings(
    of_several: dict[str, tuple[str, list[str]]], without: Sequence[Path], wanted: str | None
) -> tuple[str, ...]:
    notes = []
    if of_several:
        shown = ", ".join(
            f"{audio} for {file} (not {', '.join(others)})" for file, (audio, others) in list(of_several.items())[:5]
        )
        more = f" and {len(of_several) - 5} more" if len(of_several) > 5 else ""
        which = f"match --recording {wanted}" if wanted else "are linked"
        notes.append(
            f"several recordings {which}; the first that is here is taken for all tiers: {shown}{more}; "
            "--recording NAME takes another, and --tier with it only the tiers that belong to it"
        )
    if without:
        notes.append(
            f"no recording {wanted!r} is linked in {len(without)} file{'s' if len(without) > 1 else ''}, whose own is "
            f"taken: {', '.join(file.name for file in without[:5])}"
            + (f" and {len(without) - 5} more" if len(without) > 5 else "")
        )
    return tuple(notes)


def _tiers_in(files: Iterable[Sequence[_Facts]]) -> str:
    counts: Counter[str] = Counter()
    for tiers in files:
        for tier in tiers:
            counts[tier.name] += tier.texts
    shown = ", ".join(f"{name!r} ({count})" for name, count in list(counts.items())[:12])
    return shown + (f" and {len(counts) - 12} more" if len(counts) > 12 else "")


# --- clips


def _clips(
    file: Path, stem: str, tier: Tier, several: bool, audio: Path | None, shift: float, fault: str | None
) -> Iterator[SourceClip]:
    texts = tier.texts
    overlapping = _overlaps(texts, "in the same tier" if tier.name else "in the same file")
    speaker = tier.speaker or tier.name.partition("@")[2].strip() or (tier.name if several else None)
    beginning = f"{stem}__{tier.name}" if several else stem
    tier_in_words = f", tier {tier.name!r}" if tier.name else ""
    for number, annotation in enumerate(texts):
        start, end = annotation.start, annotation.end
        wrong = fault or _fault(start, end) or overlapping.get(number)
        good = start is not None and end is not None and not wrong
        yield SourceClip(
            id=f"{beginning}__{start:.2f}" if start is not None else f"{beginning}__{number + 1}",
            audio=audio or b"",
            text=annotation.text.strip(),
            where=f"{file}{tier_in_words}, {_clock(start)}",
            offset=start + shift if good else None,  # type: ignore[operator]
            duration=end - start if good else None,  # type: ignore[operator]
            speaker=annotation.speaker or speaker or None,
            id_given=False,
            fault=wrong,
        )


def _fault(start: float | None, end: float | None) -> str | None:
    if start is None or end is None:
        return "this annotation has no time of its own; give it one, or take the tier above it with --tier"
    if not 0 <= start < float("inf") or not end < float("inf"):
        return f"from {start:.2f} s to {end:.2f} s is no place in a recording"
    if end == start:
        return "this annotation lasts 0 s"
    if end < start:
        return f"this annotation ends ({end:.2f} s) before it starts ({start:.2f} s)"
    return None


def _overlaps(annotations: Sequence[Annotation], place: str) -> dict[int, str]:
    """What to say of annotations that share sound with another, by their number; `place`: where both are."""
    faults: dict[int, str] = {}
    timed = sorted(
        (a.start, a.end, number)
        for number, a in enumerate(annotations)
        if a.start is not None and a.end is not None and a.start < a.end
    )
    last: tuple[float, float, int] | None = None  # the one that reaches furthest so far
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


# --- the recording


def _bare_name(recording: Recording) -> str:
    return recording.name.replace("\\", "/").rsplit("/", 1)[-1]


def _named_recordings(
    linked: dict[Path, Sequence[Recording]], wanted: str, where: str
) -> dict[Path, Sequence[Recording]]:
    """Those of each file's recordings that the user named, by name, with or without its end, or by pattern."""
    every = dict.fromkeys(_bare_name(recording) for recordings in linked.values() for recording in recordings)
    matching = {
        name
        for name in every
        if wanted.casefold() in (name.casefold(), name.rpartition(".")[0].casefold())
        or fnmatchcase(name.casefold(), wanted.casefold())
    }
    if not matching and linked:
        holding = [name for name in every if wanted.casefold() in name.casefold()]
        close = holding or difflib.get_close_matches(wanted, every, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        shown = ", ".join(list(every)[:12]) + (f" and {len(every) - 12} more" if len(every) > 12 else "")
        raise GoamaError(f"{where}: no recording {wanted!r} is linked{hint}; linked are: {shown or 'none'}")
    return {file: [r for r in recordings if _bare_name(r) in matching] for file, recordings in linked.items()}


def _recording(
    file: Path, linked: Sequence[Recording], wanted: Sequence[Recording] | None, sounds: SoundFiles
) -> tuple[Path | None, float, str | None]:
    """(sound file, how much later its clock starts, what is wrong): as linked, beside the file, of the same name.

    Of the recordings that are `wanted`, where there are any; then none of another name will do.
    """
    linked = wanted or linked
    for recording in linked:
        name = _bare_name(recording)
        beside = [folder / name for folder in (file.parent, sounds.elsewhere) if folder]
        for path in (*beside, *map(sounds.near, beside), Path(recording.name)):
            if path and path.name.lower().endswith(SOUND_SUFFIXES) and path.is_file() and not sounds.fault(path):
                return path, recording.shift_s, None
    stems = [*([] if wanted else [file.stem]), *(_bare_name(recording) for recording in linked)]
    stems += [stem.rsplit(".", 1)[0] for stem in stems if "." in stem]  # talk.mos.srt; linked tape.mp4, there tape.wav
    for folder in (file.parent, sounds.elsewhere):
        for stem in dict.fromkeys(stems):
            beside = sounds.beside(folder, stem) if folder else []
            if beside:
                return beside[0], linked[0].shift_s if linked else 0.0, None
    names = " or ".join(dict.fromkeys(recording.name for recording in linked)) or f"{file.stem}.wav (or .mp3, …)"
    similar = next((n for r in linked if (n := similar_name(file.parent / _bare_name(r)))), None)
    hint = f" (did you mean {similar!r}?)" if similar else ""
    outside = next((fault for r in linked if Path(r.name).is_file() and (fault := sounds.fault(Path(r.name)))), None)
    return (
        None,
        0.0,
        outside
        or f"its recording {names} is not beside {file.name}{hint}; put it there, or name its folder with "
        "--audio-folder",
    )
