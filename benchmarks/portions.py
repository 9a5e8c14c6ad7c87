"""Shared by the benchmarks that train: corpora of a given length, and error rates over several seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from goama.corpus.corpus import SPLITS, Corpus
from goama.corpus.prepare import prepare
from goama.evaluation.evaluate import evaluate
from goama.evaluation.scores import ClipScore
from goama.recognition.recogniser import Recogniser
from goama.sources.source import SourceClip, read_source
from goama.training.train import Trained
from goama.voices import find_voice, get_voice

BOOTSTRAP_SAMPLES = 10_000
STOPPED = "stopped by the guard"
"""In tables: a run without a best model, because the guard rejected all of its evaluations."""


def corpus_of(voice: str, folder: Path, made: Path | None = None) -> Corpus:
    """The corpus of a voice, downloaded and prepared in `folder` if necessary; or the corpus folder `made`."""
    if made is not None:
        return Corpus.open(made)
    speech, corpus = folder / voice, folder / f"{voice}-corpus"
    if not (speech / "metadata.jsonl").is_file():
        get_voice(voice, speech)
    if not (corpus / "corpus.json").is_file():
        language = find_voice(voice).language
        prepare(read_source(str(speech)), corpus, source=voice, language=language, overwrite=True)
    return Corpus.open(corpus)


def portion(whole: Corpus, folder: Path, minutes: int) -> Corpus:
    """A corpus with `minutes` of the training split and all of dev and test; smaller ones are parts of larger ones."""
    if 60 * minutes >= whole.seconds("train") - 60:
        return whole
    made = (
        folder / f"{whole.language}-{whole.fingerprint()[:8]}-{minutes}"
    )  # the fingerprint, because a language can have several voices
    if (made / "corpus.json").is_file():
        return Corpus.open(made)
    clips, seconds = [], 0.0
    for split in filter(whole.clips, SPLITS):  # some voices have no test split
        cuts = sorted(whole.cuts(split), key=lambda cut: hashlib.sha256(cut.id.encode()).hexdigest())
        for cut in cuts:
            if split == "train" and seconds >= 60 * minutes:
                break
            seconds += cut.duration if split == "train" else 0.0
            supervision, audio = cut.supervisions[0], Path(cut.recording.sources[0].source)
            clips.append(SourceClip(cut.id, audio, supervision.text, cut.id, speaker=supervision.speaker, split=split))
    return prepare(clips, made, source=str(whole.folder), language=whole.language).corpus


def score_best(trained: Trained, corpus: Corpus, split: str) -> list[ClipScore] | None:
    """Scores of the best model on the clips of a split, sorted by id; None if the guard stopped the run.

    Exits if Ctrl-C stopped the run, because a run must be timed without interruption.
    """
    if trained.outcome.interrupted:
        raise SystemExit(130)
    if trained.outcome.state.best_step is None:
        return None
    return sorted(evaluate(Recogniser.load(trained.best), corpus, split).clips, key=lambda clip: clip.id)


def counts(clip: ClipScore) -> list[int]:
    """Character errors, characters, word errors, words of a clip."""
    return [clip.character_errors, clip.characters, clip.word_errors, clip.words]


def rate(clips: np.ndarray) -> str:
    """The error rate with its interval, such as '12.3 % (11.8 to 12.9)'; clips (seeds, clips, 2): errors and totals."""
    low, high = interval(clips, lambda drawn: drawn[..., 0].sum() / drawn[..., 1].sum())
    errors, total = clips.sum((0, 1))
    return f"{100 * errors / total:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def change(clips: np.ndarray, base: np.ndarray) -> str:
    """The relative change of the error rate, such as '-5 % (-7 to -2)'; both (seeds, clips, 2), of the same clips."""
    both = np.concatenate([clips, base], axis=-1)

    def relative(drawn: np.ndarray) -> float:
        errors, total, base_errors, base_total = drawn.reshape(-1, 4).sum(0)
        return float((errors / total) / (base_errors / base_total) - 1)

    low, high = interval(both, relative)
    return f"{100 * relative(both):+.1f} % ({100 * low:+.1f} to {100 * high:+.1f})"


def interval(clips: np.ndarray, statistic: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """95 % bootstrap interval of a statistic: seeds and clips are resampled, the same clips for all seeds."""
    generator = np.random.default_rng(0)
    seeds, count, _ = clips.shape
    drawn = [
        statistic(clips[generator.integers(0, seeds, seeds)][:, generator.integers(0, count, count)])
        for _ in range(BOOTSTRAP_SAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
