"""The same words for a clip whoever shares its batch, and for a long recording whatever window it falls into."""

import numpy as np
import pytest
import torch

from goama.errors import GoamaError
from goama.model.encoder import SCRATCH, load_for_training
from goama.model.folder import SpeechModel
from goama.recognition.emission import emissions, long_emission
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE
from goama.sound.log_mel import LogMel
from goama.text import Vocabulary


@pytest.fixture(scope="module", params=["20 ms frames", "20 ms frames and adapter", "30 ms frames"])
def recogniser(request, corpus, tiny_encoder):
    """A random network babbles in every frame: nothing is more sensitive to a change of its input."""
    torch.manual_seed(2)
    vocabulary = Vocabulary.from_texts(cut.supervisions[0].text for cut in corpus.cuts("train"))[0]
    encoder, stride = (SCRATCH, 3) if request.param == "30 ms frames" else (str(tiny_encoder), 2)
    network = load_for_training(encoder, vocabulary, adapter="adapter" in request.param).network
    with torch.no_grad():
        network.lm_head.weight.mul_(20)
    return Recogniser(SpeechModel(network, LogMel(stride), vocabulary, corpus.normaliser), "cpu")


@pytest.fixture(scope="module")
def waveforms(corpus):
    return [cut.load_audio()[0] for cut in corpus.cuts("train")]


def test_a_batch_of_eight_transcribes_as_eight_batches_of_one(recogniser, waveforms):
    eight = waveforms[:8]
    together = recogniser.texts(eight)
    assert together == [recogniser.texts([waveform])[0] for waveform in eight]
    assert all(len(text) > 10 for text in together)


def test_log_probabilities_hardly_move_with_the_batch(recogniser, waveforms):
    together = emissions(recogniser.network, recogniser.front_end, waveforms[:8])
    for waveform, emission in zip(waveforms[:8], together, strict=True):
        alone = emissions(recogniser.network, recogniser.front_end, [waveform])[0]
        assert alone.shape == emission.shape
        assert (alone - emission).abs().max() < 2e-3  # logits of 20 to 60: float32 rounding


def test_a_long_recording_has_the_frames_of_its_length_and_its_middle_is_that_of_the_windows(recogniser, waveforms):
    recording = np.concatenate(waveforms * 3)[: 100 * SAMPLE_RATE]
    emission = long_emission(recogniser.network, recogniser.front_end, recording)
    assert abs(len(emission) * recogniser.frame_shift_s - len(recording) / SAMPLE_RATE) < 0.1
    first = long_emission(recogniser.network, recogniser.front_end, recording[: 33 * SAMPLE_RATE])
    frames = int(29 / recogniser.frame_shift_s)
    same = (emission[:frames].argmax(-1) == first[:frames].argmax(-1)).float().mean()
    assert same > 0.9


def test_words_have_times_in_order_within_the_recording(recogniser, waveforms):
    transcript = next(recogniser.transcribe_waveforms([waveforms[0]], ["clip"]))
    words = transcript.words
    assert [word.text for word in words] == recogniser.texts([waveforms[0]])[0].split()
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0 and edges[-1] <= transcript.duration + recogniser.frame_shift_s
    assert all(0 <= word.confidence <= 1 for word in words)


def test_silence_and_a_click_are_transcribed_without_a_fuss(recogniser):
    silent, click = np.zeros(SAMPLE_RATE, np.float32), np.ones(10, np.float32)
    assert len(list(recogniser.transcribe_waveforms([silent, click]))) == 2


def test_a_missing_recording_is_named(recogniser, tmp_path):
    with pytest.raises(GoamaError, match=r"nowhere\.wav: no such file"):
        recogniser.transcribe(tmp_path / "nowhere.wav")
