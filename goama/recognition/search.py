"""Keyword search: where in a recording a word was probably said, by the CTC posteriors and not by the transcript.

A word that the transcript misspells is still found, with a lower score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goama.errors import GoamaError
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary

LOWEST_SCORE = 0.1
"""Hits below it are not kept: nearly all of them are wrong."""

_PAUSE_S = 0.3
"""Blanks for so long end a word as a delimiter does."""


@dataclass(frozen=True)
class Hit:
    """A place where a keyword was probably said: `start` and `end` in seconds from the start of the recording.

    score:  0 to 1, the probability of the keyword's frames, as the geometric mean over its units
    """

    keyword: str
    start: float
    end: float
    score: float


class KeywordSearch:
    """Searches recordings for words and phrases, all of them in one pass.

    For each keyword a Viterbi search runs over the states of its CTC graph, between two word boundaries. Sound outside
    of the keyword may be anything, and counts nothing.
    """

    def __init__(self, keywords: Sequence[str], vocabulary: Vocabulary, normaliser: Normaliser, frame_shift_s: float):
        """`keywords`: a list of words or phrases.

        Raises `GoamaError` for one that the model cannot write, and where none is.
        """
        if isinstance(keywords, str):
            raise GoamaError(f"a list of keywords is needed, [{keywords!r}], not one word")
        self._vocabulary, self._frame_shift_s = vocabulary, frame_shift_s
        self._keywords = tuple(dict.fromkeys(keywords))
        if not self._keywords:
            raise GoamaError("no keyword to search for; name a word")
        labels = [_labels(keyword, normaliser(keyword), vocabulary) for keyword in self._keywords]
        self._graph = _Graph.of(labels, vocabulary)

    def hits(self, pieces: Iterable[torch.Tensor]) -> list[Hit]:
        """The hits of one recording, keyword by keyword, the highest score first; hits of one keyword do not overlap.

        pieces:  its emission in consecutive pieces (T_i, V) of log-probabilities, read as needed
        """
        best: list[list[_Candidate]] = [[] for _ in self._keywords]
        for number, candidate in self._candidates(pieces):
            kept = best[number]
            if kept and candidate.start < kept[-1].end:
                if candidate.score > kept[-1].score:
                    kept[-1] = candidate
            else:
                kept.append(candidate)
        return [
            Hit(
                keyword,
                round(candidate.start * self._frame_shift_s, 3),
                round(candidate.end * self._frame_shift_s, 3),
                round(math.exp(candidate.score), 4),
            )
            for keyword, candidates in zip(self._keywords, best, strict=True)
            for candidate in sorted(candidates, key=lambda candidate: -candidate.score)
        ]

    def _candidates(self, pieces: Iterable[torch.Tensor]) -> Iterable[tuple[int, _Candidate]]:
        """The number of a keyword and a place where it may end, in the order of time."""
        graph, tokens = self._graph, _Tokens(self._graph)
        pause_frames = round(_PAUSE_S / self._frame_shift_s)
        blanks, frame = pause_frames, 0
        for piece in pieces:
            log_probabilities = piece.numpy()
            run = _blank_runs(log_probabilities.argmax(-1) == self._vocabulary.blank_id, blanks)
            boundary = np.where(run >= pause_frames, 0.0, log_probabilities[:, self._vocabulary.delimiter_id])
            for row in np.concatenate([log_probabilities, boundary[:, None]], axis=1):
                tokens.advance(row, frame)
                yield from tokens.at_end(graph.ends)
                frame += 1
            blanks = int(run[-1])
        yield from tokens.at_end(graph.ends - 1)
        yield from tokens.at_end(graph.ends - 2)


@dataclass(frozen=True)
class _Candidate:
    """Frames of a keyword, `end` excluded, and the mean log-score of its units."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class _Graph:
    """The CTC states of K keywords, S each: boundary, blank, unit, blank, unit, …, blank, boundary, padding.

    states:  (K, S) column of each state in a row of log-probabilities; the last column is the boundary
    skips:   (K, S) 0 where the blank before a state may be left out, else -inf
    ends:    (K,) state of the last boundary
    """

    states: np.ndarray
    skips: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]], vocabulary: Vocabulary) -> _Graph:
        boundary = len(vocabulary)
        ends = np.array([2 * len(units) + 2 for units in labels])
        states = np.full((len(labels), int(ends.max()) + 1), vocabulary.blank_id)
        skips = np.full(states.shape, -np.inf, np.float32)
        for number, units in enumerate(labels):
            path = [boundary, *(boundary if unit == vocabulary.delimiter_id else unit for unit in units), boundary]
            states[number, : ends[number] + 1 : 2] = path
            for place in range(1, len(path)):
                if path[place] != path[place - 1]:
                    skips[number, 2 * place] = 0.0
        return cls(states, skips, ends)


