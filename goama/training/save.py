"""RUN/best and RUN/last: the network of a job as a model folder with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from goama.corpus.corpus import Corpus
from goama.model.card import model_card
from goama.model.encoder import frame_shift_s
from goama.model.folder import SpeechModel, save_model_folder
from goama.run.state import RunState
from goama.training.job import Job
from goama.training.learner import Learner


def save_model(job: Job, learner: Learner, state: RunState, name: Literal["best", "last"]) -> None:
    """Write the model folder RUN/<name>; every process must call. Raises `GoamaError` when it cannot be written."""
    model = SpeechModel(learner.whole_network(), learner.front_end, job.vocabulary, job.corpora.normaliser)
    learner.processes.on_main(lambda: save_model_folder(job.run / name, model, _card(job, state)))


def _card(job: Job, state: RunState) -> str:
    config = job.network.config
    return model_card(
        encoder=job.encoder,
        architecture=config.model_type,
        languages=job.corpora.languages,
        train_hours=job.plan.hours,
        dev_cer=state.best_cer if state.best_step == state.step else None,
        step=state.step,
        frame_shift_ms=1000 * frame_shift_s(config),
        recipe_toml=job.recipe.to_toml(),
        source=", ".join(_source(corpus) for corpus in job.corpora.corpora),
        teacher=None if job.teacher is None else _name(Path(job.teacher.facts.folder)),
    )


def _source(corpus: Corpus) -> str:
    """The source of a corpus; of a folder only its name."""
    source = corpus.about["source"]
    return Path(source).name if Path(source).exists() else source


def _name(folder: Path) -> str:
    """The name of a model folder; of RUN/best, that of the run."""
    return folder.resolve().parent.name if folder.name == "best" else folder.name
