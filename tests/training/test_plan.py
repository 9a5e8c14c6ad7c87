"""What the recipe leaves open is decided from evidence, and clips that CTC cannot fit are named beforehand."""

import re

import pytest
import torch

from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.data.mixture import Mixture
from goama.errors import GoamaError
from goama.model.encoder import read_config
from goama.model.shipped import SCRATCH
from goama.run.recipe import Recipe, read_recipe
from goama.sources.source import SourceClip
from goama.text import Vocabulary
from goama.training.plan import DISGUISES, FEW_PASSES, make_plan, with_beginning

CPU, GPU = torch.device("cpu"), torch.device("mps")


def vocabulary(corpus: Corpus) -> Vocabulary:
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]


def plan(corpus: Corpus, encoder: str, recipe: Recipe | None = None):
    return make_plan(recipe or Recipe(), Mixture((corpus,)), vocabulary(corpus), encoder, read_config(encoder), CPU)


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
    assert {key for key, value in chosen.train if value == "auto"} == {"warmup", "thaw"}  # these follow the encoder


def beginning(corpus, encoder, *settings: str, known: float = 0.0, steps: int | None = 1000):
    made = plan(corpus, str(encoder), read_recipe(None, settings))
    return with_beginning(made, encoder=str(encoder), known=known, steps=steps)


def test_every_choice_has_a_reason_and_the_users_own_stand(corpus, tiny_encoder):
    made = plan(corpus, str(tiny_encoder), read_recipe(None, ["train.learning_rate=3e-4", "model.adapter=false"]))
    made = with_beginning(made, encoder=str(tiny_encoder), known=1.0, steps=1000)
    reasons = {choice.key: (choice.value, choice.reason) for choice in made.choices}
    assert reasons["train.learning_rate"] == (3e-4, "set in the recipe")
    assert made.recipe.model.adapter is False
    assert all(reason for _, reason in reasons.values())
    told = {"epochs", "warmup", "thaw", "layer_decay", "eval_every", "head_learning_rate", "flat_start", "precision"}
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
    assert f"{halved[1]:.1f} frames per label in the middle, {halved[0]:.2f} in the tightest" in reason


def test_only_a_network_from_scratch_is_guided_by_frame_labels(corpus, tiny_encoder):
    assert plan(corpus, SCRATCH).recipe.train.flat_start == 0.45
    assert plan(corpus, str(tiny_encoder)).recipe.train.flat_start == 0.0


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
    assert made.left_out == (unfit,)


def test_with_steps_there_are_no_epochs_to_choose(corpus, tiny_encoder):
    made = plan(corpus, str(tiny_encoder), read_recipe(None, ["train.steps=5"]))
    assert "train.epochs" not in {choice.key for choice in made.choices}


def test_a_small_pretrained_encoder_does_not_use_up_its_minutes_on_little_speech(corpus, tiny_encoder):
    """A fresh one does: it cannot learn much by heart."""
    minutes = read_recipe(None, ["train.minutes=60"])
    assert plan(corpus, str(tiny_encoder), minutes).recipe.train.epochs == FEW_PASSES
    assert plan(corpus, SCRATCH, minutes).recipe.train.epochs == "auto"


def test_a_new_head_learns_alone_at_first_and_one_that_knows_letters_does_not(corpus, tiny_encoder):
    def thaw(*settings: str, encoder=tiny_encoder, **facts) -> float:
        return beginning(corpus, encoder, *settings, **facts).recipe.train.thaw

    assert thaw() == thaw(known=0.4) == 0.12
    assert thaw(steps=100) == 0.3
    assert thaw("train.minutes=5", steps=None) == thaw("train.minutes=5") == 0.2  # where nobody knows the steps
    assert thaw("train.minutes=5", steps=400) == 0.3
    assert thaw(known=0.9) == thaw(encoder=SCRATCH) == thaw("model.lora=4") == 0
    assert thaw("train.thaw=0.05") == 0.05


def test_little_speech_is_disguised_for_a_small_pretrained_encoder(corpus, tiny_encoder):
    def worn(encoder: str, *settings: str) -> list[float]:
        augment = plan(corpus, encoder, read_recipe(None, settings)).recipe.augment
        return [augment.tempo, augment.vocal_tract, augment.reverb]

    assert worn(str(tiny_encoder)) == [*DISGUISES.values()]
    assert worn(str(tiny_encoder), "augment.tempo=0") == [0, *[*DISGUISES.values()][1:]]
    assert worn(SCRATCH) == [0, 0, 0]


@pytest.mark.parametrize(("steps", "warmup"), [(None, 0.1), (2000, 0.1), (200, 0.2), (20, 0.3), (1, 0.3)])
def test_the_rate_rises_over_enough_steps(corpus, tiny_encoder, steps, warmup):
    assert beginning(corpus, tiny_encoder, steps=steps).recipe.train.warmup == warmup


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
    with pytest.raises(GoamaError, match="belong together"):
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
