"""SpecAugment hides the share it is asked to hide, and the same share for the same seed."""

import torch

from goama.acoustics.augment import spec_augment

SETTINGS = {
    "time_masks_per_s": 1.0,
    "longest_time_mask_s": 0.4,
    "frequency_masks": 2,
    "widest_frequency_mask": 15,
    "frame_shift_s": 0.04,
}


def masked(seed: int, **changes) -> torch.Tensor:
    features = torch.ones(3, 100, 320)
    mask = torch.arange(100) < torch.tensor([100, 40, 5])[:, None]
    return spec_augment(features, mask, torch.Generator().manual_seed(seed), **{**SETTINGS, **changes})


def test_the_same_seed_hides_the_same_places_and_another_seed_others():
    assert torch.equal(masked(1), masked(1))
    assert not torch.equal(masked(1), masked(2))


def test_no_clip_is_hidden_altogether_however_short():
    for seed in range(50):
        assert masked(seed)[2, :5].any()


def test_a_band_is_hidden_in_all_stacked_frames():
    hidden = masked(3, time_masks_per_s=0.0)
    bands = hidden[0].reshape(100, 4, 80)
    assert torch.equal(bands[:, 0], bands[:, 3])
    assert (bands[0, 0] == 0).any()


def test_nothing_is_hidden_when_nothing_is_asked_for():
    assert torch.equal(masked(0, time_masks_per_s=0.0, frequency_masks=0), torch.ones(3, 100, 320))


def test_time_masks_stay_within_a_clip():
    hidden = masked(5, frequency_masks=0)
    assert hidden[1, 40:].all()
