"""A student learns a teacher's posteriors, at its own frame rate, and ends as a plain model folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCTC

from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.evaluation.scores import score, score_clip
from goama.model.folder import SpeechModel, load_model_folder, save_model_folder
from goama.model.loading import load_for_training
from goama.recognition.greedy import greedy_text
from goama.recognition.recogniser import Recogniser
from goama.run.metrics import read_metrics
from goama.run.recipe import AugmentSection, DistilSection, read_recipe
from goama.sound.log_mel import LogMel
from goama.sound.whisper_mel import WhisperMel
from goama.sources.source import SourceClip
from goama.text import Vocabulary
from goama.training.distillation import (
    PROJECTION,
    Distillation,
    add_projection,
    divergences,
    frame_overlaps,
    resample_posteriors,
)
from goama.training.learner import Learner
from goama.training.optimiser import make_optimiser
from goama.training.teacher import Teacher, load_teacher
from goama.training.train import train

from .test_train import assert_same_weights, clips, joined

FEW_STEPS = [
    *("train.steps=4", "train.eval_every=2", "train.save_every=2", "data.batch_seconds=20", "train.trackers=[]"),
    "model.adapter=false",
]
ALL_AUGMENTATION = ["augment.tempo=0.1", "augment.reverb=0.5", "augment.vocal_tract=0.1"]


@pytest.fixture(scope="module")
def teacher_folder(corpus: Corpus, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder with a head of large weights: it is sure of what it writes."""
    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))
    torch.manual_seed(1)
    network = load_for_training(str(tiny_encoder), vocabulary, adapter=False).network
    with torch.no_grad():
        network.lm_head.weight.normal_(0.0, 0.5)
    folder = tmp_path_factory.mktemp("teachers") / "teacher"
    save_model_folder(folder, SpeechModel(network, LogMel(2), vocabulary, corpus.normaliser), "# card")
    return folder


def student_of(teacher: Teacher, encoder: Path, *, adapter: bool = False, section: DistilSection) -> Learner:
    torch.manual_seed(0)
    vocabulary = teacher.model.vocabulary
    loaded = load_for_training(str(encoder), vocabulary, adapter=adapter)
    network = loaded.network.train()
    if section.hidden_weight:
        add_projection(network, teacher.states_width)
    optimiser = make_optimiser(
        network,
        learning_rate=2e-3,
        head_learning_rate=2e-3,
        new_parameters=(*loaded.new_parameters, PROJECTION),
        betas=(0.9, 0.98),
        weight_decay=0.0,
    )
    device = torch.device("cpu")
    distillation = Distillation(teacher, network, LogMel(2), section, device=device, precision="no")
    return Learner(network, optimiser, LogMel(2), vocabulary, distillation=distillation)


def test_equal_frames_give_the_teachers_posteriors_themselves():
    said = torch.randn(2, 7, 5).log_softmax(-1)
    ratio = torch.ones(2)
    target = resample_posteriors(said, frame_overlaps(ratio, 7, torch.tensor([7, 7]), 7), ratio, 0)
    torch.testing.assert_close(target, said.exp())


def test_a_frame_too_many_repeats_the_teachers_last_valid_one():
    said = torch.randn(1, 7, 5).log_softmax(-1)
    ratio = torch.ones(1)
    target = resample_posteriors(said, frame_overlaps(ratio, 6, torch.tensor([5]), 7), ratio, 0)
    torch.testing.assert_close(target[0, 5], said[0, 4].exp())


def test_a_peak_of_one_frame_outlives_frames_of_twice_the_length_and_of_half():
    said = torch.full((1, 8, 3), 0.01)
    said[0, :, 0] = 0.98
    said[0, 5] = torch.tensor([0.01, 0.01, 0.98])
    for ratio, frames, peaks in ((2.0, 4, [2]), (0.5, 16, [10, 11]), (1.5, 5, [3])):
        ratios = torch.tensor([ratio])
        target = resample_posteriors(said.log(), frame_overlaps(ratios, frames, torch.tensor([8]), 8), ratios, 0)
        torch.testing.assert_close(target.sum(-1), torch.ones(1, frames))
        assert (target[0].argmax(-1) == 2).nonzero().flatten().tolist() == peaks, ratio


