"""Corpora and recipes that are spoilt on purpose: the run goes on without harm, or stops and says the true reason."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.data.mixture import Mixture
from goama.model.shipped import STARTER
from goama.run.checkpoint import list_checkpoints
from goama.run.recipe import read_recipe
from goama.sources.source import SourceClip, read_source
from goama.training.train import Trained, train
from goama.voices import get_voice

RATE = 3e-3
"""The learning rate at which the tiny network overfits these clips."""


def recipe(*more: str, rate: float = RATE, steps: int = 60):
    rates = [f"train.learning_rate={rate}", f"train.head_learning_rate={rate}"]
    length = [
        f"train.steps={steps}",
        f"train.eval_every={max(2, steps // 6)}",
        "data.batch_seconds=10",
        "train.precision=no",
    ]
    return read_recipe(None, [*rates, *length, *more])


WRONG = 7
"""The training clip that a poison spoils: it is not in dev, which has the other training clips."""


@pytest.fixture(scope="module")
def spoken(speech) -> list[SourceClip]:
    """The twenty shortest sentences in training and nineteen of them, under other names, in dev."""
    clips = sorted(read_source(str(speech)), key=lambda clip: (len(clip.text), clip.id))[:20]
    in_train = [replace(clip, split="train") for clip in clips]
    return in_train + [replace(clip, id=f"dev-{clip.id}", split="dev") for clip in clips if clip is not clips[WRONG]]


def corpus_of(clips: list[SourceClip], folder: Path) -> Mixture:
    return Mixture((prepare(clips, folder, source="poisoned", language="nl").corpus,))


@pytest.fixture(scope="module")
def clean(spoken, tmp_path_factory) -> Mixture:
    return corpus_of(spoken, tmp_path_factory.mktemp("clean") / "corpus")


def lines_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def diagnosed(run: Path) -> dict[str, dict]:
    content = json.loads((run / "diagnosis.json").read_text(encoding="utf-8"))
    return {one["name"]: one for one in content["diagnoses"]}


def assert_best_is_sane(trained: Trained) -> None:
    weights = load_file(trained.best / "model.safetensors")
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())
    scores = {line["step"]: line for line in lines_of(trained.run) if "dev_cer" in line}
    kept = [line for line in scores.values() if line["sane"]]
    state = trained.outcome.state
    assert scores[state.best_step]["sane"] and state.best_cer == min(line["dev_cer"] for line in kept)


def with_not_a_number(corpus: Corpus, clip_id: str) -> None:
    """A float WAV in the FLAC's place, as other tools write them: libsndfile reads what it finds."""
    (cut,) = [cut for cut in corpus.cuts("train") if cut.id == clip_id]
    path = Path(cut.recording.sources[0].source)
    samples = cut.load_audio()[0].copy()
    samples[len(samples) // 2] = np.nan
    soundfile.write(path, samples, 16_000, format="WAV", subtype="FLOAT")


def too_long_for_their_sound(clips: list[SourceClip]) -> list[SourceClip]:
    """Ten of the clips once more, with ten times their text."""
    return [
        replace(clip, id=f"long-{clip.id}", text=" ".join([clip.text] * 10)) for clip in clips if clip.split == "train"
    ][:10]


def test_ten_clips_with_more_labels_than_frames_change_no_weight(clean, spoken, tiny_encoder, tmp_path):
    poisoned = corpus_of([*spoken, *too_long_for_their_sound(spoken)], tmp_path / "corpus")
    for name, mixture in (("clean", clean), ("poisoned", poisoned)):
        train(mixture, tmp_path / name, encoder=str(tiny_encoder), recipe=recipe(steps=6))
    one, other = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("clean", "poisoned"))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    found = diagnosed(tmp_path / "poisoned")["too-few-frames-per-label"]
    assert len(found["clips"]) == 10 and "10 clips of 30 left out" in found["sentence"]
    assert "too-few-frames-per-label" not in diagnosed(tmp_path / "clean")


def test_a_sound_that_is_not_a_number_costs_that_clip_alone(spoken, tiny_encoder, tmp_path, capsys):
    mixture = corpus_of(spoken, tmp_path / "corpus")
    with_not_a_number(mixture.corpora[0], spoken[WRONG].id)
    trained = train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe(steps=20))
    assert trained.outcome.state.skipped_steps == 0
    assert diagnosed(trained.run)["sound-not-finite"]["clips"] == [spoken[WRONG].id]
    assert capsys.readouterr().out.count("their audio has samples that are not finite") == 1
    assert_best_is_sane(trained)


