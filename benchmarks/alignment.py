"""How well words are placed in an hour of clips with silence and noise between, against each clip aligned alone.

    python benchmarks/alignment.py MODEL CORPUS [--split test] [--minutes 60] [--keep FOLDER] [--json -]

Three texts: the whole one, one with a tenth of the words deleted, and one with other words inserted after a tenth.
`--keep` saves the emissions there, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from goama.corpus.corpus import Corpus
from goama.recognition.align import Alignment, align_emission
from goama.recognition.emission import emission_stream
from goama.recognition.listening import Levels, ModelUnits
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE, read_audio

SHARE = 0.1  # of the words that are deleted or inserted
NEAR_S = 0.2


@dataclass(frozen=True)
class Placed:
    """A word's times (s) in the hour."""

    start: float
    end: float


def main() -> None:
    """Print a table, and with --json one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--keep", type=Path, help="folder for the emissions")
    parser.add_argument("--json", help="- for the screen, or a file")
    given = parser.parse_args()
    recogniser = Recogniser.load(given.model)
    cuts = list(Corpus.open(given.corpus).cuts(given.split))
    random.Random(0).shuffle(cuts)
    clips = [read_audio(cut.recording.sources[0].source).samples for cut in cuts]
    texts = [cut.supervisions[0].text for cut in cuts]
    sound, offsets = joined(clips, given.minutes * 60)
    model = ModelUnits(recogniser.vocabulary, recogniser.normaliser, recogniser.frame_shift_s)
    reference: list[Placed | None] = []
    emissions = kept(given.keep, "clips", lambda: [each.numpy() for each in recogniser.emissions(clips)])
    for text, clip, emission, offset in zip(texts, clips, emissions, offsets, strict=True):
        alone = aligned(emission, clip, text, model)
        reference += [word and Placed(offset + word.start, offset + word.end) for word in alone.words]
    whole = kept(given.keep, "hour", lambda: [hour_emission(recogniser, sound)])[0]
    words = [word for text in texts for word in text.split()]
    results = {}
    for name, numbers, text in changed_texts(words):
        started = time.perf_counter()
        alignment = aligned(whole, sound, text, model)
        seconds = time.perf_counter() - started
        results[name] = compared(alignment, numbers, reference) | {"seconds": round(seconds, 1)}
        print(f"{name:10} {results[name]}", flush=True)
    line = json.dumps(
        {"minutes": len(sound) / SAMPLE_RATE / 60, "words": len(words), "lost_alone": reference.count(None), **results}
    )
    if given.json == "-":
        print(line)
    elif given.json:
        Path(given.json).write_text(line + "\n", encoding="utf-8")


def joined(clips: Sequence[np.ndarray], seconds: float) -> tuple[np.ndarray, list[float]]:
    """The clips with silence, white or pink noise between, and where each begins (s)."""
    draw = np.random.default_rng(0)
    speech = sum(map(len, clips)) / SAMPLE_RATE
    gaps = draw.gamma(1.5, 1, len(clips) + 1)
    gaps *= max(0.5 * len(gaps), seconds - speech) / gaps.sum()
    parts, offsets, length = [], [], 0
    for gap, clip in zip(gaps, [*clips, np.zeros(0, np.float32)], strict=True):
        between = noise(round(gap * SAMPLE_RATE), draw)
        offsets.append((length + len(between)) / SAMPLE_RATE)
        parts += [between, clip]
        length += len(between) + len(clip)
    return np.concatenate(parts), offsets[:-1]


def noise(samples: int, draw: np.random.Generator) -> np.ndarray:
    """(N,) silence, white noise or pink noise, 30 to 55 dB below full scale."""
    kind = draw.integers(3)
    level = 10 ** (draw.uniform(-55, -30) / 20)
    white = draw.standard_normal(samples)
    if kind == 0:
        return np.zeros(samples, np.float32)
    if kind == 1:
        return (level * white).astype(np.float32)
    spectrum = np.fft.rfft(white) / np.sqrt(np.arange(samples // 2 + 1) + 1)
    pink = np.fft.irfft(spectrum, samples)
    return (level * pink / pink.std()).astype(np.float32)


def kept(folder: Path | None, name: str, compute: Callable[[], list[np.ndarray]]) -> list[np.ndarray]:
    """The arrays, computed or read from the folder where they are."""
    if folder is None:
        return compute()
    file = folder / f"{name}.npz"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, *compute())
    with np.load(file) as arrays:
        return [arrays[f"arr_{number}"] for number in range(len(arrays))]


def hour_emission(recogniser: Recogniser, sound: np.ndarray) -> np.ndarray:
    """(T, V) log-probabilities."""
    pieces = emission_stream(recogniser.network, recogniser.front_end, [sound])
    return np.concatenate([piece.numpy() for piece in pieces])


def aligned(emission: np.ndarray, sound: np.ndarray, text: str, model: ModelUnits) -> Alignment:
    """The alignment of a sound whose emission is known."""
    levels = Levels()
    for _ in levels.of([sound]):
        pass
    return align_emission([torch.from_numpy(emission)], levels, text, model, "benchmark")


def changed_texts(words: Sequence[str]) -> Iterator[tuple[str, list[int | None], str]]:
    """Name, the number of each word (None: inserted), and text."""
    draw = random.Random(1)
    yield "whole", list(range(len(words))), " ".join(words)
    left = [number for number in range(len(words)) if draw.random() >= SHARE]
    yield "deleted", left, " ".join(words[number] for number in left)
    numbers: list[int | None] = []
    text = []
    for number, word in enumerate(words):
        numbers.append(number)
        text.append(word)
        if draw.random() < SHARE:
            numbers.append(None)
            text.append(draw.choice(words))
    yield "inserted", numbers, " ".join(text)


def compared(
    alignment: Alignment, numbers: Sequence[int | None], reference: Sequence[Placed | None]
) -> dict[str, float]:
    """Errors of the starts and ends of the untouched words (ms), share within 200 ms, and words without a time."""
    errors, worst, lost, inserted = [], [], 0, 0
    for number, word in zip(numbers, alignment.words, strict=True):
        if number is None:
            inserted += word is not None
        elif (alone := reference[number]) is None:
            continue
        elif word is None:
            lost += 1
            worst.append(np.inf)
        else:
            here = [abs(word.start - alone.start), abs(word.end - alone.end)]
            errors += here
            worst.append(max(here))
    return {
        "median_ms": round(1000 * float(np.median(errors)), 1),
        "p95_ms": round(1000 * float(np.percentile(errors, 95)), 1),
        "within_200_ms": round(float(np.mean(np.array(worst) <= NEAR_S + 1e-3)), 4),
        "lost": lost,
        "inserted_placed": inserted,
    }


if __name__ == "__main__":
    sys.exit(main())
