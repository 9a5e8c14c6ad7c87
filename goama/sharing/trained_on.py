"""Which models on this machine were trained on a corpus: runs, copies of model folders, and what was made of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.model.card_facts import FACTS_FILE
from goama.run.folder import PUSHED_FILE, RUN_FILE

_MOST_ENTRIES = 500_000
_WITH_VOICES = ("report.html", "dev.jsonl", "heard.jsonl", "metrics.jsonl")
"""Files of a run that hold sound or texts of its clips."""


@dataclass(frozen=True)
class TrainedModel:
    """A run or a model folder, why it is named, where it was published, and files of it that hold clips."""

    folder: Path
    why: str
    url: str | None
    holds_clips: tuple[Path, ...]


def models_trained_on(folder: Path, fingerprints: Iterable[str], places: Iterable[Path]) -> list[TrainedModel]:
    """The models below `places` that were trained on the corpus in a folder, or on one with one of the fingerprints.

    Models that were fine-tuned from or distilled of one of these follow, with that as the reason.
    """
    known, corpus = set(fingerprints), folder.resolve()
    candidates = {path.parent.resolve(): _json(path) for place in places for path in _fact_files(place)}
    found: dict[Path, str] = {}
    for place, facts in candidates.items():
        if any(_is_corpus(entry, known, corpus) for entry in _listed(facts)) and not _is_inside(place, found):
            found[place] = "trained on this corpus"
    while made := {
        place: f"made of {source}"
        for place, facts in candidates.items()
        if place not in found and not _is_inside(place, found)
        for source in _made_of(facts)
        if source in found or _is_inside(source, found)
    }:
        found |= made
    return [_model(place, why) for place, why in found.items()]


def _fact_files(place: Path) -> Iterator[Path]:
    """run.json and card.json files below a folder, those of runs first on each way down."""
    entries = 0
    for parent, folders, names in os.walk(place):
        entries += len(folders) + len(names)
        if entries > _MOST_ENTRIES:
            return
        folders[:] = sorted(name for name in folders if not name.startswith((".", "checkpoint-")))
        yield from (Path(parent, name) for name in (RUN_FILE, FACTS_FILE) if name in names)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _listed(facts: dict[str, Any]) -> list[dict[str, Any]]:
    corpora = facts.get("corpora")
    return [entry for entry in corpora if isinstance(entry, dict)] if isinstance(corpora, list) else []


def _is_corpus(entry: dict[str, Any], fingerprints: set[str], folder: Path) -> bool:
    named = entry.get("folder")
    return entry.get("fingerprint") in fingerprints or (isinstance(named, str) and Path(named).resolve() == folder)


def _made_of(facts: dict[str, Any]) -> Iterator[Path]:
    """The folders of the encoder and the teacher of a run."""
    teacher = facts.get("teacher")
    for name in (facts.get("encoder"), teacher.get("folder") if isinstance(teacher, dict) else None):
        if isinstance(name, str) and Path(name).is_dir():
            yield Path(name).resolve()


def _is_inside(place: Path, folders: Iterable[Path]) -> bool:
    return any(folder in place.parents for folder in folders)


def _model(place: Path, why: str) -> TrainedModel:
    url = _json(place / PUSHED_FILE).get("url")
    files = tuple(place / name for name in _WITH_VOICES if (place / name).is_file())
    return TrainedModel(place, why, url if isinstance(url, str) else None, files)
