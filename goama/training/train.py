"""`goama train` in four steps: plan the run, load the network, fit it to the machine, train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.html import facts_html
from goama.run.checkpoint import load_newest
from goama.run.folder import RunFacts, run_id, write_run
from goama.run.processes import Processes
from goama.run.recipe import Recipe
from goama.run.state import RunState
from goama.training.facts import gather_facts
from goama.training.job import Job, Request, load_network, plan_run
from goama.training.learner import Learner
from goama.training.loop import Outcome, TrainingLoop
from goama.training.machine import fit_to_machine
from goama.training.memory import is_out_of_memory
from goama.training.summary import summary
from goama.training.trackers import start_trackers
from goama.training.watchers import DevTexts, Diagnosing, MetricsFile, Screen, Trackers, Watcher, Watchers, clock


@dataclass(frozen=True)
class Trained:
    """The run folder, its best model (a folder that is there if `outcome.state.best_cer` is), and how it ended."""

    run: Path
    best: Path
    outcome: Outcome

    def __repr__(self) -> str:
        state = self.outcome.state
        best = (
            "no best model" if state.best_cer is None else f"dev CER {100 * state.best_cer:.1f} % at {state.best_step}"
        )
        return f"Trained({self.run}: step {state.step}, {best})"

    def _repr_html_(self) -> str:
        return facts_html(repr(self), [("best model", self.best)])


def train(
    corpora: Mixture,
    run: Path | str,
    *,
    encoder: str | None = None,
    teacher: Path | str | None = None,
    recipe: Recipe | None = None,
    resume: bool = False,
    console: Console | None = None,
    watchers: Sequence[Watcher] = (),
) -> Trained:
    """The outcome of a run that is trained, or resumed; `watchers` look on, after the screen and the run's own files.

    `encoder` wins over the recipe's; without either, `default_encoder` chooses. With `resume`, the recipe and encoder
    of the run folder are used, and training continues from its newest complete checkpoint; a folder without a run
    starts one. With a `teacher`, its model folder is distilled: the encoder, which may be the JSON file of a
    configuration, becomes its student, with its vocabulary and normaliser. Raises `GoamaError` for a corpus that cannot
    be trained on, an encoder or teacher that cannot be loaded, a run folder that is taken, too little memory, or a file
    that cannot be written.
    """
    processes = Processes()
    screen = Screen(console or Console(emoji=False)) if processes.is_main else Screen(Console(quiet=True))
    taught_by = None if teacher is None else Path(teacher)
    draft = plan_run(Request(corpora, Path(run), encoder, recipe, resume, taught_by), processes, screen.said)
    loaded = load_network(draft, processes)
    job, learner = fit_to_machine(draft, loaded, processes, screen.said)
    state = _start_or_resume(job, learner, screen.said)
    told = processes.together(lambda: _watchers(job, state, screen, watchers) if processes.is_main else [])
    with Watchers(told) as watcher:
        outcome = _train(job, learner, watcher, state)
    return Trained(job.run, job.run / "best", outcome)


def _start_or_resume(job: Job, learner: Learner, say: Callable[[str], None]) -> RunState:
    """Write the folder of a new run, or load the newest checkpoint of a resumed one; returns where the run stands."""
    processes = learner.processes
    if not job.is_resumed:
        parameters = sum(p.numel() for p in job.network.parameters())
        teacher = None if job.teacher is None else job.teacher.facts
        facts = RunFacts(job.encoder, job.corpora, job.plan.choices, job.plan.excluded, parameters, teacher)
        processes.on_main(lambda: write_run(job.run, job.recipe, facts))
    for sentence in summary(job):
        say(sentence)
    if not job.is_resumed:
        return RunState()
    state, damaged = load_newest(processes, job.run, learner.network, learner.optimiser)
    learner.load_scaler(state.scaler)
    for folder in damaged:
        say(f"{folder} is damaged and was skipped")
    say(f"resuming at step {state.step} ({clock(state.elapsed_s)} of training done)")
    return state


def _watchers(job: Job, state: RunState, screen: Screen, others: Sequence[Watcher]) -> list[Watcher]:
    """The screen, the run's own files, then the others: each finds written what the ones before it write."""
    run, say = job.run, screen.said
    facts = gather_facts(job.corpora, job.vocabulary, job.plan, job.network.config, job.steps_per_epoch)
    trackers = start_trackers(job.recipe, run, run_id(run), state.step)
    return [
        screen,
        MetricsFile(run, state.step, job.corpora.names),
        Trackers(run, trackers, say),
        DevTexts(run, say),
        Diagnosing(run, facts, say),
        *others,
    ]


def _train(job: Job, learner: Learner, watcher: Watcher, state: RunState) -> Outcome:
    try:
        return TrainingLoop(job, learner, watcher, state).run()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise GoamaError(_out_of_memory(job, learner.processes.count)) from error


def _out_of_memory(job: Job, processes: int) -> str:
    """A sentence with overrides to type; a resumed run keeps its recipe, so another run must be started."""
    remedies = [f"-s data.accumulate={2 * job.parts}"]
    if not job.recipe.model.gradient_checkpointing:
        remedies.append("-s model.gradient_checkpointing=true")
    held_s = float(job.recipe.data.batch_seconds) / job.parts / processes
    return (
        f"the GPU's memory does not hold {held_s:g} s of audio at once; train again into another folder with "
        f"{' or '.join(remedies)}"
    )
