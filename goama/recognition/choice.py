"""Which decoder a model folder and the user's options ask for: greedy or beam search, with which n-gram and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from goama.errors import GoamaError, first_line
from goama.model.folder import SpeechModel
from goama.recognition.beam import NO_HOT_WORDS, BeamDecoder, HotWords, NgramFile
from goama.recognition.decoder import Decoder
from goama.recognition.decoding import ModelDecoding, Scorer, Weights
from goama.recognition.greedy import GreedyDecoder
from goama.recognition.options import DecodingOptions
from goama.text.ngram import UNITS, ngram_file

HOT_WORD_WEIGHT = 5.0
"""Found on Dutch dev (docs/decoding.md): more also writes hot words that nobody said."""


@dataclass(frozen=True)
class ChosenDecoder:
    """A decoder, and what the user must know about the choice; empty: nothing."""

    decoder: Decoder
    remark: str = ""


def choose_decoder(model: SpeechModel, frame_shift_s: float, options: DecodingOptions) -> ChosenDecoder:
    """The decoder for a model, by the options and, where they are `auto` or None, by its folder.

    Hot words need beam search. Where ctc-beam-decoder cannot be used, `auto` is greedy, and the remark says so.
    Raises `GoamaError` when options contradict each other, an n-gram is missing or damaged, or beam search was asked
    for and cannot be used.
    """
    told = ModelDecoding.load(model.folder)
    if options.method == "greedy" and options.hot_words:
        raise GoamaError("hot words need beam search; leave out either them or the method greedy")
    if options.method == "greedy" and options.ngram in UNITS:
        raise GoamaError("an n-gram needs beam search; leave out either it or the method greedy")
    remark = remark_on(model.folder, options)
    if remark or not _wants_beam(told, options):
        penalty = told.blank_penalty if options.blank_penalty is None else options.blank_penalty
        return ChosenDecoder(GreedyDecoder(model.vocabulary, penalty), remark)
    require_beam_search()
    scorer = _scorer(model.folder, told, options)
    weights = _weights(told.weights_of(scorer), options)
    ngram = None if scorer == "none" else NgramFile(_existing(model.folder, scorer), scorer)
    hot_words = _hot_words(model, options)
    return ChosenDecoder(BeamDecoder(model.vocabulary, frame_shift_s, weights, ngram, hot_words))


def available_scorers(folder: Path | None) -> list[Scorer]:
    """The n-grams that a model folder holds."""
    return [units for units in UNITS if folder is not None and ngram_file(folder, units).is_file()]


def require_beam_search() -> None:
    """Raises `GoamaError` where beam search cannot be used on this machine."""
    missing = _missing_library()
    if missing:
        raise GoamaError(missing)


def remark_on(folder: Path | None, options: DecodingOptions) -> str:
    """Says that a model tuned for beam search is decoded greedily, where beam search cannot be used; else empty."""
    told = ModelDecoding.load(folder)
    if told.method == "greedy" or options != replace(options, method="auto", ngram="auto", hot_words=()):
        return ""
    missing = _missing_library()
    return missing and f"{missing}; this model was tuned for beam search and is now decoded greedily"


def _wants_beam(told: ModelDecoding, options: DecodingOptions) -> bool:
    if options.method == "auto":
        return told.method == "beam" or bool(options.hot_words) or options.ngram != "auto"
    return options.method == "beam"


def _missing_library() -> str:
    """Why beam search cannot be used here; empty where it can."""
    try:
        import ctc_beam_decoder

        if ctc_beam_decoder.has_kenlm():
            return ""
        reason = "it was built without KenLM"
    except (ImportError, OSError, RuntimeError) as error:
        reason = first_line(error)
    return (
        f"beam search needs ctc-beam-decoder ({reason}); pip install 'goama[lm]', which has wheels for Linux x86-64 "
        "with glibc 2.35, macOS on ARM, and Windows"
    )


def _scorer(folder: Path | None, told: ModelDecoding, options: DecodingOptions) -> Scorer:
    """What beam search asks besides the network. Hot words cannot be found with an n-gram of characters."""
    if options.ngram != "auto":
        return options.ngram
    if not options.hot_words:
        if told.method == "beam":
            return told.scorer
        return next(iter(available_scorers(folder)), "none")
    helps = told.method == "beam" or not told.measured  # tuning found that n-grams make this model worse
    return "words" if helps and "words" in available_scorers(folder) else "none"


def _weights(tuned: Weights, options: DecodingOptions) -> Weights:
    given = {name: getattr(options, name) for name in vars(tuned)}
    return replace(tuned, **{name: value for name, value in given.items() if value is not None})


def _existing(folder: Path | None, scorer: Scorer) -> Path:
    if folder is None or scorer == "none" or not ngram_file(folder, scorer).is_file():
        raise GoamaError(
            f"{folder or 'this model'}: no n-gram of {scorer}; make one with `goama ngram CORPUS -o MODEL/ngram`"
        )
    return ngram_file(folder, scorer)


def _hot_words(model: SpeechModel, options: DecodingOptions) -> HotWords:
    if not options.hot_words:
        return NO_HOT_WORDS
    written = {phrase: model.normaliser(phrase) for phrase in options.hot_words}
    silent = next((phrase for phrase, normalised in written.items() if not normalised), None)
    if silent is not None:
        raise GoamaError(f"hot word {silent!r}: it has no letter that is spoken; write it as it is said, or remove it")
    phrases = dict.fromkeys(written.values())
    for phrase in phrases:
        _require_writable(phrase, model.vocabulary.segment(phrase), model)
    weight = HOT_WORD_WEIGHT if options.hot_word_weight is None else options.hot_word_weight
    return HotWords(tuple(phrases), weight)


def _require_writable(phrase: str, units: Sequence[str], model: SpeechModel) -> None:
    unknown = [unit for unit in units if model.vocabulary.encode(unit) == [model.vocabulary.unk_id]]
    if unknown:
        raise GoamaError(
            f"hot word {phrase!r}: this model cannot write {unknown[0]!r}; spell it with the letters of its training"
        )