class _Tokens:
    """Token passing: the best path into each state at the present frame, with the frames of its keyword."""

    def __init__(self, graph: _Graph):
        self._graph = graph
        self._rows = np.arange(len(graph.ends))
        self._units = (graph.ends - 2) // 2
        self._lowest = math.log(LOWEST_SCORE) * self._units
        self._scores = np.full(graph.states.shape, -np.inf, np.float32)
        self._scores[:, 0] = 0.0
        self._starts = np.zeros(graph.states.shape, np.int64)
        self._stops = np.zeros(graph.states.shape, np.int64)

    def advance(self, log_probabilities: np.ndarray, frame: int) -> None:
        """Take one frame: `log_probabilities` (V + 1,), of each unit and of the boundary."""
        scores, starts, stops = self._scores, self._starts, self._stops
        starts[:, :2] = frame
        moved, new_starts, new_stops = scores.copy(), starts.copy(), stops.copy()
        for step, allowed in ((1, 0.0), (2, self._graph.skips[:, 2:])):
            into = scores[:, :-step] + allowed
            better = into > moved[:, step:]
            np.copyto(moved[:, step:], into, where=better)
            np.copyto(new_starts[:, step:], starts[:, :-step], where=better)
            np.copyto(new_stops[:, step:], stops[:, :-step], where=better)
        moved += log_probabilities[self._graph.states]
        moved[:, 0] = log_probabilities[-1]
        new_stops[self._rows, self._graph.ends - 2] = frame + 1
        self._scores, self._starts, self._stops = moved, new_starts, new_stops

    def at_end(self, states: np.ndarray) -> Iterable[tuple[int, _Candidate]]:
        """The keywords whose path into a state (K,) is good enough."""
        scores = self._scores[self._rows, states]
        for row in np.flatnonzero(scores >= self._lowest).tolist():
            state = int(states[row])
            score = float(scores[row]) / int(self._units[row])
            yield row, _Candidate(int(self._starts[row, state]), int(self._stops[row, state]), score)


def _labels(keyword: str, normalised: str, vocabulary: Vocabulary) -> list[int]:
    labels = vocabulary.encode(normalised)
    if not labels:
        raise GoamaError(f"keyword {keyword!r}: it has no letter that is spoken; name a word")
    if vocabulary.unk_id in labels:
        unknown = [unit for unit in vocabulary.segment(normalised) if unit not in vocabulary.tokens]
        raise GoamaError(
            f"keyword {keyword!r}: this model does not know {' '.join(dict.fromkeys(unknown))}; spell the word with "
            f"its letters, {' '.join(vocabulary.units)}"
        )
    return labels


def _blank_runs(is_blank: np.ndarray, before: int) -> np.ndarray:
    """(T,) how many frames up to each one are blank without a break; `before` are blank before the first."""
    frames = np.arange(len(is_blank))
    last_other = np.maximum.accumulate(np.where(is_blank, -1, frames))
    return np.where(last_other < 0, frames + 1 + before, frames - last_other)
