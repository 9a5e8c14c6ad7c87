"""Tuning of a model's decoding on dev: weights of beam search, and whether beam search is better than greedy at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from goama.corpus.corpus import Corpus
from goama.data.batches import ordered_batches
from goama.errors import GoamaError
from goama.evaluation.scores import bootstrap_difference, score_clip
from goama.recognition.beam import BeamDecoder, NgramFile
from goama.recognition.choice import available_scorers
from goama.recognition.confidence import Calibration, fit_calibration
from goama.recognition.decoder import Decoder
from goama.recognition.decoding import DEFAULT_WEIGHTS, ModelDecoding, Scorer, Weights
from goama.recognition.greedy import GreedyDecoder
from goama.recognition.recogniser import Recogniser
from goama.recognition.units import segments_of
from goama.text.ngram import ngram_file
from goama.text.vocabulary import Vocabulary
from goama.transcript import Transcript

LONGEST_S = 1800.0
"""Seconds of dev that are used, in evenly spread clips: more makes the tuning slow and the weights no better."""

_BATCH_S = 60.0
_FOLDS = 5
_ROUNDS = 3
_BLANK_PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0)
_STEPS: Mapping[Scorer, Mapping[str, float]] = {
    "none": {"word_bonus": 1.0, "blank_penalty": 1.0},
    "words": {"ngram_weight": 0.3, "word_bonus": 1.0, "blank_penalty": 1.0},
    "characters": {"ngram_weight": 0.3, "word_bonus": 0.5, "blank_penalty": 1.0},
}
"""First steps of the search in each weight; they halve in each round."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Tuned:
    """What tuning found: how the model is to be decoded, and the calibration of confidences for each method."""

    decoding: ModelDecoding
    calibrations: Mapping[str, Calibration]


@dataclass(frozen=True)
class Tunable:
    """What tuning needs of a model: its folder, which holds the n-grams, its units and the length of its frames."""

    folder: Path
    vocabulary: Vocabulary
    frame_shift_s: float


@dataclass(frozen=True)
class RecognisedClip:
    """The emission (T, V) of a clip, and its normalised text."""

    id: str
    emission: torch.Tensor
    reference: str


@dataclass(frozen=True)
class _Setting:
    """One way to decode, and the errors it makes in each clip."""

    weights: Weights
    errors: np.ndarray
    """(clips, 4): word errors, words, character errors, characters."""

    @property
    def wer(self) -> float:
        return _rate(self.errors)

    @property
    def cer(self) -> float:
        return _rate(self.errors[:, 2:])

    @property
    def cost(self) -> float:
        """What tuning minimises: word errors alone would be paid for with characters, known words instead of heard."""
        return self.wer + self.cer


def recognise_split(recogniser: Recogniser, corpus: Corpus, split: str, progress: Progress) -> list[RecognisedClip]:
    """The clips of a split, recognised; of a long one, evenly spread clips of about half an hour.

    Raises `GoamaError` when the split is empty or its sound is missing.
    """
    corpus.require_sound(split)
    every = max(1, round(corpus.seconds(split) / LONGEST_S))
    cuts = [cut for number, cut in enumerate(corpus.cuts(split)) if number % every == 0]
    clips: list[RecognisedClip] = []
    for batch in ordered_batches(cuts, recogniser.vocabulary, batch_s=_BATCH_S):
        recognised = recogniser.emissions(batch.waveforms)
        texts = map(recogniser.normaliser, batch.texts)
        clips += map(RecognisedClip, batch.ids, recognised, texts)
        progress("recognising clips", len(clips), len(cuts))
    return clips


def tune(model: Tunable, clips: Sequence[RecognisedClip], progress: Progress) -> Tuned:
    """The weights of beam search with the lowest WER + CER on clips, for each n-gram in the model folder.

    Beam search is chosen where its WER is below that of greedy decoding beyond the 95 % interval of the difference.
    Each clip's errors are counted with weights that were chosen on other clips (5-fold cross-validation), so that beam
    search gains nothing by having been tuned. Raises `GoamaError` when the clips have no words.
    """
    if not any(clip.reference for clip in clips):
        raise GoamaError("the clips to tune on have no words")
    greedy = _greedy_settings(model.vocabulary, clips)
    scorers = available_scorers(model.folder) or ["none"]
    searched = {scorer: _search(model, scorer, clips, progress) for scorer in scorers}
    decoding = _decide(greedy, searched)
    return Tuned(decoding, dict(_calibrations(model, decoding, clips)))


def _greedy_settings(vocabulary: Vocabulary, clips: Sequence[RecognisedClip]) -> list[_Setting]:
    return [
        _Setting(Weights(blank_penalty=penalty), _errors(GreedyDecoder(vocabulary, penalty), clips))
        for penalty in _BLANK_PENALTIES
    ]


