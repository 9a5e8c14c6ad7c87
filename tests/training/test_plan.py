"""What the recipe leaves open is decided from evidence, and clips that CTC cannot fit are named beforehand."""

import re
from dataclasses import replace

import pytest
import torch
from transformers import Wav2Vec2BertConfig

from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model.encoder import read_config
from goama.model.shipped import SCRATCH
from goama.run.recipe import Recipe, read_recipe
from goama.sources.source import SourceClip
from goama.text import Vocabulary
from goama.training.choices import AUGMENTATION
from goama.training.plan import complete_plan, make_plan
from goama.training.schedule import FEW_EPOCHS

CPU, GPU = torch.device("cpu"), torch.device("mps")


def vocabulary(corpus: Corpus) -> Vocabulary:
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]


def plan(corpus: Corpus, encoder: str, recipe: Recipe | None = None, known: float = 0.0, steps_per_epoch: float = 8.0):
    config = read_config(encoder)
    made = make_plan(recipe or Recipe(), Mixture((corpus,)), vocabulary(corpus), encoder, config, CPU)
    return complete_plan(made, encoder=encoder, config=config, known=known, steps_per_epoch=steps_per_epoch)


def crammed(corpus: Corpus, folder, times: int) -> Corpus:
    """The corpus with one training clip whose transcript is far too long for its sound."""
    clips = []
    for split in ("train", "dev"):
        for number, cut in enumerate(corpus.cuts(split)):
            text = cut.supervisions[0].text
            repeated = " ".join([text] * times) if split == "train" and number == 0 else text
            path = cut.recording.sources[0].source
            clips.append(SourceClip(cut.id, corpus.folder / path, repeated, cut.id, split=split))
    return prepare(clips, folder / "crammed", source="test").corpus


def test_nothing_is_left_to_chance(corpus, tiny_encoder):
    chosen = plan(corpus, str(tiny_encoder)).recipe
    for section in (chosen.data, chosen.model, chosen.augment):
        assert "auto" not in dict(section).values()
    assert "auto" not in dict(chosen.train).values()


def test_every_choice_has_a_reason_and_the_users_own_stand(corpus, tiny_encoder):
    made = plan(corpus, str(tiny_encoder), read_recipe(None, ["train.learning_rate=3e-4", "model.adapter=false"]))
    reasons = {choice.key: (choice.value, choice.reason) for choice in made.choices}
    assert reasons["train.learning_rate"] == (3e-4, "set in the recipe")
    assert made.recipe.model.adapter is False
    assert all(reason for _, reason in reasons.values())
    told = {"epochs", "warmup", "head_only", "patience", "layer_decay", "eval_every", "head_learning_rate", "precision"}
    told = {f"train.{key}" for key in told} | {"augment.time_masks_per_s", "augment.tempo", "data.batch_seconds"}
    assert told <= reasons.keys()


def test_dutch_has_room_for_the_adapter_and_30_ms_frames_have_not(corpus, tiny_encoder):
    assert plan(corpus, str(tiny_encoder)).recipe.model.adapter is True
    assert plan(corpus, SCRATCH).recipe.model.adapter is False


def test_the_frames_per_label_are_those_of_the_frames_that_are_chosen(corpus, tiny_encoder):
    halved, whole = (
        plan(corpus, str(tiny_encoder), read_recipe(None, [f"model.adapter={adapter}"])).frames_per_label
        for adapter in ("true", "false")
    )
    assert 1 < halved[0] < halved[1]
    assert whole == pytest.approx([2 * ratio for ratio in halved], rel=0.05)
    (reason,) = [choice.reason for choice in plan(corpus, str(tiny_encoder)).choices if choice.key == "model.adapter"]
    assert f"median {halved[1]:.1f} frames per label, {halved[0]:.2f} in the tightest" in reason


def test_fast_speech_turns_the_adapter_down(corpus, tiny_encoder, tmp_path):
    fast = crammed(corpus, tmp_path, times=2)
    made = plan(fast, str(tiny_encoder))
    assert made.recipe.model.adapter is False
    (reason,) = [choice.reason for choice in made.choices if choice.key == "model.adapter"]
    assert "too tight" in reason


def test_a_clip_with_more_labels_than_frames_is_named(corpus, tiny_encoder, tmp_path):
    made = plan(crammed(corpus, tmp_path, times=20), str(tiny_encoder))
    (unfit,) = made.unfit
    assert unfit.id == next(iter(corpus.cuts("train"))).id
    assert re.fullmatch(r"its text needs \d+ frames, its sound has \d+", unfit.reason)
    assert made.excluded == (unfit,)


