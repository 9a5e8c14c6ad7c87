"""The flat start: letters find their places in speech before there is a network, by a GMM-HMM for each corpus.

Two states a letter, trained by Viterbi EM from labels spread evenly (Rabiner 1989, sections IV.B and VI); what comes
out is where each label begins, and the Gaussians are forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from goama.data.batches import ordered_batches
from goama.sound.log_mel import MEL_BINS, SHIFT_SAMPLES, WINDOW_SAMPLES, LogMel
from goama.text.vocabulary import Vocabulary
from goama.training.alignment import Chain, Passing, best_paths, label_starts, make_chain, spread_starts

if TYPE_CHECKING:
    from lhotse import MonoCut

FEWEST_S = 60.0
"""Speech that Gaussians need; in a smaller corpus labels are spread evenly over each clip's loud frames."""

MOST_S = 2 * 3600.0
"""Speech beyond which more does not make the Gaussians better: the rest is only aligned by them."""

_CEPSTRA = 13  # and their first and second differences
_STATES = 2  # of a letter
_SILENCE = 0  # the first state
_PASSES = (8, 4, 3, 3)  # of EM with 1, 2, 4 and 8 Gaussians a state
_FRAMES_OF_A_GAUSSIAN = 150  # on average; with fewer there are no more Gaussians
_FEWEST_FRAMES = 8.0  # that a Gaussian is estimated from anew
_ACOUSTIC_SCALE = 0.25  # neighbouring frames say much the same
_PASSING = Passing(stay=-0.4, leave=-1.1)
_VARIANCE_FLOOR = 0.2  # of the variance of all speech
_PRIOR_FRAMES = 5.0  # of all speech, on which a rare state leans
_MOVED_APART = 0.2  # deviations, either way, when a Gaussian is split
_QUIET = 0.3  # silence lies below so much of the way from a clip's softest to its loudest
_CLIPS_AT_ONCE = 500
_BATCH_S = 120.0


@dataclass(frozen=True)
class FlatStart:
    """Of each clip the starts of its labels, (U + 1,) in frames of 10 ms, and the clips that were only spread."""

    starts: dict[str, np.ndarray]
    spread: tuple[str, ...]


def flat_start(
    cuts: Iterable[MonoCut], vocabulary: Vocabulary, progress: Callable[[float], None] = lambda share: None
) -> FlatStart:
    """Align the labels of one corpus's clips with their sound; an hour of speech takes about a minute on one core.

    `progress` is called with the share that is done. Labels are spread evenly over the loud frames of a clip that
    has fewer frames than its letters have states, and of all clips of a corpus with less than `FEWEST_S`.
    """
    cuts = list(cuts)
    seconds = sum(cut.duration for cut in cuts)
    every = max(1, math.ceil(seconds / MOST_S))
    learnt_from = list(_heard(cuts[::every], vocabulary))
    rest = _heard([cut for place, cut in enumerate(cuts) if place % every], vocabulary)
    if seconds < FEWEST_S:
        return FlatStart({clip.id: clip.spread() for clip in learnt_from}, tuple(clip.id for clip in learnt_from))

    letters = {label for cut in cuts for label in vocabulary.encode(cut.supervisions[0].text)}
    states = _States.of(letters - {vocabulary.delimiter_id}, vocabulary.delimiter_id)
    passes = _passes(sum(len(clip.features) for clip in learnt_from), states.count)
    work = (sum(passes) + 1) * len(learnt_from) + len(cuts) - len(learnt_from)
    done = 0

    def count(clips: int) -> None:
        nonlocal done
        done += clips
        progress(done / work)

    gaussians = _learn([clip for clip in learnt_from if states.fit(clip)], states, passes, count)
    starts, spread = {}, []
    for clips in _blocks(chain(learnt_from, rest)):
        fitting = [clip for clip in clips if states.fit(clip)]
        for clip, path in zip(fitting, _paths(fitting, states, gaussians), strict=True):
            starts[clip.id] = label_starts(path, states.chain(clip))
        for clip in clips:
            if clip.id not in starts:
                starts[clip.id] = clip.spread()
                spread.append(clip.id)
        count(len(clips))
    return FlatStart(starts, tuple(spread))


@dataclass(frozen=True)
class _Clip:
    """A clip as the Gaussians hear it: features (T, 39) float32, T frames of 10 ms, and which of them are loud."""

    id: str
    labels: tuple[int, ...]
    features: torch.Tensor
    loud: np.ndarray

    def spread(self) -> np.ndarray:
        return spread_starts(self.loud, len(self.labels))


