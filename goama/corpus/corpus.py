"""The Corpus: a folder that is a lhotse manifest and a Hugging Face audiofolder at once, 16 kHz FLAC inside.

CORPUS/corpus.json            what it is: language, source, hours, how it was split
CORPUS/cuts.jsonl.gz          lhotse cuts, one a clip
CORPUS/train/metadata.jsonl   file_name, id, text, … (also dev/, test/): `load_dataset` opens this (with torchcodec)
CORPUS/train/*.flac
CORPUS/normaliser.json        the rules that made `text` of `original_text`
CORPUS/left-out.jsonl         every clip that is not here, and why

`goama shard` writes a corpus whose sound lies in tar files instead, here or in object storage (tar_shards.py).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama.corpus.tar_clips import SHARD, missing_shards
from goama.errors import GoamaError
from goama.html import facts_html
from goama.text.normaliser import Normaliser

if TYPE_CHECKING:
    from lhotse import CutSet, MonoCut

    from goama.corpus.facts import CorpusFacts

SPLITS = ("train", "dev", "test")
CORPUS_FILE, CUTS_FILE, NORMALISER_FILE, LEFT_OUT_FILE = (
    "corpus.json",
    "cuts.jsonl.gz",
    "normaliser.json",
    "left-out.jsonl",
)
FORMAT = 1

_USUAL_COLUMNS = {"file_name", "id", "text", "original_text", "speaker", "duration"}
"""Of metadata.jsonl, besides `language`."""


@dataclass(frozen=True)
class Corpus:
    """An opened corpus; clips stay on disk until they are asked for."""

    folder: Path
    about: dict[str, Any]
    """corpus.json: `format`, `source`, `language`, `split_by`, `splits` (clips and seconds of each), `left_out`."""

    def __repr__(self) -> str:
        splits = ", ".join(f"{split} {facts['clips']}" for split, facts in self.about["splits"].items())
        return f"Corpus({self.folder}: {splits} clips)"

    def _repr_html_(self) -> str:
        rows = [
            (split, f"{facts['clips']} clips, {facts['seconds'] / 60:.1f} min")
            for split, facts in self.about["splits"].items()
        ]
        return facts_html(str(self.folder), rows)

    @classmethod
    def open(cls, folder: Path | str) -> Corpus:
        """The corpus in a folder. Raises `GoamaError` when it is missing or was not made by `goama prepare`."""
        folder = Path(folder)
        about = folder / CORPUS_FILE
        if not folder.is_dir():
            raise GoamaError(f"{folder}: no such corpus; make it with `goama prepare SOURCE -o {folder}`")
        if not about.is_file() or not (folder / CUTS_FILE).is_file():
            raise GoamaError(
                f"{folder}: this folder is not a corpus; make one of it with `goama prepare {folder} -o CORPUS`"
            )
        try:
            facts = json.loads(about.read_text(encoding="utf-8"))
        except ValueError as error:  # not JSON, or not UTF-8
            raise GoamaError(f"{about}: damaged ({error}); prepare the corpus again") from error
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            found = facts.get("format") if isinstance(facts, dict) else None
            raise GoamaError(f"{about}: format {found} is not known here; prepare the corpus again")
        shards = facts.get("shards", {"bytes": {}, "sound_at": None})
        is_sharded_well = isinstance(shards, dict) and isinstance(shards.get("bytes"), dict) and "sound_at" in shards
        if not isinstance(facts.get("splits"), dict) or "language" not in facts or not is_sharded_well:
            raise GoamaError(f"{about}: damaged (no language or no splits in it); prepare the corpus again")
        corpus = cls(folder, facts)
        corpus.fingerprint()  # a damaged manifest is found here, not in the middle of a long job
        return corpus

    @property
    def language(self) -> str | None:
        """The language that picked its spelling rules; None where none was known."""
        return self.about["language"]

    @property
    def normaliser(self) -> Normaliser:
        """The rules that made `text` of `original_text`."""
        return Normaliser.load(self.folder / NORMALISER_FILE)

    @property
    def shards(self) -> dict[str, int] | None:
        """Of a sharded corpus: each shard below `sound_at`, and its bytes."""
        return self.about["shards"]["bytes"] if "shards" in self.about else None

    @property
    def _sound_at(self) -> str:
        return self.about["shards"]["sound_at"] or str(self.folder.resolve())

    @cached_property
    def facts(self) -> CorpusFacts:
        """What a model card says of it; the manifest is read once."""
        from goama.corpus.facts import corpus_facts  # it reads corpora

        return corpus_facts(self)

    def seconds(self, split: str) -> float:
        """Seconds of sound in a split; 0 where it is empty."""
        return float(self.about["splits"].get(split, {}).get("seconds", 0.0))

    def clips(self, split: str) -> int:
        """Number of clips in a split; 0 where it is empty."""
        return int(self.about["splits"].get(split, {}).get("clips", 0))

    def cuts(self, split: str) -> CutSet:
        """The clips of a split, read as they are needed; recordings have absolute paths.

        Raises `GoamaError` when the split is empty.
        """
        from lhotse import CutSet

        if not self.clips(split):
            there = ", ".join(name for name in SPLITS if self.clips(name)) or "none"
            raise GoamaError(f"{self.folder}: the split {split!r} is empty (with clips: {there})")
        cuts = CutSet.from_jsonl_lazy(self.folder / CUTS_FILE).filter(partial(_is_in, split))
        if self.shards is not None:
            return cuts.map(partial(_with_shard_at, self._sound_at))
        return cuts.map(partial(_with_folder, self.folder.resolve()))

    def columns(self, split: str) -> dict[str, dict[str, str]]:
        """Column -> clip id -> value of what the clips of a split have beside what every corpus has.

        That is each further column of metadata.jsonl, and the language where there are several. Raises `GoamaError`
        when metadata.jsonl is damaged.
        """
        columns: dict[str, dict[str, str]] = {}
        metadata = self.folder / split / "metadata.jsonl"
        if not metadata.is_file():  # a sharded corpus
            return columns
        for number, line in enumerate(metadata.read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                for name in row.keys() - _USUAL_COLUMNS:
                    if isinstance(row[name], str | int | float) and str(row[name]).strip():
                        columns.setdefault(name, {})[row["id"]] = str(row[name])
            except (ValueError, KeyError, AttributeError) as error:
                raise GoamaError(f"{metadata}:{number}: damaged ({error}); prepare the corpus again") from error
        if len(set(columns.get("language", {}).values())) < 2:
            columns.pop("language", None)
        return dict(sorted(columns.items()))

    def require_sound(self, *splits: str) -> None:
        """Raises `GoamaError` with the clips whose FLAC file is missing."""
        if self.shards is not None:
            for split in splits:
                self.cuts(split)
            self._require_shards(*splits)
            return
        for split in splits:
            gone = [cut.id for cut in self.cuts(split) if not Path(cut.recording.sources[0].source).is_file()]
            if gone:
                named = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
                raise GoamaError(f"{self.folder}: the sound of {named} ({split}) is gone; prepare the corpus again")

    def _require_shards(self, *splits: str) -> None:
        wanted = {shard: size for shard, size in (self.shards or {}).items() if shard.startswith(splits)}
        gone = missing_shards((f"{self._sound_at.rstrip('/')}/{shard}", size) for shard, size in wanted.items())
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            raise GoamaError(f"{gone[0]}{more}: the shard is not there or not whole; upload it again")

    def fingerprint(self) -> str:
        """SHA-256 of the manifest as it was first read: what a run records of the data it saw."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        manifest = self.folder / CUTS_FILE
        try:
            with gzip.open(manifest, "rb") as file:  # the same clips, however they were compressed
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise GoamaError(f"{manifest}: damaged ({error}); prepare the corpus again") from error


# Functions, not lambdas: lhotse pickles what it maps with for worker processes.


def _is_in(split: str, cut: MonoCut) -> bool:
    return cut.custom["split"] == split


def _with_shard_at(place: str, cut: MonoCut) -> MonoCut:
    shard, start, size = cut.custom[SHARD]
    cut.custom[SHARD] = (f"{place.rstrip('/')}/{shard}", start, size)
    return cut


def _with_folder(folder: Path, cut: MonoCut) -> MonoCut:
    return cut.with_recording_path_prefix(folder)
