"""`goama prepare`: a source becomes a Corpus; every clip that cannot be used is left out by name, with its reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from goama.corpus.corpus import CORPUS_FILE, CUTS_FILE, FORMAT, LEFT_OUT_FILE, NORMALISER_FILE, SPLITS, Corpus
from goama.corpus.file_names import safe_stem, with_hash
from goama.corpus.left_out import LeftOut
from goama.corpus.select import CorpusOptions, Kept, Selection, select_clips
from goama.errors import GoamaError
from goama.files import folder_beside, readable, write_json_lines
from goama.html import facts_html
from goama.sound.audio import SAMPLE_RATE, Audio
from goama.sound.flac import write_flac
from goama.sources.clip import RIGHTS, SourceClip
from goama.text.spelling import Spelling


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made.

    notes: sentences about what was changed on the way in: rates converted, channels averaged.
    """

    corpus: Corpus
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        splits = ", ".join(f"{split} {facts['clips']}" for split, facts in self.corpus.about["splits"].items())
        return f"Prepared({self.corpus.folder}: {splits} clips; {len(self.left_out)} left out)"

    def _repr_html_(self) -> str:
        rows = [
            (split, f"{facts['clips']} clips, {facts['seconds'] / 60:.1f} min")
            for split, facts in self.corpus.about["splits"].items()
        ]
        return facts_html(str(self.corpus.folder), [*rows, ("left out", len(self.left_out))], self.notes)


def prepare(
    clips: Iterable[SourceClip],
    out: Path | str,
    *,
    source: str,
    language: str | None = None,
    seed: int = 0,
    split_by: str | None = None,
    spelling: Spelling = Spelling(),
    overwrite: bool = False,
    unsplit: str = "split",
    progress: Callable[[int], None] | None = None,
) -> Prepared:
    """The corpus that was decoded, normalised, split and written; `progress` is called with the clips done so far.

    `language` picks the spelling rules; None: the one that most clips name. `split_by` (speaker, recording or text)
    gives every clip a new split, whatever the source says; see `assign_splits`. `unsplit`: what becomes of
    clips that the source gives no split, beside others; see `place_unsplit`. `spelling`: the user's own
    spelling rules, kept with the normaliser.

    The corpus is written beside its place and renamed at the end: a failure leaves what was there before.
    Raises `GoamaError` when `out` exists already, cannot be made, or no clip at all can be used, and `OSError`
    with the file's name when the disk fails on the way.
    """
    place = Path(out).resolve()
    _refuse_to_destroy(Path(out), place, Path(source), overwrite)
    source = readable(source)
    if place.exists():
        clips = _outside(place, clips, Path(out))
    options = CorpusOptions(source, language, seed, split_by, spelling, unsplit)
    with folder_beside(place) as folder:
        sounds = folder / "clips"
        sounds.mkdir()
        taken: set[str] = set()

        def store(clip: SourceClip, audio: Audio) -> str:
            file = _file_name(clip.id, taken)
            write_flac(sounds / file, audio.samples)
            return file

        selection = select_clips(clips, options, store=store, progress=progress)
        about = _write_corpus(folder, selection, sounds, source)
        shutil.rmtree(sounds)
    return Prepared(Corpus(Path(out), about), selection.left_out, selection.notes)


def _refuse_to_destroy(out: Path, place: Path, source: Path, overwrite: bool) -> None:
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    if not overwrite:
        raise GoamaError(f"{out} exists already; choose another output or pass --overwrite")
    if not (place / CORPUS_FILE).is_file():
        raise GoamaError(f"{out} exists and is not a corpus: --overwrite replaces a corpus only; choose another output")
    if source.exists() and source.resolve().is_relative_to(place):
        raise GoamaError(f"{out}: is what the corpus is made of; choose another output")


def _outside(place: Path, clips: Iterable[SourceClip], out: Path) -> Iterator[SourceClip]:
    """The clips; raises `GoamaError` at one whose sound lies in the folder that will be replaced."""
    for clip in clips:
        if isinstance(clip.audio, Path) and clip.audio.resolve().is_relative_to(place):
            raise GoamaError(f"{out}: holds {clip.audio}, which the corpus is made of; choose another output")
        yield clip


def _file_name(clip_id: str, taken: set[str]) -> str:
    """A name that no other clip has, also on file systems where `A` and `a` are the same."""
    stem = safe_stem(clip_id)
    if stem.casefold() in taken:
        stem = with_hash(stem, clip_id)
    taken.add(stem.casefold())
    return stem + ".flac"


def _write_corpus(folder: Path, selection: Selection, sounds: Path, source: str) -> dict[str, Any]:
    """Write all files of the corpus and move the sound of its clips there; returns what corpus.json says."""
    language = selection.language
    by_split = {split: [kept for kept in selection.kept if kept.split == split] for split in SPLITS}
    further = sorted({name for kept in selection.kept for name, _ in kept.clip.columns})
    rights = [name for name in RIGHTS if any(getattr(kept.clip, name) for kept in selection.kept)]
    for split, members in by_split.items():
        if members:
            _write_split(folder / split, members, sounds, (language, [*rights, *further]))
    _write_cuts(folder / CUTS_FILE, by_split, language)
    selection.normaliser.save(folder / NORMALISER_FILE)
    write_json_lines(folder / LEFT_OUT_FILE, (asdict(entry) for entry in selection.left_out))
    about = {
        "format": FORMAT,
        "source": source,
        "language": language,
        "split_by": selection.how,
        "splits": {
            split: {"clips": len(members), "seconds": round(sum(kept.sound.seconds for kept in members), 2)}
            for split, members in by_split.items()
        },
        "left_out": len(selection.left_out),
    }
    (folder / CORPUS_FILE).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return about


def _write_split(folder: Path, members: list[Kept], sounds: Path, shared: tuple[str | None, Sequence[str]]) -> None:
    """Move the sound of a split there and write its metadata.

    `shared`: the corpus's language, and the columns for rights and further facts that any of its clips has.
    """
    language, columns = shared
    folder.mkdir()
    for member in members:
        (sounds / member.sound.file).rename(folder / member.sound.file)
    write_json_lines(
        folder / "metadata.jsonl",
        (
            {
                "file_name": member.sound.file,
                "id": member.clip.id,
                "text": member.text,
                "original_text": member.clip.text,
                "speaker": member.clip.speaker or "",  # never null: `datasets` wants one type in all splits
                "language": member.clip.language or language or "",
                "duration": round(member.sound.seconds, 4),
                **{name: _fact(member.clip, name) for name in columns},
            }
            for member in members
        ),
    )


def _fact(clip: SourceClip, column: str) -> str:
    """A clip's value in a column for rights or further facts; empty where it has none: every row has every column."""
    return (getattr(clip, column) if column in RIGHTS else dict(clip.columns).get(column)) or ""


def _write_cuts(path: Path, by_split: dict[str, list[Kept]], language: str | None) -> None:
    from lhotse import AudioSource, CutSet, MonoCut, Recording, SupervisionSegment

    def cut(member: Kept, split: str) -> MonoCut:
        clip, seconds = member.clip, member.sound.seconds
        recording = Recording(
            id=clip.id,
            sources=[AudioSource(type="file", channels=[0], source=f"{split}/{member.sound.file}")],
            sampling_rate=SAMPLE_RATE,
            num_samples=member.sound.samples,
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
            custom={"split": split, **{name: value for name in RIGHTS if (value := getattr(clip, name))}},
        )

    CutSet.from_cuts(cut(member, split) for split, members in by_split.items() for member in members).to_file(path)