def _heard(cuts: Sequence[MonoCut], vocabulary: Vocabulary) -> Iterator[_Clip]:
    """Shortest first."""
    from lhotse import CutSet

    log_mel = LogMel(1)
    for batch in ordered_batches(CutSet.from_cuts(cuts), vocabulary, batch_s=_BATCH_S):
        for clip, waveform, labels in zip(batch.ids, batch.waveforms, batch.labels, strict=True):
            # a clip that is not finite is not trained on, but would make every Gaussian so
            waveform = np.nan_to_num(waveform, posinf=0.0, neginf=0.0)
            features = cepstra(log_mel([waveform])[0][0])
            yield _Clip(clip, labels, features, loud_frames(waveform)[: len(features)])


def cepstra(log_mel: torch.Tensor) -> torch.Tensor:
    """(T, 80) log-mel -> (T, 39): cepstra 0 to 12, their slopes over five frames, and the slopes' slopes."""
    bins = torch.arange(MEL_BINS)
    cosines = torch.cos(math.pi / MEL_BINS * torch.arange(_CEPSTRA)[:, None] * (bins + 0.5)) * math.sqrt(2 / MEL_BINS)
    static = log_mel @ cosines.T
    first = _slopes(static)
    return torch.cat([static, first, _slopes(first)], 1)


def _slopes(values: torch.Tensor) -> torch.Tensor:
    """(T, D) -> (T, D): the regression line's slope over two frames either way."""
    padded = torch.cat([values[:1], values[:1], values, values[-1:], values[-1:]])
    return (padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])) / 10


def loud_frames(waveform: np.ndarray) -> np.ndarray:
    """(T,) bool of a waveform (N,): frames of 10 ms that are not silence, judged by the clip's own loudness."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW_SAMPLES)[::SHIFT_SAMPLES]
    decibels = 10 * np.log10(np.maximum(1e-10, np.square(windows, dtype=np.float32).mean(1)))
    smooth = np.convolve(np.pad(decibels, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    softest, loudest = np.quantile(smooth, (0.05, 0.95))
    return smooth > softest + _QUIET * (loudest - softest)


@dataclass(frozen=True)
class _States:
    """Silence, and two states for each letter of a corpus."""

    columns: dict[int, tuple[int, ...]]
    delimiter_id: int

    @classmethod
    def of(cls, letters: Iterable[int], delimiter_id: int) -> _States:
        numbered = enumerate(sorted(letters))
        return cls({label: tuple(range(1 + _STATES * n, 1 + _STATES * (n + 1))) for n, label in numbered}, delimiter_id)

    @property
    def count(self) -> int:
        return 1 + _STATES * len(self.columns)

    def fit(self, clip: _Clip) -> bool:
        return bool(clip.labels) and self.chain(clip).fewest_frames <= len(clip.features)

    def chain(self, clip: _Clip) -> Chain:
        return make_chain(clip.labels, self.columns, _SILENCE, self.delimiter_id)


def _passes(frames: int, states: int) -> tuple[int, ...]:
    """Passes of EM with 1, 2, 4, … Gaussians a state, as many Gaussians as there is speech for."""
    enough = [0, *(frames >= _FRAMES_OF_A_GAUSSIAN * states * 2**doubled for doubled in range(1, len(_PASSES)))]
    return _PASSES[: 1 + sum(enough)]


def _learn(clips: Sequence[_Clip], states: _States, passes: Sequence[int], count: Callable[[int], None]) -> Gaussians:
    frames = torch.cat([clip.features for clip in clips])
    spread = np.concatenate([_first_states(clip, states.chain(clip)) for clip in clips])
    gaussians = Gaussians.of(frames, torch.from_numpy(spread), states.count)
    for doubled, times in enumerate(passes):
        if doubled:
            gaussians = gaussians.doubled()
        for _ in range(times):
            passed = []
            for block in _blocks(clips):
                paths = _paths(block, states, gaussians)
                passed += [states.chain(clip).states[path] for clip, path in zip(block, paths, strict=True)]
                count(len(block))
            gaussians = gaussians.fitted(frames, torch.from_numpy(np.concatenate(passed)))
    return gaussians


def _first_states(clip: _Clip, chain: Chain) -> np.ndarray:
    """(T,) states: the letters' spread evenly over the loud frames, silence elsewhere."""
    spoken = chain.states[~chain.is_silence]
    starts = spread_starts(clip.loud, len(spoken))
    place = np.searchsorted(starts, np.arange(len(clip.features)), side="right")
    passed = np.array([_SILENCE, *spoken, _SILENCE])[place]
    if clip.loud.sum() >= len(spoken):
        passed[~clip.loud] = _SILENCE
    return passed


