"""What a model card says of a corpus: hours, number of speakers, licences, consent, sources; no speaker's name."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.corpus.corpus import CUTS_FILE, SPLITS, Corpus
from goama.sources.clip import RIGHTS


@dataclass(frozen=True)
class CorpusFacts:
    """A corpus in numbers. The keys of `licence`, `consent` and `source` are what its clips say, "" if they say
    nothing; the values are seconds of training audio."""

    source: str
    """What it was prepared from; of a folder only the name."""
    language: str | None
    fingerprint: str
    seconds: dict[str, float]
    """By split."""
    speakers: dict[str, int]
    """Different speakers of each split; 0 where clips name none."""
    shared_speakers: int
    """Speakers of dev or test who are in train too."""
    unnamed_s: float
    """Seconds of training audio whose speaker is not named."""
    licences: dict[str, float]
    consents: dict[str, float]
    sources: dict[str, float]


def corpus_facts(corpus: Corpus) -> CorpusFacts:
    """The facts of a corpus, from its manifest; no audio is read."""
    speakers: dict[str, set[str]] = {split: set() for split in SPLITS}
    said: dict[str, Counter[str]] = {name: Counter() for name in RIGHTS}
    unnamed_s = 0.0
    for cut in read_cuts(corpus.folder):
        custom, speaker = cut["custom"], cut["supervisions"][0].get("speaker")
        split = custom["split"]
        if speaker:
            speakers[split].add(speaker)
        if split != "train":
            continue
        unnamed_s += 0.0 if speaker else cut["duration"]
        for name in RIGHTS:
            said[name][custom.get(name) or ""] += cut["duration"]
    return CorpusFacts(
        source=_short(corpus.about["source"]),
        language=corpus.language,
        fingerprint=corpus.fingerprint(),
        seconds={split: corpus.seconds(split) for split in SPLITS},
        speakers={split: len(names) for split, names in speakers.items()},
        shared_speakers=len((speakers["dev"] | speakers["test"]) & speakers["train"]),
        unnamed_s=round(unnamed_s, 2),
        licences=_rounded(said["licence"]),
        consents=_rounded(said["consent"]),
        sources=_rounded(said["source"]),
    )


def read_cuts(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields the cuts of a corpus as its manifest holds them, with paths relative to the corpus."""
    with gzip.open(folder / CUTS_FILE, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _short(source: str) -> str:
    """A Hub id or a URL as it is; of a path only its name: folders of somebody's machine are nobody's business."""
    return source if not Path(source).exists() and not Path(source).is_absolute() else Path(source).name


def _rounded(seconds: Counter[str]) -> dict[str, float]:
    return {name: round(total, 2) for name, total in sorted(seconds.items(), key=lambda item: -item[1])}
