"""`goama prepare`: a source becomes a Corpus; every clip that cannot be used is left out by name, with its reason."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path

from goama.corpus.corpus import CORPUS_FILE, CUTS_FILE, FORMAT, LEFT_OUT_FILE, NORMALISER_FILE, SPLITS, Corpus
from goama.corpus.file_names import safe_stem, with_hash
from goama.corpus.split import Unsplit, assign_splits
from goama.errors import GoamaError
from goama.files import replace_folder
from goama.interrupt import stop_requests
from goama.sound.audio import SAMPLE_RATE, Audio, read_audio, write_flac
from goama.sources.source import SourceClip
from goama.text.changes import numbers_in
from goama.text.normaliser import Normaliser
from goama.text.replacements import Replacement

SHORTEST_S = 0.1
LONGEST_S = 60.0
SILENT_PEAK = 10 ** (-80 / 20)
"""Of full scale: three steps of 16 bits. The faintest of 2850 clips of speech peaks at -23 dB."""

_PLACE_IN_FILE = re.compile(r"(, tier .*|, [\d:.]+|[: ]\d+)$", re.DOTALL)
_TRUNCATION_TOLERANCE_S = 0.25
_AT_ONCE = 32  # clips decoded ahead of the writer: bounds memory, keeps the cores busy


@dataclass(frozen=True)
class LeftOut:
    """A clip that is not in the corpus."""

    id: str
    where: str
    reason: str


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made."""

    corpus: Corpus
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    """Sentences about what was changed on the way in: rates converted, channels mixed."""


@dataclass(frozen=True)
class Kept:
    """A clip that can be used, with its normalised text and the facts of its sound at 16 kHz."""

    clip: SourceClip
    text: str
    seconds: float
    samples: int
    native_rate: int
    native_channels: int
    file: str = ""
    """In its split's folder, once it is written."""

    @property
    def unsplit(self) -> Unsplit:
        recording = str(self.clip.audio) if isinstance(self.clip.audio, Path) else None
        return Unsplit(self.text, self.clip.speaker, self.seconds, self.clip.split, recording)


