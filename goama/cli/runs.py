"""`goama train`, `distil`, `report`, `evaluate`: from a corpus to a model, and how good it is."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goama.cli.corpora import require_writable
from goama.cli.terminal import Spinner, countdown, err, next_command, out, quiet_libraries, require_model_first
from goama.errors import GoamaError
from goama.files import write_beside

if TYPE_CHECKING:
    from goama.data.mixture import Mixture
    from goama.training.train import Trained

_UNUSABLE = 0.5  # dev CER above which a person is told so
STOPPED_BY_GUARD = 3  # the exit status


# Options that `train` and `distil` share
Corpora = Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="Corpus folders made by `goama prepare`.")]
RunFolder = Annotated[Path, typer.Option("-o", "--output", help="Run folder to make, or to resume.")]
RecipeFile = Annotated[Path | None, typer.Option(help="TOML recipe; a run's own is RUN/recipe.toml.")]
Overrides = Annotated[
    list[str] | None, typer.Option("-s", "--set", help="Override a recipe key, e.g. -s train.minutes=10.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue from the newest checkpoint.")]


def train(
    corpora: Corpora,
    output: RunFolder,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="`starter`, `scratch`, a model folder or a Hub id. [default: the recipe's, else "
            "facebook/w2v-bert-2.0 on a GPU of 14 GB, if the Hub can be reached, and the starter elsewhere]"
        ),
    ] = None,
    recipe: RecipeFile = None,
    set_: Overrides = None,
    resume: Resume = False,
) -> None:
    """Fine-tune an encoder on a corpus, or on several together; the best model ends up in RUN/best."""
    again = ["goama", "train", *map(str, corpora), "-o", str(output), "--resume"]
    _train(corpora, output, again, encoder=encoder, recipe=(recipe, set_ or []), resume=resume)


def distil(
    teacher: Annotated[Path, typer.Argument(help="Model folder to learn from, such as RUN/best.")],
    corpora: Corpora,
    output: RunFolder,
    student: Annotated[
        str,
        typer.Option(
            help="`starter`, `scratch`, a model folder, a Hub id, or the JSON file of a configuration, whose network "
            "begins with the teacher's weights where they fit."
        ),
    ] = "starter",
    ignore_text: Annotated[
        bool, typer.Option("--ignore-text", help="Learn from the teacher alone (distil.ctc_weight=0).")
    ] = False,
    recipe: RecipeFile = None,
    set_: Overrides = None,
    resume: Resume = False,
) -> None:
    """Teach a small network what a larger model has learnt; the best student ends up in RUN/best."""
    overrides = [*(set_ or []), *(["distil.ctc_weight=0"] if ignore_text else [])]
    again = ["goama", "distil", str(teacher), *map(str, corpora), "-o", str(output), "--resume"]
    _train(corpora, output, again, encoder=student, recipe=(recipe, overrides), resume=resume, teacher=teacher)


def _train(
    corpora: list[Path],
    output: Path,
    again: list[str],
    *,
    encoder: str | None,
    recipe: tuple[Path | None, list[str]],
    resume: bool,
    teacher: Path | None = None,
) -> None:
    """Train and say how it ended; `recipe`: file and overrides; `again`: the command that resumes the run."""
    from goama.data.mixture import Mixture
    from goama.run.processes import is_main, load_whole_weights, one_error_message
    from goama.run.recipe import read_recipe

    out.quiet = not is_main()
    load_whole_weights()
    with one_error_message():
        wanted = read_recipe(*recipe)
        opened = Mixture.open(corpora)
        quiet_libraries()
        from goama.reports.run_page import RunPage
        from goama.sharing.push import PushToHub
        from goama.training.train import train as run_training

        say = partial(out.print, markup=False)
        trained = run_training(
            opened,
            output,
            encoder=encoder,
            teacher=teacher,
            recipe=wanted,
            resume=resume,
            console=out,
            watchers=[RunPage(output, say), PushToHub(output, say)],
        )
    _say_how_it_ended(trained, opened, output, again)


def _say_how_it_ended(trained: Trained, opened: Mixture, output: Path, again: list[str]) -> None:
    from goama.reports.run_page import REPORT_FILE
    from goama.run.processes import is_main

    report_file = output / REPORT_FILE
    state = trained.outcome.state
    if report_file.is_file():  # with a full disk there may be a model and no page
        out.print(f"report: {report_file}", markup=False)
    if state.skipped_steps:
        out.print(f"{state.skipped_steps} steps were skipped because their gradients were not finite")
    if trained.outcome.interrupted:
        out.print(
            f"stopped and saved at step {state.step}; go on with:\n  {shlex.join(again)}",
            markup=False,
        )
        raise typer.Exit(130)
    if state.guard.ended_by == "guard":
        best = (
            f"{trained.best} is the best model from before" if state.best_cer is not None else "there is no best model"
        )
        if is_main():
            err.print(f"goama: {state.guard.reason}; {best}; why: {output / 'diagnosis.json'}", markup=False)
        raise typer.Exit(STOPPED_BY_GUARD)
    if state.best_cer is None:
        out.print(f"no best model: training was diverging at every evaluation; see {report_file}", markup=False)
        return
    out.print(f"best: dev CER {100 * state.best_cer:.1f} % at step {state.best_step}, in {trained.best}", markup=False)
    if state.is_worse_than_before:
        out.print(
            f"Before training it was {100 * (state.guard.wrote or 0):.1f} %: training made the encoder's own head "
            "worse on these clips. More steps or a lower -s train.learning_rate may help. If the encoder was trained "
            "on these clips, neither figure says how it does on others."
        )
    if state.best_cer > _UNUSABLE:
        helps = "A larger pretrained encoder (--encoder facebook/w2v-bert-2.0, on a GPU)"
        if again[1] == "distil":
            helps = "A better teacher, a larger student"
        out.print(f"Transcripts with this many errors are not usable. {helps} or more speech will help.")
    first = opened.corpora[0]
    next_command("evaluate", trained.best, first.folder, "--split", "test" if first.clips("test") else "dev")


def report(
    run: Annotated[Path, typer.Argument(help="Run folder made by `goama train`.")],
) -> None:
    """Write RUN/report.html again: state, problems, curves and clips of a run."""
    from goama.reports.run_page import write_run_report

    with Spinner() as status:
        status("writing the report")
        written = write_run_report(run)
    for note in written.notes:
        out.print(note, markup=False)
    out.print(f"report: {written.path}", markup=False)


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder, such as RUN/best, or USER/NAME[@REVISION] on the Hub.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder made by `goama prepare`.")],
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "test",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="Worst clips to show.")] = 5,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Write the page with every clip to this file. [default: evaluation-CORPUS-SPLIT.html in the run's "
            "folder, or here for a model of no run]",
        ),
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no page.")] = False,
) -> None:
    """Measure WER and CER with 95 % confidence intervals on a split; write a page with every clip and its errors."""
    from goama.corpus.corpus import SPLITS, Corpus

    if split not in SPLITS:
        raise GoamaError(f"--split {split}: splits are {', '.join(SPLITS)}")
    if json_file is not None:
        require_writable("--json", json_file)
    if report_file is not None:
        require_writable("--report", report_file)
    require_model_first(model, [corpus], "evaluate")
    opened = Corpus.open(corpus)
    quiet_libraries()
    from goama.evaluation.evaluate import evaluate as measure
    from goama.recognition.recogniser import Recogniser
    from goama.reports.evaluation_page import write_evaluation_report
    from goama.run.files import run_of_model, save_test_score

    recogniser = Recogniser.load(model)
    with Spinner() as status:
        progress = countdown(status, "recognising", opened.clips(split))
        result = measure(recogniser, opened, split, model=model, progress=progress)
    score = result.score
    out.print(f"{split}: {score.clips} clips, {score.seconds / 60:.1f} min, {score.words} words")
    for line in score.lines():
        out.print(line)
    for clip in result.worst(worst):
        out.print(f"\n{clip.id}  {clip.character_errors} characters wrong, CER {100 * clip.cer:.0f} %", markup=False)
        _side_by_side(clip.reference, clip.hypothesis)
    if json_file is not None:
        write_beside(json_file, json.dumps(result.to_dict(), ensure_ascii=False, indent=2) + "\n")
    run = run_of_model(model)
    if not no_report:
        page = report_file or (run or Path()) / f"evaluation-{corpus.resolve().name}-{split}.html"
        with Spinner() as status:
            write_evaluation_report(
                result, opened, page, recogniser, progress=countdown(status, "writing the page", score.clips)
            )
        out.print(f"\nreport: {page}", markup=False)
    if run is not None and split == "test":
        save_test_score(run, asdict(score) | {"corpus": opened.facts.source})
        out.print(f"\n`goama report {run}` shows it on the page of the run", markup=False)
    next_command("transcribe", model, "RECORDING.wav")


def _side_by_side(reference: str, hypothesis: str) -> None:
    out.print(f"  reference   {reference}", markup=False)
    out.print(f"  hypothesis  {hypothesis or '(nothing)'}", markup=False)
