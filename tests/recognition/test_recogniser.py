"""A clip's transcript does not depend on its batch, nor that of a long recording on its windows."""

import numpy as np
import pytest
import soundfile
import torch

from goama.errors import GoamaError
from goama.model.folder import SpeechModel
from goama.model.loading import load_for_training
from goama.model.shipped import SCRATCH
from goama.recognition.emission import BATCH_S, emission_stream, emissions
from goama.recognition.recogniser import Recogniser
from goama.recognition.windows import cut_windows
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


def test_clips_of_any_length_are_recognised_in_batches_of_bounded_size_and_keep_their_order(recogniser, waveforms):
    """All short clips used to share one forward pass, whatever memory it took."""
    clips = [np.concatenate(waveforms * 3)[: seconds * SAMPLE_RATE] for seconds in (3, 70, 9, 1, 31, 2)] + waveforms * 2
    passes = []

    def count(network, arguments, keywords):
        passes.append(keywords["attention_mask"].shape)

    hook = recogniser.network.register_forward_pre_hook(count, with_kwargs=True)
    try:
        transcripts = recogniser.transcribe_waveforms(clips, [str(number) for number in range(len(clips))])
    finally:
        hook.remove()
    assert all(rows * frames * recogniser.front_end.frame_shift_s <= BATCH_S for rows, frames in passes)
    assert len(passes) < len(clips)
    assert [transcript.audio for transcript in transcripts] == [str(number) for number in range(len(clips))]
    for clip, transcript in zip(clips[:4], transcripts, strict=False):
        assert transcript.duration == pytest.approx(len(clip) / SAMPLE_RATE)
        assert transcript.text == recogniser.transcribe_waveforms([clip])[0].text


def test_a_long_recording_has_the_frames_of_its_length_which_are_those_of_its_windows(recogniser, waveforms):
    recording = np.concatenate(waveforms * 2)[: 60 * SAMPLE_RATE]
    (emission,) = recogniser.emissions([recording])
    assert abs(len(emission) * recogniser.frame_shift_s - len(recording) / SAMPLE_RATE) < 0.1
    first, second, *_ = cut_windows([recording], round(recogniser.frame_shift_s * SAMPLE_RATE))
    for window, at in ((first, 0), (second, first.frames + first.silence)):
        (alone,) = recogniser.emissions([window.samples])
        of_window = alone[window.first_frame : window.first_frame + window.frames]
        assert (emission[at : at + window.frames] - of_window).abs().max() < 2e-3


def test_a_streamed_recording_has_the_emission_of_the_whole(recogniser, waveforms):
    recording = np.concatenate(waveforms * 3)[: 100 * SAMPLE_RATE]
    blocks = np.array_split(recording, 37)
    delimiter_id = recogniser.vocabulary.delimiter_id
    pieces = emission_stream(recogniser.network, recogniser.front_end, blocks, delimiter_id=delimiter_id)
    streamed = torch.cat(list(pieces))
    (whole,) = recogniser.emissions([recording])
    assert streamed.shape == whole.shape
    assert (streamed - whole).abs().max() < 2e-3  # batches differ: logits of 20 to 60 in float32


def test_silence_in_a_long_recording_is_not_given_to_the_network_and_parts_words(recogniser, waveforms):
    silence = np.zeros(20 * SAMPLE_RATE, np.float32)
    first, second = waveforms[0][: 2 * SAMPLE_RATE], waveforms[1][: 2 * SAMPLE_RATE]
    recording = np.concatenate([silence, first, silence, second])
    seconds = []

    def count(network, arguments, keywords):
        seconds.append(keywords["attention_mask"].sum().item() * recogniser.front_end.frame_shift_s)

    hook = recogniser.network.register_forward_pre_hook(count, with_kwargs=True)
    try:
        transcript = recogniser.transcribe(recording)
    finally:
        hook.remove()
    assert 4 < sum(seconds) < 6
    words = transcript.words
    assert words and all(19.5 < word.start < word.end < 23 or word.start > 41.5 for word in words)


def test_a_file_is_transcribed_as_its_samples_are(recogniser, waveforms, tmp_path):
    recording = np.concatenate(waveforms)[: 40 * SAMPLE_RATE]
    soundfile.write(tmp_path / "tape.wav", recording, SAMPLE_RATE, subtype="FLOAT")
    of_file = recogniser.transcribe(tmp_path / "tape.wav")
    (of_samples,) = recogniser.transcribe_waveforms([recording], [str(tmp_path / "tape.wav")])
    assert (of_file.text, of_file.duration) == (of_samples.text, 40.0)
    assert recogniser.transcribe(recording).words == of_file.words
    assert recogniser.transcribe(iter(np.array_split(recording, 7)), name="tape").words == of_file.words


def test_bf16_is_computed_when_it_is_asked_for(recogniser, waveforms):
    exact = recogniser.emissions(waveforms[:2])
    rounded = emissions(recogniser.network, recogniser.front_end, waveforms[:2], precision="bf16")
    for ours, theirs in zip(exact, rounded, strict=True):
        assert theirs.dtype == torch.float32
        assert 1e-3 < (ours - theirs).abs().max() < 10
        assert (ours.argmax(-1) == theirs.argmax(-1)).float().mean() > 0.8


def test_words_have_times_in_order_within_the_recording(recogniser, waveforms):
    (transcript,) = recogniser.transcribe_waveforms([waveforms[0]], ["clip"])
    words = transcript.words
    assert [word.text for word in words] == recogniser.texts([waveforms[0]])[0].split()
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0 and edges[-1] <= transcript.duration + recogniser.frame_shift_s
    assert all(0 <= word.confidence <= 1 for word in words)


def test_silence_and_a_click_are_transcribed_without_a_fuss(recogniser):
    silent, click = np.zeros(SAMPLE_RATE, np.float32), np.ones(10, np.float32)
    assert len(recogniser.transcribe_waveforms([silent, click])) == 2


def test_a_missing_recording_is_named(recogniser, tmp_path):
    with pytest.raises(GoamaError, match=r"nowhere\.wav: no such file"):
        recogniser.transcribe(tmp_path / "nowhere.wav")
