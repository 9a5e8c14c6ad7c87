"""`goama ngram` and `goama tune`: a language model for a speech model, and whether it helps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goama.cli.terminal import Spinner, err, next_command, out, quiet_libraries, require_model_first
from goama.errors import GoamaError

if TYPE_CHECKING:
    from goama.corpus.ngram_text import NgramText
    from goama.recognition.decoding import Weights
    from goama.recognition.options import DecodingOptions
    from goama.text.ngram import Ngram, Units
    from goama.text.vocabulary import Vocabulary

MOST_CHARACTERS = 3_000_000
"""The n-gram of characters takes no more text: it is soon learnt, and its estimation in Python is slow."""


def ngram(
    texts: Annotated[
        list[Path],
        typer.Argument(metavar="CORPUS|TEXT...", help="Corpora, whose train transcripts are taken, and text files."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="MODEL/ngram: the model it is for.")],
    units: Annotated[str, typer.Option(help="words, characters, or both: `goama tune` takes the better one.")] = "both",
    order: Annotated[int | None, typer.Option(help="Longest n-gram, 2 to 6. [default: 3 words, 6 characters]")] = None,
) -> None:
    """Estimate n-gram language models from training transcripts and other text, into the model's folder."""
    from goama.corpus.ngram_text import read_ngram_text
    from goama.files import folder_beside
    from goama.recognition.decoding import DECODING_FILE
    from goama.text.ngram import NGRAM_FOLDER, UNITS, save_about
    from goama.text.normaliser import Normaliser
    from goama.text.vocabulary import Vocabulary

    wanted = [name for name in UNITS if units in (name, "both")]
    if not wanted:
        raise GoamaError(f"--units {units}: possible are words, characters and both")
    model = _model_of(output, NGRAM_FOLDER)
    _require_writable(model)
    rules = model / "normaliser.json"
    normaliser = Normaliser.load(rules) if rules.is_file() else Normaliser.for_language(None)
    vocabulary = Vocabulary.load(model)
    with Spinner() as status:
        text = read_ngram_text(texts, normaliser, vocabulary, lambda line: status(f"reading text, line {line}"))
        for source in text.sources:
            out.print(source, markup=False)
        _say_what_is_missing(text)
        with folder_beside(output) as partial:
            made = []
            for name in wanted:
                status(f"estimating the n-gram of {name}")
                made.append(_estimate(text, name, order, vocabulary, partial))
                out.print(made[-1].sentence, markup=False)
            save_about(partial, made, text.sources)
    if (model / DECODING_FILE).is_file():
        (model / DECODING_FILE).unlink()
        out.print(f"{model / DECODING_FILE} is removed: its weights were tuned for another n-gram", markup=False)
    corpus = next((place for place in texts if place.is_dir()), "CORPUS")
    next_command("tune", model, corpus)


def tune(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder made by `goama prepare`.")],
    split: Annotated[str, typer.Option(help="dev; train and test are refused.")] = "dev",
) -> None:
    """Find on dev how the model is decoded best: greedily or by beam search, with which n-gram and weights."""
    from goama.corpus.corpus import Corpus

    if split != "dev":
        why = "a score on them would mean nothing" if split == "test" else "the model knows them by heart"
        raise GoamaError(f"--split {split}: weights are not tuned on {split} clips, since {why}; tune on dev")
    require_model_first(model, [corpus], "tune")
    opened = Corpus.open(corpus)
    quiet_libraries()
    from goama.evaluation.tune import Tunable, recognise_split
    from goama.evaluation.tune import tune as tune_decoding
    from goama.model.folder import load_model_folder
    from goama.recognition.choice import require_beam_search
    from goama.recognition.confidence import save_calibrations
    from goama.recognition.options import DecodingOptions
    from goama.recognition.recogniser import Recogniser

    require_beam_search()
    loaded = load_model_folder(model)
    assert loaded.folder is not None
    _require_writable(loaded.folder)
    recogniser = Recogniser(loaded, options=DecodingOptions(method="greedy", blank_penalty=0.0))
    with Spinner() as status:
        show = _progress(status)
        clips = recognise_split(recogniser, opened, split, show)
        tuned = tune_decoding(Tunable(loaded.folder, loaded.vocabulary, recogniser.frame_shift_s), clips, show)
    decoding = tuned.decoding
    out.print(_line("greedy", decoding.measured["greedy"], None))
    for name, weights in decoding.weights.items():
        out.print(_line(name, decoding.measured[name], weights))
    out.print(decoding.reason, markup=False)
    for method, calibration in tuned.calibrations.items():
        out.print(f"{method}: {calibration.sentence}", markup=False)
    decoding.save(loaded.folder)
    save_calibrations(loaded.folder, tuned.calibrations)
    next_command("evaluate", model, corpus)


