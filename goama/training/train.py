"""`goama train`: one corpus or several, an encoder and a recipe become a run folder with the best model in it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from rich.console import Console
from transformers import PreTrainedModel

from goama.acoustics.batches import TrainingBatches
from goama.corpus.corpus import Corpus
from goama.corpus.mixture import Mixture
from goama.errors import GoamaError
from goama.model.card import model_card
from goama.model.encoder import (
    LoadedEncoder,
    default_encoder,
    frame_shift_s,
    front_end,
    is_whisper,
    load_for_training,
    read_config,
)
from goama.model.folder import SpeechModel, save_model_folder
from goama.model.frame_head import FRAME_HEAD, add_frame_head
from goama.model.shards import Shards
from goama.model.trainable import choose_trainable
from goama.reports.run_page import REPORT_FILE
from goama.text.vocabulary import CharacterReport, Vocabulary
from goama.training.checkpoint import RunState, load_everywhere
from goama.training.diagnosis import diagnose, save_diagnoses
from goama.training.facts import gather_facts
from goama.training.guidance import Guide
from goama.training.learner import Learner
from goama.training.loop import Outcome, TrainingLoop
from goama.training.memory import is_out_of_memory, parts_that_fit, rehearse
from goama.training.monitor import Monitor, clock, read_metrics
from goama.training.optimiser import make_optimiser
from goama.training.plan import Choice, Plan, make_plan, with_beginning
from goama.training.processes import Processes, asks_for_shards
from goama.training.recipe import Recipe, read_recipe
from goama.training.run_folder import RECIPE_FILE, RUN_FILE, open_run, run_id, settle, write_run
from goama.training.trackers import require_trackers, start_trackers

_NAMED = 5  # clips named on the screen; run.json names all


@dataclass(frozen=True)
class Trained:
    """What a run left behind."""

    run: Path
    best: Path
    report: Path
    outcome: Outcome


def train(
    corpora: Mixture,
    run: Path | str,
    *,
    encoder: str | None = None,
    recipe: Recipe | None = None,
    resume: bool = False,
    console: Console | None = None,
) -> Trained:
    """Train, or go on with, a run; `encoder` wins over the recipe's, and without either `default_encoder` chooses.

    With `resume`, the recipe and encoder of the run folder are used and training continues from its newest
    whole checkpoint; a folder without a run starts one. Raises `GoamaError` for a corpus that cannot be
    trained on, an encoder that cannot be loaded, or a run folder that is taken.
    """
    sharded = asks_for_shards()
    if sharded:  # every process reads the weights and keeps its part
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    processes = Processes()
    run, console = Path(run), (console or Console()) if processes.is_main else Console(quiet=True)
    known = processes.on_main(lambda: open_run(run, corpora, resume))
    if resume and known is None:
        _say(console, f"{run}: nothing to resume, a new run begins")
    if known is not None:
        written = processes.on_main(lambda: read_recipe(run / RECIPE_FILE))
        if recipe not in (None, Recipe(), written) or encoder not in (None, known["encoder"]):
            _say(console, f"{run} goes on with its own encoder ({known['encoder']}) and recipe ({run / RECIPE_FILE})")
        recipe, encoder = written, known["encoder"]
    recipe = recipe or Recipe()
    encoder = encoder or recipe.model.encoder
    if encoder is None:
        encoder, why = processes.on_main(default_encoder)
        if why:
            _say(console, why)
    recipe = recipe.with_values("model", encoder=encoder)
    processes.on_main(partial(require_trackers, recipe.train.trackers))
    # also that neither is empty, before the encoder is loaded
    processes.together(lambda: corpora.require_sound("train", "dev"))
    vocabulary, characters = Vocabulary.from_texts(
        (cut.supervisions[0].text for cut in corpora.cuts("train")), min_count=recipe.data.min_count
    )
    if not vocabulary.units:
        raise GoamaError(
            f"no character is seen {characters.min_count} times in the training texts; lower data.min_count"
        )
    config = read_config(encoder)
    plan = processes.on_main(partial(make_plan, recipe, corpora, vocabulary, encoder, config, PartialState().device))
    recipe = plan.recipe
    if sharded and recipe.train.precision == "fp16":
        raise GoamaError("FSDP does not go with train.precision=fp16; use bf16 or no")
    accelerator = _accelerator(recipe.train.precision)

    torch.manual_seed(recipe.train.seed)
    load = partial(_loaded, encoder, vocabulary, recipe, corpora)
    loaded = processes.in_turn(processes.is_main_here, load)  # one download a machine
    if recipe.model.gradient_checkpointing:
        loaded.network.gradient_checkpointing_enable()
    carried = _carried_head(loaded) / len(vocabulary.units)
    batches = _batches(corpora, vocabulary, plan, accelerator)
    if known is None:
        plan = with_beginning(
            plan,
            encoder=encoder,
            known=carried,
            steps=_total_steps(recipe, batches),
            is_whisper=is_whisper(config),
        )
        recipe = plan.recipe
        processes.on_main(lambda: write_run(run, corpora, encoder, plan, loaded))
    _explain(console, corpora, encoder, plan, vocabulary, characters, loaded, resumed=known is not None)

    if recipe.train.flat_start:
        add_frame_head(loaded.network)
    shards = _spread(console, processes, loaded.network) if sharded else None
    optimiser = make_optimiser(
        loaded.network,
        learning_rate=float(recipe.train.learning_rate),
        head_learning_rate=float(recipe.train.head_learning_rate),
        new_parameters=(*loaded.new_parameters, FRAME_HEAD),
        layer_decay=float(recipe.train.layer_decay),
        betas=recipe.train.betas,
        weight_decay=recipe.train.weight_decay,
    )
    state = RunState()
    if known is not None:
        state, damaged = load_everywhere(processes, run, loaded.network, optimiser)
        for folder in damaged:
            _say(console, f"{folder} is damaged and was passed over")
        _say(console, f"resuming at step {state.step} ({clock(state.elapsed_s)} of training done)")

    loaded.network.train()
    hears = front_end(encoder, loaded.network.config)
    learner = Learner(accelerator, loaded.network, optimiser, hears, vocabulary, shards)
    learner.load_scaler(state.scaler)
    if recipe.data.accumulate == "auto":
        plan = _split_to_fit(run, console, plan, learner)
        recipe = plan.recipe
        batches = _batches(corpora, vocabulary, plan, accelerator)
    total_steps = _total_steps(recipe, batches)
    trackers = processes.together(
        lambda: start_trackers(recipe, run, run_id(run), state.step) if processes.is_main else []
    )
    steps_per_epoch = batches.in_first_epoch / int(recipe.data.accumulate)
    config = loaded.network.config
    facts = processes.on_main(
        lambda: gather_facts(
            corpora,
            vocabulary,
            plan,
            config,
            encoder=encoder,
            steps_per_epoch=steps_per_epoch,
            planned_steps=total_steps,
        )
    )
    with Monitor(run, accelerator, console, from_step=state.step, trackers=trackers, corpora=corpora.names) as monitor:

        def save_model(name: str, state: RunState) -> None:
            card = _card(corpora, encoder, plan, learner, state)
            model = SpeechModel(learner.whole_network(), learner.front_end, vocabulary, corpora.normaliser)
            processes.on_main(lambda: save_model_folder(run / name, model, card))

        def explain(state: RunState, at_end: bool) -> None:
            found = diagnose(read_metrics(run), facts, at_end=at_end)
            new = save_diagnoses(run, found, finished=state.finished, reason=state.guard.reason)
            for diagnosis in found if at_end else new:
                monitor.say(str(diagnosis))

        guide = None
        if recipe.train.flat_start and not state.finished:
            guide = _guide(run, corpora, vocabulary, plan, monitor, processes)
            guide.begin(state.realigned)
        loop = TrainingLoop(
            learner,
            batches,
            corpora.cuts("dev").to_eager(),
            recipe.train,
            recipe.augment,
            int(recipe.data.accumulate),
            total_steps,
            run,
            state,
            monitor,
            save_model,
            lambda state, at_end: processes.on_main(lambda: explain(state, at_end)),
            guide,
            knows_letters=carried > 0,
        )
        try:
            outcome = loop.run()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise GoamaError(_out_of_memory(recipe, processes.count)) from error
    return Trained(run, run / "best", run / REPORT_FILE, outcome)


def _out_of_memory(recipe: Recipe, processes: int) -> str:
    """The sentence about it; a run that goes on keeps its recipe, so that another one is to be begun."""
    parts = int(recipe.data.accumulate)
    remedies = [f"-s data.accumulate={2 * parts}"]
    if not recipe.model.gradient_checkpointing:
        remedies.append("-s model.gradient_checkpointing=true")
    held_s = float(recipe.data.batch_seconds) / parts / processes
    return (
        f"the GPU's memory does not hold {held_s:g} s of audio at once; train again into another folder with "
        f"{' or '.join(remedies)}"
    )


def _accelerator(precision: str) -> Accelerator:
    AcceleratorState._reset_state()  # a second run in one process may have another precision
    return Accelerator(mixed_precision=precision)


def _loaded(encoder: str, vocabulary: Vocabulary, recipe: Recipe, corpora: Mixture) -> LoadedEncoder:
    """The network, with the part of it that shall learn."""
    model = recipe.model
    languages = [model.language] if model.language else list(corpora.languages)
    loaded = load_for_training(encoder, vocabulary, adapter=bool(model.adapter), languages=languages)
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


def _spread(console: Console, processes: Processes, network: PreTrainedModel) -> Shards:
    network.to(PartialState().device)  # type: ignore[arg-type]
    processes.same_weights(network)
    _say(console, f"the network and its optimiser are spread over {processes.count} processes (FSDP)")
    return Shards(network)


def _carried_head(loaded: LoadedEncoder) -> int:
    """How many characters the network can write before it is trained; none where its head stands on a new adapter."""
    is_parted = any(name.startswith("wav2vec2_bert.adapter.") for name in loaded.new_parameters)
    return 0 if is_parted else loaded.carried_over.characters


def _guide(
    run: Path, corpora: Mixture, vocabulary: Vocabulary, plan: Plan, monitor: Monitor, processes: Processes
) -> Guide:
    parts = [(name, _trained_on(cuts, plan).to_eager()) for name, cuts in corpora.parts("train")]
    train = plan.recipe.train
    return Guide(
        run,
        [(name, cuts) for name, cuts in parts if len(cuts)],
        vocabulary,
        monitor,
        share=float(train.flat_start),
        realign=train.realign,
        processes=processes,
    )


def _split_to_fit(run: Path, console: Console, plan: Plan, learner: Learner) -> Plan:
    """Try out how much of a step the GPUs hold at once; the plan, and the run's recipe, with the parts it needs."""
    train = plan.recipe.train
    batch_s = float(plan.recipe.data.batch_seconds) / learner.processes.count
    try_seconds = partial(
        rehearse,
        learner,
        longest_s=plan.longest_s,
        tempo=float(plan.recipe.augment.tempo),
        views=2 if train.consistency else 1,
        is_guided=bool(train.flat_start),
    )
    fit = learner.processes.together(lambda: parts_that_fit(try_seconds, batch_s, plan.longest_s))
    parts = max(learner.processes.gathered([fit]))
    recipe = plan.recipe.with_values("data", accumulate=parts)
    why = f"this GPU holds {batch_s / parts:.0f} s of audio at once, tried out with the longest clips"
    choice = Choice("data.accumulate", parts, why)
    learner.processes.on_main(lambda: settle(run, recipe, choice))
    _say(console, f"  {choice.key} = {choice.value}  ({choice.reason})")
    return replace(plan, recipe=recipe, choices=(*plan.choices, choice))