def test_overlaps_follow_a_changed_tempo():
    """A clip that was made a tenth shorter has a tenth fewer frames, and each covers more of what the teacher heard."""
    overlaps = frame_overlaps(torch.tensor([10 / 9]), 9, torch.tensor([10]), 10)
    torch.testing.assert_close(overlaps.sum(1), torch.ones(1, 10))
    torch.testing.assert_close(overlaps[0, 0, :2], torch.tensor([1.0, 1 / 9]))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_is_that_of_torch_and_zero_for_the_teacher_itself(temperature):
    logits, other = torch.randn(2, 4, 6), torch.randn(2, 4, 6)
    said, wanted = ((x / temperature).log_softmax(-1) for x in (logits, other))
    expected = temperature**2 * (wanted.exp() * (wanted - said)).sum(-1)
    torch.testing.assert_close(divergences(logits, other.softmax(-1), temperature), expected, rtol=1e-4, atol=1e-5)
    assert divergences(other, other.softmax(-1), temperature).abs().max() < 1e-5


@pytest.mark.parametrize("adapter", [False, True])
def test_two_clips_are_overfitted_until_the_student_says_what_its_teacher_says(
    teacher_folder, tiny_encoder, corpus, adapter
):
    """Without texts; with the adapter, the student's frames are twice as long."""
    teacher = load_teacher(teacher_folder)
    section = DistilSection(ctc_weight=0.0, hidden_weight=0.0 if adapter else 0.1)
    learner = student_of(teacher, tiny_encoder, adapter=adapter, section=section)
    two = joined(clips(corpus, learner.vocabulary)[:2])
    two = replace(two, labels=((), ()), texts=("", ""))
    losses = [learner.step([two], seed=step, clip=1.0).loss for step in range(30 if adapter else 100)]
    assert losses[-1] < (0.7 if adapter else 0.25) * losses[0]
    if not adapter:
        student = Recogniser(SpeechModel(learner.network, LogMel(2), learner.vocabulary, teacher.model.normaliser))
        ours, theirs = (r.texts(two.waveforms) for r in (student, Recogniser(load_model_folder(teacher_folder))))
        assert sum(len(text) for text in theirs) > 20
        assert score([score_clip("", *texts) for texts in zip(theirs, ours, strict=True)]).cer < 0.4, (ours, theirs)


@pytest.mark.parametrize("ctc_weight", [0.0, 0.5])
def test_a_step_in_parts_is_the_same_step(teacher_folder, tiny_encoder, corpus, ctc_weight):
    section = DistilSection(ctc_weight=ctc_weight, hidden_weight=1.0)
    augment = AugmentSection(time_masks_per_s=0.5, frequency_masks=2, tempo=0.1, vocal_tract=0.1, reverb=0.5)
    results = []
    for size in (4, 1):
        learner = student_of(load_teacher(teacher_folder), tiny_encoder, section=section)
        singles = clips(corpus, learner.vocabulary)[:4]
        parts = [joined(singles[start : start + size]) for start in range(0, 4, size)]
        results.append(learner.step(parts, seed=0, clip=1.0, augment=augment, consistency=0.2))
    whole, in_parts = results
    assert in_parts.loss == pytest.approx(whole.loss, rel=1e-4)
    assert in_parts.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-3)


def test_the_teacher_hears_clean_clips_once_and_no_gradient_reaches_it(teacher_folder, tiny_encoder, corpus):
    teacher = load_teacher(teacher_folder)
    learner = student_of(teacher, tiny_encoder, section=DistilSection(ctc_weight=0.5, hidden_weight=1.0))
    heard: list[np.ndarray] = []
    teacher.model.network.register_forward_hook(lambda _module, given, _output: heard.append(given[0].clone()))
    before = {name: value.clone() for name, value in teacher.model.network.state_dict().items()}
    batch = joined(clips(corpus, learner.vocabulary)[:2])
    augment = AugmentSection(time_masks_per_s=2.0, frequency_masks=4, tempo=0.2, vocal_tract=0.2, reverb=1.0)
    for seed in range(3):
        learner.step([batch], seed=seed, clip=1.0, augment=augment)
    assert len(heard) == 2, "one forward pass a clip, for all steps"
    torch.testing.assert_close(heard[0], LogMel(2)([batch.waveforms[0]])[0])
    assert not teacher.model.network.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.model.network.state_dict().items())


