"""What calibration does to word confidences: fitted on dev, measured on test, greedy decoding.

    python benchmarks/confidence.py MODEL CORPUS [--json FILE]

The expected calibration error is the mean distance between confidence and share of right words in ten bins. The area
under the ROC curve says how well confidence tells right words from wrong ones.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from goama.corpus.corpus import Corpus
from goama.data.batches import ordered_batches
from goama.recognition.confidence import expected_calibration_error, fit_calibration, right_words
from goama.recognition.recogniser import Recogniser
from goama.transcript import Transcript

BATCH_S = 60.0
BOOTSTRAP_SAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    recogniser, corpus = Recogniser.load(options.model), Corpus.open(options.corpus)
    recogniser.calibrations = {}
    calibration = fit_calibration(*recognised(recogniser, corpus, "dev"))
    if calibration is None:
        raise SystemExit("dev has too few words, or calibration does not help there")
    transcripts, references = recognised(recogniser, corpus, "test")
    clips = [words(*pair) for pair in zip(transcripts, references, strict=True)]
    after = [
        words(replace(transcript, segments=calibration.applied(transcript.segments)), reference)
        for transcript, reference in zip(transcripts, references, strict=True)
    ]
    (confidences, right), (calibrated, _) = joined(clips), joined(after)
    results = {
        "words": len(right),
        "right": float(right.mean()),
        "before": expected_calibration_error(confidences, right),
        "after": expected_calibration_error(calibrated, right),
        "before_interval": interval(clips),
        "after_interval": interval(after),
        "before_area": area_under_roc(confidences, right),
        "after_area": area_under_roc(calibrated, right),
    }
    print(f"dev: {calibration.sentence}")
    print(f"test: {len(right)} words, {100 * right.mean():.1f} % right; expected calibration error, 95 % interval:")
    for name in ("before", "after"):
        low, high = results[f"{name}_interval"]
        print(
            f"  {name} calibration {100 * results[name]:.1f} % ({100 * low:.1f} to {100 * high:.1f}), area under "
            f"the ROC curve {results[name + '_area']:.3f}"
        )
    for row in table(confidences, calibrated, right):
        print(row)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def recognised(recogniser: Recogniser, corpus: Corpus, split: str) -> tuple[list[Transcript], list[str]]:
    """Transcripts of a split, and its normalised texts."""
    transcripts, references = [], []
    for batch in ordered_batches(corpus.cuts(split), recogniser.vocabulary, batch_s=BATCH_S):
        transcripts += recogniser.transcribe_waveforms(batch.waveforms)
        references += [recogniser.normaliser(text) for text in batch.texts]
    return transcripts, references


Clip = tuple[np.ndarray, np.ndarray]
"""Confidence (N,) of each word, and whether it is right (N,)."""


def words(transcript: Transcript, reference: str) -> Clip:
    return np.array([word.confidence for word in transcript.words]), np.array(right_words(transcript, reference), bool)


def joined(clips: list[Clip]) -> Clip:
    return np.concatenate([sure for sure, _ in clips]), np.concatenate([good for _, good in clips])


def interval(clips: list[Clip]) -> tuple[float, float]:
    """95 % interval of the expected calibration error: percentiles of a bootstrap over clips."""
    generator = np.random.default_rng(0)
    errors = [
        expected_calibration_error(*joined([clips[index] for index in generator.integers(0, len(clips), len(clips))]))
        for _ in range(BOOTSTRAP_SAMPLES)
    ]
    low, high = np.percentile(errors, [2.5, 97.5])
    return float(low), float(high)


def area_under_roc(confidences: np.ndarray, right: np.ndarray) -> float:
    """Probability that a right word has a higher confidence than a wrong one; ties count half."""
    good, bad = confidences[right][:, None], confidences[~right][None]
    return float((good > bad).mean() + (good == bad).mean() / 2)


def table(before: np.ndarray, after: np.ndarray, right: np.ndarray) -> list[str]:
    """A line for each bin of confidence, before and after calibration."""
    lines = []
    for name, confidences in (("before", before), ("after", after)):
        lines.append(f"  {name}:")
        bins = np.minimum((10 * confidences).astype(int), 9)
        for number in sorted(set(bins)):
            inside = bins == number
            lines.append(
                f"    {number / 10:.1f} to {number / 10 + 0.1:.1f}: {inside.sum():5d} words, mean confidence "
                f"{confidences[inside].mean():.2f}, right {right[inside].mean():.2f}"
            )
    return lines


if __name__ == "__main__":
    main()
