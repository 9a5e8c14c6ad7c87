"""The commands as functions: paths go in, frozen results come out. Heavy libraries are imported when one is called."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama.errors import GoamaError

if TYPE_CHECKING:
    from goama.audit.findings import Audit
    from goama.corpus.corpus import Corpus
    from goama.corpus.prepare import Prepared
    from goama.data.mixture import Mixture
    from goama.evaluation.evaluate import Evaluation
    from goama.recognition.recogniser import Recogniser
    from goama.run.recipe import Recipe
    from goama.sharing.publish import Published
    from goama.sources.clip import Choices, Columns
    from goama.training.train import Trained

    AnyPath = str | os.PathLike[str]


def prepare(
    source: AnyPath,
    out: AnyPath,
    *,
    columns: Columns | None = None,
    choices: Choices | None = None,
    **options: Any,
) -> Prepared:
    """The corpus that was made of a source, and the clips left out, as `goama prepare SOURCE -o OUT`.

    source:   folder, table, annotated recording or Hub data set id
    columns, choices:  how to read it, as the command's options; see `goama.sources.clip`
    options:  `language`, `seed`, `split_by`, `unsplit`, `overwrite`, …; see `goama.corpus.prepare.prepare`

    Raises `GoamaError` when the source cannot be read, the output exists, or no clip can be used.
    """
    from goama.corpus.prepare import prepare as make_corpus
    from goama.sources.source import read_source

    place = _path(source, "the source")
    return make_corpus(read_source(place, columns, choices=choices), _path(out, "the output"), source=place, **options)


def check(source: AnyPath, *, columns: Columns | None = None, choices: Choices | None = None, **options: Any) -> Audit:
    """Everything that `goama check SOURCE` finds; options as in `prepare`, and those of `goama.audit.audit.audit`.

    Raises `GoamaError` when the source cannot be read or holds no clips.
    """
    from goama.audit.audit import audit
    from goama.sources.source import read_source

    place = _path(source, "the source")
    return audit(read_source(place, columns, choices=choices), source=place, **options)


def train(
    corpora: AnyPath | Corpus | Mixture | Sequence[AnyPath],
    run: AnyPath,
    *,
    encoder: str | None = None,
    recipe: AnyPath | Recipe | None = None,
    settings: Mapping[str, object] | None = None,
    resume: bool = False,
    **options: Any,
) -> Trained:
    """The outcome of a training run, with `best`, the folder of its best model, as `goama train CORPUS... -o RUN`.

    corpora:   one corpus folder or several
    recipe:    TOML file, or a recipe
    settings:  recipe keys to override, such as {"train.minutes": 10}

    In a notebook, one display with a bar and the curve of the dev CER is kept up to date.
    Raises `GoamaError` when a corpus or the encoder cannot be opened, or the run exists.
    """
    from goama.corpus.corpus import Corpus
    from goama.data.mixture import Mixture
    from goama.run.recipe import Recipe, read_recipe
    from goama.training.train import train as run_training

    if isinstance(corpora, Mixture):
        mixture = corpora
    elif isinstance(corpora, Corpus):
        mixture = Mixture((corpora,))
    else:
        several = [corpora] if isinstance(corpora, (str, bytes, os.PathLike)) else list(corpora)
        mixture = Mixture.open([_path(each, "a corpus") for each in several])
    overrides = [f"{key}={value}" for key, value in (settings or {}).items()]
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(None if recipe is None else Path(_path(recipe, "the recipe")), overrides)
    elif overrides:
        raise GoamaError("a recipe and settings together: put the settings into the recipe")
    from goama.reports.notebook import NotebookView, in_notebook, notebook_display
    from goama.sharing.push import PushToHub

    place = _path(run, "the run")
    options["watchers"] = [*options.get("watchers", ()), PushToHub(place, print)]
    if in_notebook() and "console" not in options:
        from rich.console import Console

        options["console"] = Console(quiet=True)
        options["watchers"] = [*options["watchers"], NotebookView(notebook_display())]
    return run_training(mixture, place, encoder=encoder, recipe=recipe, resume=resume, **options)


def evaluate(
    model: AnyPath | Recogniser, corpus: AnyPath | Corpus, split: str = "test", *, report: AnyPath | None = None
) -> Evaluation:
    """WER and CER of a model on a split of a corpus, as `goama evaluate MODEL CORPUS`.

    report:  file to write the page to, with every clip and its errors

    Raises `GoamaError` when the model or the corpus cannot be opened, or the split is empty or none.
    """
    from goama.corpus.corpus import SPLITS, Corpus
    from goama.evaluation.evaluate import evaluate as measure
    from goama.recognition.recogniser import Recogniser

    if split not in SPLITS:
        raise GoamaError(f"split {split!r}: splits are {', '.join(SPLITS)}")
    recogniser = model if isinstance(model, Recogniser) else load(model)
    name = "the model given" if isinstance(model, Recogniser) else _path(model, "the model")
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(_path(corpus, "the corpus")))
    evaluation = measure(recogniser, opened, split, model=Path(name))
    if report is not None:
        from goama.reports.evaluation_page import write_evaluation_report

        write_evaluation_report(evaluation, opened, Path(_path(report, "the report")), recogniser)
    return evaluation


def publish(model: AnyPath, repository: str, *, private: bool = False, corpus: AnyPath | None = None) -> Published:
    """Where a model is now on the Hugging Face Hub, as `goama publish MODEL USER/NAME`.

    Raises `GoamaError` when the model is not whole, nobody is logged in, or the Hub refuses.
    """
    from goama.sharing.publish import publish as upload

    clips = None if corpus is None else _path(corpus, "the corpus")
    return upload(_path(model, "the model"), repository, private=private, corpus=clips, say=print)


def load(model: AnyPath, device: str | None = None) -> Recogniser:
    """The recogniser of a model folder, of the best model of a run folder, or of a Hub repository (`owner/name@tag`).

    Raises `GoamaError` when the folder is missing or holds no whole model.
    """
    from goama.recognition.recogniser import Recogniser

    return Recogniser.load(_path(model, "the model"), device)


def _path(value: Any, what: str) -> str:
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if isinstance(path, str):
            return path
    raise GoamaError(f"{what} is a path, not a {type(value).__name__}; pass a str or a pathlib.Path")
