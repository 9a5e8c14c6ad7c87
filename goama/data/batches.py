"""Cuts become batches of so many seconds, clips of like length together (lhotse's bucketing sampler)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from goama.corpus.tar_clips import waveforms
from goama.data.balance import draw
from goama.errors import GoamaError
from goama.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lhotse import CutSet, MonoCut
    from lhotse.dataset import DynamicBucketingSampler, DynamicCutSampler

MAX_BUCKETS = 20
FEWEST_FOR_BUCKETS = 10


@dataclass(frozen=True)
class Batch:
    """Clips side by side: `waveforms` (N,) float32 each, `labels` ids each, `texts`, clip `ids`, `speakers`.

    Without clips where several processes share a batch that has fewer clips than there are processes.
    """

    ids: tuple[str, ...]
    waveforms: tuple[np.ndarray, ...]
    labels: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    speakers: tuple[str | None, ...]

    @property
    def samples(self) -> int:
        return sum(len(waveform) for waveform in self.waveforms)

    @property
    def padded_samples(self) -> int:
        return max((len(waveform) for waveform in self.waveforms), default=0) * len(self.waveforms)

    @property
    def label_count(self) -> int:
        return sum(len(labels) for labels in self.labels)


@dataclass(frozen=True)
class DataPlace:
    """How far training has come through its data: resuming goes on from here."""

    epoch: int = 0
    batch: int = 0


class TrainingBatches:
    """Endless batches of at most `batch_s` seconds, reshuffled each epoch from `seed`; iterate from any place.

    `repeats` says how often an epoch holds the clips of each language; without it, each once. The order depends
    on the cuts, `repeats`, `batch_s` and `seed` alone, not on workers or on where iteration began.

    Of `world_size` processes, each draws the batches that one alone would draw, and keeps its share (`deal`) of each.
    """

    def __init__(
        self,
        cuts: CutSet,
        vocabulary: Vocabulary,
        *,
        batch_s: float,
        seed: int,
        repeats: Mapping[str, float] | None = None,
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        self._cuts = cuts.to_eager() if repeats else cuts  # one that is drawn from again and again is read once
        self._repeats, self._vocabulary = repeats, vocabulary
        self._batch_s, self._seed, self._workers = batch_s, seed, workers
        self._rank, self._world_size = rank, world_size

    def starting_at(self, place: DataPlace) -> Iterator[tuple[DataPlace, Batch]]:
        """Yields each batch with the place *after* it."""
        epoch, skip = place.epoch, place.batch
        while True:
            number = skip
            for number, batch in enumerate(self._epoch(epoch, skip), start=skip + 1):
                yield DataPlace(epoch, number), batch
            if number == 0:
                raise ValueError("the sampler gave no batch at all")
            epoch, skip = epoch + 1, 0

    @cached_property
    def in_first_epoch(self) -> int:
        """Batches of the first epoch; later epochs differ by a few."""
        return sum(1 for _ in self._sampler(0))

    def _epoch(self, epoch: int, skip: int) -> Iterator[Batch]:
        drawn = islice(iter(self._sampler(epoch)), skip, None)
        shares = (deal(cuts, self._world_size)[self._rank] for cuts in drawn)
        yield from _load(shares, self._vocabulary, self._workers)

    def _heard_in(self, epoch: int) -> CutSet:
        from lhotse import CutSet

        if not self._repeats:
            return self._cuts
        return CutSet.from_cuts(draw(self._cuts, self._repeats, seed=self._seed, epoch=epoch))

    def _sampler(self, epoch: int) -> DynamicBucketingSampler | DynamicCutSampler:
        from lhotse.dataset import DynamicBucketingSampler, DynamicCutSampler

        shared = {
            "max_duration": self._batch_s,
            "shuffle": True,
            "drop_last": False,
            "seed": self._seed,
            "rank": 0,  # or lhotse gives each process batches of its own
            "world_size": 1,
        }
        cuts = self._heard_in(epoch)
        clips = sum(1 for _ in cuts)
        if clips < FEWEST_FOR_BUCKETS:
            sampler = DynamicCutSampler(cuts, **shared)
        else:
            buckets = max(2, min(MAX_BUCKETS, clips // 10))
            sampler = DynamicBucketingSampler(cuts, num_buckets=buckets, **shared)
        sampler.set_epoch(epoch)
        return sampler


def deal(cuts: Iterable[MonoCut], players: int) -> list[list[MonoCut]]:
    """Each clip to one of `players`, the longest first to whoever has the fewest seconds; in each hand, in order."""
    clips = list(cuts)
    seconds = [0.0] * players
    hands: list[list[int]] = [[] for _ in range(players)]
    for place in sorted(range(len(clips)), key=lambda place: -clips[place].duration):
        player = seconds.index(min(seconds))
        seconds[player] += clips[place].duration
        hands[player].append(place)
    return [[clips[place] for place in sorted(hand)] for hand in hands]


def ordered_batches(
    cuts: CutSet, vocabulary: Vocabulary, *, batch_s: float, rank: int = 0, world_size: int = 1
) -> Iterator[Batch]:
    """Each cut once, shortest first, in batches of at most `batch_s` padded seconds: for evaluation.

    Of `world_size` processes each gets every `world_size`-th batch: those that one process alone would make.
    """
    yield from _load(islice(_by_length(cuts, batch_s), rank, None, world_size), vocabulary, workers=0)


def _by_length(cuts: CutSet, batch_s: float) -> Iterator[list[MonoCut]]:
    group: list[MonoCut] = []
    for cut in sorted(cuts, key=lambda cut: (cut.duration, cut.id)):
        if group and cut.duration * (len(group) + 1) > batch_s:
            yield group
            group = []
        group.append(cut)
    if group:
        yield group


class _Clips(Dataset):
    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary

    def __getitem__(self, cuts: Sequence[MonoCut]) -> Batch:
        from lhotse.audio.utils import AudioLoadingError

        try:
            sound = tuple(waveforms(cuts))
        except (AudioLoadingError, OSError) as error:
            ids = ", ".join(cut.id for cut in cuts)
            raise GoamaError(
                f"the sound of one of these clips cannot be read any more: {ids}; prepare the corpus again"
            ) from error
        texts = tuple(cut.supervisions[0].text for cut in cuts)
        return Batch(
            ids=tuple(cut.id for cut in cuts),
            waveforms=sound,
            labels=tuple(tuple(self._vocabulary.encode(text)) for text in texts),
            texts=texts,
            speakers=tuple(cut.supervisions[0].speaker for cut in cuts),
        )


class _Sampled:
    """DataLoader wants a sampler object; an iterator of lists of cuts is all it needs."""

    def __init__(self, batches: Iterator[Sequence[MonoCut]]):
        self._batches = batches

    def __iter__(self) -> Iterator[Sequence[MonoCut]]:
        return self._batches


def _load(batches: Iterator[Sequence[MonoCut]], vocabulary: Vocabulary, workers: int) -> Iterator[Batch]:
    loader = DataLoader(
        _Clips(vocabulary),
        sampler=_Sampled(batches),  # type: ignore[arg-type]
        batch_size=None,
        num_workers=workers,
        generator=torch.Generator(),  # or the loader draws its base seed from the global generator
    )
    return iter(loader)