def test_with_steps_there_are_no_epochs_to_choose(corpus, tiny_encoder):
    made = plan(corpus, str(tiny_encoder), read_recipe(None, ["train.steps=5"]))
    assert "train.epochs" not in {choice.key for choice in made.choices}


def test_a_small_pretrained_encoder_does_not_use_up_its_minutes_on_little_speech(corpus, tiny_encoder):
    """A new network uses them: it does not overfit as soon."""
    minutes = read_recipe(None, ["train.minutes=60"])
    assert plan(corpus, str(tiny_encoder), minutes).recipe.train.epochs == FEW_EPOCHS
    assert plan(corpus, SCRATCH, minutes).recipe.train.epochs == "auto"


def test_a_new_head_has_a_head_only_phase_and_one_that_has_most_characters_has_none(corpus, tiny_encoder):
    def head_only(*settings: str, encoder=tiny_encoder, known=0.0) -> float:
        return plan(corpus, str(encoder), read_recipe(None, settings), known).recipe.train.head_only

    assert head_only("train.steps=1000") == head_only("train.steps=1000", known=0.4) == 0.12
    assert head_only("train.steps=100") == 0.3
    minutes = ["train.minutes=5", "train.epochs=10"]
    assert head_only("train.minutes=5", encoder=SCRATCH) == 0
    assert head_only(*minutes, "train.steps=1000") == 0.3  # 80 steps end the run
    assert head_only("train.minutes=5", "train.epochs=1000") == 0.2
    steps = "train.steps=1000"
    assert head_only(steps, known=0.9) == head_only(steps, encoder=SCRATCH) == head_only(steps, "model.lora=4") == 0
    assert head_only("train.head_only=0.05") == 0.05


def test_a_whisper_encoder_is_augmented_unless_its_minutes_are_few_epochs(corpus, whisper_encoder):
    def tempo(*settings: str) -> tuple[float, str]:
        made = plan(corpus, str(whisper_encoder), read_recipe(None, settings))
        (reason,) = [choice.reason for choice in made.choices if choice.key == "augment.tempo"]
        return made.recipe.augment.tempo, reason

    epoch = corpus.seconds("train") / 25 / torch.get_num_threads() / 60  # minutes
    assert tempo()[0] == tempo(f"train.minutes={5 * epoch}")[0] == AUGMENTATION["tempo"]
    value, reason = tempo(f"train.minutes={2 * epoch}")
    assert value == 0 and reason.startswith("about 2.0 epochs in these minutes")


def test_little_speech_is_augmented_for_a_small_pretrained_encoder(corpus, tiny_encoder):
    def used(encoder: str, *settings: str) -> list[float]:
        augment = plan(corpus, encoder, read_recipe(None, settings)).recipe.augment
        return [augment.tempo, augment.vocal_tract, augment.reverb]

    assert used(str(tiny_encoder)) == [*AUGMENTATION.values()]
    assert used(str(tiny_encoder), "augment.tempo=0") == [0, *[*AUGMENTATION.values()][1:]]
    assert used(SCRATCH) == [0, 0, 0]


@pytest.mark.parametrize(("steps", "warmup"), [(2000, 0.1), (200, 0.2), (20, 0.3), (1, 0.3)])
def test_the_rate_rises_over_enough_steps(corpus, tiny_encoder, steps, warmup):
    assert plan(corpus, str(tiny_encoder), read_recipe(None, [f"train.steps={steps}"])).recipe.train.warmup == warmup


def test_fp16_is_refused_where_there_is_no_gpu(corpus, tiny_encoder):
    with pytest.raises(GoamaError, match="fp16 is for GPUs"):
        plan(corpus, str(tiny_encoder), read_recipe(None, ["train.precision=fp16"]))


def test_a_corpus_where_nothing_fits_is_refused(corpus, tiny_encoder, tmp_path):
    clips = [
        SourceClip(c.id, corpus.folder / c.recording.sources[0].source, c.supervisions[0].text * 30, c.id, split=s)
        for s in ("train", "dev")
        for c in corpus.cuts(s)
    ]
    hopeless = prepare(clips, tmp_path / "hopeless", source="test").corpus
    with pytest.raises(GoamaError, match="transcripts belong to the recordings"):
        plan(hopeless, str(tiny_encoder))


