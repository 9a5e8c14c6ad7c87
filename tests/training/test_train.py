"""A run from beginning to end: exact under accumulation, resumable to the bit, best and not merely last."""

import json
import os
import re
import resource
import shutil
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from goama.corpus.corpus import Corpus
from goama.data.batches import Batch, DataPlace, TrainingBatches
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.evaluation.scores import score, score_clip
from goama.model.encoder import output_frames
from goama.recognition.emission import emissions
from goama.recognition.greedy import greedy_text
from goama.recognition.recogniser import Recogniser
from goama.run.checkpoint import list_checkpoints, load_newest, save_checkpoint
from goama.run.metrics import read_metrics
from goama.run.processes import Processes
from goama.run.recipe import AugmentSection, read_recipe
from goama.run.state import RunState
from goama.sound.augmentation import change_tempo, generators
from goama.text import Vocabulary
from goama.training.inputs import InputMaker
from goama.training.train import Trained, train
from goama.training.watchers import Watcher
from tests.children import command_line, in_a_child, struck

from .several import in_processes, make_learner


def clips(corpus: Corpus, vocabulary: Vocabulary) -> list[Batch]:
    """32 clips, each a batch of its own."""
    stream = TrainingBatches(corpus.cuts("train"), vocabulary, batch_s=10.0, seed=0).starting_at(DataPlace())
    single = [
        Batch((b.ids[i],), (b.waveforms[i],), (b.labels[i],), (b.texts[i],), (b.speakers[i],))
        for _, b in islice(stream, 20)
        for i in range(len(b.ids))
    ]
    return single[:32]


def joined(batches: list[Batch]) -> Batch:
    return Batch(*(tuple(value for b in batches for value in getattr(b, name)) for name in Batch.__dataclass_fields__))


def gradient_of_a_step(tiny_encoder, corpus, size: int, **options):
    """32 clips in parts of `size`: the step's outcome and its gradient."""
    learner = make_learner(corpus, tiny_encoder, plain_descent=True)
    singles = clips(corpus, learner.vocabulary)
    before = torch.cat([p.detach().flatten() for p in learner.network.parameters()])
    parts = [joined(singles[start : start + size]) for start in range(0, 32, size)]
    outcome = learner.step(parts, seed=0, clip=1e9, **options)
    return outcome, before - torch.cat([p.detach().flatten() for p in learner.network.parameters()])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "consistency": 0.5,
            "augment": AugmentSection(time_masks_per_s=0.5, frequency_masks=2, tempo=0.1, vocal_tract=0, reverb=0),
        },
    ],
)
def test_one_batch_of_32_and_four_of_8_and_32_of_1_are_the_same_step(tiny_encoder, corpus, options):
    whole, gradient = gradient_of_a_step(tiny_encoder, corpus, 32, **options)
    assert whole.gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-3)
    for size in (8, 1):
        in_parts, summed = gradient_of_a_step(tiny_encoder, corpus, size, **options)
        assert in_parts.loss == pytest.approx(whole.loss, rel=1e-5)
        assert (in_parts.disagreement or 0) == pytest.approx(whole.disagreement or 0, rel=1e-4)
        assert in_parts.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-4)
        assert (summed - gradient).norm() < 1e-3 * gradient.norm()


def test_two_views_are_augmented_independently_and_learn_to_agree(tiny_encoder, corpus):
    learner = make_learner(corpus, tiny_encoder)
    batch = joined(clips(corpus, learner.vocabulary)[:2])
    unlike = AugmentSection(
        tempo=0, vocal_tract=0.2, reverb=0, time_masks_per_s=0.5, frequency_masks=2, longest_time_mask_s=0.8
    )

    def step(augment, seed):
        return learner.step([batch], seed=seed, clip=1.0, augment=augment, consistency=2.0)

    assert learner.step([batch], seed=0, clip=1.0).disagreement is None
    assert step(None, 0).disagreement == pytest.approx(0.0, abs=1e-5)
    first = step(unlike, 1).disagreement
    assert first > 0.01
    for _ in range(20):
        last = step(unlike, 1).disagreement
    assert last < 0.5 * first


