"""A recording and its text become words and characters with times, and what is in only one of the two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
import torch

from goama.errors import GoamaError
from goama.recognition.anchors import Anchor, find_anchors
from goama.recognition.boundaries import Peak, spread
from goama.recognition.emission import emission_stream
from goama.recognition.listening import Levels, Listened, ModelUnits, listen
from goama.recognition.recogniser import Recogniser
from goama.recognition.spoken_text import TextWord, text_words
from goama.recognition.units import PAUSE_S, Unit, word_of
from goama.recognition.word_path import Prices, word_path
from goama.sound.audio import SAMPLE_RATE
from goama.text.vocabulary import Vocabulary
from goama.transcript import Segment, Transcript, Word

PRICES = Prices(sound=1.0, blank=0.15, passage=15.0, unit=5.0)
"""Chosen on the Dutch dev split with words deleted and inserted at random, by a model of 29 % character errors."""

_FEWEST_UNITS = 5  # recognised in sound that is not in the text: fewer are errors of recognition
_APART_S = 2.0  # stretches of such sound with a longer silence between them are two


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
class Alignment:
    """The words of a text that are in a recording, with times, and what is in only one of the two.

    transcript:   the words as typed; segments end with the lines of the text, and at pauses
    words:        of each word of the text, in order, the word with times, or None where it is not in the sound
    lines:        for each segment, its line in the text, counted from 1
    unspoken:     passages of the text that are not in the sound
    untold:       stretches of the sound that are not in the text
    loss:         (T,) float32, nats by which each frame is less likely with the text than without
    unwritten:    words of the text with characters that the model cannot write, each once: such a character, as of a
                  number in digits, is taken for any sound
    """

    transcript: Transcript
    words: tuple[Word | None, ...]
    lines: tuple[int, ...]
    unspoken: tuple[Unspoken, ...]
    untold: tuple[Untold, ...]
    loss: np.ndarray
    frame_shift_s: float
    unwritten: tuple[str, ...] = ()

    def loss_per_s(self, start: float, end: float) -> float:
        """Mean loss between two times (s), in nats per second: 0 where the model recognises just the text."""
        first = round(start / self.frame_shift_s)
        last = max(first + 1, round(end / self.frame_shift_s))
        return float(self.loss[first:last].sum() / ((last - first) * self.frame_shift_s))


def align(
    recogniser: Recogniser,
    blocks: Iterable[np.ndarray],
    text: str,
    *,
    name: str = "samples",
    progress: Callable[[float], None] | None = None,
) -> Alignment:
    """The alignment of a recording of any length with its text, of which parts may be missing, extra or different.

    blocks:    the sound (N_i,) float32 at 16 kHz, read as needed
    name:      what the transcript calls the recording
    progress:  called with the seconds read so far

    Raises `GoamaError` when the text has no words that are spoken, the model cannot write most of its characters, or
    none of its words is in the sound.
    """
    model = ModelUnits(recogniser.vocabulary, recogniser.normaliser, recogniser.frame_shift_s)
    levels = Levels()
    sound = levels.of(_counted(blocks, progress))
    pieces = emission_stream(recogniser.network, recogniser.front_end, sound, precision=recogniser.precision)
    return align_emission(pieces, levels, text, model, name)


def align_emission(
    pieces: Iterable[torch.Tensor], levels: Levels, text: str, model: ModelUnits, name: str
) -> Alignment:
    """As `align`, of an emission in consecutive pieces (T_i, V) of log-probabilities, read as needed.

    levels:  those of the sound, complete once the last piece is read

    Raises `GoamaError` as `align` does.
    """
    words = text_words(text, model.normaliser, model.vocabulary)
    if not words:
        raise GoamaError("the text has no words that could be spoken; is it the right file?")
    unwritten = _unwritten(words, model.vocabulary)
    columns = sorted({unit for word in words for unit in word.units})
    listened = listen(pieces, levels, columns, model, PRICES)
    path = _path(listened, words, columns, model)
    if not (path >= 0).any():
        raise GoamaError(f"{name}: none of the text's words is in the sound; are they a recording and its text?")
    return replace(_alignment(listened, words, columns, path, model, name), unwritten=unwritten)


def _unwritten(words: Sequence[TextWord], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The words with characters that the model cannot write. Raises `GoamaError` where most characters are such."""
    unknown = vocabulary.unk_id
    found = tuple(dict.fromkeys(word.text for word in words if unknown in word.units))
    units = [unit for word in words for unit in word.units]
    if 2 * units.count(unknown) > len(units):
        raise GoamaError(
            f"the model cannot write most of the text, such as {found[0]!r}; is it in the model's script? It writes "
            f"{' '.join(vocabulary.units)}"
        )
    return found


