"""`goama demo`: the whole way on real Dutch speech, from a Debian package to transcripts and error rates."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from goama.errors import GoamaError
from goama.files import write_beside

VOICE = "fillets-nl"
SHOWN = 3


def run_demo(folder: Path, *, minutes: float, encoder: str, console: Console) -> dict[str, Any]:
    """Fetch, prepare, train for `minutes`, evaluate on test, show three test clips, write results.json.

    What an earlier, interrupted demo has done already is kept: an unfinished run is resumed.
    """
    from goama.corpus.corpus import Corpus
    from goama.corpus.prepare import prepare
    from goama.data.mixture import Mixture
    from goama.evaluation.evaluate import evaluate
    from goama.recognition.recogniser import Recogniser
    from goama.reports.run_page import REPORT_FILE, RunPage
    from goama.run.recipe import read_recipe
    from goama.sources.source import read_source
    from goama.training.train import train
    from goama.voices import get_voice

    def step(sentence: str) -> None:
        console.print(f"\n[bold]{sentence}[/bold]", highlight=False, soft_wrap=True)

    speech, corpus_folder, run = folder / VOICE, folder / "corpus", folder / "run"
    step(f"$ goama voices get {VOICE} -o {speech}")
    if not (speech / "metadata.jsonl").is_file():
        get_voice(VOICE, speech)
    step(f"$ goama prepare {speech} -o {corpus_folder}")
    if not (corpus_folder / "corpus.json").is_file():
        prepare(read_source(str(speech)), corpus_folder, source=str(speech), overwrite=True)
    corpus = Corpus.open(corpus_folder)
    for split, facts in corpus.about["splits"].items():
        console.print(f"{split:5}  {facts['clips']:5d} clips  {facts['seconds'] / 60:6.1f} min", highlight=False)

    _refuse_another_run(run, encoder, minutes)
    recipe = read_recipe(None, [f"train.minutes={minutes:g}"])
    step(f"$ goama train {corpus_folder} -o {run} --encoder {encoder} -s train.minutes={minutes:g}")
    started = time.monotonic()
    resume = (run / "run.json").is_file()
    page = RunPage(run, partial(console.print, highlight=False, markup=False))
    trained = train(
        Mixture((corpus,)), run, encoder=encoder, recipe=recipe, resume=resume, console=console, watchers=[page]
    )
    if trained.outcome.interrupted:
        console.print("stopped and saved; run the demo again to go on", highlight=False)
        raise SystemExit(130)
    train_minutes = trained.outcome.state.elapsed_s / 60
    if (run / REPORT_FILE).is_file():
        console.print(f"report: {run / REPORT_FILE}", highlight=False, markup=False)

    step(f"$ goama evaluate {trained.best} {corpus_folder} --split test")
    recogniser = Recogniser.load(trained.best)
    result = evaluate(recogniser, corpus, "test", model=trained.best)
    score = result.score
    for what, rate, (low, high) in (
        ("WER", score.wer, score.wer_interval),
        ("CER", score.cer, score.cer_interval),
    ):
        console.print(
            f"test {what} {100 * rate:.1f} %  (95 % interval {100 * low:.1f} to {100 * high:.1f})",
            highlight=False,
        )

    if encoder == "scratch":
        console.print("An hour of speech is too little to train from scratch: see README.md.", highlight=False)

    step(f"$ goama transcribe {trained.best} {corpus_folder}/test/*.flac")
    by_id = {clip.id: clip for clip in result.clips}
    for number, cut in enumerate(corpus.cuts("test")):
        if number == SHOWN:
            break
        clip = by_id[cut.id]
        console.print(
            f"{cut.id}\n  reference   {clip.reference}\n  hypothesis  {clip.hypothesis or '(nothing)'}",
            markup=False,
        )

    results = {
        "test": {
            "wer": score.wer,
            "cer": score.cer,
            "wer_interval": score.wer_interval,
            "cer_interval": score.cer_interval,
            "clips": score.clips,
        },
        "train_minutes": round(train_minutes, 2),
        "encoder": encoder,
    }
    write_beside(folder / "results.json", json.dumps(results, indent=2) + "\n")
    console.print(
        f"\nwritten: {folder / 'results.json'} ({(time.monotonic() - started) / 60:.1f} min from training to here)\n"
        f"next:\n  goama transcribe {trained.best} YOUR-RECORDING.wav\n"
        f"  goama evaluate {trained.best} {corpus_folder} --split test --json scores.json\n"
        "  goama prepare YOUR-FOLDER -o corpus     # a folder with metadata.csv: file_name, text",
        highlight=False,
        markup=False,
    )
    return results


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