def test_a_small_pretrained_encoder_takes_small_steps_on_a_cpu(corpus, tiny_encoder):
    chosen = plan(corpus, str(tiny_encoder)).recipe
    an_eighth = round(corpus.seconds("train") / 8, 1)  # an epoch has eight steps at least
    assert (chosen.data.batch_seconds, chosen.data.accumulate) == (pytest.approx(min(20.0, an_eighth), abs=0.1), 1)
    assert chosen.train.learning_rate == chosen.train.head_learning_rate == 1e-3
    on_gpu = make_plan(
        Recipe(), Mixture((corpus,)), vocabulary(corpus), str(tiny_encoder), read_config(str(tiny_encoder)), GPU
    ).recipe
    assert on_gpu.data.accumulate == "auto"


def large(corpus: Corpus, *settings: str, hours: float, clips: int, steps_per_epoch: float, known: float = 0.0):
    """The plan for facebook/w2v-bert-2.0 on a GPU, as if the corpus had so many hours."""
    config = Wav2Vec2BertConfig()
    recipe = read_recipe(None, settings)
    made = make_plan(recipe, Mixture((corpus,)), vocabulary(corpus), "facebook/w2v-bert-2.0", config, GPU)
    made = replace(made, hours=hours, clips=clips)
    return complete_plan(
        made, encoder="facebook/w2v-bert-2.0", config=config, known=known, steps_per_epoch=steps_per_epoch
    )


@pytest.mark.parametrize(
    ("hours", "steps_per_epoch", "epochs"), [(0.25, 8, 100), (1, 15, 100), (3, 45, 33.4), (10, 150, 10), (30, 450, 10)]
)
def test_a_large_encoder_takes_1500_steps_up_to_ten_hours_but_at_most_100_epochs(
    corpus, hours, steps_per_epoch, epochs
):
    made = large(corpus, hours=hours, clips=int(720 * hours), steps_per_epoch=steps_per_epoch)
    assert made.recipe.train.epochs == epochs
    (reason,) = [choice.reason for choice in made.choices if choice.key == "train.epochs"]
    assert ("needs 1500 steps" in reason) == (hours <= 10)


@pytest.mark.parametrize(("clips", "rate"), [(15, 3e-5), (16, 5e-5), (31, 5e-5), (32, 1e-4), (60, 1e-4)])
def test_the_rate_of_a_large_encoder_follows_the_clips_of_a_step(corpus, clips, rate):
    made = large(corpus, hours=3, clips=45 * clips, steps_per_epoch=45)
    assert made.recipe.train.learning_rate == rate
    (reason,) = [choice.reason for choice in made.choices if choice.key == "train.learning_rate"]
    assert f"{clips} clips a step" in reason


def test_a_large_encoder_warms_up_over_100_steps_at_least_and_is_masked_lightly(corpus):
    chosen = large(corpus, "train.steps=500", hours=3, clips=2000, steps_per_epoch=45)
    assert chosen.recipe.train.warmup == 0.2
    assert large(corpus, hours=3, clips=2000, steps_per_epoch=45).recipe.train.warmup == 0.1
    assert (chosen.recipe.augment.time_masks_per_s, chosen.recipe.augment.frequency_masks) == (0.2, 1)
    reasons = {choice.key: choice.reason for choice in chosen.choices}
    assert "not measured by goama" in reasons["augment.time_masks_per_s"]
    assert not any("notebook masks" in reason for reason in reasons.values()), "the notebook does not mask at all"


def test_a_long_run_of_a_large_encoder_stops_early(corpus, tiny_encoder):
    assert large(corpus, hours=1, clips=720, steps_per_epoch=15).recipe.train.patience == 4
    assert large(corpus, hours=30, clips=20_000, steps_per_epoch=450).recipe.train.patience == 0
    assert large(corpus, "train.patience=2", hours=30, clips=9, steps_per_epoch=450).recipe.train.patience == 2
    assert plan(corpus, str(tiny_encoder)).recipe.train.patience == 0


def test_a_large_model_that_was_fine_tuned_before_takes_small_steps_for_few_epochs(corpus):
    train = large(corpus, hours=1, clips=720, steps_per_epoch=15, known=1.0).recipe.train
    assert (train.learning_rate, train.head_learning_rate, train.epochs, train.head_only) == (1e-5, 1e-5, 3.0, 0.0)
    other = large(corpus, hours=1, clips=720, steps_per_epoch=15, known=0.9).recipe.train
    assert (other.learning_rate, other.epochs) == (1e-4, 100.0)