def test_where_every_sound_is_not_a_number_the_run_stops_and_says_so(spoken, tiny_encoder, tmp_path, goama):
    mixture = corpus_of(spoken, tmp_path / "corpus")
    for clip in spoken[:20]:
        with_not_a_number(mixture.corpora[0], clip.id)
    command = ["train", mixture.corpora[0].folder, "-o", tmp_path / "run", "--encoder", tiny_encoder]
    answer = goama(*command, "-s", "train.steps=500", "-s", "train.rollbacks=1", "-s", "data.batch_seconds=10")
    assert answer.status == 3
    assert "some samples of its sound are not finite" in answer.err and "there is no best model" in answer.err
    assert not (tmp_path / "run" / "best").exists()
    assert "next:" not in answer.out


@pytest.fixture(scope="module")
def too_hot(clean, tiny_encoder, tmp_path_factory) -> Trained:
    """Ten times the rate that the network learns with."""
    run = tmp_path_factory.mktemp("hot") / "run"
    hot = recipe("train.save_every=10", "train.keep=9", rate=10 * RATE)
    return train(clean, run, encoder=str(tiny_encoder), recipe=hot)


def test_a_rate_ten_times_too_high_is_undone_and_named(too_hot):
    state = too_hot.outcome.state
    assert (state.guard.rollbacks, state.guard.ended_by, state.step) == (1, "", 60)
    (event,) = [line for line in lines_of(too_hot.run) if line.get("event") == "rolled back"]
    assert event["kind"] == "grown weights" and event["to_step"] == 0 and event["guard_rate"] == pytest.approx(0.3)
    found = diagnosed(too_hot.run)["learning-rate-too-high"]
    assert "the weights grew to" in found["evidence"]
    after = [line for line in lines_of(too_hot.run) if "loss" in line and line["step"] > event["step"]]
    assert max(line["learning_rate"] for line in after) < 0.31 * 10 * RATE
    assert_best_is_sane(too_hot)


def test_a_run_that_was_rolled_back_resumes_to_the_same_bits(too_hot, clean, tmp_path):
    """From a checkpoint after the roll-back: the lower rate is kept."""
    run = tmp_path / "run"
    shutil.copytree(too_hot.run, run)
    for late in list_checkpoints(run)[-2:]:
        shutil.rmtree(late)
    shutil.rmtree(run / "last")
    resumed = train(clean, run, resume=True)
    assert resumed.outcome.state.guard == too_hot.outcome.state.guard
    one, other = (load_file(folder / "last" / "model.safetensors") for folder in (too_hot.run, run))
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_a_rate_that_no_roll_back_mends_stops_the_run_with_its_reason(clean, tiny_encoder, tmp_path, goama):
    command = ["train", clean.corpora[0].folder, "-o", tmp_path / "run", "--encoder", tiny_encoder]
    hopeless = ["train.learning_rate=3", "train.head_learning_rate=3", "train.steps=500", "train.rollbacks=1"]
    settings = [part for key in (*hopeless, "data.batch_seconds=10", "train.warmup=0.01") for part in ("-s", key)]
    answer = goama(*command, *settings)
    assert answer.status == 3
    assert "the guard stopped the training after a roll-back and at 0.3 of the planned learning rate" in answer.err
    assert {"stopped-by-the-guard", "learning-rate-too-high"} <= set(diagnosed(tmp_path / "run"))
    again = goama(*command, "--resume")
    assert again.status == 3 and again.err == answer.err
    last = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert all(float(value.abs().max()) < 100 for value in last.values() if value.ndim > 1), "the last good weights"


def test_early_stop_ends_a_run_that_gains_no_more(clean, tmp_path, goama):
    """The starter writes letters already, and at a rate of next to nothing the first evaluation stays the best."""
    keys = ["train.steps=40", "train.eval_every=1", "train.patience=2", "data.batch_seconds=5"]
    keys += ["train.learning_rate=1e-12", "train.head_learning_rate=1e-12"]
    command = ["train", clean.corpora[0].folder, "-o", tmp_path / "run", "--encoder", STARTER]
    answer = goama(*command, *(part for key in keys for part in ("-s", key)))
    assert answer.status == 0
    assert "no better dev CER in 2 evaluations (train.patience): stopped early" in answer.out
    assert max(line["step"] for line in lines_of(tmp_path / "run")) == 3
    assert "no better dev CER" in json.loads((tmp_path / "run" / "diagnosis.json").read_text())["reason"]


def dev_cers(mixture: Mixture, folder: Path, encoder: Path, rate: float) -> list[float]:
    """The best dev CER after 800 steps, for three seeds."""
    rates = []
    for seed in range(3):
        settings = recipe(f"train.seed={seed}", rate=rate, steps=800)
        trained = train(mixture, folder / f"run-{seed}", encoder=str(encoder), recipe=settings)
        assert_best_is_sane(trained)
        rates.append(trained.outcome.state.best_cer)
    return rates


