"""`goama demo`: the whole way on real Dutch speech, from a Debian package to transcripts and error rates."""

from __future__ import annotations

import json
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from goama.errors import GoamaError
from goama.files import write_beside

if TYPE_CHECKING:
    from goama.corpus.corpus import Corpus
    from goama.evaluation.evaluate import Evaluation
    from goama.training.train import Trained

VOICE = "fillets-nl"
SHOWN = 3


def run_demo(folder: Path, *, minutes: float, encoder: str, console: Console) -> dict[str, Any]:
    """The content of results.json: fetch, prepare, train for `minutes`, evaluate on test, show three test clips.

    What an earlier, interrupted demo has done already is kept: an unfinished run is resumed. Raises `GoamaError` if the
    folder holds a demo with another encoder or another number of minutes.
    """
    run = folder / "run"
    corpus = _corpus(folder, console)
    _refuse_another_run(run, encoder, minutes)
    started = time.monotonic()
    trained = _trained(corpus, run, minutes, encoder, console)
    result = _evaluated(corpus, trained.best, encoder, console)
    score = result.score
    results = {
        "test": {
            "wer": score.wer,
            "cer": score.cer,
            "wer_interval": score.wer_interval,
            "cer_interval": score.cer_interval,
            "clips": score.clips,
        },
        "train_minutes": round(trained.outcome.state.elapsed_s / 60, 2),
        "encoder": encoder,
    }
    write_beside(folder / "results.json", json.dumps(results, indent=2) + "\n")
    console.print(
        f"\nwritten: {folder / 'results.json'} ({(time.monotonic() - started) / 60:.1f} min from training to here)\n"
        f"next:\n  goama transcribe {trained.best} YOUR-RECORDING.wav\n"
        f"  goama evaluate {trained.best} {corpus.folder} --split test --json scores.json\n"
        "  goama prepare YOUR-FOLDER -o corpus     # a folder with metadata.csv: file_name, text",
        highlight=False,
        markup=False,
    )
    return results


def _step(command: str, console: Console) -> None:
    console.print(f"\n[bold]$ {command}[/bold]", highlight=False, soft_wrap=True)


def _corpus(folder: Path, console: Console) -> Corpus:
    """The corpus of the voice, fetched and prepared if it is not there."""
    from goama.corpus.corpus import Corpus
    from goama.corpus.prepare import prepare
    from goama.sources.source import read_source
    from goama.voices import get_voice

    speech, corpus_folder = folder / VOICE, folder / "corpus"
    _step(f"goama voices get {VOICE} -o {speech}", console)
    if not (speech / "metadata.jsonl").is_file():
        get_voice(VOICE, speech)
    _step(f"goama prepare {speech} -o {corpus_folder}", console)
    if not (corpus_folder / "corpus.json").is_file():
        prepare(read_source(str(speech)), corpus_folder, source=str(speech), overwrite=True)
    corpus = Corpus.open(corpus_folder)
    for split, facts in corpus.about["splits"].items():
        console.print(f"{split:5}  {facts['clips']:5d} clips  {facts['seconds'] / 60:6.1f} min", highlight=False)
    return corpus


def _trained(corpus: Corpus, run: Path, minutes: float, encoder: str, console: Console) -> Trained:
    """The outcome of the run, which is resumed if it was begun; exits with status 130 if it is interrupted."""
    from goama.data.mixture import Mixture
    from goama.reports.run_page import REPORT_FILE, RunPage
    from goama.run.recipe import read_recipe
    from goama.training.train import train

    recipe = read_recipe(None, [f"train.minutes={minutes:g}"])
    _step(f"goama train {corpus.folder} -o {run} --encoder {encoder} -s train.minutes={minutes:g}", console)
    resume = (run / "run.json").is_file()
    page = RunPage(run, partial(console.print, highlight=False, markup=False))
    trained = train(
        Mixture((corpus,)), run, encoder=encoder, recipe=recipe, resume=resume, console=console, watchers=[page]
    )
    if trained.outcome.interrupted:
        console.print("stopped and saved; run the demo again to go on", highlight=False)
        raise SystemExit(130)
    if (run / REPORT_FILE).is_file():
        console.print(f"report: {run / REPORT_FILE}", highlight=False, markup=False)
    return trained


def _evaluated(corpus: Corpus, model: Path, encoder: str, console: Console) -> Evaluation:
    """The evaluation of the model on the test split; prints its score and three clips."""
    from goama.evaluation.evaluate import evaluate
    from goama.recognition.recogniser import Recogniser

    _step(f"goama evaluate {model} {corpus.folder} --split test", console)
    result = evaluate(Recogniser.load(model), corpus, "test", model=model)
    for line in result.score.lines():
        console.print(f"test {line}", highlight=False)
    if encoder == "scratch":
        console.print("An hour of speech is too little to train from scratch: see README.md.", highlight=False)
    _step(f"goama transcribe {model} {corpus.folder}/test/*.flac", console)
    by_id = {clip.id: clip for clip in result.clips}
    for cut in islice(corpus.cuts("test"), SHOWN):
        clip = by_id[cut.id]
        console.print(
            f"{cut.id}\n  reference   {clip.reference}\n  hypothesis  {clip.hypothesis or '(nothing)'}",
            markup=False,
        )
    return result


def _refuse_another_run(run: Path, encoder: str, minutes: float) -> None:
    """The figure in results.json must be that of the encoder and the minutes it names."""
    from goama.run.recipe import read_recipe

    if not (run / "run.json").is_file():
        return
    known = json.loads((run / "run.json").read_text(encoding="utf-8"))["encoder"]
    trained = read_recipe(run / "recipe.toml").train.minutes
    if (known, trained) != (encoder, minutes):
        raise GoamaError(
            f"{run} holds a demo with encoder {known} and {trained:g} minutes, not {encoder} and {minutes:g}; "
            "remove that folder, or choose another with -o"
        )
