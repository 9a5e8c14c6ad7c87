"""`goama corpus forget`: a person leaves a corpus; what is left of it takes its place at once."""

from __future__ import annotations

import difflib
import gzip
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.corpus.corpus import CORPUS_FILE, CUTS_FILE, LEFT_OUT_FILE, SPLITS, Corpus
from goama.corpus.facts import read_cuts
from goama.errors import GoamaError
from goama.files import folder_beside, link_or_copy, write_json_lines

FORGOTTEN = "forgotten"
"""Key of corpus.json: clips that were taken out, and the fingerprints of the corpus from before; no name."""

METADATA_FILE = "metadata.jsonl"
_NAMED = 10


@dataclass(frozen=True)
class ClipsOfSpeaker:
    """The clips of a corpus whose speaker has this name: ids, and how many and how long by split."""

    speaker: str
    ids: frozenset[str]
    clips: dict[str, int]
    seconds: float


def clips_of_speaker(corpus: Corpus, speaker: str) -> ClipsOfSpeaker:
    """The clips of a person. Raises `GoamaError` with names like it when no clip names this speaker."""
    found, names, seconds = {}, Counter[str](), 0.0
    for cut in read_cuts(corpus.folder):
        name = cut["supervisions"][0].get("speaker")
        names.update([name] if name else [])
        if name == speaker:
            found[cut["id"]] = cut["custom"]["split"]
            seconds += cut["duration"]
    if not found:
        near = difflib.get_close_matches(speaker, names, n=_NAMED, cutoff=0.5) or list(names)[:_NAMED]
        there = f"its speakers are such as {', '.join(near)}" if near else "its clips name no speakers"
        raise GoamaError(f"{corpus.folder}: no clip has the speaker {speaker!r}; {there}")
    by_split = Counter(found.values())
    return ClipsOfSpeaker(speaker, frozenset(found), {s: by_split[s] for s in SPLITS if by_split[s]}, seconds)


def forget(corpus: Corpus, person: ClipsOfSpeaker) -> Corpus:
    """The corpus without a person: sound, texts, manifest, and lines of left-out.jsonl that name them.

    It is written beside its place and renamed; the files of all others are linked, not copied, where the disk can do
    that. Raises `GoamaError` when nothing would be left, the corpus is sharded, or the disk does not take it.
    """
    if corpus.shards is not None:
        raise GoamaError(
            f"{corpus.folder}: its sound lies in tar files; forget in the corpus it was made of, and shard that again"
        )
    left = sum(corpus.clips(split) for split in SPLITS) - len(person.ids)
    if not left:
        raise GoamaError(f"{corpus.folder}: no clip would be left; delete the folder")
    place = corpus.folder.resolve()
    removed = {cut["recording"]["sources"][0]["source"] for cut in read_cuts(place) if cut["id"] in person.ids}
    with folder_beside(place) as folder:
        for path in sorted(place.rglob("*")):
            name = path.relative_to(place)
            if path.is_file() and name.as_posix() not in removed and name.name not in _REWRITTEN:
                link_or_copy(path, folder / name)
        seconds = _write_manifest(place, folder, person)
        for split in SPLITS:
            _keep_lines(place / split / METADATA_FILE, folder / split / METADATA_FILE, person)
        _keep_lines(place / LEFT_OUT_FILE, folder / LEFT_OUT_FILE, person)
        about = _about(corpus, person, seconds)
        (folder / CORPUS_FILE).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return Corpus.open(corpus.folder)


_REWRITTEN = {CORPUS_FILE, CUTS_FILE, LEFT_OUT_FILE, METADATA_FILE}


def former_fingerprints(corpus: Corpus) -> list[str]:
    """The fingerprints that the corpus had before people were forgotten: models may have been trained on those."""
    return list(corpus.about.get(FORGOTTEN, {}).get("fingerprints", []))


def _write_manifest(place: Path, folder: Path, person: ClipsOfSpeaker) -> dict[str, float]:
    """Write the cuts of the others, as they were; returns the seconds of each split."""
    seconds = dict.fromkeys(SPLITS, 0.0)
    with (
        gzip.open(place / CUTS_FILE, "rt", encoding="utf-8") as before,
        gzip.open(folder / CUTS_FILE, "wt", encoding="utf-8") as after,
    ):
        for line in before:
            cut = json.loads(line)
            if cut["id"] not in person.ids:
                after.write(line)
                seconds[cut["custom"]["split"]] += cut["duration"]
    return seconds


def _keep_lines(before: Path, after: Path, person: ClipsOfSpeaker) -> None:
    """Copy a JSONL file without the lines that are about a person's clips, or, of a clip left out, name the person."""
    if not before.is_file():
        return
    rows = [json.loads(line) for line in before.read_text(encoding="utf-8").split("\n") if line.strip()]
    kept = [row for row in rows if row["id"] not in person.ids and not _names(row, person.speaker)]
    if kept or before.name == LEFT_OUT_FILE:
        after.parent.mkdir(exist_ok=True)
        write_json_lines(after, kept)


def _names(row: dict[str, Any], speaker: str) -> bool:
    return "reason" in row and any(speaker in str(row.get(key, "")) for key in ("id", "where", "reason"))


def _about(corpus: Corpus, person: ClipsOfSpeaker, seconds: dict[str, float]) -> dict[str, Any]:
    splits = {
        split: {"clips": corpus.clips(split) - person.clips.get(split, 0), "seconds": round(seconds[split], 2)}
        for split in SPLITS
    }
    before = corpus.about.get(FORGOTTEN, {})
    forgotten = {
        "clips": before.get("clips", 0) + len(person.ids),
        "fingerprints": [*former_fingerprints(corpus), corpus.fingerprint()],
    }
    return {**corpus.about, "splits": splits, FORGOTTEN: forgotten}
