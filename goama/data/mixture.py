"""The Mixture: corpora that are trained on as one. One corpus is a mixture of one; the trainer knows no other noun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

from goama.corpus.corpus import SPLITS, Corpus
from goama.errors import GoamaError
from goama.text.normaliser import Normaliser

if TYPE_CHECKING:
    from lhotse import CutSet, MonoCut

_WITHOUT_A_LANGUAGE = ("nfc", "collapse-spaces")
"""The rules of a model that writes several languages: it learnt texts that each corpus had normalised by its own."""


@dataclass(frozen=True)
class Mixture:
    """Opened corpora; the order they were given in changes nothing but the order they are named in.

    With more than one, a clip's id begins with its corpus's name. Raises `GoamaError` for a corpus given twice.
    """

    corpora: tuple[Corpus, ...]

    def __post_init__(self) -> None:
        if not self.corpora:
            raise ValueError("a mixture needs a corpus")
        seen: dict[str, Path] = {}
        for corpus in self.corpora:
            if corpus.fingerprint() in seen:
                twin = seen[corpus.fingerprint()]
                raise GoamaError(f"{corpus.folder} holds the same clips as {twin}; give each corpus once")
            seen[corpus.fingerprint()] = corpus.folder

    @classmethod
    def open(cls, folders: Iterable[Path | str]) -> Mixture:
        """Raises `GoamaError` when a folder is no corpus, or the same corpus is given twice."""
        return cls(tuple(Corpus.open(folder) for folder in folders))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Each corpus's folder name; where two are the same, with the first letters of the fingerprint."""
        short = [corpus.folder.resolve().name for corpus in self.corpora]
        counts = Counter(short)
        return tuple(
            name if counts[name] == 1 else f"{name}-{corpus.fingerprint()[:8]}"
            for name, corpus in zip(short, self.corpora, strict=True)
        )

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the corpora name, sorted."""
        return tuple(sorted({corpus.language for corpus in self.corpora if corpus.language}))

    @property
    def normaliser(self) -> Normaliser:
        """The rules that all corpora share; where they differ, only what changes no normalised text."""
        first, *others = (corpus.normaliser for corpus in self.corpora)
        if all(other == first for other in others):
            return first
        return Normaliser(None, _WITHOUT_A_LANGUAGE)

    def seconds(self, split: str) -> float:
        return sum(corpus.seconds(split) for corpus in self.corpora)

    def clips(self, split: str) -> int:
        return sum(corpus.clips(split) for corpus in self.corpora)

    def cuts(self, split: str) -> CutSet:
        """The clips of a split, corpus by corpus, read as they are needed.

        A corpus without that split adds nothing; `GoamaError` when none of them has it.
        """
        return reduce(add, (cuts for _, cuts in self.parts(split)))

    def parts(self, split: str) -> list[tuple[str, CutSet]]:
        """What `cuts` joins: of each corpus that has the split, its name and clips."""
        if len(self.corpora) == 1:
            return [(self.names[0], self.corpora[0].cuts(split))]
        if not self.clips(split):
            there = ", ".join(name for name in SPLITS if self.clips(name)) or "none"
            raise GoamaError(f"{self}: the split {split!r} is empty in all of them (with clips: {there})")
        named = sorted(zip(self.corpora, self.names, strict=True), key=lambda pair: pair[0].fingerprint())
        return [(name, corpus.cuts(split).map(partial(_named, name))) for corpus, name in named if corpus.clips(split)]

    def require_sound(self, *splits: str) -> None:
        """`GoamaError` that names the clips whose sound is gone, or a split that is empty in all corpora."""
        for split in splits:
            self.cuts(split)
            for corpus in self.corpora:
                if corpus.clips(split):
                    corpus.require_sound(split)

    def fingerprints(self) -> tuple[str, ...]:
        """The SHA-256 of each manifest, sorted: what a resumed run must find again."""
        return tuple(sorted(corpus.fingerprint() for corpus in self.corpora))

    def __str__(self) -> str:
        if len(self.corpora) == 1:
            return str(self.corpora[0].folder)
        return f"{len(self.corpora)} corpora ({', '.join(self.names)})"


def _named(corpus: str, cut: MonoCut) -> MonoCut:  # not a lambda: lhotse pickles it for worker processes
    return cut.with_id(f"{corpus}/{cut.id}")
