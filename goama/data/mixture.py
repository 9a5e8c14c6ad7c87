"""Several corpora as one training set. Training always uses a mixture; a single corpus is a mixture of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
"""Rules of a model for several languages, whose texts each corpus has normalised with rules of its own."""


@dataclass(frozen=True)
class Mixture:
    """Opened corpora. Their order only changes the order of `names`.

    With several corpora, a clip's id begins with the name of its corpus. Raises `GoamaError` if a corpus is given
    twice.
    """

    corpora: tuple[Corpus, ...]
    respelling: Normaliser | None = None
    """Normalises the texts again, such as the normaliser of a model that is to be imitated."""

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
        """The mixture of the corpora in these folders.

        Raises `GoamaError` if a folder is not a corpus, or if a corpus is given twice.
        """
        return cls(tuple(Corpus.open(folder) for folder in folders))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The folder name of each corpus; if two are equal, with the first letters of their fingerprints."""
        short = [corpus.folder.resolve().name for corpus in self.corpora]
        counts = Counter(short)
        return tuple(
            name if counts[name] == 1 else f"{name}-{corpus.fingerprint()[:8]}"
            for name, corpus in zip(short, self.corpora, strict=True)
        )

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the corpora, sorted."""
        return tuple(sorted({corpus.language for corpus in self.corpora if corpus.language}))

    @property
    def normaliser(self) -> Normaliser:
        """`respelling`, else the common rules; if these differ, only rules that leave normalised text unchanged."""
        if self.respelling is not None:
            return self.respelling
        first, *others = (corpus.normaliser for corpus in self.corpora)
        if all(other == first for other in others):
            return first
        return Normaliser(None, _WITHOUT_A_LANGUAGE)

    def seconds(self, split: str) -> float:
        """Seconds of audio in a split, over all corpora."""
        return sum(corpus.seconds(split) for corpus in self.corpora)

    def clips(self, split: str) -> int:
        """Number of clips in a split, over all corpora."""
        return sum(corpus.clips(split) for corpus in self.corpora)

    def cuts(self, split: str) -> CutSet:
        """The clips of a split, corpus by corpus, read lazily. Raises `GoamaError` if no corpus has this split."""
        if self.respelling is not None:
            return replace(self, respelling=None).cuts(split).map(partial(_respelled, self.respelling))
        if len(self.corpora) == 1:
            return self.corpora[0].cuts(split)
        if not self.clips(split):
            available = ", ".join(name for name in SPLITS if self.clips(name)) or "none"
            raise GoamaError(f"{self}: the split {split!r} is empty in all of them (with clips: {available})")
        named = sorted(zip(self.corpora, self.names, strict=True), key=lambda pair: pair[0].fingerprint())
        return reduce(
            add,
            (corpus.cuts(split).map(partial(_named, name)) for corpus, name in named if corpus.clips(split)),
        )

    def require_sound(self, *splits: str) -> None:
        """Raises `GoamaError` if audio of a split is missing (naming the clips), or if no corpus has the split."""
        for split in splits:
            self.cuts(split)
            for corpus in self.corpora:
                if corpus.clips(split):
                    corpus.require_sound(split)

    def fingerprints(self) -> tuple[str, ...]:
        """The SHA-256 of each manifest, sorted; a resumed run requires the same ones."""
        return tuple(sorted(corpus.fingerprint() for corpus in self.corpora))

    def __str__(self) -> str:
        if len(self.corpora) == 1:
            return str(self.corpora[0].folder)
        return f"{len(self.corpora)} corpora ({', '.join(self.names)})"


def _named(corpus: str, cut: MonoCut) -> MonoCut:  # not a lambda, because lhotse pickles it for worker processes
    return cut.with_id(f"{corpus}/{cut.id}")


def _respelled(normaliser: Normaliser, cut: MonoCut) -> MonoCut:
    return cut.map_supervisions(lambda supervision: supervision.transform_text(normaliser))
