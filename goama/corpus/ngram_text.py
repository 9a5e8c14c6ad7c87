"""Text for an n-gram: the training transcripts of corpora and any text files, spelled as the model spells."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from goama.corpus.corpus import CORPUS_FILE, Corpus
from goama.errors import GoamaError
from goama.sources.text_lines import text_lines
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary

FEWEST_WORDS = 4
"""A line of a text file is compared with dev and test from so many words on: everybody says shorter ones."""

_SENTENCE_END = re.compile(r"(?<=[.!?…।॥။።])\s+")


@dataclass(frozen=True)
class NgramText:
    """Normalised sentences, the transcripts of the training splits first.

    dev:       the normalised transcripts of the dev splits, to measure the n-gram on
    sources:   where the sentences are from and how many they are, for people
    held_out:  sentences of text files that are left out because they are in a dev or test split
    parted:    words that the model cannot write; the sentences around them were parted there
    """

    sentences: list[str]
    dev: list[str]
    sources: list[str]
    held_out: int
    parted: int


def read_ngram_text(
    places: Sequence[Path],
    normaliser: Normaliser,
    vocabulary: Vocabulary,
    progress: Callable[[int], None] | None = None,
) -> NgramText:
    """The sentences in corpus folders (train only) and text files (UTF-8; `.gz` too).

    `progress` is called with the number of lines read. Raises `GoamaError` when a place is neither, or nothing is left.
    """
    if not places:
        raise GoamaError("no text is given: name corpora made by `goama prepare`, or text files")
    corpora = [Corpus.open(place) for place in places if place.is_dir()]
    files = [place for place in places if not place.is_dir()]
    sentences: list[str] = []
    sources: list[str] = []
    for corpus in corpora:
        texts = [normaliser(text) for text in _texts(corpus, "train")]
        sentences += texts
        sources.append(f"{corpus.folder.name}: {len(texts)} transcripts of train")
    dev = [normaliser(text) for corpus in corpora for text in _texts(corpus, "dev")]
    secret = {*dev, *(normaliser(text) for corpus in corpora for text in _texts(corpus, "test"))}
    secret = {text for text in secret if len(text.split()) >= FEWEST_WORDS} - set(sentences)
    held_out = parted = read = 0
    writable = set(vocabulary.units)
    for file in files:
        before = len(sentences)
        for line in _lines(file):
            read += 1
            if progress:
                progress(read)
            for sentence in map(normaliser, _SENTENCE_END.split(line)):
                if sentence in secret:
                    held_out += 1
                    continue
                parts, unknown = _writable_parts(sentence, vocabulary, writable)
                sentences += parts
                parted += unknown
        sources.append(f"{file.name}: {len(sentences) - before} sentences")
    return NgramText(sentences, dev, sources, held_out, parted)


def _texts(corpus: Corpus, split: str) -> Iterator[str]:
    if corpus.clips(split):
        yield from (cut.supervisions[0].text for cut in corpus.cuts(split))


def _lines(file: Path) -> Iterable[str]:
    """The lines of a text file, unpacked if its name ends in .gz."""
    if file.name == CORPUS_FILE:
        raise GoamaError(f"{file}: this is a part of a corpus; name the folder {file.parent}")
    if file.suffix != ".gz":
        return (line for _, line in text_lines(file))
    return _unpacked(file)


def _unpacked(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from lines
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise GoamaError(f"{file}: not a gzipped text in UTF-8 ({error})") from error


def _writable_parts(sentence: str, vocabulary: Vocabulary, writable: set[str]) -> tuple[list[str], int]:
    """The stretches of words that the model can write, and how many words it cannot write."""
    parts: list[list[str]] = [[]]
    unknown = 0
    for word in sentence.split():
        if writable.issuperset(vocabulary.segment(word)):
            parts[-1].append(word)
        else:
            unknown += 1
            parts.append([])
    return [" ".join(part) for part in parts if part], unknown
