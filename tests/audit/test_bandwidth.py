"""Where speech ends in an edge, and where it only falls off."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from goama.audit.findings import ClipFacts, Finding
from goama.audit.measure import measure
from goama.audit.narrow import check_bandwidth
from goama.sound.audio import SAMPLE_RATE, Audio, read_audio


@pytest.fixture(scope="module")
def voices(speech: Path) -> list[np.ndarray]:
    """24 sentences as their Vorbis files have them: (N,) float32."""
    return [read_audio(file).samples for file in sorted((speech / "audio").glob("*.ogg"))]


def as_read(clip: np.ndarray, rate: int) -> Audio:
    file = io.BytesIO()
    soundfile.write(file, clip, rate, format="WAV", subtype="FLOAT")
    return read_audio(file.getvalue(), keep_native=True)


def found(clips: list[np.ndarray], rate: int = SAMPLE_RATE) -> Finding | None:
    heard = [(ClipFacts(str(n), "", ""), measure(as_read(clip, rate))) for n, clip in enumerate(clips)]
    return next((f for f in check_bandwidth(heard, len(heard)) if f and f.name == "audio-band-limited"), None)


def narrowed(clip: np.ndarray, rate: int) -> np.ndarray:
    return soxr.resample(soxr.resample(clip, SAMPLE_RATE, rate), rate, SAMPLE_RATE)


@pytest.mark.parametrize("rate", [8_000, 10_000])
def test_what_was_once_at_a_lower_rate_ends_at_half_of_it(voices: list[np.ndarray], rate: int) -> None:
    limited = found([narrowed(clip, rate) for clip in voices])
    assert limited is not None and limited.severity == "info" and len(limited.clips) >= 0.9 * len(voices)
    edges = [float(evidence.split(" kHz")[0].split()[-1]) for evidence in limited.details.values()]
    assert np.allclose(edges, rate / 2000, atol=0.3)
    lowest, highest = min(edges), max(edges)
    assert f"at {lowest} kHz" in limited.message or f"between {lowest} and {highest} kHz" in limited.message


def test_a_few_narrow_clips_among_wide_ones_are_named(voices: list[np.ndarray]) -> None:
    mixed = [narrowed(clip, 8_000) if number < 8 else clip for number, clip in enumerate(voices)]
    limited = found(mixed)
    assert limited is not None and limited.severity == "warning"
    assert set(limited.clips) <= set("01234567") and len(limited.clips) >= 7


def test_a_single_narrow_clip_of_two_seconds_is_named_from_its_own_spectrum(voices: list[np.ndarray]) -> None:
    """Nothing above 3 kHz in one clip of a corpus that is wide otherwise."""
    named = 0
    for number in range(0, 24, 3):
        clips = [narrowed(clip[:32_000], 6_000) if n == number else clip for n, clip in enumerate(voices)]
        limited = found(clips)
        assert limited is None or limited.clips == (str(number),)
        named += limited is not None
    assert named >= 7


def muffled(clip: np.ndarray, order: int) -> np.ndarray:
    """Through a Butterworth lowpass of 1.5 kHz."""
    hertz = np.fft.rfftfreq(len(clip), 1 / SAMPLE_RATE)
    gain = (1 + (hertz / 1500) ** (2 * order)) ** -0.5
    return np.fft.irfft(np.fft.rfft(clip) * gain, len(clip)).astype(np.float32)


@pytest.mark.parametrize("order", [2, 4])
def test_a_muffled_room_is_no_edge(voices: list[np.ndarray], order: int) -> None:
    assert found([muffled(clip, order) for clip in voices]) is None


def test_compressed_speech_at_full_band_has_no_edge_and_vowels_neither(voices: list[np.ndarray]) -> None:
    assert found(voices) is None
    without_s = [clip[: len(clip) // 3] for clip in voices]
    assert found(without_s) is None


def test_a_hiss_that_stops_tells_of_one_clip_alone(voices: list[np.ndarray]) -> None:
    hiss = np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32) * 0.003
    clip = max(voices, key=len).copy()
    noisy = np.pad(clip, (0, max(0, len(hiss) - len(clip))))[: len(hiss)] + hiss
    assert found([noisy, *voices[:4]]) is None
    limited = found([narrowed(noisy, 8_000), *voices[:4]])
    assert limited is not None and limited.clips == ("0",) and "at 4.0 kHz" in limited.message