def decoding_options(decoding: str, hot_words: Path | None) -> DecodingOptions:
    """The options of a command line. Raises `GoamaError` when they contradict each other or the file is unreadable."""
    from goama.recognition.options import METHODS, DecodingOptions
    from goama.sources.text_lines import text_lines

    if decoding not in METHODS:
        raise GoamaError(f"--decoding {decoding}: possible are {', '.join(METHODS)}")
    if hot_words is None:
        return DecodingOptions(method=decoding)
    if decoding == "greedy":
        raise GoamaError("--hot-words need beam search: leave out --decoding greedy")
    phrases = tuple(line.strip() for _, line in text_lines(hot_words) if line.strip())
    if not phrases:
        raise GoamaError(f"{hot_words}: no hot words in it; write one word or phrase a line")
    return DecodingOptions(method=decoding, hot_words=phrases)


def say_remark(model: Path, options: DecodingOptions) -> None:
    """Prints what the user must know about how this model will be decoded, if there is anything."""
    from goama.model.hub import model_folder
    from goama.recognition.choice import remark_on

    remark = remark_on(model_folder(model), options)
    if remark:
        err.print(f"goama: {remark}", markup=False)


def _model_of(output: Path, name: str) -> Path:
    """The model folder of MODEL/ngram. Raises `GoamaError` when it is none."""
    model = output.parent
    if output.name != name or not (model / "vocab.json").is_file():
        raise GoamaError(
            f"-o {output}: the n-gram lies in its model's folder under the name {name}; give MODEL/{name}, such as "
            f"RUN/best/{name}"
        )
    return model


def _require_writable(model: Path) -> None:
    """Raises `GoamaError` where nothing can be written into the model folder, before the work is done."""
    try:
        with tempfile.NamedTemporaryFile(dir=model, prefix="goama-"):
            pass
    except OSError as error:
        raise GoamaError(
            f"{model}: nothing can be written into this model folder ({error.strerror}); copy it to another place and "
            "use the copy"
        ) from error


def _say_what_is_missing(text: NgramText) -> None:
    if text.held_out:
        out.print(f"{text.held_out} sentences of the text files are left out: they are in dev or test")
    if text.parted:
        out.print(f"{text.parted} words cannot be written with the model's letters; sentences are parted there")


def _estimate(text: NgramText, units: Units, order: int | None, vocabulary: Vocabulary, folder: Path) -> Ngram:
    from dataclasses import replace

    from goama.text.ngram import ORDERS, estimate, perplexity, tokens_of

    sentences: Sequence[str] | Iterator[str] = text.sentences
    if units == "characters":
        sizes = accumulate(len(sentence) for sentence in text.sentences)
        sentences = (sentence for sentence, size in zip(text.sentences, sizes, strict=True) if size <= MOST_CHARACTERS)
    file = folder / f"{units}.arpa.gz"
    made = estimate((tokens_of(line, units, vocabulary) for line in sentences), units, order or ORDERS[units], file)
    if not text.dev:
        return made
    measured, unknown = perplexity(file, (tokens_of(line, units, vocabulary) for line in text.dev))
    return replace(made, perplexity=round(measured, 2), unknown=round(unknown, 4))


def _progress(status: Callable[[str], None]) -> Callable[[str, int, int], None]:
    """Shows "recognising clips, 12 of 400, 0:31 left" for one piece of work after the other."""
    started: dict[str, float] = {}

    def show(what: str, done: int, total: int) -> None:
        begun = started.setdefault(what, time.monotonic())
        left = round((time.monotonic() - begun) / max(1, done - 1) * (total - done)) if done > 1 else 0
        status(f"{what}, {done} of {total}" + (f", {left // 60}:{left % 60:02d} left" if left else ""))

    return show


def _line(name: str, figures: Mapping[str, float], weights: Weights | None) -> str:
    """One row of the table of results on dev."""
    line = f"{name:10}  dev WER {100 * figures['wer']:5.1f} %  CER {100 * figures['cer']:5.1f} %"
    line += f"  (held out: {100 * figures['held_out_wer']:.1f} %, {100 * figures['held_out_cer']:.1f} %)"
    chosen = vars(weights) if weights else {}
    return line + "".join(f"  {key.replace('_', ' ')} {value:g}" for key, value in chosen.items())
