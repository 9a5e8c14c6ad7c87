"""The features are those of `SeamlessM4TFeatureExtractor`, clip by clip, whatever the batch."""

import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor

from goama.sound.log_mel import LogMel, shortest_samples


@pytest.fixture(scope="module")
def waveforms(corpus):
    real = [cut.load_audio()[0] for cut in corpus.cuts("train")]
    silence_around = np.concatenate([np.zeros(16000, np.float32), real[0], np.zeros(8001, np.float32)])
    quiet = real[1] * np.float32(0.001)
    odd_lengths = [real[2][:samples] for samples in (720, 721, 1000, 16000, 16159, 16160, 48017)]
    return [*real, silence_around, quiet, *odd_lengths]


@pytest.mark.parametrize(
    "dtype, tolerance",
    [(torch.float64, 1e-4), (torch.float32, 1e-2)],  # float32 arithmetic is for Apple's GPUs only
)
def test_a_batch_equals_the_original_on_real_speech(waveforms, dtype, tolerance):
    original = SeamlessM4TFeatureExtractor()(waveforms, sampling_rate=16000, return_tensors="pt")
    features, mask = LogMel(2, dtype)(waveforms)
    assert torch.equal(mask, original["attention_mask"].bool()[:, : mask.shape[1]])
    assert int(original["attention_mask"].sum()) == int(mask.sum())
    difference = (features - original["input_features"][:, : features.shape[1]]).abs()
    assert difference[mask].max() < tolerance


@pytest.mark.parametrize("stride", [2, 4])
def test_a_clip_alone_equals_the_original(waveforms, stride):
    original, log_mel = SeamlessM4TFeatureExtractor(stride=stride), LogMel(stride)
    for waveform in waveforms:
        expected = original(waveform, sampling_rate=16000, return_tensors="pt")
        frames = int(expected["attention_mask"].sum())
        features, mask = log_mel([waveform])
        assert features.shape[1] == int(mask.sum()) == log_mel.frames(len(waveform)) == frames
        assert (features[0] - expected["input_features"][0, :frames]).abs().max() < 1e-4


@pytest.mark.parametrize("stride", [2, 4])
def test_a_clip_is_the_same_alone_and_in_any_batch(waveforms, stride):
    log_mel = LogMel(stride)
    together, mask = log_mel(waveforms)
    for row, waveform in enumerate(waveforms):
        alone, _ = log_mel([waveform])
        assert torch.equal(together[row][mask[row]], alone[0])
        assert not together[row][~mask[row]].any()


def test_the_shortest_clip_gives_one_frame_and_a_shorter_one_is_refused():
    for stride in (2, 4):
        noise = np.random.default_rng(0).normal(0, 0.1, shortest_samples(stride)).astype(np.float32)
        features, _ = LogMel(stride)([noise])
        assert features.shape == (1, 1, 80 * stride)
        assert torch.isfinite(features).all()
    with pytest.raises(ValueError, match="shorter than one frame"):
        LogMel(2)([np.zeros(300, np.float32)])


def test_the_batched_computation_of_gpus_equals_that_of_single_clips(waveforms):
    """On a GPU all clips are computed at once; the same code runs here."""
    log_mel = LogMel(4)
    valid = torch.tensor([log_mel.frames(len(waveform)) for waveform in waveforms])
    at_once = log_mel._stacked([torch.from_numpy(waveform) for waveform in waveforms], valid)
    one_by_one, _ = log_mel(waveforms)
    assert torch.equal(at_once, one_by_one)
