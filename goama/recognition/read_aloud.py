"""A book read aloud and its text become clips to train on: cut at pauses, where sound and text match."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from goama.errors import GoamaError
from goama.recognition.align import Alignment, align
from goama.recognition.alignment_quality import poor_loss
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE, stream_audio
from goama.sound.paths import SOUND_SUFFIXES
from goama.sound.repairs import Repair
from goama.sources.clip import Source, SourceClip
from goama.transcript import Word

LONGEST_CLIP_S = 15.0

_SHORTEST_PAUSE_S = 0.1  # at which a clip may be cut
_MARGIN_S = 0.2  # of sound around a clip's words, within the pause
_TOLERANCE_S = 0.05  # of times that were rounded
TEXT_SUFFIXES = (".txt", ".md")


def book_source(
    recordings: Sequence[Path],
    texts: Sequence[Path],
    recogniser: Recogniser,
    progress: Callable[[float], None] | None = None,
) -> Source:
    """The clips of recordings in their order, which read the texts in their order, aligned as one recording.

    Sound without text, text without sound and clips that match poorly are clips with a fault, so that whoever makes a
    corpus names them. Raises `GoamaError` when a file cannot be read, or sound and text have nothing in common.
    """
    lengths: list[int] = []
    notes: list[str] = []

    def blocks() -> Iterator[np.ndarray]:
        for recording in recordings:
            lengths.append(0)
            repairs: list[Repair] = []
            for block in stream_audio(recording, longest_s=math.inf, repairs=repairs):
                lengths[-1] += len(block)
                yield block
            notes.extend(f"{recording}: {repair.sentence}" for repair in repairs)

    text = "\n".join(read_text(path) for path in texts)
    alignment = align(recogniser, blocks(), text, name=recordings[0].stem, progress=progress)
    if alignment.unwritten:
        notes.append(
            f"the model cannot write all characters of {len(alignment.unwritten)} words, such as "
            f"{alignment.unwritten[0]}: their clips may begin or end a little off"
        )
    ends = np.cumsum(lengths) / SAMPLE_RATE
    parts = [
        Part(path, float(end - length / SAMPLE_RATE), float(end))
        for path, end, length in zip(recordings, ends, lengths, strict=True)
    ]
    clips = [*_clips(alignment, parts), *_left_out(alignment, parts, texts[0])]
    words = len(alignment.transcript.words)
    all_words = words + sum(passage.words for passage in alignment.unspoken)
    taken = f"{len(recordings)} recordings read aloud, aligned with {len(texts)} texts: {words} of {all_words} words"
    return Source(taken, lambda: iter(clips), tuple(notes), count=len(clips))


def files_in(place: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """The file, or the files of a folder, by name. Raises `GoamaError` where there is none."""
    if place.is_dir():
        found = sorted(file for file in place.iterdir() if file.suffix.lower() in suffixes)
        if not found:
            raise GoamaError(f"{place}: there is no {what} in this folder")
        return found
    if not place.is_file():
        raise GoamaError(f"{place}: no such file or folder; name the {what}")
    return [place]


def sound_files_in(place: Path) -> list[Path]:
    """The recording, or the recordings of a folder, by name. Raises `GoamaError` where there is none."""
    return files_in(place, tuple(SOUND_SUFFIXES), "recording")


@dataclass(frozen=True)
class Part:
    """One of the recordings, from `start` to `end` (s) of all."""

    path: Path
    start: float
    end: float


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises `GoamaError` where it is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise GoamaError(f"{path}: the text cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise GoamaError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _clips(alignment: Alignment, parts: Sequence[Part]) -> Iterator[SourceClip]:
    limit = poor_loss(alignment)
    breaks = [passage.time for passage in alignment.unspoken] + [sound.start for sound in alignment.untold]
    for part in parts:
        words = [word for word in alignment.transcript.words if part.start <= word.start < part.end]
        ends = [part.start, *(word.end for word in words)]
        starts = [*(word.start for word in words), part.end]
        for first, last in _cuts(words, np.sort(breaks)):
            start, end = words[first].start, words[last].end
            loss = alignment.loss_per_s(start, end)
            before = min(_MARGIN_S, max(0.0, start - ends[first]) / 2)
            after = min(_MARGIN_S, max(0.0, starts[last + 1] - end) / 2)
            text = " ".join(word.text for word in words[first : last + 1])
            fault = None if loss <= limit else f"sound and text match poorly ({loss:.0f} nats per second)"
            yield _clip(part, start - before, end + after, text, fault)


def _cuts(words: Sequence[Word], breaks: np.ndarray) -> Iterator[tuple[int, int]]:
    """The first and last word of each clip: cut where sound or text is missing, and at the longest pauses."""
    waiting = [(0, len(words) - 1)] if words else []
    pauses = np.array([right.start - left.end for left, right in pairwise(words)])
    for place, (left, right) in enumerate(pairwise(words)):
        next_break = int(np.searchsorted(breaks, left.end - _TOLERANCE_S))
        if next_break < len(breaks) and breaks[next_break] <= right.start:
            pauses[place] = np.inf
    while waiting:
        first, last = waiting.pop()
        inside = pauses[first:last]
        is_long = words[last].end - words[first].start > LONGEST_CLIP_S
        if len(inside) and (np.isinf(inside).any() or (is_long and inside.max() >= _SHORTEST_PAUSE_S)):
            cut = first + int(inside.argmax())
            waiting += [(cut + 1, last), (first, cut)]
        else:
            yield first, last


def _left_out(alignment: Alignment, parts: Sequence[Part], text: Path) -> Iterator[SourceClip]:
    """What is in only one of sound and text, as clips with a fault."""
    for sound in alignment.untold:
        part = next(part for part in parts if sound.start < part.end)
        yield _clip(part, sound.start, sound.end, sound.heard, "sound without text; this is what the model recognises")
    for passage in alignment.unspoken:
        part = next((part for part in parts if passage.time < part.end), parts[-1])
        missing = f"text without sound, {passage.words} words from line {passage.line} of {text.name} on"
        yield _clip(part, passage.time, passage.time + _TOLERANCE_S, passage.text, missing)


def _clip(part: Part, start: float, end: float, text: str, fault: str | None) -> SourceClip:
    offset = round(max(0.0, start - part.start), 3)
    length = round(min(end, part.end) - part.start - offset, 3)
    name = f"{part.path.stem}-{round(offset * 1000):08d}"
    where = f"{part.path}, {offset:.1f} s"
    return SourceClip(name, part.path, text, where, offset, length, id_given=False, fault=fault)
