"""`goama compare`: two models on the same clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goama.cli.corpora import require_writable
from goama.cli.terminal import Spinner, countdown, out, quiet_libraries
from goama.errors import GoamaError

if TYPE_CHECKING:
    from goama.corpus.corpus import Corpus
    from goama.evaluation.evaluate import Evaluation

_MODEL = "Model folder, such as RUN/best, or a file that `goama evaluate --json` wrote."


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help=_MODEL)],
    b: Annotated[Path, typer.Argument(metavar="B", help="The same, to be compared with A.")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Corpus folder made by `goama prepare`. [default: that of the --json files]"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, dev or test. [default: that of the --json files, else test]")
    ] = None,
    report_file: Annotated[Path, typer.Option("--report", help="Write the page to this file.")] = Path(
        "comparison.html"
    ),
) -> None:
    """Say whether one of two models makes fewer errors (paired bootstrap); write a page with the clips that changed."""
    from goama.corpus.corpus import SPLITS, Corpus

    if split is not None and split not in SPLITS:
        raise GoamaError(f"--split {split}: splits are {', '.join(SPLITS)}")
    require_writable("--report", report_file)
    quiet_libraries()
    from goama.evaluation.comparison import compare as measure
    from goama.evaluation.evaluate import read_evaluation
    from goama.reports.comparison_page import points, write_comparison_report

    read = {path: read_evaluation(path) for path in (a, b) if path.suffix == ".json"}
    if corpus is None:
        if not read:
            raise GoamaError("--corpus is needed to evaluate models; only files of `goama evaluate --json` name theirs")
        corpus = Path(next(iter(read.values())).corpus)
    opened = Corpus.open(corpus)
    split = split or next((evaluation.split for evaluation in read.values()), "test")
    first, second = (read.get(path) or _evaluate(path, opened, split) for path in (a, b))
    if first.split != second.split:
        raise GoamaError(f"{a} was evaluated on {first.split}, {b} on {second.split}; evaluate both on one split")
    comparison = measure(first, second, opened.normaliser)
    out.print(f"{first.split}: {len(comparison.clips)} clips in both; A is {a}, B is {b}", markup=False)
    for rate, of_a, of_b in (
        ("WER", comparison.a.score.wer, comparison.b.score.wer),
        ("CER", comparison.a.score.cer, comparison.b.score.cer),
    ):
        found = comparison.by_clip[rate.lower()]
        low, high = map(points, found.interval)
        both = f"{rate}  A {100 * of_a:5.1f} %  B {100 * of_b:5.1f} %"
        out.print(f"{both}  B − A {points(found.value)} points  (95 % interval {low} to {high})")
    if comparison.by_speaker:
        speakers = comparison.by_speaker["cer"]
        low, high = map(points, speakers.interval)
        out.print(f"over {speakers.units} speakers: CER {points(speakers.value)} points  ({low} to {high})")
    if comparison.left_out:
        ids = ", ".join(id for id, _ in comparison.left_out[:5])
        out.print(f"{len(comparison.left_out)} clips are left out, with reasons on the page: {ids} …", markup=False)
    with Spinner() as status:
        progress = countdown(status, "writing the page", len(comparison.clips))
        write_comparison_report(comparison, opened, report_file, progress)
    out.print(_in_a_sentence(comparison.better, comparison.holds_for_other_speakers))
    out.print(f"report: {report_file}", markup=False)


def _evaluate(model: Path, corpus: Corpus, split: str) -> Evaluation:
    from goama.evaluation.evaluate import evaluate
    from goama.recognition.recogniser import Recogniser

    recogniser = Recogniser.load(model)
    with Spinner() as status:
        progress = countdown(status, f"recognising with {model}", corpus.clips(split))
        return evaluate(recogniser, corpus, split, model=model, progress=progress)


def _in_a_sentence(better: str | None, holds: bool | None) -> str:
    if better is None:
        return "no difference can be shown"
    told = f"{better.upper()} makes fewer errors"
    return told if holds in (True, None) else f"{told} for these speakers; for others it may be chance"
