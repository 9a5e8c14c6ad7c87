"""`goama shard`: a corpus becomes lhotse Shar shards, a few large tar files instead of many small ones.

SHARDS/corpus.json, cuts.jsonl.gz, …      as of the corpus; each cut says where in which shard its sound is
SHARDS/train/recording.<number>.tar       the sound: what object storage holds (also dev/, test/)
SHARDS/train/cuts.<number>.jsonl.gz       its cuts: lhotse opens the folder with `CutSet.from_shar`
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from goama.corpus.corpus import CORPUS_FILE, CUTS_FILE, LEFT_OUT_FILE, NORMALISER_FILE, SPLITS, Corpus
from goama.corpus.tar_clips import SHARD
from goama.errors import GoamaError
from goama.files import folder_beside

if TYPE_CHECKING:
    from lhotse import MonoCut

CLIPS_IN_A_SHARD = 1000


def shard(
    corpus: Corpus,
    out: Path | str,
    *,
    clips_in_a_shard: int = CLIPS_IN_A_SHARD,
    sound_at: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Corpus:
    """The corpus whose audio has been packed into tar shards; `progress` is called with the clips done so far.

    The FLAC bytes are copied as they are.

    `sound_at` is the URL under which the shards will be found once they are uploaded; without it they are read where
    they are written. Raises `GoamaError` when `out` exists or cannot be made, or the corpus is sharded or incomplete.
    """
    from lhotse import CutSet

    out = Path(out)
    if corpus.shards is not None:
        raise GoamaError(f"{corpus.folder}: is sharded already")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GoamaError(f"{out} exists already; choose another output")
    splits = [split for split in SPLITS if corpus.clips(split)]
    corpus.require_sound(*splits)
    with folder_beside(out) as partial:
        cuts: list[MonoCut] = []
        for split in splits:
            for cut in _write_sound(corpus, split, partial / split, clips_in_a_shard):
                cuts.append(cut)
                if progress:
                    progress(len(cuts))
        written = sorted(
            partial.glob("*/recording.*.tar"), key=lambda path: (SPLITS.index(path.parent.name), path.name)
        )
        places = (place for path in written for place in _places(path, partial))
        placed = CutSet.from_cuts(_placed(cut, place) for cut, place in zip(cuts, places, strict=True))
        placed.to_file(partial / CUTS_FILE)
        for name in (NORMALISER_FILE, LEFT_OUT_FILE):
            if (corpus.folder / name).is_file():
                shutil.copy(corpus.folder / name, partial / name)
        sizes = {path.relative_to(partial).as_posix(): path.stat().st_size for path in written}
        about = {**corpus.about, "shards": {"sound_at": sound_at, "bytes": sizes}}
        (partial / CORPUS_FILE).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return Corpus.open(out)


def _write_sound(corpus: Corpus, split: str, folder: Path, clips_in_a_shard: int) -> Iterator[MonoCut]:
    """Write the split's shards as lhotse's SharWriter does, but do not encode the sound again; yields the cuts."""
    from lhotse.shar.utils import to_shar_placeholder
    from lhotse.shar.writers import JsonlShardWriter, TarWriter
    from lhotse.utils import fastcopy

    folder.mkdir()
    pattern = str(folder).replace("%", "%%")
    with (
        TarWriter(f"{pattern}/recording.%06d.tar", shard_size=clips_in_a_shard) as sounds,
        JsonlShardWriter(f"{pattern}/cuts.%06d.jsonl.gz", shard_size=clips_in_a_shard) as texts,
    ):
        for cut in corpus.cuts(split):
            flac = Path(cut.recording.sources[0].source).read_bytes()
            cut = fastcopy(cut, recording=to_shar_placeholder(cut.recording, cut))
            sounds.write(f"{cut.id}.flac", io.BytesIO(flac))
            about = json.dumps(cut.recording.to_dict()) + "\n"
            sounds.write(f"{cut.id}.json", io.BytesIO(about.encode()), count=False)
            texts.write(cut)
            yield cut


def _places(path: Path, folder: Path) -> list[tuple[str, int, int]]:
    """(shard, first byte, bytes) of each sound in a shard, in order."""
    shard = path.relative_to(folder).as_posix()
    with tarfile.open(path) as tar:
        return [(shard, sound.offset_data, sound.size) for sound in list(tar)[::2]]


def _placed(cut: MonoCut, place: tuple[str, int, int]) -> MonoCut:
    cut.custom[SHARD] = place
    return cut
