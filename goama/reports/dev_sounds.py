"""The sound of dev clips, read from the corpora that a run was trained on; each clip is encoded once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.reports.listening import EmbeddedSound, Excerpt, excerpt
from goama.sound.audio import read_audio

SOUND_LIMIT = 4_000_000
"""Characters of sound in a page, which keeps it below 5 MB."""


class DevSounds:
    """Finds the sounds of dev clips; keeps the encoded ones for the next page of the same run."""

    def __init__(self, corpora: Sequence[dict[str, Any]]):
        """`corpora` are those of run.json: `name`, `folder`, `fingerprint`."""
        self._corpora = corpora
        self._files: dict[str, Path] | None = None
        self._encoded: dict[str, Excerpt | str] = {}
        self.missing: tuple[str, ...] = ()
        """A sentence for each corpus that is gone or has changed; filled by `of`."""

    def of(self, ids: Iterable[str]) -> tuple[dict[str, EmbeddedSound], dict[str, str]]:
        """(id to sound of the clips that fit, id to reason of the others); keeps only the encoded sounds of `ids`."""
        wanted = list(dict.fromkeys(ids))
        self._encoded = {id: made for id, made in self._encoded.items() if id in wanted}
        sounds: dict[str, EmbeddedSound] = {}
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
                size += made.size
                sounds[id] = EmbeddedSound(f"s{len(sounds)}", made)
        return sounds, reasons

    def _encode(self, id: str) -> Excerpt | str:
        if self._files is None:
            self._files = self._find()
        file = self._files.get(id)
        if file is None:
            return "its corpus is not at hand" if self.missing else "the corpus no longer holds it"
        try:
            return excerpt(read_audio(file, name=id).samples)
        except GoamaError as error:
            return str(error)

    def _find(self) -> dict[str, Path]:
        """Files by clip id; with several corpora the ids begin with the name of their corpus, as in training."""
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
