"""The flat start finds the letters: of tones whose places are known, and of real speech within its edges."""

import numpy as np
import pytest
import torch
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.utils import fastcopy

from goama.corpus.corpus import SPLITS
from goama.sound.log_mel import LogMel
from goama.text import Vocabulary
from goama.training import gaussians
from goama.training.gaussians import FlatStart, Gaussians, cepstra, flat_start, loud_frames

TONES = {"a": (400, 900), "e": (700, 2100), "i": (300, 2700), "o": (500, 1100), "s": (3800, 5200), "m": (250, 1500)}


def sung(text: str, random: np.random.Generator) -> tuple[np.ndarray, list[float]]:
    """A waveform of two tones a letter with noise, silence around it and often at spaces, and when each begins (s)."""
    pieces, starts, now = [], [], 0.0

    def add(seconds: float, tones: tuple[int, ...]) -> None:
        nonlocal now
        time = np.arange(round(16_000 * seconds)) / 16_000
        pieces.append(sum((0.1 * np.sin(2 * np.pi * tone * time) for tone in tones), np.zeros(len(time))))
        now += len(time) / 16_000

    add(random.uniform(0.1, 0.4), ())
    for letter in text:
        starts.append(now)
        add(random.uniform(0.05, 0.2) if letter != " " else random.choice([0.0, 0.15]), TONES.get(letter, ()))
    starts.append(now)
    add(random.uniform(0.1, 0.4), ())
    waveform = np.concatenate(pieces)
    return (waveform + random.normal(0, 0.003, len(waveform))).astype(np.float32), starts


@pytest.fixture(scope="module")
def choir(tmp_path_factory) -> tuple[CutSet, dict[str, list[float]]]:
    """Two minutes of tones, and where they are."""
    import soundfile

    folder, random = tmp_path_factory.mktemp("choir"), np.random.default_rng(0)
    cuts, places = [], {}
    for number in range(80):
        words = [
            "".join(random.choice(list(TONES), random.integers(2, 5), replace=False))
            for _ in range(random.integers(1, 4))
        ]
        text = " ".join(words)
        waveform, places[f"c{number}"] = sung(text, random)
        path = folder / f"c{number}.flac"
        soundfile.write(path, waveform, 16_000)
        recording = Recording.from_file(path)
        clip = SupervisionSegment(f"c{number}", recording.id, 0.0, recording.duration, text=text)
        cuts.append(MonoCut(f"c{number}", 0.0, recording.duration, 0, supervisions=[clip], recording=recording))
    return CutSet.from_cuts(cuts), places


def errors_s(found: FlatStart, cuts, places) -> tuple[np.ndarray, np.ndarray]:
    """How far from where they are boundaries between two letters are found, and those beside silence."""
    inside, beside = [], []
    for cut in cuts:
        far = np.abs(0.01 * found.starts[cut.id] - places[cut.id])
        letters = np.array([letter != " " for letter in f" {cut.supervisions[0].text} "])
        is_inside = letters[:-1] & letters[1:]
        inside.append(far[is_inside])
        beside.append(far[~is_inside])
    return np.concatenate(inside), np.concatenate(beside)


def vocabulary_of(cuts) -> Vocabulary:
    return Vocabulary.from_texts(cut.supervisions[0].text for cut in cuts)[0]


def test_boundaries_of_tones_are_found_within_20_ms(choir):
    cuts, places = choir
    shares = []
    found = flat_start(cuts, vocabulary_of(cuts), shares.append)
    assert found.spread == () and found.starts.keys() == places.keys()
    inside, beside = errors_s(found, cuts, places)
    assert np.mean(inside <= 0.02) > 0.95 and np.median(inside) < 0.01
    assert np.mean(beside <= 0.05) > 0.95, "windows and slopes see letters before they begin"
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)


def test_the_same_speech_is_aligned_the_same(choir):
    few = list(choir[0])[:60]
    first, second = (flat_start(few, vocabulary_of(few)).starts for _ in range(2))
    assert all(np.array_equal(first[clip], second[clip]) for clip in first)


def test_what_there_is_too_much_of_to_learn_from_is_aligned_all_the_same(choir, monkeypatch):
    cuts, places = choir
    monkeypatch.setattr(gaussians, "MOST_S", sum(cut.duration for cut in cuts) / 2)
    found = flat_start(cuts, vocabulary_of(cuts))
    assert found.starts.keys() == places.keys() and found.spread == ()
    inside, _ = errors_s(found, cuts, places)
    assert np.mean(inside <= 0.02) > 0.9


def test_a_clip_whose_letters_do_not_fit_is_spread_and_counted(choir):
    cuts = list(choir[0])
    crammed = fastcopy(cuts[3].supervisions[0], text="aeiosm" * 60)
    cuts[3] = fastcopy(cuts[3], supervisions=[crammed])
    found = flat_start(cuts, vocabulary_of(cuts))
    assert found.spread == ("c3",)
    assert len(found.starts["c3"]) == 361 and (np.diff(found.starts["c3"]) >= 0).all()


