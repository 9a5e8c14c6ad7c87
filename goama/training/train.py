"""`goama train`: one corpus or several, an encoder and a recipe become a run folder with the best model in it.

RUN/recipe.toml       every choice, as `--recipe` takes it     RUN/metrics.jsonl  a line per logged step
RUN/run.json          what was trained on what, and why        RUN/tensorboard    the same for TensorBoard
RUN/checkpoint-<n>    resumable states                         RUN/best, RUN/last model folders
RUN/alignment-<n>.npz frame labels, from scratch only          RUN/dev.jsonl   dev clips as RUN/best writes them
RUN/report.html       all of it as a page, while it trains
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import ProjectConfiguration
from rich.console import Console

import goama
from goama.acoustics.batches import TrainingBatches
from goama.acoustics.log_mel import LogMel
from goama.corpus.corpus import Corpus
from goama.corpus.mixture import Mixture
from goama.errors import GoamaError
from goama.files import recover_folder, write_beside
from goama.model.card import model_card
from goama.model.encoder import (
    LoadedEncoder,
    default_encoder,
    feature_stride,
    frame_shift_s,
    load_for_training,
    read_config,
)
from goama.model.folder import SpeechModel, save_model_folder
from goama.model.frame_head import FRAME_HEAD, add_frame_head
from goama.reports.run_page import REPORT_FILE
from goama.text.vocabulary import CharacterReport, Vocabulary
from goama.training.checkpoint import RunState, load_newest
from goama.training.guidance import Guide
from goama.training.loop import Learner, Outcome, TrainingLoop
from goama.training.monitor import Monitor, clock
from goama.training.optimiser import make_optimiser
from goama.training.plan import Plan, make_plan
from goama.training.recipe import Recipe, read_recipe

RECIPE_FILE, RUN_FILE = "recipe.toml", "run.json"
_FIRST_FILES = {RECIPE_FILE, RECIPE_FILE + ".partial", RUN_FILE + ".partial"}
"""What a run that was killed at once leaves: nothing that is lost when it begins anew."""

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
    run, console = Path(run), console or Console()
    if PartialState().num_processes > 1:
        raise GoamaError("several processes do not train one run yet; start goama train without a launcher")
    known = _open_run(run, corpora, resume)
    if resume and known is None:
        _say(console, f"{run}: nothing to resume, a new run begins")
    if known is not None:
        written = read_recipe(run / RECIPE_FILE)
        if recipe not in (None, Recipe(), written) or encoder not in (None, known["encoder"]):
            _say(console, f"{run} goes on with its own encoder ({known['encoder']}) and recipe ({run / RECIPE_FILE})")
        recipe, encoder = written, known["encoder"]
    recipe = recipe or Recipe()
    encoder = encoder or recipe.model.encoder
    if encoder is None:
        encoder, why = default_encoder()
        if why:
            _say(console, why)
    recipe = recipe.with_values("model", encoder=encoder)
    corpora.require_sound("train", "dev")  # also that neither is empty, before the encoder is loaded
    vocabulary, characters = Vocabulary.from_texts(
        (cut.supervisions[0].text for cut in corpora.cuts("train")), min_count=recipe.data.min_count
    )
    if not vocabulary.units:
        raise GoamaError(
            f"no character is seen {characters.min_count} times in the training texts; lower data.min_count"
        )
    config = read_config(encoder)
    plan = make_plan(recipe, corpora, vocabulary, encoder, config, PartialState().device)
    recipe = plan.recipe
    accelerator = _accelerator(run, recipe.train.precision)

    torch.manual_seed(recipe.train.seed)
    loaded = load_for_training(encoder, vocabulary, adapter=bool(recipe.model.adapter))
    if recipe.model.gradient_checkpointing:
        loaded.network.gradient_checkpointing_enable()
    if known is None and accelerator.is_main_process:
        _write_run(run, corpora, encoder, plan, loaded)
    if accelerator.is_main_process:
        _explain(console, corpora, encoder, plan, vocabulary, characters, loaded, resumed=known is not None)

    if recipe.train.flat_start:
        add_frame_head(loaded.network)
    optimiser = make_optimiser(
        loaded.network,
        learning_rate=float(recipe.train.learning_rate),
        head_learning_rate=float(recipe.train.head_learning_rate),
        new_parameters=(*loaded.new_parameters, FRAME_HEAD),
        betas=recipe.train.betas,
        weight_decay=recipe.train.weight_decay,
    )
    state = RunState()
    if known is not None:
        state, damaged = load_newest(run, loaded.network, optimiser)
        for folder in damaged:
            _say(console, f"{folder} is damaged and was passed over")
        _say(console, f"resuming at step {state.step} ({clock(state.elapsed_s)} of training done)")

    loaded.network.train()
    learner = Learner(accelerator, loaded.network, optimiser, LogMel(feature_stride(loaded.network.config)), vocabulary)
    if accelerator.scaler is not None and state.scaler:
        accelerator.scaler.load_state_dict(state.scaler)
    batches = _batches(corpora, vocabulary, plan, accelerator)
    total_steps = _total_steps(recipe, batches)
    with Monitor(run, accelerator, console, from_step=state.step) as monitor:

        def save_model(name: str, state: RunState) -> None:
            if accelerator.is_main_process:
                card = _card(corpora, encoder, plan, learner, state)
                model = SpeechModel(learner.bare_network, learner.log_mel, vocabulary, corpora.normaliser)
                save_model_folder(run / name, model, card)

        guide = None
        if recipe.train.flat_start and not state.finished:
            guide = _guide(run, corpora, vocabulary, plan, monitor, accelerator)
            guide.begin(state.realigned)
        loop = TrainingLoop(
            learner,
            batches,
            corpora.cuts("dev").to_eager(),
            recipe.train,
            recipe.augment,
            recipe.data.accumulate,
            total_steps,
            run,
            state,
            monitor,
            save_model,
            guide,
        )
        try:
            outcome = loop.run()
        except torch.OutOfMemoryError as error:
            raise GoamaError(
                f"the GPU's memory does not hold {recipe.data.batch_seconds:g} s of audio at once; go on with --resume "
                "in a copy of the recipe with data.accumulate doubled, or model.gradient_checkpointing=true"
            ) from error
    return Trained(run, run / "best", run / REPORT_FILE, outcome)


def _open_run(run: Path, corpora: Mixture, resume: bool) -> dict[str, Any] | None:
    """The facts of the run to resume, or None for a new one."""
    facts = run / RUN_FILE
    for model in (run / "best", run / "last"):
        recover_folder(model)
    if not facts.is_file():
        if run.exists() and any(path.name not in _FIRST_FILES for path in run.iterdir()):
            raise GoamaError(f"{run}: this folder is not empty and holds no run; choose another with -o")
        return None
    if not resume:
        raise GoamaError(f"{run} holds a run already; go on with it by --resume, or choose another folder with -o")
    try:
        known = json.loads(facts.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise GoamaError(f"{facts}: damaged ({error.msg}); train again into another folder") from error
    trained_on = known.get("corpora")
    if trained_on is None:
        raise GoamaError(f"{facts}: not written by this version of goama; train again into another folder")
    if sorted(corpus["fingerprint"] for corpus in trained_on) != list(corpora.fingerprints()):
        folders = ", ".join(corpus["folder"] for corpus in trained_on)
        raise GoamaError(
            f"{run} was trained on another corpus ({folders}, changed since or not what was given now); "
            "resume with the same corpus or corpora, or choose another folder with -o"
        )
    return known


def _accelerator(run: Path, precision: str) -> Accelerator:
    AcceleratorState._reset_state()  # a second run in one process may have another precision
    return Accelerator(
        mixed_precision=precision,
        log_with="tensorboard",
        project_config=ProjectConfiguration(project_dir=str(run), logging_dir=str(run)),
    )


def _guide(
    run: Path, corpora: Mixture, vocabulary: Vocabulary, plan: Plan, monitor: Monitor, accelerator: Accelerator
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
        saves=accelerator.is_main_process,
    )


def _batches(corpora: Mixture, vocabulary: Vocabulary, plan: Plan, accelerator: Accelerator) -> TrainingBatches:
    data = plan.recipe.data
    return TrainingBatches(
        _trained_on(corpora.cuts("train"), plan),
        vocabulary,
        batch_s=float(data.batch_seconds) / data.accumulate / accelerator.num_processes,
        seed=plan.recipe.train.seed,
        repeats=plan.repeats,
        workers=int(data.workers),
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
    )


def _trained_on(cuts: Any, plan: Plan) -> Any:
    left_out = {clip.id for clip in plan.left_out}
    return cuts.filter(partial(_is_not_in, left_out)) if left_out else cuts


def _is_not_in(left_out: set[str], cut: Any) -> bool:
    return cut.id not in left_out


def _total_steps(recipe: Recipe, batches: TrainingBatches) -> int | None:
    train = recipe.train
    if train.steps is not None or train.minutes is not None:
        return train.steps
    return max(1, math.ceil(float(train.epochs) * batches.in_first_epoch() / recipe.data.accumulate))


def _write_run(run: Path, corpora: Mixture, encoder: str, plan: Plan, loaded: LoadedEncoder) -> None:
    run.mkdir(parents=True, exist_ok=True)
    write_beside(run / RECIPE_FILE, plan.recipe.to_toml())
    facts = {
        "encoder": encoder,
        "corpora": [_identity(name, corpus) for name, corpus in zip(corpora.names, corpora.corpora, strict=True)],
        "choices": [asdict(choice) for choice in plan.choices],
        "left_out": [asdict(clip) for clip in plan.left_out],
        "parameters": sum(p.numel() for p in loaded.network.parameters()),
        "device": _device(),
        "versions": {
            "goama": goama.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    write_beside(run / RUN_FILE, json.dumps(facts, ensure_ascii=False, indent=2) + "\n")


def _device() -> str:
    device = PartialState().device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type.upper()}, {threads} {'thread' if threads == 1 else 'threads'}"


def _identity(name: str, corpus: Corpus) -> dict[str, Any]:
    return {
        "name": name,
        "folder": str(corpus.folder),
        "fingerprint": corpus.fingerprint(),
        "language": corpus.language,
        "splits": corpus.about["splits"],
    }


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
    if loaded.carried_over:
        say(f"{loaded.carried_over} characters keep what the encoder's own head knew of them")
    if not resumed:
        for choice in plan.choices:
            say(f"  {choice.key} = {choice.value}  ({choice.reason})")
    if plan.unfit:
        evidence = [f"{clip.id} ({clip.reason})" for clip in plan.unfit]
        say(f"{_clips(len(evidence))} left out, their text does not fit their sound: {_first(evidence)}")
    if plan.too_long:
        say(
            f"{_clips(len(plan.too_long))} left out, longer than data.longest_s = {plan.recipe.data.longest_s:g}: "
            f"{_first([clip.id for clip in plan.too_long])}"
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
