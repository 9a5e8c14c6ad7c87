"""What alignment keeps of a recording as it streams past: a few columns of the emission, and how loud it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goama.recognition.greedy import GreedyDecoder
from goama.recognition.units import Unit
from goama.recognition.word_path import Prices
from goama.sound.activity import FRAME_SAMPLES, frame_levels
from goama.sound.audio import SAMPLE_RATE
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary

_TREBLE = 0.97  # pre-emphasis: consonants become as loud as vowels, and hum and reverberation soft
_UNKNOWN = 1.0  # nats: how much less likely than the likeliest unit a letter is that the vocabulary does not have


@dataclass(frozen=True)
class ModelUnits:
    """How a model writes text, and how long its frames are."""

    vocabulary: Vocabulary
    normaliser: Normaliser
    frame_shift_s: float


@dataclass(frozen=True)
class Listened:
    """A recording of T frames.

    scores:  (T, 2 + C) float32, log-probability minus the best one of the frame: blank, gap, and each column's unit;
             a gap is blank, a word delimiter, or any sound at its price
    best:    (T,) float32, the log-probability of the best class
    heard:   what the model recognises without a text
    levels:  (T,) dB, with treble raised
    """

    scores: np.ndarray
    best: np.ndarray
    heard: list[Unit]
    levels: np.ndarray
    samples: int


def listen(
    pieces: Iterable[torch.Tensor], levels: Levels, columns: Sequence[int], model: ModelUnits, prices: Prices
) -> Listened:
    """What is kept of a recording whose emission comes in consecutive pieces (T_i, V), at least one.

    levels:   of the sound that the pieces are computed of
    columns:  the ids of the units whose scores are kept, four bytes a frame each
    """
    scores, best = [], []

    def kept() -> Iterator[torch.Tensor]:
        for piece in pieces:
            emission = piece.numpy()
            best.append(emission.max(1))
            scores.append(_columns(emission - best[-1][:, None], columns, model.vocabulary, prices))
            yield piece

    heard = GreedyDecoder(model.vocabulary).units(kept())
    of_frames = levels.frames(sum(map(len, best)), model.frame_shift_s)
    return Listened(np.concatenate(scores), np.concatenate(best), heard, of_frames, levels.samples)


def _columns(relative: np.ndarray, columns: Sequence[int], vocabulary: Vocabulary, prices: Prices) -> np.ndarray:
    blank, delimiter = relative[:, vocabulary.blank_id], relative[:, vocabulary.delimiter_id]
    kept = np.empty((len(relative), 2 + len(columns)), np.float32)
    kept[:, 0] = blank - prices.blank
    kept[:, 1] = np.maximum(np.logaddexp(blank, delimiter), -prices.sound)
    kept[:, 2:] = relative[:, list(columns)]
    if vocabulary.unk_id in columns:
        silent = {vocabulary.blank_id, vocabulary.delimiter_id, vocabulary.unk_id, *vocabulary.silent_ids}
        units = [unit for unit in range(relative.shape[1]) if unit not in silent]
        kept[:, 2 + list(columns).index(vocabulary.unk_id)] = relative[:, units].max(1) - _UNKNOWN
    return kept


class Levels:
    """Energies of 20 ms of sound that streams past; state: samples so far, those of an unfinished 20 ms, and levels."""

    def __init__(self) -> None:
        self.samples = 0
        self._rest = np.zeros(1, np.float32)
        self._levels: list[np.ndarray] = []

    def of(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks (N_i,) at 16 kHz."""
        for block in blocks:
            self.samples += len(block)
            samples = np.concatenate([self._rest, block])  # with the sample before
            whole = (len(samples) - 1) // FRAME_SAMPLES * FRAME_SAMPLES
            if whole:
                self._levels.append(frame_levels(samples[1 : whole + 1] - _TREBLE * samples[:whole]))
            self._rest = samples[whole:]
            yield block

    def frames(self, count: int, frame_shift_s: float) -> np.ndarray:
        """(T,) dB of `count` frames of any length."""
        levels = np.concatenate(self._levels or [np.zeros(1)])
        at = (np.arange(count) + 0.5) * frame_shift_s * SAMPLE_RATE / FRAME_SAMPLES
        return levels[np.minimum(at.astype(int), len(levels) - 1)]