def _batches(corpora: Mixture, vocabulary: Vocabulary, plan: Plan, accelerator: Accelerator) -> TrainingBatches:
    data = plan.recipe.data
    return TrainingBatches(
        _trained_on(corpora.cuts("train"), plan),
        vocabulary,
        batch_s=float(data.batch_seconds) / _parts(plan.recipe),
        seed=plan.recipe.train.seed,
        repeats=plan.repeats,
        workers=int(data.workers),
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
    )


def _parts(recipe: Recipe) -> int:
    """Of a step; 1 until the GPUs' memory has been asked."""
    return 1 if recipe.data.accumulate == "auto" else int(recipe.data.accumulate)


def _trained_on(cuts: Any, plan: Plan) -> Any:
    left_out = {clip.id for clip in plan.left_out}
    return cuts.filter(partial(_is_not_in, left_out)) if left_out else cuts


def _is_not_in(left_out: set[str], cut: Any) -> bool:
    return cut.id not in left_out


def _total_steps(recipe: Recipe, batches: TrainingBatches) -> int | None:
    """What bounds the run beside its minutes."""
    bounds = [] if recipe.train.steps is None else [recipe.train.steps]
    if recipe.train.epochs != "auto":
        per_epoch = batches.in_first_epoch / _parts(recipe)
        bounds.append(max(1, math.ceil(recipe.train.epochs * per_epoch)))
    return min(bounds, default=None)


