"""Hidden states of Wav2Vec2-BERT are hidden where a clip's own chances say, behind a vector that learns."""

import pytest
import torch
from safetensors.torch import load_file

from goama.acoustics.augment import generators, time_masks
from goama.acoustics.log_mel import LogMel
from goama.model.encoder import SCRATCH, load_for_training
from goama.recognition.recogniser import Recogniser
from goama.training.learner import Learner
from goama.training.recipe import AugmentSection, read_recipe
from goama.training.train import train

from .test_waveform_training import a_vocabulary, joined, some_clips

HIDDEN = AugmentSection(time_masks_per_s=0, frequency_masks=0, hidden_masks_per_s=1.5)


def descending(accelerator, encoder, corpus, *, adapter: bool = False) -> Learner:
    torch.manual_seed(0)
    vocabulary = a_vocabulary(corpus)
    network = load_for_training(str(encoder), vocabulary, adapter=adapter, hides_frames=True).network.train()
    return Learner(accelerator, network, torch.optim.SGD(network.parameters(), lr=1.0), LogMel(2), vocabulary)


def test_what_hides_them_is_the_checkpoints_own_or_new(tiny_encoder, corpus, tmp_path):
    vocabulary = a_vocabulary(corpus)
    plain = load_for_training(str(tiny_encoder), vocabulary, adapter=False)
    assert not hasattr(plain.network.base_model, "masked_spec_embed")
    known = load_for_training(str(tiny_encoder), vocabulary, adapter=False, hides_frames=True)
    pretrained = load_file(tiny_encoder / "model.safetensors")["masked_spec_embed"]
    assert torch.equal(known.network.base_model.masked_spec_embed, pretrained)
    assert known.new_parameters == plain.new_parameters
    plain.network.save_pretrained(tmp_path / "without")
    new = load_for_training(str(tmp_path / "without"), vocabulary, adapter=False, hides_frames=True)
    assert "wav2vec2_bert" in new.new_parameters
    assert 0 < float(new.network.base_model.masked_spec_embed.std()) < 1
    assert load_for_training(SCRATCH, vocabulary, adapter=False, hides_frames=True).new_parameters == ("all",)


@pytest.mark.parametrize("adapter", [False, True])
def test_exactly_the_frames_that_a_clips_chances_name_are_hidden(accelerator, tiny_encoder, corpus, adapter):
    learner = descending(accelerator, tiny_encoder, corpus, adapter=adapter)
    encoder, batch = learner.bare_network.base_model, joined(some_clips(corpus, learner.vocabulary, 4))
    heard = []
    encoder.encoder.register_forward_pre_hook(lambda _, given: heard.append(given[0].detach().clone()))
    vector = encoder.masked_spec_embed.detach().clone()
    frames = torch.tensor([learner.front_end.frames(len(waveform)) for waveform in batch.waveforms])
    settings = {"time_masks_per_s": 1.5, "longest_time_mask_s": HIDDEN.longest_time_mask_s, "frame_shift_s": 0.02}
    views = [generators(3, [clip + again for clip in batch.ids]) for again in ("", " again")]
    for chances in views:  # SpecAugment of the features is drawn first, and hides nothing here
        for chance in chances:
            torch.rand((), generator=chance)
    expected = torch.cat([time_masks(frames, chances, **settings) for chances in views])
    learner.step([batch], seed=3, clip=1e9, augment=HIDDEN, consistency=0.2)
    assert torch.equal((heard[0] == vector).all(-1), expected)
    assert 0.1 < float(expected[:4].float().mean()) < 0.4 and not torch.equal(expected[:4], expected[4:])
    assert not torch.equal(encoder.masked_spec_embed, vector), "it learns"
    for augment in (None, AugmentSection()):
        vector = encoder.masked_spec_embed.detach().clone()
        learner.step([batch], seed=3, clip=1e9, augment=augment)
        assert not (heard[-1] == vector).all(-1).any()


def test_four_clips_at_once_and_one_by_one_hide_the_same(accelerator, tiny_encoder, corpus):
    losses, vectors = [], []
    for size in (4, 1):
        learner = descending(accelerator, tiny_encoder, corpus)
        singles = some_clips(corpus, learner.vocabulary, 4)
        parts = [joined(singles[start : start + size]) for start in range(0, 4, size)]
        losses.append(learner.step(parts, seed=0, clip=1e9, augment=HIDDEN).loss)
        vectors.append(learner.bare_network.base_model.masked_spec_embed.detach())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(*vectors, rtol=1e-3, atol=1e-5)


def test_a_model_that_was_trained_with_them_hears_every_frame(mixture, tiny_encoder, corpus, tmp_path):
    recipe = read_recipe(None, ["train.steps=2", "data.batch_seconds=20", "augment.hidden_masks_per_s=1"])
    train(mixture, tmp_path / "run", encoder=str(tiny_encoder), recipe=recipe)
    model = Recogniser.load(tmp_path / "run" / "last")
    features, mask = model.front_end([cut.load_audio()[0] for cut in corpus.cuts("test")])
    with torch.no_grad():
        logits = [model.network(features, attention_mask=mask.long()).logits for _ in range(2)]
    assert torch.equal(*logits)
    again = load_for_training(str(tmp_path / "run" / "last"), model.vocabulary, adapter=False, hides_frames=True)
    learnt = load_file(tmp_path / "run" / "last" / "model.safetensors")["wav2vec2_bert.masked_spec_embed"]
    assert torch.equal(again.network.base_model.masked_spec_embed, learnt)