@pytest.fixture(scope="module")
def clean_cers(clean, tiny_encoder, tmp_path_factory) -> list[float]:
    return dev_cers(clean, tmp_path_factory.mktemp("clean-runs"), tiny_encoder, RATE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "poison", ["wrong transcripts", "labels longer than frames", "not a number", "ten times the rate"]
)
def test_a_poisoned_run_comes_within_a_tenth_of_the_clean_one(poison, clean_cers, spoken, tiny_encoder, tmp_path):
    """As far as three seeds can tell: twice the standard error of the clean mean is allowed for."""
    clips = list(spoken)
    if poison == "wrong transcripts":  # one in twenty
        clips[WRONG] = replace(clips[WRONG], text=clips[12].text)
    elif poison == "labels longer than frames":
        clips += too_long_for_their_sound(spoken)
    spoilt = corpus_of(clips, tmp_path / "corpus")
    if poison == "not a number":
        with_not_a_number(spoilt.corpora[0], spoken[WRONG].id)
    rate = 10 * RATE if poison == "ten times the rate" else RATE
    spoilt_cers = dev_cers(spoilt, tmp_path, tiny_encoder, rate)
    print(f"{poison}: dev CER {spoilt_cers}, clean {clean_cers}")
    assert mean(spoilt_cers) <= 1.1 * mean(clean_cers) + 2 * stdev(clean_cers) / len(clean_cers) ** 0.5


@pytest.fixture(scope="module")
def dutch(tmp_path_factory) -> list[SourceClip]:
    """Half an hour of the demo's Dutch for training, four minutes for dev: sentences that are not in training.

    GOAMA_CACHE, if set, spares the download of 100 MB.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("apt-get and dpkg-deb are not on this machine")
    folder = tmp_path_factory.mktemp("dutch")
    get_voice("fillets-nl", folder / "voice", cache=Path(os.environ.get("GOAMA_CACHE", folder / "cache")))
    clips = sorted(read_source(str(folder / "voice")), key=lambda clip: clip.id)
    return [clip for split in ("train", "dev") for clip in [one for one in clips if one.split == split][::2]]


def fine_tuned(mixture: Mixture, run: Path, *rates: str) -> Trained:
    """The starter after three passes, a few minutes of a core."""
    settings = read_recipe(None, ["train.epochs=3", "train.eval_every=48", *rates])
    trained = train(mixture, run, encoder=STARTER, recipe=settings)
    if trained.outcome.state.best_step is None:
        assert not trained.best.exists()
    else:
        assert_best_is_sane(trained)
    return trained


@pytest.fixture(scope="module")
def fine_tuned_clean(dutch, tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("dutch-clean")
    return fine_tuned(corpus_of(dutch, folder / "corpus"), folder / "run")


@pytest.mark.slow
@pytest.mark.apt
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "poison", ["wrong transcripts", "labels longer than frames", "not a number", "ten times the rate"]
)
def test_fine_tuning_on_a_poisoned_corpus_comes_within_a_tenth_or_says_why_not(
    poison, dutch, fine_tuned_clean, tmp_path
):
    """On sentences of which training has heard nothing."""
    clips, spoilt_clip, rates = list(dutch), next(clip.id for clip in dutch if clip.split == "train"), []
    if poison == "wrong transcripts":  # one in twenty, each with the text of the next such clip
        places = [place for place, clip in enumerate(clips) if clip.split == "train"][::20]
        texts = [clips[place].text for place in places]
        for place, text in zip(places, [*texts[1:], texts[0]], strict=True):
            clips[place] = replace(clips[place], text=text)
    elif poison == "labels longer than frames":
        clips += too_long_for_their_sound(dutch)
    elif poison == "ten times the rate":
        planned = read_recipe(fine_tuned_clean.run / "recipe.toml").train
        rates = [f"train.{name}={10 * getattr(planned, name)}" for name in ("learning_rate", "head_learning_rate")]
    mixture = corpus_of(clips, tmp_path / "corpus")
    if poison == "not a number":
        with_not_a_number(mixture.corpora[0], spoilt_clip)
    trained = fine_tuned(mixture, tmp_path / "run", *rates)
    clean, state, found = fine_tuned_clean.outcome.state, trained.outcome.state, diagnosed(trained.run)
    ended = state.guard.reason or f"to its end, {state.guard.rollbacks} roll-backs"
    print(f"{poison}: dev CER {state.best_cer}, clean {clean.best_cer}; {ended}; diagnosed: {', '.join(found)}")
    if poison == "labels longer than frames":
        assert len(found["too-few-frames-per-label"]["clips"]) == 10
    if poison == "not a number":
        assert found["sound-not-finite"]["clips"] == [spoilt_clip]
    if poison == "ten times the rate":
        assert "learning-rate-too-high" in found
    if state.guard.ended_by == "guard":  # the one poison that may end a run
        assert poison == "ten times the rate"
    else:
        assert state.best_cer is not None and state.best_cer <= 1.1 * clean.best_cer