def _explain(
    console: Console,
    corpora: Mixture,
    encoder: str,
    plan: Plan,
    vocabulary: Vocabulary,
    characters: CharacterReport,
    loaded: LoadedEncoder,
    *,
    resumed: bool,
) -> None:
    say = partial(_say, console)
    million = sum(p.numel() for p in loaded.network.parameters()) / 1e6
    say(
        f"{corpora}: {60 * plan.hours:.1f} min to train on, "
        f"{corpora.seconds('dev') / 60:.1f} min dev; "
        f"{len(vocabulary.units)} characters; encoder {encoder}, {million:.1f} M parameters"
    )
    if characters.rare:
        rare = ", ".join(f"{unit.unit!r} ({unit.count})" for unit in characters.rare[:10])
        more = f" and {len(characters.rare) - 10} more" if len(characters.rare) > 10 else ""
        say(f"characters seen fewer than {characters.min_count} times become [UNK]: {rare}{more}")
    learning = sum(p.numel() for p in loaded.network.parameters() if p.requires_grad) / 1e6
    if learning < million:
        say(f"{learning:.1f} M of the parameters learn, the others are frozen")
    known = loaded.carried_over
    if known.language:
        say(f"attention adapters: those of {known.language} in {encoder}")
    if known.renewed:
        say(
            f"attention adapters: new ones, {encoder} has none for {', '.join(corpora.languages) or 'this language'} "
            "(-s model.language=CODE takes another language's)"
        )
    if known.characters:
        say(f"{known.characters} characters keep what the encoder's own head knew of them")
    if not resumed:
        for choice in plan.choices:
            say(f"  {choice.key} = {choice.value}  ({choice.reason})")
    if plan.unfit:
        evidence = [f"{clip.id} ({clip.reason})" for clip in plan.unfit]
        say(f"{_clips(len(evidence))} left out, their text does not fit their sound: {_first(evidence)}")
    if plan.too_long:
        say(
            f"{_clips(len(plan.too_long))} left out as too long: "
            f"{_first([f'{clip.id} ({clip.reason})' for clip in plan.too_long])}"
        )


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count} clips"


def _first(named: Sequence[str]) -> str:
    more = f" and {len(named) - _NAMED} more in {RUN_FILE}" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, highlight=False, soft_wrap=True, markup=False)


def _card(corpora: Mixture, encoder: str, plan: Plan, learner: Learner, state: RunState) -> str:
    return model_card(
        encoder=encoder,
        architecture=learner.config.model_type,
        languages=corpora.languages,
        train_hours=plan.hours,
        dev_cer=state.best_cer if state.best_step == state.step else None,
        step=state.step,
        frame_shift_ms=1000 * frame_shift_s(learner.config),
        recipe_toml=plan.recipe.to_toml(),
        source=", ".join(_source(corpus) for corpus in corpora.corpora),
    )


def _source(corpus: Corpus) -> str:
    """Where a corpus came from; of a folder only its name."""
    source = corpus.about["source"]
    return Path(source).name if Path(source).exists() else source
