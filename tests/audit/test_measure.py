"""What is measured of a clip, on real speech whose truth is known."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from goama.audit.fingerprint import bits_that_differ, find_copies, fingerprint
from goama.audit.measure import Sound, measure
from goama.sound.audio import SAMPLE_RATE, read_audio


@pytest.fixture(scope="module")
def voices(speech: Path) -> list[np.ndarray]:
    """24 sentences, (N,) float32, peaks at half of full scale, with the faint hiss of a room."""
    clips = [read_audio(file).samples for file in sorted((speech / "audio").glob("*.ogg"))]
    hiss = np.random.default_rng(0)
    return [
        (0.5 * clip / np.abs(clip).max() + 1e-3 * hiss.standard_normal(len(clip))).astype(np.float32) for clip in clips
    ]


def sound(samples: np.ndarray, rate: int = SAMPLE_RATE) -> Sound:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return measure(read_audio(file.getvalue(), keep_native=True))


@pytest.mark.parametrize("rate", [8_000, 10_000])
def test_bandwidth_is_half_the_rate_the_speech_once_had(voices: list[np.ndarray], rate: int) -> None:
    for voice in voices:
        narrow = soxr.resample(soxr.resample(voice, SAMPLE_RATE, rate), rate, SAMPLE_RATE)
        assert sound(narrow).bandwidth_hz == pytest.approx(rate / 2, rel=0.1)
        assert sound(voice).bandwidth_hz > 7000


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.3, 1.9), ceiling=st.floats(0.05, 0.3))
def test_flat_tops_are_found_at_any_gain(voices: list[np.ndarray], gain: float, ceiling: float) -> None:
    clipped = sound(gain * np.clip(voices[0], -ceiling, ceiling))
    assert clipped.clipped_runs >= 8 and clipped.clipped_share > 1e-3
    assert sound(gain * voices[0]).clipped_runs == 0


def test_a_lossy_file_that_decodes_to_more_than_full_scale_has_no_flat_tops(voices: list[np.ndarray]) -> None:
    loud = io.BytesIO()
    soundfile.write(loud, 3.0 * voices[0], SAMPLE_RATE, format="OGG", subtype="VORBIS")
    heard = measure(read_audio(loud.getvalue(), keep_native=True))
    assert heard.peak_db > 1 and heard.clipped_runs == 0
    assert heard.over_runs >= 8 and heard.over_share > 1e-3
    assert sound(voices[0]).over_runs == 0


def test_what_channels_cancel_when_averaged_is_not_over_full_scale(voices: list[np.ndarray]) -> None:
    one_sided = np.stack([1.9 * voices[0], 0.0 * voices[0]], axis=1)  # peaks at 0.95 on one channel
    both = sound(3.0 * one_sided / 1.9)
    assert both.peak_db > 1 and both.over_runs == 0


def test_speech_is_found_between_silences(voices: list[np.ndarray]) -> None:
    alone = sound(voices[0])
    padded = sound(np.pad(voices[0], (2 * SAMPLE_RATE, SAMPLE_RATE)))
    assert padded.speech_s == pytest.approx(alone.speech_s, abs=0.3)
    assert padded.leading_silence_s == pytest.approx(alone.leading_silence_s + 2, abs=0.1)
    assert padded.trailing_silence_s == pytest.approx(alone.trailing_silence_s + 1, abs=0.1)


def test_channels_are_told_apart(voices: list[np.ndarray]) -> None:
    one, other = voices[0], voices[1]
    length = len(one) + len(other)
    turns = np.stack([np.pad(one, (0, length - len(one))), np.pad(other, (length - len(other), 0))], axis=1)
    assert sound(one).channel_layout == "mono"
    assert sound(np.stack([one, 0.9 * one], axis=1)).channel_layout == "same"
    assert sound(np.stack([one, np.zeros_like(one)], axis=1)).channel_layout == "one-silent"
    assert sound(np.stack([one, -one], axis=1)).channel_layout == "cancel"
    assert sound(turns).channel_layout == "two-speakers"


@pytest.mark.parametrize("samples", [np.zeros(1600), np.full(1600, np.nan), np.ones(400), np.zeros((1601, 3))])
def test_whatever_a_file_holds_gives_finite_facts(samples: np.ndarray) -> None:
    facts = sound(samples.astype(np.float32))
    numbers = [value for value in vars(facts).values() if isinstance(value, float)]
    assert np.isfinite(numbers).all() and 0 <= facts.silence_share <= 1


@pytest.mark.parametrize("rate", [8000, 22050])
def test_nearly_every_copy_is_known_at_another_gain_rate_and_beginning(voices: list[np.ndarray], rate: int) -> None:
    chance = np.random.default_rng(0)
    found = 0
    for voice in voices:
        late, gain = int(chance.integers(0, 2000)), chance.uniform(0.02, 1.9)
        copy = soxr.resample(soxr.resample(gain * np.pad(voice, (late, 0)), SAMPLE_RATE, rate), rate, SAMPLE_RATE)
        found += [pair[:2] for pair in find_copies([fingerprint(voice), fingerprint(copy)])] == [(0, 1)]
    assert found >= len(voices) - 1


def test_no_two_sentences_are_copies(voices: list[np.ndarray]) -> None:
    prints = [fingerprint(voice) for voice in voices]
    assert list(find_copies(prints)) == []
    assert list(find_copies([*prints, prints[3]])) == [(3, 24, 0.0)]
    assert min(bits_that_differ(prints[0].bits, other.bits) for other in prints[1:]) > 0.3
