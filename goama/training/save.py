"""RUN/best and RUN/last: the network of a job as a model folder with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from goama.errors import GoamaError
from goama.model.card_facts import Answers, CardFacts
from goama.model.encoder import frame_shift_s
from goama.model.folder import SpeechModel, save_model_folder
from goama.model.trainable import plain_size
from goama.run.card import curve, dev_score, encoder_name, read_answers, run_name, shared_recipe
from goama.run.folder import device_name
from goama.run.metrics import read_metrics
from goama.run.state import RunState
from goama.training.job import Job
from goama.training.learner import Learner


def save_model(job: Job, learner: Learner, state: RunState, name: Literal["best", "last"]) -> None:
    """Write the model folder RUN/<name>; every process must call. Raises `GoamaError` when it cannot be written."""
    model = SpeechModel(learner.whole_network(), learner.front_end, job.vocabulary, job.corpora.normaliser)
    learner.processes.on_main(lambda: save_model_folder(job.run / name, model, _facts(job, state)))


def _facts(job: Job, state: RunState) -> CardFacts:
    config, metrics = job.network.config, read_metrics(job.run)
    corpora = tuple(corpus.facts for corpus in job.corpora.corpora)
    return CardFacts(
        encoder=encoder_name(job.encoder),
        architecture=config.model_type,
        parameters=plain_size(job.network),
        frame_shift_ms=1000 * frame_shift_s(config),
        languages=job.corpora.languages,
        corpora=corpora,
        rules=job.corpora.normaliser.rules,
        alphabet=job.vocabulary.units,
        step=state.step,
        scores=dev_score(metrics, state.step, corpora),
        curve=curve(metrics),
        teacher=None if job.teacher is None else run_name(Path(job.teacher.facts.folder)),
        trained_s=state.elapsed_s,
        device=device_name(),
        recipe_toml=shared_recipe(job.recipe),
        answers=_answers(job.run),
    )


def _answers(run: Path) -> Answers:
    try:
        return read_answers(run)
    except GoamaError:  # a damaged file must not end a run; `goama card` says what is wrong with it
        return Answers()