def prepare(
    clips: Iterable[SourceClip],
    out: Path | str,
    *,
    source: str,
    language: str | None = None,
    seed: int = 0,
    split_by: str | None = None,
    replacements: Sequence[Replacement] = (),
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Prepared:
    """Decode, normalise, split and write a corpus; `progress` is called with the clips done so far.

    `split_by` (speaker, recording or text) gives every clip a new split, whatever the source says; see
    `assign_splits`. `replacements` are the user's own spelling rules, kept with the normaliser.

    The corpus is written beside its place and renamed at the end: a failure leaves what was there before.
    Raises `GoamaError` when `out` exists already, cannot be made, or no clip at all can be used, and `OSError`
    with the file's name when the disk fails on the way.
    """
    place = Path(out).resolve()
    source = source.encode("utf-8", errors="replace").decode("utf-8")
    _refuse_to_destroy(Path(out), place, Path(source), overwrite)
    replaces = place.exists()
    partial = place.with_name(place.name + ".partial")
    try:
        _make_folder(partial / "clips", Path(out))
        normaliser: Normaliser | None = None
        kept: list[Kept] = []
        left_out: list[LeftOut] = []
        taken: set[str] = set()
        with stop_requests(lambda _: None, "") as stop_requested:  # or libsndfile swallows the Ctrl-C
            for number, (clip, audio) in enumerate(decoded(clips), start=1):
                if stop_requested():
                    raise KeyboardInterrupt
                if replaces and isinstance(clip.audio, Path) and clip.audio.resolve().is_relative_to(place):
                    raise GoamaError(f"{out}: holds {clip.audio}, which the corpus is made of; choose another output")
                language = language or clip.language
                normaliser = normaliser or Normaliser.for_language(language).replacing(replacements)
                result = judge(clip, audio, normaliser)
                if isinstance(result, LeftOut):
                    left_out.append(result)
                elif isinstance(audio, Audio):  # of every clip that is kept
                    file = _file_name(clip.id, taken)
                    write_flac(partial / "clips" / file, audio.samples)
                    kept.append(replace(result, file=file))
                if progress:
                    progress(number)
        if not kept or normaliser is None:
            raise GoamaError(f"{source}: no clip can be used ({why_none(left_out)})")
        splits, how = assign_splits([k.unsplit for k in kept], seed, split_by)
        about = _write(partial, kept, splits, how, left_out, normaliser, source, language)
        replace_folder(partial, place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Prepared(Corpus(Path(out), about), tuple(left_out), notes(kept))


def _refuse_to_destroy(out: Path, place: Path, source: Path, overwrite: bool) -> None:
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    if not overwrite:
        raise GoamaError(f"{out} exists already; choose another output or pass --overwrite")
    if not (place / CORPUS_FILE).is_file():
        raise GoamaError(f"{out} exists and is not a corpus: --overwrite replaces a corpus only; choose another output")
    if source.exists() and source.resolve().is_relative_to(place):
        raise GoamaError(f"{out}: is what the corpus is made of; choose another output")


def _make_folder(folder: Path, out: Path) -> None:
    """Make it and its parents anew; what a killed run left there goes."""
    shutil.rmtree(folder.parent, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise GoamaError(f"{out}: cannot be made ({error.strerror}); choose another place with -o") from error


def decoded(clips: Iterable[SourceClip]) -> Iterator[tuple[SourceClip, Audio | GoamaError]]:
    """Each clip with its sound, or with what is wrong with it; decoding runs ahead on all cores."""

    def decode(clip: SourceClip) -> Audio | GoamaError:
        if clip.fault:
            return GoamaError(clip.fault)
        name = str(clip.audio) if isinstance(clip.audio, Path) else clip.where
        cut_out = clip.duration if clip.offset is not None else None
        try:
            return read_audio(clip.audio, offset=clip.offset or 0.0, duration=cut_out, longest_s=LONGEST_S, name=name)
        except GoamaError as error:
            return error

    stream = iter(clips)
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(stream, _AT_ONCE)):
            yield from zip(chunk, pool.map(decode, chunk), strict=True)


def judge(clip: SourceClip, audio: Audio | GoamaError, normaliser: Normaliser) -> Kept | LeftOut:
    """Whether a clip can be used, and if not, why."""

    def leave_out(reason: str) -> LeftOut:
        return LeftOut(clip.id, clip.where, reason)

    if clip.fault:
        return leave_out(clip.fault)
    if not clip.text.strip():
        return leave_out("the transcript is empty")
    text = normaliser(clip.text)
    if not text:
        return leave_out(f"nothing with a sound is left of the transcript {clip.text.strip()[:40]!r}")
    if isinstance(audio, GoamaError):
        return leave_out(str(audio))
    if audio.seconds < SHORTEST_S:
        return leave_out(f"{audio.seconds:.3f} s of sound: too short to hold speech (at least {SHORTEST_S} s)")
    if abs(audio.samples).max() < SILENT_PEAK:
        return leave_out("silent: there is nothing to hear; is it the right recording?")
    if clip.offset is None and clip.duration and audio.seconds < clip.duration - _TRUNCATION_TOLERANCE_S:
        return leave_out(f"truncated: {audio.seconds:.2f} s of the {clip.duration:.2f} s its manifest promises")
    return Kept(clip, text, audio.seconds, len(audio.samples), audio.native_rate, audio.native_channels)


def _file_name(clip_id: str, taken: set[str]) -> str:
    """A name of its own, also where the file system does not tell `A` from `a`."""
    stem = safe_stem(clip_id)
    if stem.casefold() in taken:
        stem = with_hash(stem, clip_id)
    taken.add(stem.casefold())
    return stem + ".flac"


def _write(
    folder: Path,
    kept: list[Kept],
    splits: list[str],
    split_by: str,
    left_out: list[LeftOut],
    normaliser: Normaliser,
    source: str,
    language: str | None,
) -> dict:
    by_split = {split: [k for k, s in zip(kept, splits, strict=True) if s == split] for split in SPLITS}
    for split, members in by_split.items():
        if members:
            _write_split(folder / split, members, folder / "clips", language)
    (folder / "clips").rmdir()
    _write_cuts(folder / CUTS_FILE, by_split, language)
    normaliser.save(folder / NORMALISER_FILE)
    _write_lines(folder / LEFT_OUT_FILE, (asdict(entry) for entry in left_out))
    about = {
        "format": FORMAT,
        "source": source,
        "language": language,
        "split_by": split_by,
        "splits": {
            split: {"clips": len(members), "seconds": round(sum(k.seconds for k in members), 2)}
            for split, members in by_split.items()
        },
        "left_out": len(left_out),
    }
    (folder / CORPUS_FILE).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return about


def _write_split(folder: Path, members: list[Kept], clips: Path, language: str | None) -> None:
    folder.mkdir()
    for member in members:
        (clips / member.file).rename(folder / member.file)
    _write_lines(
        folder / "metadata.jsonl",
        (
            {
                "file_name": member.file,
                "id": member.clip.id,
                "text": member.text,
                "original_text": member.clip.text,
                "speaker": member.clip.speaker or "",  # never null: `datasets` wants one type in all splits
                "language": member.clip.language or language or "",
                "duration": round(member.seconds, 4),
            }
            for member in members
        ),
    )


def _write_lines(path: Path, rows: Iterable[dict]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_cuts(path: Path, by_split: dict[str, list[Kept]], language: str | None) -> None:
    from lhotse import AudioSource, CutSet, MonoCut, Recording, SupervisionSegment

    def cut(member: Kept, split: str) -> MonoCut:
        clip, seconds = member.clip, member.samples / SAMPLE_RATE
        recording = Recording(
            id=clip.id,
            sources=[AudioSource(type="file", channels=[0], source=f"{split}/{member.file}")],
            sampling_rate=SAMPLE_RATE,
            num_samples=member.samples,
            duration=seconds,
        )
        supervision = SupervisionSegment(
            id=clip.id,
            recording_id=clip.id,
            start=0.0,
            duration=seconds,
            text=member.text,
            speaker=clip.speaker,
            language=clip.language or language,
        )
        return MonoCut(
            id=clip.id,
            start=0.0,
            duration=seconds,
            channel=0,
            recording=recording,
            supervisions=[supervision],
            custom={"split": split},
        )

    CutSet.from_cuts(cut(member, split) for split, members in by_split.items() for member in members).to_file(path)


def why_none(left_out: list[LeftOut]) -> str:
    """Where no clip can be used: the first and its reason."""
    if not left_out:
        return "the source is empty"
    first = left_out[0]
    others = f", and {len(left_out) - 1} more were left out" if len(left_out) > 1 else ""
    return f"{first.id}, {first.where}: {first.reason}{others}"


def by_reason(left_out: Iterable[LeftOut]) -> list[tuple[int, str]]:
    """(clips, what to say of them): those of one file and one reason, such as a missing recording, together."""
    members: dict[tuple[str, str], list[LeftOut]] = {}
    for entry in left_out:
        file = _PLACE_IN_FILE.sub("", entry.where)
        members.setdefault((file, entry.reason), []).append(entry)
    return [
        (len(those), f"{those[0].id} ({those[0].where}): {reason}")
        if len(those) == 1
        else (len(those), f"{len(those)} clips, the first {those[0].id} ({those[0].where}): {reason}")
        for (_, reason), those in members.items()
    ]


def notes(kept: list[Kept]) -> tuple[str, ...]:
    """What was changed on the way in, and what was left as it is though somebody must decide it."""
    notes = []
    resampled = Counter(k.native_rate for k in kept if k.native_rate != SAMPLE_RATE)
    for rate, count in sorted(resampled.items()):
        quality = ": telephone quality, nothing above 4 kHz" if rate <= 8000 else ""
        notes.append(f"{_clips(count)} converted from {rate} Hz to {SAMPLE_RATE} Hz{quality}")
    mixed = sum(k.native_channels > 1 for k in kept)
    if mixed:
        notes.append(f"{_clips(mixed)} had more than one channel; the channels were averaged")
    with_numbers = [numbers for k in kept if (numbers := numbers_in(k.text))]
    if with_numbers:
        frequent = ", ".join(number for number, _ in Counter(chain.from_iterable(with_numbers)).most_common(5))
        notes.append(
            f"{_clips(len(with_numbers))} with numbers in digits ({frequent}, …), which nobody has said how to speak: "
            "--dry-run --numbers TABLE.tsv makes a table of their words, --replace TABLE.tsv uses it"
        )
    return tuple(notes)


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count} clips"
