"""`goama prepare`: a source becomes a Corpus; every clip that cannot be used is left out by name, with its reason."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from goama.acoustics.audio import SAMPLE_RATE, Audio, read_audio, write_flac
from goama.corpus.corpus import CORPUS_FILE, CUTS_FILE, FORMAT, LEFT_OUT_FILE, NORMALISER_FILE, SPLITS, Corpus
from goama.corpus.source import SourceClip
from goama.corpus.split import Unsplit, assign_splits
from goama.errors import GoamaError
from goama.text.normaliser import Normaliser

SHORTEST_S = 0.1
LONGEST_S = 60.0
_TRUNCATION_TOLERANCE_S = 0.25
_AT_ONCE = 64  # clips decoded ahead of the writer: bounds memory, keeps the cores busy


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
class _Kept:
    clip: SourceClip
    text: str
    file: str
    seconds: float
    samples: int
    native_rate: int
    native_channels: int


def prepare(
    clips: Iterable[SourceClip],
    out: Path | str,
    *,
    source: str,
    language: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Prepared:
    """Decode, normalise, split and write a corpus; `progress` is called with the clips done so far.

    The corpus is written beside its place and renamed at the end: a failure leaves what was there before.
    Raises `GoamaError` when `out` exists already, cannot be written, or no clip at all can be used.
    """
    out = Path(out)
    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise GoamaError(f"{out} exists already; choose another output or pass --overwrite")
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "clips").mkdir(parents=True)
        normaliser: Normaliser | None = None
        kept: list[_Kept] = []
        left_out: list[LeftOut] = []
        for number, (clip, audio) in enumerate(_decoded(clips), start=1):
            language = language or clip.language
            normaliser = normaliser or Normaliser.for_language(language)
            result = _keep(clip, audio, normaliser, partial / "clips")
            (kept if isinstance(result, _Kept) else left_out).append(result)  # type: ignore[arg-type]
            if progress:
                progress(number)
        if not kept or normaliser is None:
            reasons = _most_common(left_out)
            raise GoamaError(f"{source}: no clip can be used ({reasons})")
        about = _write(partial, kept, left_out, normaliser, source, language, seed)
        _replace(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Prepared(Corpus(out, about), tuple(left_out), _notes(kept))


def _decoded(clips: Iterable[SourceClip]) -> Iterator[tuple[SourceClip, Audio | GoamaError]]:
    """Each clip with its sound, or with what is wrong with it; decoding runs ahead on all cores."""

    def decode(clip: SourceClip) -> Audio | GoamaError:
        name = str(clip.audio) if isinstance(clip.audio, Path) else clip.where
        cut_out = clip.duration if clip.offset is not None else None
        try:
            return read_audio(clip.audio, offset=clip.offset or 0.0, duration=cut_out, name=name)
        except GoamaError as error:
            return error

    stream = iter(clips)
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(stream, _AT_ONCE)):
            yield from zip(chunk, pool.map(decode, chunk), strict=True)


def _keep(clip: SourceClip, audio: Audio | GoamaError, normaliser: Normaliser, folder: Path) -> _Kept | LeftOut:
    def leave_out(reason: str) -> LeftOut:
        return LeftOut(clip.id, clip.where, reason)

    if not clip.text.strip():
        return leave_out("the transcript is empty")
    text = normaliser(clip.text)
    if not text:
        return leave_out(f"nothing with a sound is left of the transcript {clip.text.strip()[:40]!r}")
    if isinstance(audio, GoamaError):
        return leave_out(str(audio))
    if audio.seconds < SHORTEST_S:
        return leave_out(f"{audio.seconds:.3f} s of sound: too short to hold speech (at least {SHORTEST_S} s)")
    if audio.seconds > LONGEST_S:
        return leave_out(f"{audio.seconds:.0f} s in one clip: cut it into clips of at most {LONGEST_S:.0f} s")
    if clip.offset is None and clip.duration and audio.seconds < clip.duration - _TRUNCATION_TOLERANCE_S:
        return leave_out(f"truncated: {audio.seconds:.2f} s of the {clip.duration:.2f} s its manifest promises")
    file = _file_name(clip.id)
    try:
        write_flac(folder / file, audio.samples)
    except RuntimeError as error:  # soundfile's errors; a full disk is one of them
        raise GoamaError(
            f"{folder / file}: cannot be written ({error}); is the disk full? `goama doctor` tells"
        ) from error
    return _Kept(clip, text, file, audio.seconds, len(audio.samples), audio.native_rate, audio.native_channels)


def _file_name(clip_id: str) -> str:
    """A name that every file system takes; ids that need changing keep apart by a hash."""
    safe = re.sub(r"[^\w.-]", "_", clip_id)
    if safe != clip_id or len(safe) > 120 or safe.startswith("."):
        safe = f"{safe[:100].lstrip('.')}-{hashlib.sha256(clip_id.encode()).hexdigest()[:8]}"
    return safe + ".flac"


def _write(
    folder: Path,
    kept: list[_Kept],
    left_out: list[LeftOut],
    normaliser: Normaliser,
    source: str,
    language: str | None,
    seed: int,
) -> dict:
    unsplit = [Unsplit(k.text, k.clip.speaker, k.seconds, k.clip.split) for k in kept]
    splits, split_by = assign_splits(unsplit, seed)
    for split in SPLITS:
        members = [k for k, s in zip(kept, splits, strict=True) if s == split]
        if members:
            _write_split(folder / split, members, folder / "clips", language)
    (folder / "clips").rmdir()
    _write_cuts(folder / CUTS_FILE, kept, splits, language)
    normaliser.save(folder / NORMALISER_FILE)
    _write_lines(folder / LEFT_OUT_FILE, (asdict(entry) for entry in left_out))
    about = {
        "format": FORMAT,
        "source": source,
        "language": language,
        "split_by": split_by,
        "splits": {
            split: {
                "clips": splits.count(split),
                "seconds": round(sum(k.seconds for k, s in zip(kept, splits, strict=True) if s == split), 2),
            }
            for split in SPLITS
        },
        "left_out": len(left_out),
    }
    (folder / CORPUS_FILE).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return about


def _write_split(folder: Path, members: list[_Kept], clips: Path, language: str | None) -> None:
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
                "speaker": member.clip.speaker,
                "language": member.clip.language or language,
                "duration": round(member.seconds, 4),
            }
            for member in members
        ),
    )


def _write_lines(path: Path, rows: Iterable[dict]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_cuts(path: Path, kept: list[_Kept], splits: list[str], language: str | None) -> None:
    from lhotse import AudioSource, CutSet, MonoCut, Recording, SupervisionSegment

    def cut(member: _Kept, split: str) -> MonoCut:
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

    CutSet.from_cuts(cut(member, split) for member, split in zip(kept, splits, strict=True)).to_file(path)


def _replace(partial: Path, out: Path) -> None:
    retired = out.with_name(out.name + ".old")
    if out.exists():
        shutil.rmtree(retired, ignore_errors=True)
        out.rename(retired)
    partial.rename(out)
    shutil.rmtree(retired, ignore_errors=True)


def _most_common(left_out: list[LeftOut]) -> str:
    if not left_out:
        return "the source is empty"
    reason, count = Counter(entry.reason for entry in left_out).most_common(1)[0]
    return f"{len(left_out)} left out; {count} because: {reason}"


def _notes(kept: list[_Kept]) -> tuple[str, ...]:
    notes = []
    resampled = Counter(k.native_rate for k in kept if k.native_rate != SAMPLE_RATE)
    for rate, count in sorted(resampled.items()):
        quality = ": telephone quality, nothing above 4 kHz" if rate <= 8000 else ""
        notes.append(f"{count} clips converted from {rate} Hz to {SAMPLE_RATE} Hz{quality}")
    mixed = sum(k.native_channels > 1 for k in kept)
    if mixed:
        notes.append(f"{mixed} clips had more than one channel; the channels were averaged")
    return tuple(notes)