def _counted(blocks: Iterable[np.ndarray], progress: Callable[[float], None] | None) -> Iterator[np.ndarray]:
    samples = 0
    for block in blocks:
        samples += len(block)
        if progress:
            progress(samples / SAMPLE_RATE)
        yield block


def _path(listened: Listened, words: Sequence[TextWord], columns: Sequence[int], model: ModelUnits) -> np.ndarray:
    """(T,) the unit of each frame, counted over all words; negative where there is none; see `word_path`."""
    place = {unit: 2 + number for number, unit in enumerate(columns)}
    spelled = [[place[unit] for unit in word.units] for word in words]
    first_unit = np.concatenate([[0], np.cumsum([len(word) for word in spelled])])
    frames = len(listened.scores)
    vocabulary = model.vocabulary
    anchors = find_anchors(listened.heard, [word.units for word in words], vocabulary.delimiter_id, model.frame_shift_s)
    progress = _progress(listened.heard, frames)
    path = np.full(frames, -1, np.int32)
    for start, end in pairwise([Anchor(0, 0), *anchors, Anchor(frames, len(words))]):
        piece = slice(start.frame, end.frame)
        if end.words > start.words and end.frame > start.frame:
            guide = progress[piece] - progress[start.frame]
            part = word_path(
                listened.scores[piece],
                spelled[start.words : end.words],
                PRICES,
                guide / guide[-1] if guide[-1] else None,
            )
            path[piece] = np.where(part >= 0, part + first_unit[start.words], part)
    return path


def _progress(heard: Sequence[Unit], frames: int) -> np.ndarray:
    """(T,) how many units were recognised up to each frame: in pauses a text does not go on."""
    counts = np.zeros(frames)
    np.add.at(counts, [unit.start for unit in heard], 1)
    return np.cumsum(counts)


def _alignment(
    listened: Listened,
    words: Sequence[TextWord],
    columns: Sequence[int],
    path: np.ndarray,
    model: ModelUnits,
    name: str,
) -> Alignment:
    shift = model.frame_shift_s
    peaks = _peaks(path, words, columns)
    frames = spread(list(peaks.values()), listened.scores, listened.levels, shift)
    units = {
        number: Unit(columns[peak.column - 2], start, end, _log_probability(listened, peak))
        for (number, peak), (start, end) in zip(peaks.items(), frames, strict=True)
    }
    words_placed = [
        (word, _word(word, own, model.vocabulary, shift) if own else None) for word, own in _with_units(words, units)
    ]
    segments, lines = _segments([(word, placed) for word, placed in words_placed if placed])
    return Alignment(
        transcript=Transcript(name, round(listened.samples / SAMPLE_RATE, 3), segments),
        words=tuple(placed for _, placed in words_placed),
        lines=lines,
        unspoken=tuple(_unspoken(words_placed)),
        untold=tuple(_untold(listened.heard, path, model.vocabulary, shift)),
        loss=_loss(listened.scores, path, peaks),
        frame_shift_s=shift,
    )