def _search(model: Tunable, scorer: Scorer, clips: Sequence[RecognisedClip], progress: Progress) -> list[_Setting]:
    """Every setting that a pattern search (Hooke and Jeeves 1961) tried, the best one first."""
    tried: dict[Weights, _Setting] = {}
    steps = dict(_STEPS[scorer])
    expected = 2 + 2 * _ROUNDS * len(steps)

    def measured(weights: Weights) -> _Setting:
        if weights not in tried:
            tried[weights] = _Setting(weights, _errors(_beam(model, scorer, weights), clips))
            progress(f"tuning with the scorer {scorer!r}, settings", len(tried), max(expected, len(tried)))
        return tried[weights]

    default = DEFAULT_WEIGHTS[scorer]
    few_blanks = replace(default, blank_penalty=2.0, word_bonus=default.word_bonus - 1.5)  # another valley of the cost
    best = min(measured(default), measured(few_blanks), key=lambda setting: setting.cost)
    for _ in range(_ROUNDS):
        for name, step in steps.items():
            for direction in (step, -step):
                while (moved := _moved(best.weights, name, direction)) and measured(moved).cost < best.cost:
                    best = measured(moved)
        steps = {name: step / 2 for name, step in steps.items()}
    return sorted(tried.values(), key=lambda setting: setting.cost)


def _moved(weights: Weights, name: str, step: float) -> Weights | None:
    """The weights with one changed; None where it would be one that makes no sense."""
    value = round(getattr(weights, name) + step, 4)
    if (name == "ngram_weight" and value <= 0) or (name == "blank_penalty" and value < 0):
        return None
    return replace(weights, **{name: value})


def _beam(model: Tunable, scorer: Scorer, weights: Weights) -> BeamDecoder:
    ngram = None if scorer == "none" else NgramFile(ngram_file(model.folder, scorer), scorer)
    return BeamDecoder(model.vocabulary, model.frame_shift_s, weights, ngram)


def _errors(decoder: Decoder, clips: Sequence[RecognisedClip]) -> np.ndarray:
    scores = [score_clip("", clip.reference, decoder.text(clip.emission)) for clip in clips]
    return np.array([(s.word_errors, s.words, s.character_errors, s.characters) for s in scores])


def _decide(greedy: Sequence[_Setting], searched: Mapping[Scorer, Sequence[_Setting]]) -> ModelDecoding:
    """Beam search or greedy, by the errors of held-out clips."""
    plain = greedy[0]
    penalised = _held_out(greedy)
    use_penalty = bootstrap_difference(penalised[:, :2], plain.errors[:, :2])[1] < 0
    best_greedy = min(greedy, key=lambda setting: setting.cost) if use_penalty else plain
    greedy_errors = penalised if use_penalty else plain.errors
    held_out = {scorer: _held_out(settings) for scorer, settings in searched.items()}
    scorer = min(held_out, key=lambda name: _rate(held_out[name]) + _rate(held_out[name][:, 2:]))
    low, high = bootstrap_difference(held_out[scorer][:, :2], greedy_errors[:, :2])
    gained = f"WER {100 * _rate(greedy_errors):.1f} % greedy, {100 * _rate(held_out[scorer]):.1f} % with beam search"
    gained += f" and {_described(scorer)}; difference {100 * low:+.1f} to {100 * high:+.1f} (95 % interval)"
    verdict = "beam search, because it is better on dev" if high < 0 else "greedy, because beam search is not better"
    return ModelDecoding(
        method="beam" if high < 0 else "greedy",
        scorer=scorer if high < 0 else "none",
        reason=f"{verdict}: {gained}",
        blank_penalty=best_greedy.weights.blank_penalty,
        weights={name: settings[0].weights for name, settings in searched.items()},
        measured={
            "clips": len(plain.errors),
            "greedy": _figures(plain, plain.errors),
            **{name: _figures(settings[0], held_out[name]) for name, settings in searched.items()},
        },
    )


def _described(scorer: Scorer) -> str:
    return "no n-gram" if scorer == "none" else f"the n-gram of {scorer}"


def _held_out(settings: Sequence[_Setting]) -> np.ndarray:
    """The errors (clips, 4) of each clip with the setting that is best on the clips of other folds."""
    errors = np.empty_like(settings[0].errors)
    fold = np.arange(len(errors)) % _FOLDS
    for number in range(_FOLDS):
        inside = fold == number
        best = min(settings, key=lambda setting: replace(setting, errors=setting.errors[~inside]).cost)
        errors[inside] = best.errors[inside]
    return errors


def _figures(setting: _Setting, held_out: np.ndarray) -> dict[str, float]:
    return {
        "wer": round(setting.wer, 4),
        "cer": round(setting.cer, 4),
        "held_out_wer": round(_rate(held_out), 4),
        "held_out_cer": round(_rate(held_out[:, 2:]), 4),
    }


def _rate(errors: np.ndarray) -> float:
    return float(errors[:, 0].sum() / max(1, errors[:, 1].sum()))


def _calibrations(
    model: Tunable, decoding: ModelDecoding, clips: Sequence[RecognisedClip]
) -> Iterator[tuple[str, Calibration]]:
    """The calibration of each method that the model may be decoded with, where one helps."""
    decoders: list[Decoder] = [GreedyDecoder(model.vocabulary, decoding.blank_penalty)]
    scorer = decoding.scorer if decoding.method == "beam" else next(iter(decoding.weights))
    decoders.append(_beam(model, scorer, decoding.weights[scorer]))
    references = [clip.reference for clip in clips]
    for decoder in decoders:
        transcribed = map(partial(_transcript, decoder, model), clips)
        calibration = fit_calibration(list(transcribed), references)
        if calibration:
            yield decoder.method, calibration


def _transcript(decoder: Decoder, model: Tunable, clip: RecognisedClip) -> Transcript:
    segments = segments_of(decoder.units([clip.emission]), model.vocabulary, model.frame_shift_s)
    return Transcript("", len(clip.emission) * model.frame_shift_s, segments)
