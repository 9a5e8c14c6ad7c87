"""A job: a run made ready, before its first step; and the two steps that lead to it, planning and loading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from goama.data.batches import TrainingBatches
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model.default import default_encoder
from goama.model.encoder import read_config
from goama.model.loading import LoadedEncoder, load_for_training
from goama.model.shipped import STARTER
from goama.model.trainable import choose_trainable
from goama.run.folder import RECIPE_FILE, STUDENT_FOLDER, TeacherFacts, open_run
from goama.run.processes import Processes, fsdp_requested
from goama.run.recipe import Recipe, read_recipe
from goama.text.vocabulary import CharacterReport, Vocabulary
from goama.training.distillation import PROJECTION, add_projection
from goama.training.plan import Plan, make_plan
from goama.training.schedule import total_steps
from goama.training.student import is_configuration, student_from_config
from goama.training.teacher import (
    Teacher,
    characters_for,
    language_warning,
    load_teacher,
    require_same_teacher,
)
from goama.training.trackers import require_trackers

if TYPE_CHECKING:
    from lhotse import CutSet


@dataclass(frozen=True)
class Request:
    """What a person asked for: corpora, a run folder, and what they set of encoder and recipe."""

    corpora: Mixture
    run: Path
    encoder: str | None = None
    """Wins over the recipe's."""
    recipe: Recipe | None = None
    resume: bool = False
    teacher: Path | None = None
    """The model folder to distil; the encoder is then that of the student, or the JSON file of its configuration."""


@dataclass(frozen=True)
class Draft:
    """A run that is planned as far as it can be without its network."""

    run: Path
    corpora: Mixture
    encoder: str
    config: PreTrainedConfig
    vocabulary: Vocabulary
    characters: CharacterReport
    plan: Plan
    is_resumed: bool
    teacher: Teacher | None


@dataclass(frozen=True)
class Job:
    """A run made ready. Nothing of it changes while it trains, except the weights of its network."""

    run: Path
    corpora: Mixture
    encoder: str
    vocabulary: Vocabulary
    characters: CharacterReport
    plan: Plan
    loaded: LoadedEncoder
    batches: TrainingBatches
    dev_cuts: CutSet
    is_resumed: bool
    teacher: Teacher | None
    """What the network learns from in distillation."""

    @property
    def recipe(self) -> Recipe:
        """The recipe, in which nothing is `auto` that the run needs."""
        return self.plan.recipe

    @property
    def network(self) -> PreTrainedModel:
        """The network that is trained."""
        return self.loaded.network

    @property
    def parts(self) -> int:
        """Batches in a step (gradient accumulation)."""
        return int(self.recipe.data.accumulate)

    @property
    def steps_per_epoch(self) -> float:
        """Optimiser steps of the first epoch; later ones differ by a few."""
        return self.batches.in_first_epoch / self.parts

    @property
    def total_steps(self) -> int | None:
        """Optimiser steps of the run; None if only minutes bound it."""
        return total_steps(self.recipe, self.steps_per_epoch)


def plan_run(request: Request, processes: Processes, say: Callable[[str], None]) -> Draft:
    """The plan of a new run, or that of the run to resume, which keeps its own encoder and recipe.

    Raises `GoamaError` for a run folder that is taken, corpora that cannot be trained on, an encoder or a teacher that
    cannot be used, or a recipe that asks for what cannot be done.
    """
    corpora, run = request.corpora, request.run
    is_sharded = fsdp_requested()  # first, as it refuses options of accelerate that goama does not support
    begun = processes.on_main(lambda: open_run(run, corpora, request.resume))
    teacher = _teacher(request, begun, say)
    if teacher is not None:
        corpora = replace(corpora, respelling=teacher.model.normaliser)
    recipe, encoder = request.recipe or Recipe(), request.encoder
    if begun is not None:
        written = processes.on_main(lambda: read_recipe(run / RECIPE_FILE))
        if recipe not in (Recipe(), written) or encoder not in (None, begun["encoder"]):
            say(f"{run} goes on with its own encoder ({begun['encoder']}) and recipe ({run / RECIPE_FILE})")
        recipe, encoder = written, begun["encoder"]
    elif request.resume:
        say(f"{run}: nothing to resume, a new run begins")
    encoder = encoder or recipe.model.encoder or _default_encoder(processes, say)
    recipe.train.pushes()  # a half-named repository is refused before hours of training
    processes.on_main(partial(require_trackers, recipe.train.trackers))
    processes.together(lambda: corpora.require_sound("train", "dev"))  # before the encoder is loaded
    if teacher is None:
        vocabulary, characters = _vocabulary(corpora, recipe)
    else:
        vocabulary, characters = teacher.model.vocabulary, characters_for(teacher, corpora)
        encoder = processes.on_main(partial(_student, encoder, teacher, run, recipe.train.seed, say))
    config, teacher_config = read_config(encoder), None if teacher is None else teacher.model.network.config
    wanted = recipe.with_values("model", encoder=encoder)
    plan = processes.on_main(
        lambda: make_plan(wanted, corpora, vocabulary, encoder, config, processes.device, teacher=teacher_config)
    )
    if is_sharded and plan.recipe.train.precision == "fp16":
        raise GoamaError("FSDP does not go with train.precision=fp16; use bf16 or no")
    return Draft(
        run, corpora, encoder, config, vocabulary, characters, plan, is_resumed=begun is not None, teacher=teacher
    )