def test_a_step_without_finite_gradients_changes_nothing(tiny_encoder, corpus):
    learner = make_learner(corpus, tiny_encoder)
    (clip,) = clips(corpus, learner.vocabulary)[:1]
    before = {n: p.detach().clone() for n, p in learner.network.named_parameters()}
    broken = Batch(clip.ids, (clip.waveforms[0] * float("nan"),), clip.labels, clip.texts, clip.speakers)
    assert learner.step([broken], seed=0, clip=1.0).skipped
    assert all(torch.equal(before[n], p) for n, p in learner.network.named_parameters())


def test_two_sentences_are_overfitted(tiny_encoder, corpus):
    """Features, labels, loss, optimiser and decoding fit together."""
    learner = make_learner(corpus, tiny_encoder)
    for group in learner.optimiser.param_groups:
        group["lr"] = 5e-3
    two = joined(clips(corpus, learner.vocabulary)[:2])
    for step in range(80):
        learner.step([two], seed=step, clip=1.0)
    network = learner.network.eval()
    heard = [greedy_text(e, learner.vocabulary) for e in emissions(network, learner.front_end, two.waveforms)]
    result = score([score_clip(i, r, h) for i, r, h in zip(two.ids, two.texts, heard, strict=True)])
    assert result.cer < 0.1, list(zip(two.texts, heard, strict=True))


def test_in_the_head_only_phase_the_encoder_gets_no_gradient_and_no_graph_is_kept(tiny_encoder, corpus):
    learner = make_learner(corpus, tiny_encoder)
    batch = joined(clips(corpus, learner.vocabulary)[:4])
    names = {parameter: name for name, parameter in learner.network.named_parameters()}
    before = {name: parameter.detach().clone() for parameter, name in names.items()}
    with_gradient, with_graph = set(), []
    for parameter, name in names.items():
        parameter.register_post_accumulate_grad_hook(lambda _, name=name: with_gradient.add(name))
    learner.network.wav2vec2_bert.register_forward_hook(
        lambda _module, _given, output: with_graph.append(output.last_hidden_state.requires_grad)
    )
    learner.step([batch], seed=0, clip=1.0, head_only=True)
    head = {"lm_head.weight", "lm_head.bias"}
    assert with_gradient == head and with_graph == [False]
    assert {names[parameter] for parameter in learner.optimiser.state} == head, "no moments for the encoder either"
    changed = {name for parameter, name in names.items() if not torch.equal(parameter, before[name])}
    assert changed == head
    assert all(parameter.requires_grad for parameter in names)
    learner.step([batch], seed=1, clip=1.0)
    assert with_gradient > head and with_graph == [False, True]


