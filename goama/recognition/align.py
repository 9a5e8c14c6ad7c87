"""A recording and its text become words and characters with times, and a list of what does not fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from goama.errors import GoamaError
from goama.recognition.anchors import find_anchors
from goama.recognition.boundaries import UnitFrames, spread
from goama.recognition.greedy import best_path, greedy_units
from goama.recognition.recogniser import Recogniser
from goama.recognition.spoken_text import TextWord, text_words
from goama.recognition.units import PAUSE_S, Unit, segments_of
from goama.recognition.word_path import BLANK, GAP, Prices, word_path
from goama.sound.activity import FRAME_SAMPLES, frame_levels
from goama.sound.audio import SAMPLE_RATE
from goama.text.vocabulary import Vocabulary
from goama.transcript import Segment, Transcript, Word

PRICES = Prices(sound=0.5, passage=6.0, unit=3.0)
"""Chosen on the Dutch dev split, with words deleted and inserted at random (benchmarks/alignment.py)."""

_UNKNOWN_PRICE = 1.0  # nats below the likeliest unit, for a letter that the model has no unit for
_FIRST_UNIT = 2  # column of the scores


@dataclass(frozen=True)
class Alignment:
    """The words of the text that are in the sound, with times, and those that are not.

    transcript:  the words as typed, in segments that end with the text's lines and at pauses
    lines:       for each segment, the line of the text, counted from 1
    unspoken:    passages of the text that are not in the sound
    untold:      stretches of the sound that are not in the text
    likelihood:  (T,) float32, nats of each frame below the likeliest path without a text
    """

    transcript: Transcript
    lines: tuple[int, ...]
    unspoken: tuple[Unspoken, ...]
    untold: tuple[Untold, ...]
    likelihood: np.ndarray
    frame_shift_s: float


@dataclass(frozen=True)
class Unspoken:
    """Words of the text, from `line` on, for which there is no sound at `time` (s)."""

    text: str
    words: int
    line: int
    time: float


@dataclass(frozen=True)
class Untold:
    """Sound from `start` to `end` (s) that is not in the text, and what the model recognises there."""

    start: float
    end: float
    heard: str


@dataclass(frozen=True)
class Listened:
    """What alignment needs of a recording: T frames of `frame_shift_s`.

    scores:  (T, 2 + C) float32, as `word_path` takes them
    best:    (T,) float32, log-probability of the best class of each frame
    heard:   the units of the best path
    levels:  dB of every 20 ms
    """

    scores: np.ndarray
    best: np.ndarray
    heard: list[Unit]
    levels: np.ndarray
    samples: int
    frame_shift_s: float
