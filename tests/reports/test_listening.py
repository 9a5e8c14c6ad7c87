"""The picture of a clip: bright where there is sound, dark where there is none."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from goama.reports.listening import excerpt
from goama.sound.audio import SAMPLE_RATE, read_audio


def brightness(samples: np.ndarray) -> np.ndarray:
    """(64, 240), 0 dark to 1 bright."""
    picture = Image.open(io.BytesIO(base64.b64decode(excerpt(samples.astype(np.float32)).spectrogram)))
    return np.asarray(picture.convert("RGB"), dtype=float).max(axis=2) / 255


def test_silence_is_dark() -> None:
    darkest = brightness(np.zeros(SAMPLE_RATE)).max()
    rounding = np.random.default_rng(0).integers(-1, 2, SAMPLE_RATE) / 32768
    assert darkest < 0.15
    assert np.percentile(brightness(rounding), 99) < 0.5


@pytest.mark.parametrize("gain_db", [0, -20])
def test_speech_is_bright_also_when_it_is_quiet(sentences: list[dict[str, Any]], gain_db: float) -> None:
    samples = read_audio(sentences[0]["file_name"]).samples
    assert brightness(samples * 10 ** (gain_db / 20)).max() > 0.8