def test_a_roll_back_from_after_the_head_only_phase_into_it_is_exact(tiny_encoder, corpus, tmp_path):
    """The checkpoint has no moments of the encoder; those from later steps must not survive."""
    learner, fresh = make_learner(corpus, tiny_encoder), make_learner(corpus, tiny_encoder)
    batch = joined(clips(corpus, learner.vocabulary)[:4])
    learner.step([batch], seed=0, clip=1.0, head_only=True)
    save_checkpoint(Processes(), tmp_path, RunState(step=1), learner.network, learner.optimiser, keep=1)
    for seed in (1, 2):
        learner.step([batch], seed=seed, clip=1.0)
    for one in (learner, fresh):
        load_newest(Processes(), tmp_path, one.network, one.optimiser)
        one.step([batch], seed=3, clip=1.0)
    weights = zip(learner.network.parameters(), fresh.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


FEW_STEPS = [
    "train.steps=8",
    "train.eval_every=4",
    "train.save_every=2",
    "data.batch_seconds=20",
    "train.learning_rate=3e-3",
]


AUGMENTED = ["augment.tempo=0.1", "augment.band_limit=0.3", "augment.reverb=0.5", "augment.vocal_tract=0.1"]


@pytest.fixture(scope="module")
def finished_run(mixture, tiny_encoder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    train(mixture, run, encoder=str(tiny_encoder), recipe=read_recipe(None, FEW_STEPS))
    return run


def test_a_run_leaves_what_others_build_on(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert {"best", "last", "recipe.toml", "run.json", "metrics.jsonl", "checkpoint-6", "checkpoint-8"} <= names
    assert not [name for name in names if name.endswith((".partial", ".old"))]
    lines = [json.loads(line) for line in (finished_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "dev_cer" in line] == [4, 8]
    facts = json.loads((finished_run / "run.json").read_text())
    assert facts["left_out"] == [] and facts["corpora"][0]["fingerprint"]
    assert list(finished_run.rglob("events.out.tfevents*"))


def test_the_recipe_that_was_written_repeats_the_run(finished_run, mixture, tmp_path):
    train(mixture, tmp_path / "again", recipe=read_recipe(finished_run / "recipe.toml"))
    assert_same_weights(finished_run, tmp_path / "again")


def test_best_is_the_best_by_dev_cer_not_the_last(finished_run):
    lines = [json.loads(line) for line in (finished_run / "metrics.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["dev_cer"] for line in lines if "dev_cer" in line}
    state = json.loads((finished_run / "checkpoint-8" / "state.json").read_text())
    assert state["best_cer"] == min(scores.values())
    assert state["best_step"] == min(scores, key=lambda step: (scores[step], step))
    assert f"(step {state['best_step']})" in (finished_run / "best" / "README.md").read_text()


def test_the_best_model_transcribes(finished_run, speech):
    recogniser = Recogniser.load(finished_run)
    assert recogniser.transcribe(next((speech / "audio").iterdir())).duration > 1


def test_a_killed_run_resumes_to_the_same_bits(finished_run, mixture, tiny_encoder, tmp_path):
    """kill -9 before the first checkpoint, and again after one."""
    run, recipe = tmp_path / "run", read_recipe(None, FEW_STEPS)

    def work() -> Any:
        return train(mixture, run, encoder=str(tiny_encoder), recipe=recipe, resume=True)

    for moment in ("run.json", "checkpoint-2"):
        with pytest.raises(AssertionError, match="died without a word"):
            in_a_child(struck(work, run / moment, signal.SIGKILL))
        assert not (run / "last").exists()
    work()
    assert_same_weights(finished_run, run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "dev_cer" in line] == [4, 8]


@pytest.mark.parametrize("damage", ["half of it", "a block of zeros"])
def test_a_run_whose_last_checkpoint_is_damaged_resumes_from_the_one_before(
    damage, finished_run, mixture, tmp_path, capsys
):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    weights = run / "checkpoint-8" / "network.safetensors"
    content = weights.read_bytes()
    half = len(content) // 2
    weights.write_bytes(
        content[:half] + (bytes(4096) + content[half + 4096 :] if damage == "a block of zeros" else b"")
    )
    assert train(mixture, run, resume=True).outcome.state.step == 8
    printed = capsys.readouterr().out
    assert "checkpoint-8 is damaged and was skipped" in printed and "resuming at step 6" in printed
    assert_same_weights(finished_run, run)


def test_ctrl_c_saves_and_says_how_to_go_on(corpus, tiny_encoder, tmp_path):
    run, said = tmp_path / "run", tmp_path / "said"
    endless = ["-s", "train.steps=5000", "-s", "train.save_every=2"]
    command = command_line("train", corpus.folder, "-o", run, "--encoder", tiny_encoder, *endless, said=said)
    assert in_a_child(struck(command, run / "checkpoint-2", signal.SIGINT)) == 130
    assert f"goama train {corpus.folder} -o {run} --resume" in said.read_text()
    assert (run / "last" / "config.json").is_file()


def test_an_evaluation_that_ctrl_c_came_before_is_made_when_the_run_goes_on(mixture, tiny_encoder, tmp_path):
    run, recipe = tmp_path / "run", read_recipe(None, ["train.steps=8", "train.eval_every=1"])

    def work() -> bool:
        return train(mixture, run, encoder=str(tiny_encoder), recipe=recipe, resume=True).outcome.interrupted

    assert in_a_child(struck(work, run / "checkpoint-1", signal.SIGINT)) is True
    assert work() is False
    assert [line["step"] for line in read_metrics(run).evaluations] == list(range(1, 9))


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_once_there_is_room(
    finished_run, corpus, mixture, tiny_encoder, tmp_path
):
    """The limit on a file's size stands for the disk: metrics and small files fit, the second checkpoint's do not."""
    run, said = tmp_path / "run", tmp_path / "said"
    settings = [part for override in FEW_STEPS for part in ("-s", override)]
    command = command_line("train", corpus.folder, "-o", run, "--encoder", tiny_encoder, *settings, said=said)
    limit = (tiny_encoder / "model.safetensors").stat().st_size // 2

    def on_a_small_disk() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return command()

    assert in_a_child(on_a_small_disk) == 2
    sentence = said.read_text().splitlines()[-1]
    assert "cannot be written" in sentence and "--resume" in sentence
    train(mixture, run, encoder=str(tiny_encoder), recipe=read_recipe(None, FEW_STEPS), resume=True)
    assert_same_weights(finished_run, run)
    assert not list(run.glob("*.partial"))


def assert_same_weights(one, other) -> None:
    for name in ("best", "last"):
        first, second = load_file(one / name / "model.safetensors"), load_file(other / name / "model.safetensors")
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert torch.equal(value, second[key]), f"{name}: {key}"


@pytest.fixture(scope="module")
def run_of_minutes(mixture, tiny_encoder, tmp_path_factory) -> Trained:
    """A run of three seconds."""
    recipe = read_recipe(None, ["train.minutes=0.05", "data.batch_seconds=10", "train.epochs=10000"])
    return train(mixture, tmp_path_factory.mktemp("minutes") / "run", encoder=str(tiny_encoder), recipe=recipe)


def test_minutes_bound_a_run(run_of_minutes):
    assert not run_of_minutes.outcome.interrupted
    state = run_of_minutes.outcome.state
    assert 1.5 < state.elapsed_s < 9
    assert state.best_cer is not None


def test_a_run_of_minutes_that_is_finished_stays_as_it_is(run_of_minutes, mixture):
    resumed = train(mixture, run_of_minutes.run, resume=True)
    assert resumed.outcome.state.step == run_of_minutes.outcome.state.step


def test_few_minutes_are_not_spent_on_evaluations(mixture, tiny_encoder, tmp_path):
    recipe = read_recipe(None, ["train.minutes=0.08", "data.batch_seconds=5", "train.epochs=10000"])
    state = train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe).outcome.state
    before_last = read_metrics(tmp_path / "run").evaluations[:-1]
    assert (len(before_last) - 1) * 9 * 0.2 * state.evaluation_s <= state.elapsed_s  # the longest was one of them


def test_a_run_killed_while_it_wrote_its_first_files_can_begin_anew(mixture, tiny_encoder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text("[train]\nsteps = 1\n")
    (run / "run.json.partial").write_text("{")
    recipe = read_recipe(None, ["train.steps=1", "data.batch_seconds=10"])
    assert train(mixture, run, encoder=str(tiny_encoder), recipe=recipe, resume=True).outcome.state.step == 1


def test_a_best_model_lost_between_two_renames_comes_back(mixture, tiny_encoder, finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    (run / "best").rename(run / "best.old")
    train(mixture, run, encoder=str(tiny_encoder), resume=True)
    assert (run / "best" / "model.safetensors").is_file() and not (run / "best.old").exists()


def test_an_ignored_wish_is_said(mixture, tiny_encoder, finished_run, capsys):
    train(mixture, finished_run, encoder="scratch", resume=True)
    assert "goes on with its own encoder" in capsys.readouterr().out


def test_one_training_clip_is_enough(corpus, tiny_encoder, tmp_path):
    from goama.corpus.prepare import prepare
    from goama.sources.source import read_source

    one, *others = read_source(str(corpus.folder))
    few = prepare([one, *(replace(c, split="dev") for c in others[:3])], tmp_path / "few", source="few").corpus
    recipe = read_recipe(None, ["train.steps=2"])
    assert train(Mixture((few,)), tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe).outcome.state.step == 2


def test_a_fraction_of_a_pass_is_a_step_and_a_new_head_is_planned_for(mixture, tiny_encoder, finished_run, tmp_path):
    """The model of another run brings its head along, but not through a new adapter; only what is planned is seen."""
    for name, encoder, adapter, head_only in (
        ("new", tiny_encoder, "false", 0.3),
        ("brought", finished_run / "best", "auto", 0.0),
        ("parted", tmp_path / "new" / "best", "true", 0.3),
    ):
        recipe = read_recipe(None, ["train.epochs=0.002", f"model.adapter={adapter}"])
        trained = train(mixture, tmp_path / name, encoder=str(encoder), recipe=recipe)
        assert trained.outcome.state.step == 1
        assert read_recipe(trained.run / "recipe.toml").train.head_only == head_only


def test_an_alphabet_without_letters_is_refused(mixture, tiny_encoder, tmp_path):
    with pytest.raises(GoamaError, match=r"data\.min_count"):
        train(
            mixture,
            tmp_path / "run",
            encoder=str(tiny_encoder),
            recipe=read_recipe(None, ["data.min_count=9999"]),
        )
    assert not (tmp_path / "run").exists()


def test_a_taken_run_folder_is_not_overwritten(finished_run, mixture, tiny_encoder, tmp_path):
    with pytest.raises(GoamaError, match="--resume"):
        train(mixture, finished_run, encoder=str(tiny_encoder))
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(GoamaError, match="not empty"):
        train(mixture, tmp_path, encoder=str(tiny_encoder))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_is_not_resumed_with_another_corpus(finished_run, corpus, tiny_encoder, tmp_path):
    from goama.corpus.prepare import prepare
    from goama.sources.source import read_source

    half = [clip for number, clip in enumerate(read_source(str(corpus.folder))) if number % 2]
    other = prepare(half, tmp_path / "other", source="half").corpus
    with pytest.raises(GoamaError, match="another corpus"):
        train(Mixture((other,)), finished_run, encoder=str(tiny_encoder), resume=True)


def test_resuming_a_finished_run_changes_nothing(finished_run, mixture, tiny_encoder):
    before = (finished_run / "best" / "model.safetensors").read_bytes()
    outcome = train(mixture, finished_run, encoder=str(tiny_encoder), resume=True).outcome
    assert outcome.state.step == 8
    assert (finished_run / "best" / "model.safetensors").read_bytes() == before


def test_a_corpus_without_dev_is_refused_before_anything_is_loaded(corpus, tiny_encoder, tmp_path):
    from goama.corpus.prepare import prepare
    from goama.sources.source import read_source

    only_train = [replace(clip, split="test") for clip in read_source(str(corpus.folder))]
    odd = prepare(only_train, tmp_path / "odd", source="only test").corpus
    with pytest.raises(GoamaError, match="is empty"):
        train(Mixture((odd,)), tmp_path / "run", encoder=str(tiny_encoder))
    assert not (tmp_path / "run").exists()


def test_several_corpora_train_as_one_and_resume_to_the_same_weights(corpus, frisian, tiny_encoder, tmp_path):
    recipe = read_recipe(None, [*FEW_STEPS, "data.balance=0.3", "augment.tempo=0.1", "augment.band_limit=0.3"])
    both = Mixture((corpus, frisian))
    train(both, tmp_path / "whole", encoder=str(tiny_encoder), recipe=recipe)
    facts = json.loads((tmp_path / "whole" / "run.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["language"], one["fingerprint"]) for one in facts["corpora"]] == [
        ("corpus", "nl", corpus.fingerprint()),
        ("frisian", "fy", frisian.fingerprint()),
    ]
    (reason,) = [choice["reason"] for choice in facts["choices"] if choice["key"] == "data.balance"]
    assert re.search(r"nl \d+ % -> \d+ %, fy \d+ % -> \d+ %", reason)
    evaluations = read_metrics(tmp_path / "whole").evaluations
    assert evaluations and all(set(line["corpora"]) == {"corpus", "frisian"} for line in evaluations)
    model = Recogniser.load(tmp_path / "whole")
    assert model.normaliser("Één") == "Één", "it writes no language's spelling rules of its own"
    with pytest.raises(GoamaError, match="another corpus"):
        train(Mixture((corpus,)), tmp_path / "whole", resume=True)
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    shutil.rmtree(tmp_path / "resumed" / "checkpoint-8")
    train(Mixture((frisian, corpus)), tmp_path / "resumed", resume=True)
    assert_same_weights(tmp_path / "whole", tmp_path / "resumed")


def test_a_run_with_all_augmentation_resumes_to_the_same_weights(mixture, tiny_encoder, tmp_path):
    recipe = read_recipe(None, [*FEW_STEPS, "train.keep=9", *AUGMENTED, "data.accumulate=2"])
    whole = tmp_path / "whole"
    train(mixture, whole, encoder=str(tiny_encoder), recipe=recipe)
    resumed = shutil.copytree(whole, tmp_path / "resumed")
    for step in (8, 6):
        shutil.rmtree(resumed / f"checkpoint-{step}")
    train(mixture, resumed, encoder=str(tiny_encoder), resume=True)
    assert_same_weights(whole, resumed)


def test_a_run_resumes_to_the_same_weights_within_and_after_its_head_only_phase(mixture, tiny_encoder, tmp_path):
    recipe = read_recipe(None, [*FEW_STEPS, "train.keep=9", "train.head_only=0.5"])
    whole = tmp_path / "whole"
    train(mixture, whole, encoder=str(tiny_encoder), recipe=recipe)
    for forgotten in ((8, 6, 4), (8, 6)):
        resumed = shutil.copytree(whole, tmp_path / f"resumed-{len(forgotten)}")
        for step in forgotten:
            shutil.rmtree(resumed / f"checkpoint-{step}")
        train(mixture, resumed, encoder=str(tiny_encoder), resume=True)
        assert_same_weights(whole, resumed)


@pytest.mark.parametrize("moment", ["checkpoint-4", "best"])
def test_killed_between_the_best_model_and_its_checkpoint_a_run_keeps_both_in_step(
    moment, mixture, tiny_encoder, tmp_path
):
    """kill -9 as one of them gets its name: RUN/best is never better than what the newest checkpoint knows of."""
    run, recipe = tmp_path / "run", read_recipe(None, [*FEW_STEPS, "train.steps=4"])

    def killed() -> None:
        rename = Path.rename

        def renaming(path: Path, target: Path) -> Path:
            if Path(target).name == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(path, target)

        Path.rename = renaming
        train(mixture, run, encoder=str(tiny_encoder), recipe=recipe)

    with pytest.raises(AssertionError, match="died without a word"):
        in_processes(1, killed)
    assert not (run / "best").exists()
    (newest,) = [folder for folder in list_checkpoints(run) if folder == list_checkpoints(run)[-1]]
    state = json.loads((newest / "state.json").read_text())
    assert (newest.name, state["best_step"]) == (("checkpoint-4", 4) if moment == "best" else ("checkpoint-2", None))
    best_steps = in_processes(1, lambda: train(mixture, run, resume=True).outcome.state.best_step)
    assert best_steps == [4] and "(step 4)" in (run / "best" / "README.md").read_text()
    whole = tmp_path / "whole"
    in_processes(1, lambda: train(mixture, whole, encoder=str(tiny_encoder), recipe=recipe).outcome.interrupted)
    assert_same_weights(whole, run)


def test_two_runs_of_one_process_may_have_two_precisions_and_leave_the_environment_alone(
    mixture, tiny_encoder, tmp_path
):
    before = dict(os.environ)
    for precision in ("bf16", "no"):
        settings = ["train.steps=1", "data.batch_seconds=10", f"train.precision={precision}", "train.trackers=[]"]
        train(mixture, tmp_path / precision, encoder=str(tiny_encoder), recipe=read_recipe(None, settings))
    assert dict(os.environ) == before
    one, other = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("bf16", "no"))
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def test_a_run_of_an_earlier_version_is_refused_in_a_sentence(finished_run, mixture, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    recipe = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(recipe.replace("head_only =", "thaw =").replace("[data]", "realign = 3\n[data]"))
    with pytest.raises(GoamaError, match=r"recipe\.toml: train\.thaw is now train\.head_only; a run that an earlier"):
        train(mixture, run, resume=True)


class Recording(Watcher):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    def progressed(self, progress, left_s, line):
        self.told.append(f"step {progress:.2f}")

    def logged(self, step, values):
        self.told.append(f"logged {step}")

    def evaluated(self, evaluation):
        self.told.append(f"evaluated {evaluation.step} {len(evaluation.clips)} clips")

    def ended(self, state):
        self.told.append(f"ended {state.step} {state.finished}")

    def close(self):
        self.told.append("closed")


def test_a_watcher_is_told_of_steps_evaluations_and_the_end(mixture, tiny_encoder, tmp_path):
    watcher = Recording()
    recipe = read_recipe(None, ["train.steps=2", "train.eval_every=1", "data.batch_seconds=10"])
    train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe, watchers=[watcher])
    assert watcher.told == [
        "evaluated 1 4 clips",
        "step 0.50",
        "logged 2",
        "evaluated 2 4 clips",
        "step 1.00",
        "ended 2 True",
        "closed",
    ]


@pytest.mark.parametrize(
    "overrides, said, remedies",
    [
        ([], "20 s of audio at once", ["data.accumulate=2", "model.gradient_checkpointing=true"]),
        (["data.accumulate=4", "model.gradient_checkpointing=true"], "5 s of audio at once", ["data.accumulate=8"]),
    ],
)
def test_out_of_memory_is_a_sentence_with_overrides_that_can_be_typed(
    mixture, tiny_encoder, tmp_path, monkeypatch, overrides, said, remedies
):
    def no_room(*_, **__):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(torch.nn.functional, "ctc_loss", no_room)
    recipe = read_recipe(None, [*FEW_STEPS, *overrides])
    with pytest.raises(GoamaError, match=f"{said}; train again into another folder with") as caught:
        train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe)
    typed = re.findall(r"-s (\S+)", str(caught.value))
    assert typed == remedies
    for remedy in typed:
        assert read_recipe(None, [*FEW_STEPS, *overrides, remedy]) != recipe


def test_clips_that_are_too_long_are_named_and_not_heard(corpus, mixture, tiny_encoder, tmp_path, capsys):
    lengths = {cut.id: cut.duration for cut in corpus.cuts("train")}
    middle = sorted(lengths.values())[len(lengths) // 2]
    recipe = read_recipe(None, ["train.steps=2", "data.batch_seconds=20", f"data.longest_s={middle}"])
    train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe)
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    longer = {clip for clip, length in lengths.items() if length > middle}
    assert {clip["id"] for clip in facts["left_out"]} == longer
    assert all("longer than data.longest_s" in clip["reason"] for clip in facts["left_out"])
    printed = capsys.readouterr().out
    assert f"{len(longer)} clips left out, they are too long: " in printed
    assert f"longer than data.longest_s = {middle:g}" in printed
    heard_min = sum(length for length in lengths.values() if length <= middle) / 60
    assert f"{heard_min:.1f} min to train on" in printed


def test_no_clip_that_is_short_enough_is_a_sentence(mixture, tiny_encoder, tmp_path):
    recipe = read_recipe(None, ["train.steps=2", "data.longest_s=0.1"])
    with pytest.raises(GoamaError, match=r"no training clip is short enough .*longer than data\.longest_s = 0\.1"):
        train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe)
    assert not (tmp_path / "run").exists()


def test_a_faster_tempo_leaves_every_clip_the_frames_its_labels_need(tiny_encoder, corpus):
    """With the adapter, whose frames are not simply proportional."""
    for adapter in (False, True):
        learner = make_learner(corpus, tiny_encoder, adapter=adapter)
        batch = joined(clips(corpus, learner.vocabulary)[:6])
        text = batch.labels[0]
        while learner.vocabulary.required_frames(text + text[:2]) <= int(
            output_frames(learner.config, torch.tensor(learner.front_end.frames(len(batch.waveforms[0]))))
        ):
            text += text[:2]  # hardly any room left
        batch = replace(batch, labels=(text, *batch.labels[1:]))
        features, mask = learner.front_end(batch.waveforms)
        needed = InputMaker(learner.front_end, learner.config, learner.vocabulary).frames_needed(
            batch, features.shape[1]
        )
        for seed in range(10):
            _, valid = change_tempo(features, mask, generators(seed, batch.ids), 0.5, needed)
            for frames, labels in zip(output_frames(learner.config, valid.sum(1)).tolist(), batch.labels, strict=True):
                assert frames >= learner.vocabulary.required_frames(labels)
