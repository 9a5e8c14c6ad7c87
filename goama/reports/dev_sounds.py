"""The sound of dev clips, found again in the corpora that a run was trained on; each is encoded once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.reports.listening import Excerpt, excerpt
from goama.sound.audio import read_audio

SOUND_LIMIT = 4_000_000
"""Characters of the page that may be sound: with the rest it stays below 5 MB."""


@dataclass(frozen=True)
class DevSound:
    """`shortened`: the clip is longer than the excerpt."""

    key: str
    excerpt: Excerpt
    shortened: bool


class DevSounds:
    """Finds and encodes; remembers what it has encoded, for the next page of the same run."""

    def __init__(self, corpora: Sequence[dict[str, Any]]):
        """`corpora` as run.json names them: `name`, `folder`, `fingerprint`."""
        self._corpora = corpora
        self._files: dict[str, Path] | None = None
        self._encoded: dict[str, tuple[Excerpt, bool] | str] = {}
        self.missing: tuple[str, ...] = ()
        """A sentence for each corpus whose sound is not at hand, once clips have been asked for."""

    def of(self, ids: Iterable[str]) -> tuple[dict[str, DevSound], dict[str, str]]:
        """The sounds that fit, and of every other clip why it has none; forgets clips that are not asked for."""
        wanted = list(dict.fromkeys(ids))
        self._encoded = {id: made for id, made in self._encoded.items() if id in wanted}
        sounds: dict[str, DevSound] = {}
        reasons: dict[str, str] = {}
        size = 0
        for id in wanted:
            if size > SOUND_LIMIT:
                reasons[id] = "the page would become too large"
                continue
            if id not in self._encoded:
                self._encoded[id] = self._encode(id)
            made = self._encoded[id]
            if isinstance(made, str):
                reasons[id] = made
            else:
                size += made[0].size
                sounds[id] = DevSound(f"s{len(sounds)}", *made)
        return sounds, reasons

    def _encode(self, id: str) -> tuple[Excerpt, bool] | str:
        if self._files is None:
            self._files = self._find()
        file = self._files.get(id)
        if file is None:
            return "its corpus is not at hand" if self.missing else "the corpus does not hold it any more"
        try:
            audio = read_audio(file, name=id)
        except GoamaError as error:
            return str(error)
        made = excerpt(audio.samples)
        return made, audio.seconds > made.seconds + 0.05

    def _find(self) -> dict[str, Path]:
        """The dev clips' files by the ids that training knows: with several corpora, after their corpus's name."""
        files: dict[str, Path] = {}
        missing = []
        for about in self._corpora:
            folder, name = Path(str(about.get("folder"))), str(about.get("name"))
            try:
                corpus = Corpus.open(folder)
            except GoamaError:
                where = "no longer there" if folder.is_absolute() else "not there, seen from this folder"
                missing.append(f"{folder}: the corpus is {where}")
                continue
            if corpus.fingerprint() != about.get("fingerprint"):
                missing.append(f"{folder}: the corpus has changed since")
                continue
            metadata = folder / "dev" / "metadata.jsonl"
            rows = metadata.read_text(encoding="utf-8").split("\n") if metadata.is_file() else []
            try:
                clips = [json.loads(row) for row in rows if row.strip()]
                prefix = "" if len(self._corpora) == 1 else f"{name}/"
                files |= {prefix + clip["id"]: folder / "dev" / clip["file_name"] for clip in clips}
            except (ValueError, KeyError, TypeError):
                missing.append(f"{metadata}: damaged")
        self.missing = tuple(missing)
        return files
