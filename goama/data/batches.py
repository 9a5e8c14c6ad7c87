"""Batches limited by seconds of audio, with clips of similar length (lhotse's bucketing sampler)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import compress, islice
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
MIN_CLIPS_FOR_BUCKETS = 10


@dataclass(frozen=True)
class Batch:
    """The clips of a batch; all fields have one entry per clip: `waveforms` (N,) float32, `labels` ids.

    A batch is empty if several processes share one that has fewer clips than there are processes.
    """

    ids: tuple[str, ...]
    waveforms: tuple[np.ndarray, ...]
    labels: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    speakers: tuple[str | None, ...]

    @property
    def samples(self) -> int:
        """Samples of all clips together, without padding."""
        return sum(len(waveform) for waveform in self.waveforms)

    @property
    def padded_samples(self) -> int:
        """Samples of the padded batch."""
        return max((len(waveform) for waveform in self.waveforms), default=0) * len(self.waveforms)

    @property
    def label_count(self) -> int:
        """Labels of all clips together."""
        return sum(len(labels) for labels in self.labels)

    def without_non_finite(self) -> tuple[Batch, tuple[str, ...]]:
        """The batch without clips that have samples that are not finite, and the ids of those clips."""
        finite = [bool(np.isfinite(waveform).all()) for waveform in self.waveforms]
        if all(finite):
            return self, ()
        kept = Batch(*(tuple(compress(getattr(self, field.name), finite)) for field in fields(self)))
        return kept, tuple(name for name, is_finite in zip(self.ids, finite, strict=True) if not is_finite)


@dataclass(frozen=True)
class DataPlace:
    """Position in the training data: the next batch is number `batch` of epoch `epoch`. Checkpoints store it."""

    epoch: int = 0
    batch: int = 0


class TrainingBatches:
    """An endless stream of batches of at most `batch_s` seconds, reshuffled in each epoch; it can start anywhere.

    `repeats` says how often an epoch contains the clips of each language; without it, each clip occurs once. The order
    depends only on the cuts, `repeats`, `batch_s` and `seed`, not on the workers or on where iteration starts.

    With several processes, each draws the same batches and keeps its part of each (`split_over_ranks`).
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
        self._cuts = cuts.to_eager() if repeats else cuts  # read once; `draw` needs it in each epoch
        self._repeats, self._vocabulary = repeats, vocabulary
        self._batch_s, self._seed, self._workers = batch_s, seed, workers
        self._rank, self._world_size = rank, world_size

    def starting_at(self, place: DataPlace) -> Iterator[tuple[DataPlace, Batch]]:
        """Yields each batch with the place *after* it, without end. Raises `GoamaError` if a clip cannot be read."""
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
        """Number of batches in the first epoch; later epochs differ by a few."""
        return sum(1 for _ in self._sampler(0))

    def _epoch(self, epoch: int, skip: int) -> Iterator[Batch]:
        drawn = islice(iter(self._sampler(epoch)), skip, None)
        parts = (split_over_ranks(cuts, self._world_size)[self._rank] for cuts in drawn)
        yield from _load(parts, self._vocabulary, self._workers)

    def _cuts_of(self, epoch: int) -> CutSet:
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
            "rank": 0,  # otherwise lhotse gives each process different batches
            "world_size": 1,
        }
        cuts = self._cuts_of(epoch)
        clips = sum(1 for _ in cuts)
        if clips < MIN_CLIPS_FOR_BUCKETS:
            sampler = DynamicCutSampler(cuts, **shared)
        else:
            buckets = max(2, min(MAX_BUCKETS, clips // 10))
            sampler = DynamicBucketingSampler(cuts, num_buckets=buckets, **shared)
        sampler.set_epoch(epoch)
        return sampler


def split_over_ranks(cuts: Iterable[MonoCut], ranks: int) -> list[list[MonoCut]]:
    """The clips of each rank, about the same seconds for all; within a rank the order of the clips is kept.

    Greedy: clips are assigned from longest to shortest, each to the rank with the fewest seconds so far.
    """
    clips = list(cuts)
    seconds = [0.0] * ranks
    assigned: list[list[int]] = [[] for _ in range(ranks)]
    for index in sorted(range(len(clips)), key=lambda index: -clips[index].duration):
        rank = seconds.index(min(seconds))
        seconds[rank] += clips[index].duration
        assigned[rank].append(index)
    return [[clips[index] for index in sorted(indices)] for indices in assigned]


def ordered_batches(
    cuts: CutSet, vocabulary: Vocabulary, *, batch_s: float, rank: int = 0, world_size: int = 1
) -> Iterator[Batch]:
    """Batches for evaluation: each cut once, shortest first, at most `batch_s` padded seconds in a batch.

    The batches do not depend on `world_size`: each rank gets every `world_size`-th one. Raises `GoamaError` if a clip
    cannot be read.
    """
    yield from _load(islice(_by_length(cuts, batch_s), rank, None, world_size), vocabulary, workers=0)


def _by_length(cuts: CutSet, batch_s: float) -> Iterator[list[MonoCut]]:
    batch: list[MonoCut] = []
    for cut in sorted(cuts, key=lambda cut: (cut.duration, cut.id)):
        if batch and cut.duration * (len(batch) + 1) > batch_s:
            yield batch
            batch = []
        batch.append(cut)
    if batch:
        yield batch


class _Clips(Dataset):
    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary

    def __getitem__(self, cuts: Sequence[MonoCut]) -> Batch:
        from lhotse.audio.utils import AudioLoadingError

        try:
            samples = tuple(waveforms(cuts))
        except (AudioLoadingError, OSError) as error:
            ids = ", ".join(cut.id for cut in cuts)
            raise GoamaError(
                f"the audio of one of these clips cannot be read: {ids}; prepare the corpus again"
            ) from error
        texts = tuple(cut.supervisions[0].text for cut in cuts)
        return Batch(
            ids=tuple(cut.id for cut in cuts),
            waveforms=samples,
            labels=tuple(tuple(self._vocabulary.encode(text)) for text in texts),
            texts=texts,
            speakers=tuple(cut.supervisions[0].speaker for cut in cuts),
        )


class _Sampled:
    """Wraps an iterator of lists of cuts as the sampler object that DataLoader requires."""

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
        generator=torch.Generator(),  # otherwise the loader changes the global generator
    )
    return iter(loader)