def _unspoken(words: Iterable[tuple[TextWord, Word | None]]) -> Iterator[Unspoken]:
    at = 0.0
    for is_spoken, run in groupby(words, key=lambda entry: entry[1] is not None):
        entries = list(run)
        last = entries[-1][1]
        if is_spoken and last:
            at = last.end
        else:
            passage = " ".join(word.text for word, _ in entries)
            yield Unspoken(passage, len(entries), entries[0][0].line, at)


def _peaks(path: np.ndarray, words: Sequence[TextWord], columns: Sequence[int]) -> dict[int, Peak]:
    """The number of each unit that is on the path, and its peak, in the order of time."""
    place = {unit: 2 + number for number, unit in enumerate(columns)}
    column = [place[unit] for word in words for unit in word.units]
    changes = np.flatnonzero(np.diff(path, prepend=-9, append=-9))
    return {
        int(path[start]): Peak(column[path[start]], int(start), int(end))
        for start, end in pairwise(changes)
        if path[start] >= 0
    }


def _loss(scores: np.ndarray, path: np.ndarray, peaks: dict[int, Peak]) -> np.ndarray:
    column = np.where(path == -2, 0, 1)
    for peak in peaks.values():
        column[peak.start : peak.end] = peak.column
    return -scores[np.arange(len(path)), column]


def _log_probability(listened: Listened, peak: Peak) -> float:
    frames = slice(peak.start, peak.end)
    return float((listened.scores[frames, peak.column] + listened.best[frames]).mean())


def _with_units(words: Sequence[TextWord], units: dict[int, Unit]) -> Iterator[tuple[TextWord, list[Unit]]]:
    """Each word with its units; with none if it was passed over."""
    number = 0
    for word in words:
        yield word, [units[place] for place in range(number, number + len(word.units)) if place in units]
        number += len(word.units)


def _word(word: TextWord, units: Sequence[Unit], vocabulary: Vocabulary, frame_shift_s: float) -> Word:
    """The word as typed; letters that the vocabulary does not have are not among its characters."""
    whole = word_of(units, vocabulary, frame_shift_s)
    known = [character for unit, character in zip(units, whole.characters, strict=True) if unit.id != vocabulary.unk_id]
    return replace(whole, text=word.text, characters=tuple(known))


def _segments(placed: Sequence[tuple[TextWord, Word]]) -> tuple[tuple[Segment, ...], tuple[int, ...]]:
    """Segments that end with a line of the text and at pauses, and the line of each."""
    groups: list[tuple[int, list[Word]]] = []
    for typed, word in placed:
        if groups and groups[-1][0] == typed.line and word.start - groups[-1][1][-1].end < PAUSE_S:
            groups[-1][1].append(word)
        else:
            groups.append((typed.line, [word]))
    return tuple(Segment(tuple(members)) for _, members in groups), tuple(line for line, _ in groups)


def _untold(heard: Sequence[Unit], path: np.ndarray, vocabulary: Vocabulary, frame_shift_s: float) -> Iterator[Untold]:
    """Stretches of gaps in which the model recognises something."""
    letters = [unit for unit in heard if unit.id != vocabulary.delimiter_id]
    in_gap = [unit for unit in letters if (path[unit.start : unit.end] == -1).all()]
    gap = np.cumsum(path != -1)  # the same within one gap
    apart = _APART_S / frame_shift_s
    stretches: list[list[Unit]] = []
    for unit in in_gap:
        last = stretches[-1][-1] if stretches else None
        if last and gap[last.end - 1] == gap[unit.start] and unit.start - last.end < apart:
            stretches[-1].append(unit)
        else:
            stretches.append([unit])
    for first, last in ((stretch[0], stretch[-1]) for stretch in stretches if len(stretch) >= _FEWEST_UNITS):
        text = vocabulary.decode([unit.id for unit in heard if first.start <= unit.start <= last.start], collapse=False)
        yield Untold(round(first.start * frame_shift_s, 3), round(last.end * frame_shift_s, 3), text)
