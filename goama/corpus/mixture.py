"""Several corpora that are trained on as one, the smaller languages drawn more often than their hours.

A single corpus is a mixture of one: the trainer knows no other noun.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
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

UNNAMED = "unnamed"
"""What clips without a language are counted under."""


@dataclass(frozen=True)
class Mixture:
    """Opened corpora in the order they were given. With more than one, a clip's id begins with its corpus's name."""

    corpora: tuple[Corpus, ...]

    @classmethod
    def open(cls, folders: Sequence[Path | str]) -> Mixture:
        """Raises `GoamaError` when a folder is no corpus, or the same corpus is given twice."""
        corpora = tuple(Corpus.open(folder) for folder in folders)
        seen: dict[str, Path] = {}
        for corpus in corpora:
            twin = seen.setdefault(corpus.fingerprint(), corpus.folder)
            if twin is not corpus.folder:
                raise GoamaError(f"{corpus.folder} holds the same clips as {twin}; give each corpus once")
        return cls(corpora)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The corpora's folder names, or their whole paths where two folders have the same name."""
        short = [corpus.folder.resolve().name for corpus in self.corpora]
        return tuple(short if len(set(short)) == len(short) else [str(corpus.folder) for corpus in self.corpora])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the corpora name, sorted."""
        return tuple(sorted({corpus.language for corpus in self.corpora if corpus.language}))

    @property
    def language(self) -> str | None:
        """The one language, or None."""
        spoken = {corpus.language for corpus in self.corpora}
        return spoken.pop() if len(spoken) == 1 else None

    @property
    def normaliser(self) -> Normaliser:
        """The rules of the one corpus; the general rules where there are several languages."""
        return self.corpora[0].normaliser if len(self.corpora) == 1 else Normaliser.for_language(self.language)

    def seconds(self, split: str) -> float:
        return sum(corpus.seconds(split) for corpus in self.corpora)

    def clips(self, split: str) -> int:
        return sum(corpus.clips(split) for corpus in self.corpora)

    def fingerprints(self) -> dict[str, str]:
        """Corpus name to fingerprint: what a run records of the data it saw."""
        return {name: corpus.fingerprint() for name, corpus in zip(self.names, self.corpora, strict=True)}

    def fingerprint(self) -> str:
        """One SHA-256 for all; that of the corpus itself when there is one."""
        several = list(self.fingerprints().values())
        return several[0] if len(several) == 1 else hashlib.sha256("\n".join(several).encode()).hexdigest()

    def cuts(self, split: str) -> CutSet:
        """The clips of a split, corpus by corpus, read as they are needed.

        A corpus without that split adds nothing; `GoamaError` when none of them has it.
        """
        if len(self.corpora) == 1:
            return self.corpora[0].cuts(split)
        if not self.clips(split):
            there = ", ".join(name for name in SPLITS if self.clips(name)) or "none"
            raise GoamaError(f"{self}: the split {split!r} is empty in all of them (with clips: {there})")

        parts = [
            corpus.cuts(split).map(partial(_named, name))
            for name, corpus in zip(self.names, self.corpora, strict=True)
            if corpus.clips(split)
        ]
        return reduce(add, parts)

    def require_sound(self, *splits: str) -> None:
        """`GoamaError` that names the clips whose sound is gone, or a split that is empty in all corpora."""
        for split in splits:
            self.cuts(split)
            for corpus in self.corpora:
                if corpus.clips(split):
                    corpus.require_sound(split)

    def __str__(self) -> str:
        folders = [str(corpus.folder) for corpus in self.corpora]
        return folders[0] if len(folders) == 1 else f"{len(folders)} corpora ({', '.join(self.names)})"


def _named(corpus: str, cut: MonoCut) -> MonoCut:
    return cut.with_id(f"{corpus}/{cut.id}")


def hours_by_language(cuts: Iterable[MonoCut]) -> dict[str, float]:
    """Language to hours, most first."""
    hours: dict[str, float] = defaultdict(float)
    for cut in cuts:
        hours[language_of(cut)] += cut.duration / 3600
    return dict(sorted(hours.items(), key=lambda item: -item[1]))


def language_of(cut: MonoCut) -> str:
    return cut.supervisions[0].language or UNNAMED


def repeats(hours: dict[str, float], balance: float) -> dict[str, float]:
    """How often an epoch holds each clip of a language: shares go as hours ** balance, the epoch's length stays.

    balance 1 leaves the hours as they are, 0 makes all languages equal (Arivazhagan et al. 2019, section 4.1,
    with balance for their 1/T).
    """
    wanted = {language: value**balance for language, value in hours.items()}
    scale = sum(hours.values()) / sum(wanted.values())
    return {language: scale * wanted[language] / hours[language] for language in hours}


def draw(cuts: Sequence[MonoCut], rates: dict[str, float], *, seed: int, epoch: int) -> list[MonoCut]:
    """An epoch's clips: each as often as its language's rate says, the broken part drawn by (seed, epoch, id).

    Shuffled, the same whatever the clips' order was; over many epochs every clip gets its share.
    """
    drawn: list[MonoCut] = []
    for cut in cuts:
        rate = rates[language_of(cut)]
        drawn.extend([cut] * int(rate + _chance(f"{seed}\n{epoch}\n{cut.id}")))
    drawn.sort(key=lambda cut: cut.id)
    random.Random(f"{seed} {epoch}").shuffle(drawn)
    return drawn


def _chance(key: str) -> float:
    """A number in [0, 1) that depends on the key alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big") / 2**56
