"""SpecAugment masks as configured; tempo, vocal tract, bandwidth and reverberation keep what is said."""

import numpy as np
import pytest
import torch

from goama.sound.augmentation import change_tempo, generators, limit_band, reverberate, spec_augment, warp_bands
from goama.sound.log_mel import LogMel, hertz_of_bins

SETTINGS = {
    "time_masks_per_s": 1.0,
    "longest_time_mask_s": 0.4,
    "frequency_masks": 2,
    "widest_frequency_mask": 15,
    "frame_shift_s": 0.04,
}


def by_clip(clips: int, seed: int = 0) -> list[torch.Generator]:
    return generators(seed, [f"clip {number}" for number in range(clips)])


def masked(seed: int, **changes) -> torch.Tensor:
    features = torch.ones(3, 100, 320)
    mask = torch.arange(100) < torch.tensor([100, 40, 5])[:, None]
    return spec_augment(features, mask, by_clip(3, seed), **{**SETTINGS, **changes})


def test_the_same_seed_gives_the_same_masks_and_another_seed_other_masks():
    assert torch.equal(masked(1), masked(1))
    assert not torch.equal(masked(1), masked(2))


def test_no_clip_is_masked_completely_however_short():
    for seed in range(50):
        assert masked(seed)[2, :5].any()


def test_a_frequency_mask_covers_all_stacked_frames():
    hidden = masked(3, time_masks_per_s=0.0)
    bands = hidden[0].reshape(100, 4, 80)
    assert torch.equal(bands[:, 0], bands[:, 3])
    assert (bands[0, 0] == 0).any()


def test_without_masks_the_features_stay_the_same():
    assert torch.equal(masked(0, time_masks_per_s=0.0, frequency_masks=0), torch.ones(3, 100, 320))


def test_time_masks_stay_within_a_clip():
    hidden = masked(5, frequency_masks=0)
    assert hidden[1, 40:].all()


@pytest.fixture
def speech_features(corpus) -> tuple[torch.Tensor, torch.Tensor]:
    return LogMel(4)([cut.load_audio()[0] for cut in corpus.cuts("test")])


NOTHING = torch.ones(4, dtype=torch.long)


def test_each_clip_gets_its_own_tempo(speech_features):
    features, mask = speech_features
    factors = []
    for seed in range(20):
        changed, valid = change_tempo(features, mask, by_clip(4, seed), 0.2, NOTHING)
        assert changed.shape[:2] == valid.shape
        assert not changed[~valid].any()
        factors.append(valid.sum(1) / mask.sum(1))
    assert 0.78 < float(torch.stack(factors).min()) < 0.85 and 1.15 < float(torch.stack(factors).max()) < 1.22
    assert torch.stack(factors).std(1).mean() > 0.05


def test_a_change_of_tempo_stretches_the_features_evenly(speech_features):
    features, mask = speech_features
    changed, valid = change_tempo(features, mask, by_clip(4, 1), 0.2, NOTHING)
    longest = int(mask.sum(1).argmax())
    before, after = features[longest], changed[longest][valid[longest]]
    for share in (0.25, 0.5, 0.75):
        there, here = (clip[round(share * len(clip))] for clip in (before, after))
        assert torch.corrcoef(torch.stack((there, here)))[0, 1] > 0.5


def test_no_change_of_tempo_changes_nothing(speech_features):
    features, mask = speech_features
    changed, valid = change_tempo(features, mask, by_clip(4), 0.0, NOTHING)
    torch.testing.assert_close(changed, features)
    assert torch.equal(valid, mask)


def test_no_clip_becomes_faster_than_its_labels_allow(speech_features):
    features, mask = speech_features
    lengths = mask.sum(1)
    for tight in range(len(lengths)):
        needed = NOTHING.clone()
        needed[tight] = int(lengths[tight]) - 1
        for seed in range(20):
            _, valid = change_tempo(features, mask, by_clip(len(features), seed), 0.4, needed)
            assert (valid.sum(1) >= needed).all()


def test_a_clip_with_too_few_frames_for_its_labels_is_also_slowed_down(speech_features):
    features, mask = speech_features
    lengths = torch.stack(
        [change_tempo(features, mask, by_clip(4, s), 0.2, 10 * mask.sum(1))[1].sum(1) for s in range(20)]
    )
    assert torch.equal(lengths.min(0).values, mask.sum(1))
    assert (lengths.max(0).values > mask.sum(1)).all()


def test_vocal_tract_perturbation_moves_a_tone_to_another_bin_and_keeps_the_rest(speech_features):
    features, _ = speech_features
    torch.testing.assert_close(warp_bands(features, by_clip(4), 0.0), features, atol=1e-4, rtol=0)
    tone = torch.zeros(64, 1, 320)
    tone[..., 40::80] = 1.0
    warped = warp_bands(tone, by_clip(64), 0.15).reshape(64, 4, 80)
    moved = torch.from_numpy(hertz_of_bins())[warped.argmax(-1)] / hertz_of_bins()[40]
    assert 0.82 < float(moved.min()) < 0.95 and 1.05 < float(moved.max()) < 1.2
    assert torch.equal(warped[:, 0], warped[:, 3])


def test_band_limits_change_the_given_share_of_clips_and_only_bins_above_the_lowest_cut_off(speech_features):
    features, mask = speech_features
    limited = limit_band(features, mask, by_clip(4), 1.0)
    low = torch.from_numpy(hertz_of_bins() < 3400).repeat(4)
    assert torch.equal(limited[..., low], features[..., low])
    assert all(not torch.equal(limited[clip], features[clip]) for clip in range(len(features)))
    assert not limited[~mask].any()
    assert torch.equal(limit_band(features, mask, by_clip(4), 0.0), features)
    many, all_valid = features[:1].expand(200, -1, -1), mask[:1].expand(200, -1)
    reached = (limit_band(many, all_valid, by_clip(200), 0.3) != many).flatten(1).any(1).float().mean()
    assert 0.2 < float(reached) < 0.4


