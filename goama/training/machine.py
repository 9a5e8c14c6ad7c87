"""A loaded network is fitted to the machine: the rest of its plan, devices, FSDP, the optimiser, the GPU's memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from transformers import PreTrainedModel

from goama.model.encoder import front_end
from goama.model.fsdp import ShardedNetwork
from goama.model.loading import LoadedEncoder
from goama.model.precision import Precision
from goama.run.processes import Processes, fsdp_requested
from goama.training.distillation import Distillation
from goama.training.job import Draft, Job, known_characters, make_job, training_batches
from goama.training.learner import Learner
from goama.training.memory import parts_that_fit, try_longest_clips
from goama.training.optimiser import make_optimiser
from goama.training.plan import Plan, complete_plan


def fit_to_machine(
    draft: Draft, loaded: LoadedEncoder, processes: Processes, say: Callable[[str], None]
) -> tuple[Job, Learner]:
    """The job with its complete plan, and the learner that will train its network.

    Raises `GoamaError` if not even the longest clip fits into the GPU's memory.
    """
    accumulate = draft.plan.recipe.data.accumulate
    parts = 1 if accumulate == "auto" else accumulate
    batches = training_batches(draft, draft.plan, processes, parts=parts)
    plan = complete_plan(
        draft.plan,
        encoder=draft.encoder,
        config=draft.config,
        known=known_characters(loaded, draft.vocabulary),
        steps_per_epoch=batches.in_first_epoch / parts,
    )
    learner = _learner(draft, plan, loaded, processes, say)
    if accumulate == "auto":
        parts, why = _parts_that_fit(plan, learner)
        plan = plan.with_choice("data", "accumulate", parts, why)
        batches = training_batches(draft, plan, processes, parts=parts)
    return make_job(draft, plan, loaded, batches), learner


def _learner(
    draft: Draft, plan: Plan, loaded: LoadedEncoder, processes: Processes, say: Callable[[str], None]
) -> Learner:
    network, train = loaded.network, plan.recipe.train
    sharded = _sharded(network, processes, say) if fsdp_requested() else None
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
        sharded=sharded,
        distillation=distillation,
    )


def _sharded(network: PreTrainedModel, processes: Processes, say: Callable[[str], None]) -> ShardedNetwork:
    network.to(processes.device)  # type: ignore[arg-type]
    processes.same_weights(network)
    say(f"network and optimiser are sharded over {processes.count} processes (FSDP)")
    return ShardedNetwork(network)


def _parts_that_fit(plan: Plan, learner: Learner) -> tuple[int, str]:
    """The number of parts of a step that the GPUs' memory needs, found by trying, and the reason."""
    recipe, processes = plan.recipe, learner.processes
    batch_s = float(recipe.data.batch_seconds) / processes.count
    try_seconds = partial(
        try_longest_clips,
        learner,
        longest_s=plan.longest_s,
        tempo=float(recipe.augment.tempo),
        views=2 if recipe.train.consistency else 1,
    )
    fit = processes.together(lambda: parts_that_fit(try_seconds, batch_s, plan.longest_s))
    parts = max(processes.gathered([fit]))
    return parts, f"this GPU holds {batch_s / parts:.0f} s of audio at once, tried out with the longest clips"