def _paths(clips: Sequence[_Clip], states: _States, gaussians: Gaussians) -> list[np.ndarray]:
    scores = [_ACOUSTIC_SCALE * gaussians.log_likelihoods(clip.features).numpy() for clip in clips]
    return best_paths(scores, [states.chain(clip) for clip in clips], _PASSING)


def _blocks(clips: Iterable[_Clip]) -> Iterator[list[_Clip]]:
    remaining = iter(clips)
    while block := list(islice(remaining, _CLIPS_AT_ONCE)):
        yield block


@dataclass(frozen=True)
class Gaussians:
    """K diagonal Gaussians for each of S states, over features (D) brought to mean 0 and deviation 1."""

    centre: torch.Tensor  # (D,)
    deviation: torch.Tensor  # (D,)
    means: torch.Tensor  # (S, K, D)
    variances: torch.Tensor  # (S, K, D)
    log_weights: torch.Tensor  # (S, K)

    @classmethod
    def of(cls, features: torch.Tensor, states: torch.Tensor, count: int) -> Gaussians:
        """One Gaussian for each of `count` states, from features (N, D) and their states (N,)."""
        centre, deviation = features.mean(0), features.std(0).clamp_min(1e-5)
        scaled = (features - centre) / deviation
        frames = torch.bincount(states, minlength=count).float()[:, None]
        sums, squares = (
            torch.zeros(count, features.shape[1]).index_add_(0, states, values) for values in (scaled, scaled.square())
        )
        means = sums / (frames + _PRIOR_FRAMES)
        variances = (squares + _PRIOR_FRAMES) / (frames + _PRIOR_FRAMES) - means.square()
        variances = variances.clamp_min(_VARIANCE_FLOOR)
        return cls(centre, deviation, means[:, None], variances[:, None], torch.zeros(count, 1))

    def log_likelihoods(self, features: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (N, S) float32, up to a constant."""
        each = _log_densities(
            (features - self.centre) / self.deviation, self.means.flatten(0, 1), self.variances.flatten(0, 1)
        )
        return (each.unflatten(1, self.log_weights.shape) + self.log_weights).logsumexp(-1)

    def fitted(self, features: torch.Tensor, states: torch.Tensor) -> Gaussians:
        """A step of EM within each state: Gaussians that fit the frames (N, D) of their states (N,) better."""
        frames_of = torch.split(
            ((features - self.centre) / self.deviation)[torch.argsort(states, stable=True)],
            torch.bincount(states, minlength=len(self.means)).tolist(),
        )
        means, variances, log_weights = self.means.clone(), self.variances.clone(), self.log_weights.clone()
        for state, frames in enumerate(frames_of):
            each = _log_densities(frames, means[state], variances[state]) + log_weights[state]
            shares = each.softmax(-1)  # (n, K): which Gaussian each frame belongs to
            weight = shares.sum(0)
            mean = shares.T @ frames / weight.clamp_min(1.0)[:, None]
            variance = shares.T @ frames.square() / weight.clamp_min(1.0)[:, None] - mean.square()
            enough = (weight > _FEWEST_FRAMES)[:, None]
            means[state] = torch.where(enough, mean, means[state])
            variances[state] = torch.where(enough, variance.clamp_min(_VARIANCE_FLOOR), variances[state])
            log_weights[state] = (weight + 0.01).log() - (weight + 0.01).sum().log()
        return Gaussians(self.centre, self.deviation, means, variances, log_weights)

    def doubled(self) -> Gaussians:
        """Each Gaussian becomes two, a little apart."""
        apart = _MOVED_APART * self.variances.sqrt()
        return Gaussians(
            self.centre,
            self.deviation,
            torch.cat([self.means - apart, self.means + apart], 1),
            torch.cat([self.variances, self.variances], 1),
            torch.cat([self.log_weights, self.log_weights], 1) - math.log(2),
        )


def _log_densities(features: torch.Tensor, means: torch.Tensor, variances: torch.Tensor) -> torch.Tensor:
    """(N, D) under M diagonal Gaussians (M, D) -> (N, M), up to a constant."""
    precisions = 1 / variances
    constants = -0.5 * (means.square() * precisions + variances.log()).sum(-1)
    return features.square() @ (-0.5 * precisions).T + features @ (means * precisions).T + constants