def _teacher(request: Request, begun: dict[str, Any] | None, say: Callable[[str], None]) -> Teacher | None:
    """The teacher of a distillation. Raises `GoamaError` if it cannot be opened or is not that of the resumed run."""
    teacher = None if request.teacher is None else load_teacher(request.teacher)
    if begun is not None:
        facts = begun.get("teacher")
        require_same_teacher(request.run, None if facts is None else TeacherFacts(**facts), teacher)
    if teacher is None:
        return None
    if fsdp_requested():
        raise GoamaError("goama distil does not shard student and teacher; launch it without FSDP")
    warning = language_warning(teacher, request.corpora)
    if warning and begun is None:
        say(warning)
    return teacher


def _student(encoder: str, teacher: Teacher, run: Path, seed: int, say: Callable[[str], None]) -> str:
    """The encoder of a student. Raises `GoamaError` if it is the teacher, or no configuration where one is needed."""
    if is_configuration(encoder):
        say(student_from_config(Path(encoder), teacher, run / STUDENT_FOLDER, seed=seed))
        return str(run / STUDENT_FOLDER)
    if Path(encoder).exists() and Path(encoder).resolve() == Path(teacher.facts.folder).resolve():
        raise GoamaError(
            f"{encoder} is the teacher and the student; --student takes {STARTER}, another model folder, or a "
            "configuration (docs/distil.md)"
        )
    return encoder


def _default_encoder(processes: Processes, say: Callable[[str], None]) -> str:
    encoder, why = processes.on_main(default_encoder)
    if why:
        say(why)
    return encoder


def _vocabulary(corpora: Mixture, recipe: Recipe) -> tuple[Vocabulary, CharacterReport]:
    """The characters of the training texts. Raises `GoamaError` if none is frequent enough."""
    vocabulary, characters = Vocabulary.from_texts(
        (cut.supervisions[0].text for cut in corpora.cuts("train")), min_count=recipe.data.min_count
    )
    if not vocabulary.units:
        raise GoamaError(
            f"no character is seen {characters.min_count} times in the training texts; lower data.min_count"
        )
    return vocabulary, characters


def load_network(draft: Draft, processes: Processes) -> LoadedEncoder:
    """The encoder under a CTC head, with the trained parameters chosen; one download a machine.

    A student that learns its teacher's hidden states gets a projection to them.

    Raises `GoamaError` if it cannot be loaded, or has no adapter for `model.language`.
    """
    torch.manual_seed(draft.plan.recipe.train.seed)
    loaded = processes.in_turn(processes.is_main_here, lambda: _loaded(draft))
    if draft.teacher is not None and draft.plan.recipe.distil.hidden_weight:
        add_projection(loaded.network, draft.teacher.states_width)
        loaded = replace(loaded, new_parameters=(*loaded.new_parameters, PROJECTION))
    if draft.plan.recipe.model.gradient_checkpointing:
        loaded.network.gradient_checkpointing_enable()
    return loaded


def _loaded(draft: Draft) -> LoadedEncoder:
    model, encoder = draft.plan.recipe.model, draft.encoder
    languages = [model.language] if model.language else list(draft.corpora.languages)
    loaded = load_for_training(encoder, draft.vocabulary, adapter=bool(model.adapter), languages=languages)
    if model.language and loaded.carried_over.language != model.language:
        raise GoamaError(
            f"{encoder}: no adapter.{model.language}.safetensors with a vocabulary beside it; MMS names languages by "
            "three letters (ISO 639-3); without model.language a new adapter is trained"
        )
    choose_trainable(
        loaded.network,
        loaded.new_parameters,
        freeze_feature_encoder=model.freeze_feature_encoder,
        freeze_encoder=bool(model.freeze_encoder),
        lora=model.lora,
    )
    return loaded


def known_characters(loaded: LoadedEncoder, vocabulary: Vocabulary) -> float:
    """The share of the characters that the network can write before training; 0 if its head is on a new adapter."""
    has_new_adapter = any(name.startswith("wav2vec2_bert.adapter.") for name in loaded.new_parameters)
    return 0.0 if has_new_adapter else loaded.carried_over.characters / len(vocabulary.units)


def training_batches(draft: Draft, plan: Plan, processes: Processes, *, parts: int) -> TrainingBatches:
    """This process's batches, each a part of a step; clips that the plan excludes are not in them."""
    data = plan.recipe.data
    excluded = frozenset(clip.id for clip in plan.excluded)
    cuts = draft.corpora.cuts("train")
    return TrainingBatches(
        cuts.filter(partial(_is_not_in, excluded)) if excluded else cuts,
        draft.vocabulary,
        batch_s=float(data.batch_seconds) / parts,
        seed=plan.recipe.train.seed,
        repeats=plan.repeats,
        workers=int(data.workers),
        rank=processes.rank,
        world_size=processes.count,
    )


def _is_not_in(excluded: frozenset[str], cut: Any) -> bool:  # not a lambda: lhotse pickles it for worker processes
    return cut.id not in excluded


def make_job(draft: Draft, plan: Plan, loaded: LoadedEncoder, batches: TrainingBatches) -> Job:
    """The job of a complete plan; `batches` are parts of its steps."""
    return Job(
        run=draft.run,
        corpora=draft.corpora,
        encoder=draft.encoder,
        vocabulary=draft.vocabulary,
        characters=draft.characters,
        plan=plan,
        loaded=loaded,
        batches=batches,
        dev_cuts=draft.corpora.cuts("dev").to_eager(),
        is_resumed=draft.is_resumed,
        teacher=draft.teacher,
    )