def test_band_limited_features_look_like_those_of_a_low_sampling_rate(corpus):
    """Speech resampled to 8 kHz and back: normalised features keep their low bins, and above is no speech left."""
    import soxr

    wide = [cut.load_audio()[0] for cut in corpus.cuts("test")]
    narrow = [soxr.resample(soxr.resample(w, 16_000, 8_000), 8_000, 16_000)[: len(w)] for w in wide]
    (before, mask), (after, _) = LogMel(4)(wide), LogMel(4)(narrow)
    limited = limit_band(before, mask, by_clip(4), 1.0)
    low = torch.from_numpy(hertz_of_bins() < 3300).repeat(4)
    high = torch.from_numpy(hertz_of_bins() > 7600).repeat(4)
    torch.testing.assert_close(limited[..., low], after[..., low], atol=0.05, rtol=0)
    for features in (limited, after):
        assert (
            abs(
                float(
                    torch.corrcoef(
                        torch.stack((features[..., high][mask].flatten(), before[..., high][mask].flatten()))
                    )[0, 1]
                )
            )
            < 0.5
        )
        assert float(features[..., high][mask].std()) < 1.1


def click(seconds: float = 2.0) -> np.ndarray:
    waveform = np.zeros(round(16_000 * seconds), np.float32)
    waveform[1600] = 1.0
    return waveform


def decay_s(response: np.ndarray) -> float:
    """RT60 from the slope of the energy that is still to come (Schroeder 1965), between -5 and -25 dB."""
    left = np.cumsum(np.square(response, dtype=np.float64)[::-1])[::-1]
    decibels = 10 * np.log10(np.maximum(left / left[0], 1e-12))
    first, last = np.argmax(decibels < -5), np.argmax(decibels < -25)
    return 3 * (last - first) / 16_000


def test_the_impulse_response_decays_differently_for_each_clip():
    rooms = reverberate([click()] * 60, by_clip(60), 1.0)
    times, balances = [], []
    for room in rooms:
        assert room.dtype == np.float32 and len(room) == 32_000
        assert np.abs(room[:1600]).max() < 1e-5, "nothing is heard before it sounds"
        assert room[1600] == pytest.approx(1.0, abs=1e-4)
        reflections = room[1601:]
        balances.append(-10 * np.log10(np.square(reflections).sum()))
        times.append(decay_s(reflections[48:]))
    assert 0.05 < min(times) < 0.25 and 0.6 < max(times) < 0.95
    assert -0.1 < min(balances) < 3 and 12 < max(balances) < 15.1


def test_reverberation_changes_the_given_share_of_clips(corpus):
    waves = [cut.load_audio()[0] for cut in corpus.cuts("test")] * 25
    heard = reverberate(waves, by_clip(len(waves)), 0.3)
    assert [len(wave) for wave in heard] == [len(wave) for wave in waves]
    reached = [not np.array_equal(*pair) for pair in zip(waves, heard, strict=True)]
    assert 0.2 < np.mean(reached) < 0.4
    assert all(np.array_equal(*pair) for pair in zip(waves, reverberate(waves, by_clip(len(waves)), 0.0), strict=True))
    again = reverberate(waves, by_clip(len(waves)), 0.3)
    assert all(np.array_equal(*pair) for pair in zip(heard, again, strict=True))


def test_reverberation_does_not_shift_speech_in_time(corpus):
    wave = max((cut.load_audio()[0] for cut in corpus.cuts("test")), key=len)
    (dry, _), (wet, _) = LogMel(1)([wave]), LogMel(1)(reverberate([wave], by_clip(1, 1), 1.0))
    same = float(torch.corrcoef(torch.stack((dry.flatten(), wet.flatten())))[0, 1])
    moved = float(torch.corrcoef(torch.stack((dry[:, 30:].flatten(), wet[:, :-30].flatten())))[0, 1])
    assert same > 0.7 > moved


def every_change(waveforms: list[np.ndarray], seed: int, ids: list[str]) -> list[torch.Tensor]:
    """Each clip after everything that can be done to it, without its padding."""
    chances = generators(seed, ids)
    features, mask = LogMel(4)(reverberate(waveforms, chances, 0.7))
    features, mask = change_tempo(features, mask, chances, 0.1, NOTHING[: len(ids)])
    features = warp_bands(features, chances, 0.1)
    features = limit_band(features, mask, chances, 0.7)
    features = spec_augment(features, mask, chances, **SETTINGS)
    return [clip[valid] for clip, valid in zip(features, mask, strict=True)]


def test_the_augmentation_of_a_clip_depends_on_the_seed_and_not_on_its_batch(corpus):
    """So that sharing a batch out to several processes changes nothing."""
    cuts = list(corpus.cuts("test"))
    ids, waveforms = [cut.id for cut in cuts], [cut.load_audio()[0] for cut in cuts]
    together = every_change(waveforms, 7, ids)
    for number, waveform in enumerate(waveforms):
        (alone,) = every_change([waveform], 7, [ids[number]])
        (otherwise,) = every_change([waveform], 8, [ids[number]])
        torch.testing.assert_close(alone, together[number], atol=1e-5, rtol=0)
        assert alone.shape != otherwise.shape or not torch.equal(alone, otherwise)


def test_mel_bins_lie_where_kaldi_puts_them():
    hertz = hertz_of_bins()
    assert np.all(np.diff(hertz) > 0)
    assert 20 < float(hertz[0]) < 60 and 7500 < float(hertz[-1]) < 8000
