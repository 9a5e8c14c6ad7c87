"""What a model may know of the clips that it is evaluated on: speakers, sentences and words of the training split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from goama.corpus.corpus import Corpus
from goama.evaluation.alignment import align_words
from goama.evaluation.scores import ClipScore


@dataclass(frozen=True)
class Seen:
    """What clips share with the training split of their corpus.

    speakers:         the named speakers of the clips
    speakers_trained: those of them who are in the training split
    clips_trained:    clips by them
    unnamed:          clips without a speaker
    sentences:        ids of clips whose sentence is in the training split
    words:            all words of the training split
    """

    split: str
    speakers: frozenset[str]
    speakers_trained: frozenset[str]
    clips_trained: int
    unnamed: int
    sentences: frozenset[str]
    words: frozenset[str]

    @property
    def is_speaker_disjoint(self) -> bool | None:
        """Whether no speaker is in the training split; None where speakers are not named."""
        if self.split == "train" or self.speakers_trained:
            return False
        return None if self.unnamed or not self.speakers else True


def seen_in_training(corpus: Corpus, clips: Sequence[ClipScore], split: str, normalise: Callable[[str], str]) -> Seen:
    """What the clips of a split share with the training split; `normalise` is that of their references."""
    trained_speakers: set[str] = set()
    sentences: set[str] = set()
    words: set[str] = set()
    for cut in corpus.cuts("train") if corpus.clips("train") else ():
        (said,) = cut.supervisions
        text = normalise(said.text)
        if said.speaker:
            trained_speakers.add(said.speaker)
        sentences.add(text)
        words.update(text.split())
    speakers = {clip.speaker for clip in clips if clip.speaker}
    return Seen(
        split,
        frozenset(speakers),
        frozenset(speakers & trained_speakers),
        sum(clip.speaker in trained_speakers for clip in clips),
        sum(not clip.speaker for clip in clips),
        frozenset(clip.id for clip in clips if clip.reference in sentences),
        frozenset(words),
    )


@dataclass(frozen=True)
class WordsByNovelty:
    """Words of references that the training split has, and new ones: how many, and how many were recognised."""

    known: int
    known_right: int
    new: int
    new_right: int


def words_by_novelty(clips: Iterable[ClipScore], known: frozenset[str]) -> WordsByNovelty:
    """How well words are recognised that training had, and words that it had not."""
    counts = {True: [0, 0], False: [0, 0]}
    for clip in clips:
        for pair in align_words(clip.reference, clip.hypothesis):
            if pair.reference is not None:
                count = counts[pair.reference in known]
                count[0] += 1
                count[1] += pair.is_right
    return WordsByNovelty(*counts[True], *counts[False])