@pytest.fixture(scope="module")
def distilled(mixture, teacher_folder, tiny_encoder, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "distilled"
    recipe = read_recipe(None, [*FEW_STEPS, *ALL_AUGMENTATION])
    train(mixture, run, encoder=str(tiny_encoder), teacher=teacher_folder, recipe=recipe)
    return run


def test_a_run_says_what_was_chosen_and_of_whom_it_learnt(distilled, teacher_folder):
    facts = json.loads((distilled / "run.json").read_text())
    assert facts["teacher"]["folder"] == str(teacher_folder) and len(facts["teacher"]["fingerprint"]) == 64
    chosen = {choice["key"]: choice for choice in facts["choices"]}
    assert chosen["distil.ctc_weight"]["value"] == 0.5 and chosen["distil.hidden_weight"]["value"] == 1.0
    assert "20 ms" in chosen["distil.hidden_weight"]["reason"]
    assert "distillation" in (distilled / "best" / "README.md").read_text()
    assert len(read_metrics(distilled).evaluations) == 2


def test_the_student_is_a_plain_folder_with_the_teachers_vocabulary_and_no_projection(distilled, teacher_folder):
    weights = load_file(distilled / "best" / "model.safetensors")
    assert not [name for name in weights if "projection." in name and "training_only" in name]
    for name in ("vocab.json", "normaliser.json"):
        assert (distilled / "best" / name).read_text() == (teacher_folder / name).read_text()
    network, info = AutoModelForCTC.from_pretrained(distilled / "best", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert network.lm_head.out_features == len(load_model_folder(teacher_folder).vocabulary)
    (newest,) = distilled.glob("checkpoint-4")
    assert f"{PROJECTION}.weight" in load_file(newest / "network.safetensors"), "a resumed run needs it"


def test_a_killed_run_resumes_to_the_same_weights(distilled, mixture, teacher_folder, tmp_path):
    run = shutil.copytree(distilled, tmp_path / "run")
    for folder in ("checkpoint-4", "last"):
        shutil.rmtree(run / folder)
    train(mixture, run, teacher=teacher_folder, resume=True)
    assert_same_weights(distilled, run)


def test_a_run_goes_on_with_its_own_teacher_only(distilled, mixture, teacher_folder, tiny_model, tmp_path):
    with pytest.raises(GoamaError, match=r"its teacher was .*the weights in .* are others"):
        train(mixture, distilled, teacher=tiny_model, resume=True)
    with pytest.raises(GoamaError, match="run of `goama distil`; go on with `goama distil"):
        train(mixture, distilled, resume=True)


def test_a_student_of_a_configuration_begins_with_the_teachers_first_layers(
    mixture, teacher_folder, corpus, tmp_path, goama
):
    (tmp_path / "student.json").write_text(json.dumps({"num_hidden_layers": 1}))
    run = tmp_path / "run"
    settings = [part for setting in [*FEW_STEPS, "train.steps=1"] for part in ("-s", setting)]
    arguments = [teacher_folder, corpus.folder, "-o", run, "--student", tmp_path / "student.json", *settings]
    done = goama("distil", *arguments, "--ignore-text")
    assert done.status == 0, done.err
    assert "goama evaluate" in done.out
    begun, taught = (load_file(folder / "model.safetensors") for folder in (run / "student", teacher_folder))
    assert sum(".layers.0." in name for name in begun) and not sum(".layers.1." in name for name in begun)
    assert all(torch.equal(value, taught[name]) for name, value in begun.items())
    assert read_recipe(run / "recipe.toml").distil.ctc_weight == 0
    assert json.loads((run / "best" / "config.json").read_text())["num_hidden_layers"] == 1
    assert goama("distil", *arguments, "--resume").status == 0


def test_wrong_teachers_and_students_are_sentences(mixture, corpus, teacher_folder, tiny_encoder, distilled, tmp_path):
    recipe = read_recipe(None, FEW_STEPS)

    def refused(said: str, *, teacher: Path = teacher_folder, student: Path | str = tiny_encoder, settings=()) -> None:
        wanted = read_recipe(None, [*FEW_STEPS, *settings]) if settings else recipe
        with pytest.raises(GoamaError, match=said):
            train(mixture, tmp_path / "run", encoder=str(student), teacher=teacher, recipe=wanted)
        assert not (tmp_path / "run" / "run.json").exists()

    refused("no such model folder", teacher=tmp_path / "nowhere")
    refused("no vocab.json", teacher=tiny_encoder)
    refused("is the teacher and the student", student=teacher_folder)
    refused("is the teacher and the student", teacher=distilled, student=distilled / "best")
    refused("hidden states cannot be compared", settings=["distil.hidden_weight=1", "model.adapter=true"])
    for content, said in (
        ("[1]", "a JSON object"),
        ("{", "not JSON"),
        ('{"layers": 3}', "has no layers"),
        ('{"model_type": "bert"}', "does not train bert"),
        ('{"model_type": "no-such"}', "no configuration that transformers knows"),
    ):
        (tmp_path / "student.json").write_text(content)
        refused(said, student=tmp_path / "student.json")
    refused("no such file", student=tmp_path / "other.json")


def test_another_language_and_unknown_characters_are_said(frisian, mixture, teacher_folder, tmp_path, capsys):
    teacher = shutil.copytree(teacher_folder, tmp_path / "teacher")
    rules = json.loads((teacher / "normaliser.json").read_text())
    assert rules["language"] == "nl"
    recipe = read_recipe(None, [*FEW_STEPS, "train.steps=1"])
    (tmp_path / "student.json").write_text('{"num_hidden_layers": 1}')
    train(Mixture((frisian,)), tmp_path / "run", encoder=str(tmp_path / "student.json"), teacher=teacher, recipe=recipe)
    printed = " ".join(capsys.readouterr().out.split())
    assert "writes nl, but the corpora are in fy" in printed
    assert "its vocabulary and normaliser are used" in printed


def test_texts_are_spelled_by_the_teachers_rules(mixture, corpus, teacher_folder):
    class Shouting:
        def __call__(self, text: str) -> str:
            return text.upper()

    loud = replace(mixture, respelling=Shouting())
    quiet = [cut.supervisions[0].text for cut in mixture.cuts("dev")]
    assert [cut.supervisions[0].text for cut in loud.cuts("dev")] == [text.upper() for text in quiet]
    assert loud.fingerprints() == mixture.fingerprints()


def test_the_teachers_text_survives_another_frame_rate(teacher_folder, corpus):
    """What a student with frames of half the length is taught reads as the teacher's own text."""
    teacher = load_teacher(teacher_folder)
    recogniser = Recogniser(teacher.model)
    (batch,) = clips(corpus, recogniser.vocabulary)[:1]
    (emission,) = recogniser.emissions(batch.waveforms)
    ratio = torch.tensor([0.5])
    overlaps = frame_overlaps(ratio, 2 * len(emission), torch.tensor([len(emission)]), len(emission))
    target = resample_posteriors(emission[None], overlaps, ratio, recogniser.vocabulary.blank_id)[0]
    assert greedy_text(target.log(), recogniser.vocabulary) == greedy_text(emission, recogniser.vocabulary)


def test_ignored_texts_leave_no_clip_out(corpus, teacher_folder, tmp_path):
    """Texts far too long for their sound stand for speech that nobody has transcribed."""
    clips = [
        SourceClip(c.id, Path(c.recording.sources[0].source), text * (40 if split == "train" else 1), c.id, split=split)
        for split in ("train", "dev")
        for c in corpus.cuts(split)
        for text in [c.supervisions[0].text]
    ]
    untranscribed = prepare(clips, tmp_path / "untranscribed", source="test", language="nl").corpus
    (tmp_path / "student.json").write_text('{"num_hidden_layers": 1}')

    def distil(weight: float) -> Path:
        recipe = read_recipe(None, [*FEW_STEPS, "train.steps=1", f"distil.ctc_weight={weight}"])
        student, run = str(tmp_path / "student.json"), tmp_path / f"run-{weight}"
        return train(Mixture((untranscribed,)), run, encoder=student, teacher=teacher_folder, recipe=recipe).run

    assert json.loads((distil(0.0) / "run.json").read_text())["left_out"] == []
    with pytest.raises(GoamaError, match="check that the transcripts belong to the recordings"):
        distil(0.5)


@pytest.mark.parametrize("adapter, shift_ms", [("false", 20), ("true", 40)])
def test_a_whisper_encoder_teaches_another_family(
    corpus, mixture, whisper_encoder, tiny_encoder, tmp_path, adapter, shift_ms
):
    """Their features, their frame counts, and with the adapter their frame lengths differ."""
    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))
    network = load_for_training(str(whisper_encoder), vocabulary, adapter=False).network
    teacher = tmp_path / "teacher"
    save_model_folder(teacher, SpeechModel(network, WhisperMel(80), vocabulary, corpus.normaliser), "# card")
    recipe = read_recipe(None, [*FEW_STEPS, *ALL_AUGMENTATION, "train.steps=2", f"model.adapter={adapter}"])
    run = train(mixture, tmp_path / "run", encoder=str(tiny_encoder), teacher=teacher, recipe=recipe).run
    chosen = {choice["key"]: choice for choice in json.loads((run / "run.json").read_text())["choices"]}
    assert chosen["distil.hidden_weight"]["value"] == (1.0 if shift_ms == 20 else 0.0)
    assert f"frames of {shift_ms} ms, the teacher's 20 ms" in chosen["distil.temperature"]["reason"]
    assert all(line["loss"] is not None for line in read_metrics(run).steps)
    AutoModelForCTC.from_pretrained(run / "last")
