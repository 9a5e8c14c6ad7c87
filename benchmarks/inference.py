"""Recognition in bfloat16 against float32: speed, and how many transcripts change with the batch.

    python benchmarks/inference.py CORPUS [--model MODEL] [--split dev] [--clips 64] [--rounds 3] [--json FILE]

Interleaved in one process. A transcript changes with the batch if it is another one alone than in batches of eight.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from goama.corpus.corpus import Corpus
from goama.model.folder import SpeechModel, load_model_folder
from goama.model.shipped import STARTER, starter_folder
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE

BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", default=STARTER, help="a model folder; default: the starter that is shipped")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load_model_folder(starter_folder() if options.model == STARTER else options.model)
    cuts = list(Corpus.open(options.corpus).cuts(options.split))[: options.clips]
    waveforms = sorted((cut.load_audio()[0] for cut in cuts), key=len)
    results = compare(model, waveforms, options.rounds)
    print(
        f"{len(waveforms)} clips, {sum(map(len, waveforms)) / SAMPLE_RATE:.0f} s: bfloat16 is {results['speed']:.2f} "
        f"times as fast as float32 ({results['slowest']:.2f} to {results['fastest']:.2f})"
    )
    print(f"transcripts that change with the batch: float32 {results['no']}, bfloat16 {results['bf16']}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def compare(model: SpeechModel, waveforms: list[np.ndarray], rounds: int) -> dict[str, float]:
    exact, rounded = Recogniser(model), Recogniser(model, precision="bf16")
    changed = {
        recogniser.precision: sum(
            alone != together
            for alone, together in zip(
                in_batches(recogniser, waveforms, 1), in_batches(recogniser, waveforms, BATCH), strict=True
            )
        )
        for recogniser in (exact, rounded)
    }
    ratios = [seconds(exact, waveforms) / seconds(rounded, waveforms) for _ in range(rounds)]
    return changed | {"speed": statistics.median(ratios), "slowest": min(ratios), "fastest": max(ratios)}


def in_batches(recogniser: Recogniser, waveforms: list[np.ndarray], size: int) -> list[str]:
    batches = (waveforms[start : start + size] for start in range(0, len(waveforms), size))
    return [text for batch in batches for text in recogniser.texts(batch)]


def seconds(recogniser: Recogniser, waveforms: list[np.ndarray]) -> float:
    started = time.perf_counter()
    in_batches(recogniser, waveforms, BATCH)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