def test_a_sound_that_is_not_a_number_spoils_no_other_clip(choir, tmp_path):
    import soundfile

    cuts, places = list(choir[0]), choir[1]
    samples = cuts[5].load_audio()[0]
    samples[len(samples) // 2] = np.nan
    soundfile.write(tmp_path / "c5.wav", samples, 16_000, subtype="FLOAT")
    cuts[5] = fastcopy(cuts[5], recording=Recording.from_file(tmp_path / "c5.wav"))
    found = flat_start(cuts, vocabulary_of(cuts))
    inside, beside = errors_s(found, cuts, places)
    assert np.median(inside) < 0.03 and np.median(beside) < 0.03


@pytest.fixture(scope="module")
def sentences_of_two_speakers(corpus) -> list:
    return [cut for split in SPLITS for cut in corpus.cuts(split)]


def test_real_speech_is_aligned_from_end_to_end(sentences_of_two_speakers):
    """Its clips begin at once and end in a long reverberation."""
    cuts = sentences_of_two_speakers
    vocabulary = vocabulary_of(cuts)
    found = flat_start(cuts, vocabulary)
    assert found.spread == () and len(found.starts) == 24
    for cut in cuts:
        starts, labels = found.starts[cut.id], vocabulary.encode(cut.supervisions[0].text)
        frames = LogMel(1).frames(cut.num_samples)
        assert len(starts) == len(labels) + 1
        is_letter = np.array(labels) != vocabulary.delimiter_id
        assert (np.diff(starts)[is_letter] >= 2).all() and (np.diff(starts) >= 0).all()
        assert starts[0] >= 0 and starts[-1] <= frames
        loud = loud_frames(cut.load_audio()[0])[:frames]
        spoken = np.zeros(frames, dtype=bool)
        spoken[starts[0] : starts[-1]] = True
        assert loud[spoken].mean() > 0.9
        assert loud[~spoken].mean() < 0.6
        assert not loud[starts[-1] + 80 :].any() and starts[-1] < frames - 20


def test_a_corpus_too_small_to_learn_from_is_spread_over_its_loud_frames(sentences_of_two_speakers):
    cuts = sentences_of_two_speakers[:5]
    found = flat_start(cuts, vocabulary_of(cuts))
    assert set(found.spread) == {cut.id for cut in cuts} == set(found.starts)
    for cut in cuts:
        loud = loud_frames(cut.load_audio()[0])
        assert loud[found.starts[cut.id][:-1]].all()


def test_cepstra_are_those_of_a_cosine_transform_and_a_steady_sound_has_no_slope():
    log_mel = torch.randn(1, 80).expand(20, 80)
    features = cepstra(log_mel)
    assert features.shape == (20, 39)
    mirrored = torch.fft.fft(torch.cat([log_mel, log_mel.flip(1)], 1))[:, :13]  # a DCT by way of an FFT
    turned = (mirrored * torch.exp(-1j * torch.pi * torch.arange(13) / 160)).real / 2
    torch.testing.assert_close(features[:, :13], turned * (2 / 80) ** 0.5, atol=1e-4, rtol=1e-4)
    assert not features[:, 13:].any()
    rising = cepstra(log_mel * torch.arange(20)[:, None])
    torch.testing.assert_close(rising[5, 13:26], features[5, :13], atol=1e-4, rtol=1e-4)


def test_gaussians_find_what_frames_were_drawn_from():
    """Two states, one of them with two modes; likelihoods against torch's own distributions."""
    random = torch.Generator().manual_seed(0)
    draw = torch.randn(3000, 4, generator=random)
    states = torch.arange(3000) % 2
    modes = torch.where((torch.arange(3000) // 2 % 2 == 0)[:, None], -3.0, 3.0)
    features = torch.where((states == 0)[:, None], draw, draw + modes)
    fitted = Gaussians.of(features, states, 2).doubled()
    for _ in range(10):
        fitted = fitted.fitted(features, states)
    means = fitted.means * fitted.deviation + fitted.centre
    assert sorted(means[1, :, 0].tolist()) == pytest.approx([-3.0, 3.0], abs=0.3)
    assert means[0].abs().max() < 0.5
    scaled = (features[:5] - fitted.centre) / fitted.deviation
    parts = torch.distributions.Independent(torch.distributions.Normal(fitted.means, fitted.variances.sqrt()), 1)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=fitted.log_weights), parts)
    constant = 2 * np.log(2 * np.pi)  # of four dimensions
    expected = mixture.log_prob(scaled[:, None]) + constant
    torch.testing.assert_close(fitted.log_likelihoods(features[:5]), expected, atol=1e-3, rtol=1e-3)
