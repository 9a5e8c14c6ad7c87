"""A loaded network is fitted to the machine: the rest of its plan, devices, FSDP, the optimiser, the GPU's memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from transformers import PreTrainedModel

from goama.model.encoder import front_end
from goama.model.fsdp import Shards
from goama.model.loading import LoadedEncoder
from goama.model.precision import Precision
from goama.run.processes import Processes, fsdp_requested
from goama.training.distillation import Distillation
from goama.training.job import Draft, Job, known_characters, make_job, training_batches
from goama.training.learner import Learner
from goama.training.memory import parts_that_fit, rehearse
from goama.training.optimiser import make_optimiser
from goama.training.plan import Plan, complete_plan


def fit_to_machine(
    draft: Draft, loaded: LoadedEncoder, processes: Processes, say: Callable[[str], None]
) -> tuple[Job, Learner]:
    """The job with its complete plan, and the learner that will train its network.

    Raises `GoamaError` if not even the longest clip fits into the GPU's memory.
    """
    parts = 1 if draft.plan.recipe.data.accumulate == "auto" else int(draft.plan.recipe.data.accumulate)
    batches = training_batches(draft, draft.plan, processes, parts=parts)
    plan = complete_plan(
        draft.plan,
        encoder=draft.encoder,
        config=draft.config,
        known=known_characters(loaded, draft.vocabulary),
        steps_per_epoch=batches.in_first_epoch / parts,
    )
    learner = _learner(draft, plan, loaded, processes, say)
    if plan.recipe.data.accumulate == "auto":
        plan = _with_parts(plan, learner)
        batches = training_batches(draft, plan, processes, parts=int(plan.recipe.data.accumulate))
    return make_job(draft, plan, loaded, batches), learner


def _learner(
    draft: Draft, plan: Plan, loaded: LoadedEncoder, processes: Processes, say: Callable[[str], None]
) -> Learner:
    network, train = loaded.network, plan.recipe.train
    network.to(processes.device)  # type: ignore[arg-type]
    shards = _sharded(network, processes, say) if fsdp_requested() else None
    optimiser = make_optimiser(
        network,
        learning_rate=float(train.learning_rate),
        head_learning_rate=float(train.head_learning_rate),
        new_parameters=loaded.new_parameters,
        layer_decay=float(train.layer_decay),
        betas=train.betas,
        weight_decay=train.weight_decay,
    )
    inputs, precision = front_end(draft.encoder, network.config), cast(Precision, train.precision)
    distillation = None
    if draft.teacher is not None:
        section, device = plan.recipe.distil, processes.device
        distillation = Distillation(draft.teacher, network, inputs, section, device=device, precision=precision)
    return Learner(
        network.train(),
        optimiser,
        inputs,
        draft.vocabulary,
        precision=precision,
        shards=shards,
        distillation=distillation,
    )


def _sharded(network: PreTrainedModel, processes: Processes, say: Callable[[str], None]) -> Shards:
    processes.same_weights(network)
    say(f"network and optimiser are sharded over {processes.count} processes (FSDP)")
    return Shards(network)


def _with_parts(plan: Plan, learner: Learner) -> Plan:
    """The plan with the number of parts of a step that the GPUs' memory needs, found by trying."""
    recipe, processes = plan.recipe, learner.processes
    batch_s = float(recipe.data.batch_seconds) / processes.count
    try_seconds = partial(
        rehearse,
        learner,
        longest_s=plan.longest_s,
        tempo=float(recipe.augment.tempo),
        views=2 if recipe.train.consistency else 1,
    )
    fit = processes.together(lambda: parts_that_fit(try_seconds, batch_s, plan.longest_s))
    parts = max(processes.gathered([fit]))
    why = f"this GPU holds {batch_s / parts:.0f} s of audio at once, tried out with the longest clips"
    return plan.with_choice("data", "accumulate", parts, why)
