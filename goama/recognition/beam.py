"""Beam search over emissions with an n-gram, a word bonus and hot words, by ctc-beam-decoder (pyctcdecode in C++).

An n-gram of characters uses the same search: it is told that every character is a word.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from goama.errors import GoamaError
from goama.recognition.decoding import Weights
from goama.recognition.forced import forced_units
from goama.recognition.units import PAUSE_S, Unit
from goama.recognition.utterances import LONGEST_S, cut_at_pauses
from goama.text.ngram import Units, add_words, known_tokens
from goama.text.vocabulary import Vocabulary

WORD_START = "\u2581"
"""SentencePiece's mark: the search takes a label that begins with it as the start of a word."""

_SPACE = "|"
_NEVER = -1e4
_PRIVATE = 0xE000  # the first code point of a private use area: labels that are never written


@dataclass(frozen=True)
class NgramFile:
    """An n-gram in ARPA format, gzipped or not, of words or of characters."""

    path: Path
    units: Units


@dataclass(frozen=True)
class HotWords:
    """Normalised words and phrases that become likelier: each phrase that is found adds `weight` to the score, once."""

    phrases: tuple[str, ...]
    weight: float


NO_HOT_WORDS = HotWords((), 0.0)


class BeamDecoder:
    """Decodes emissions of one model by beam search."""

    method: Literal["greedy", "beam"] = "beam"

    def __init__(
        self,
        vocabulary: Vocabulary,
        frame_shift_s: float,
        weights: Weights,
        ngram: NgramFile | None = None,
        hot_words: HotWords = NO_HOT_WORDS,
    ):
        """Raises `GoamaError` when the n-gram is damaged, or hot words meet an n-gram of characters."""
        if hot_words.phrases and ngram is not None and ngram.units == "characters":
            raise GoamaError("hot words need an n-gram of words, or none; this one is of characters")
        self._vocabulary, self._weights, self._hot_words = vocabulary, weights, hot_words
        self._by_character = ngram is not None and ngram.units == "characters"
        self._pause, self._longest = round(PAUSE_S / frame_shift_s), round(LONGEST_S / frame_shift_s)
        self._never = sorted({vocabulary.unk_id, *vocabulary.silent_ids})
        self._quiet_ids = torch.tensor([vocabulary.blank_id, vocabulary.delimiter_id, *self._never])
        self._hot_set = frozenset(hot_words.phrases)
        self._hot_single = {word for phrase in hot_words.phrases for word in phrase.split()}
        self._hot_lengths = sorted({len(phrase.split()) for phrase in hot_words.phrases})
        self._search = self._build(ngram)

    def text(self, emission: torch.Tensor) -> str:
        """The text of one clip's emission (T, V) of log-probabilities."""
        return " ".join(text for _, _, text in self._utterances([emission]) if text)

    def units(self, pieces: Iterable[torch.Tensor]) -> list[Unit]:
        """The units, with frames, of an emission that comes in consecutive pieces (T_i, V) of log-probabilities.

        The memory that it takes does not grow with the emission.
        """
        units: list[Unit] = []
        for first, emission, text in self._utterances(pieces):
            labels = self._vocabulary.encode(text)
            log_probabilities = emission.numpy()
            blank = np.logaddexp.reduce(log_probabilities[:, self._quiet_ids.numpy()], axis=1)
            found = forced_units(log_probabilities, labels, blank, first)
            if found and units:
                units.append(self._delimiter(units[-1].end, found[0].start))
            units += found
        return units

    def _delimiter(self, after: int, before: int) -> Unit:
        return Unit(self._vocabulary.delimiter_id, after, max(after, before), 0.0)

    def _utterances(self, pieces: Iterable[torch.Tensor]) -> Iterator[tuple[int, torch.Tensor, str]]:
        """(first frame, emission, text) of each utterance."""
        for first, emission in cut_at_pauses(pieces, self._is_quiet, self._pause, self._longest):
            yield first, emission, self._decode(self._prepared(emission).numpy())

    def _is_quiet(self, piece: torch.Tensor) -> torch.Tensor:
        return torch.isin(self._prepared(piece).argmax(-1), self._quiet_ids)

    def _prepared(self, emission: torch.Tensor) -> torch.Tensor:
        """With the blank's penalty, and without units that write nothing."""
        prepared = emission.clone()
        prepared[:, self._vocabulary.blank_id] -= self._weights.blank_penalty
        prepared[:, self._never] = _NEVER
        return prepared

    def _decode(self, log_probabilities: np.ndarray) -> str:
        if np.isnan(log_probabilities).any():
            raise GoamaError("the network's output is not a number in some frames; the model is damaged")
        width, hot = self._weights.beam_width, self._hot_words
        if self._hot_lengths and self._hot_lengths[-1] > 1:
            beams = self._search.decode_beams(
                log_probabilities, beam_width=width, hotwords=list(hot.phrases), hotword_weight=hot.weight
            )
            found = max(((self._score(beam), beam[0]) for beam in beams), default=(0.0, ""))[1]
        else:
            found = self._search.decode(
                log_probabilities, beam_width=width, hotwords=list(hot.phrases), hotword_weight=hot.weight
            )
        if self._by_character:
            found = "".join(found.split()).replace(_SPACE, " ")
        return " ".join(found.split())

    def _score(self, beam: tuple) -> float:
        """The score of a hypothesis, with one boost a phrase.

        The search boosts every word of a phrase, which keeps the phrase in the beam; here the boosts of words are
        taken back, and whole phrases get theirs.
        """
        words, score = beam[0].split(), beam[4]
        credited = sum(word in self._hot_single for word in words)
        found = sum(
            " ".join(words[start : start + length]) in self._hot_set
            for length in self._hot_lengths
            for start in range(len(words) - length + 1)
        )
        return score + self._hot_words.weight * (found - credited)

    def _build(self, ngram: NgramFile | None):
        from ctc_beam_decoder import build_ctcdecoder

        hot = sorted(self._hot_single)
        labels = self._labels()
        if ngram is None:
            return build_ctcdecoder(labels)
        with tempfile.TemporaryDirectory() as folder, _quiet_stderr():
            path, known = ngram.path, known_tokens(ngram.path)
            if hot:
                path = Path(folder, "with-hot-words.arpa")
                add_words(ngram.path, hot, path)
                known += hot
            try:
                return build_ctcdecoder(
                    labels, str(path), known, alpha=self._weights.ngram_weight, beta=self._weights.word_bonus
                )
            except (ValueError, RuntimeError) as error:
                why = str(error).splitlines()[-1]  # the lines before are places in KenLM's source
                raise GoamaError(
                    f"{ngram.path}: cannot be read as an n-gram ({why}); make it again with `goama ngram`"
                ) from error

    def _labels(self) -> list[str]:
        """The label of each id, as the search wants them: blank is empty, unwritten ones are private characters."""
        mark = WORD_START if self._by_character else ""
        labels = [mark + token for token in self._vocabulary.tokens]
        labels[self._vocabulary.delimiter_id] = mark + _SPACE if mark else " "
        for number, id in enumerate(self._never):
            labels[id] = chr(_PRIVATE + number)
        labels[self._vocabulary.blank_id] = ""
        return labels


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """KenLM, in C++, writes a progress bar to the process's standard error when it reads an ARPA file."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
