"""The sound of a clip as a page holds it: a small MP3, the outline of its waveform, a spectrogram."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goama.sound.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

LONGEST_EXCERPT_S = 15.0
_COLUMNS = 180  # of the waveform
_PICTURE = (240, 64)  # of the spectrogram: time, frequency up to 8 kHz
_WINDOW = 400  # samples: 25 ms
_NEGLIGIBLE = 800  # samples: a cut of 50 ms is not mentioned
_RANGE_DB = 70.0
_LEAST_LOUDEST_DB = 20.0
"""The lowest level that is drawn brightest: that of speech at about -30 dB. Otherwise the rounding noise of a silent
file would be as bright as speech."""
_LOUDNESS_COLOURS = ((10, 8, 26), (66, 16, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 196))


@dataclass(frozen=True)
class Quality:
    """How an MP3 is encoded: `compression` 0 to 1 of libsndfile, `mode`, and about how many bits a second it takes."""

    compression: float
    mode: str
    bits_per_s: float


FINE = Quality(0.5, "VARIABLE", 40_000)
COARSE = Quality(0.95, "CONSTANT", 16_000)


@dataclass(frozen=True)
class Encoding:
    """A quality, and the length of the longest excerpt."""

    quality: Quality
    longest_s: float

    def characters(self, seconds: float) -> float:
        """About how many characters of a page a sound takes: base64 of the MP3."""
        return min(seconds, self.longest_s) * self.quality.bits_per_s / 6


@dataclass(frozen=True)
class Excerpt:
    """`mp3` and `spectrogram` (PNG, or empty) are base64; `waveform` is an SVG path, 180 wide and 100 high."""

    mp3: str
    waveform: str
    spectrogram: str
    seconds: float
    shortened: bool
    """Whether the clip is longer."""

    @property
    def size(self) -> int:
        """Characters of the page that it takes."""
        return len(self.mp3) + len(self.waveform) + len(self.spectrogram)


@dataclass(frozen=True)
class EmbeddedSound:
    """An excerpt in a page; `key` names it there."""

    key: str
    excerpt: Excerpt


def excerpt(
    samples: np.ndarray, encoding: Encoding = Encoding(FINE, LONGEST_EXCERPT_S), *, pictured: bool = True
) -> Excerpt:
    """The first seconds of `samples` (N,) float32 at 16 kHz, N > 0; with a spectrogram where it is `pictured`."""
    first = samples[: int(encoding.longest_s * SAMPLE_RATE)]
    return Excerpt(
        base64.b64encode(_mp3(first, encoding.quality)).decode(),
        _waveform(first),
        base64.b64encode(_spectrogram(first)).decode() if pictured else "",
        len(first) / SAMPLE_RATE,
        len(samples) > len(first) + _NEGLIGIBLE,
    )


def mp3_by_key(sounds: Mapping[str, EmbeddedSound]) -> dict[str, str]:
    """Key to base64 MP3 of sounds by clip id: what the page's script plays."""
    return {sound.key: sound.excerpt.mp3 for sound in sounds.values()}


def megabytes(sounds: Mapping[str, EmbeddedSound]) -> str:
    """How much of the page sounds by clip id take, in MB."""
    return f"{sum(sound.excerpt.size for sound in sounds.values()) / 1e6:.1f}"


def _mp3(samples: np.ndarray, quality: Quality) -> bytes:
    """Opus would be as small, but older phones do not play it."""
    import numpy as np
    import soundfile

    encoded = io.BytesIO()
    soundfile.write(
        encoded,
        np.clip(samples, -1, 1),
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=quality.compression,
        bitrate_mode=quality.mode,
    )
    return encoded.getvalue()


def _waveform(samples: np.ndarray) -> str:
    import numpy as np

    pieces = np.array_split(samples, min(_COLUMNS, len(samples)))
    # The square root keeps quiet speech visible; clipped sound still ends flat at the edges.
    heights = [50 - 48 * np.sign(v) * np.sqrt(min(1.0, abs(v))) for v in (*map(np.max, pieces), *map(np.min, pieces))]
    upper, lower = heights[: len(pieces)], heights[len(pieces) :]
    outline = [*enumerate(upper), *reversed([*enumerate(lower)])]
    width = _COLUMNS / len(pieces)
    return "M" + "L".join(f"{column * width:g} {round(height)}" for column, height in outline) + "Z"


def _spectrogram(samples: np.ndarray) -> bytes:
    """A PNG with time to the right and 0 to 8 kHz upwards; 70 dB from dark to bright."""
    import numpy as np
    from PIL import Image

    columns, rows = _PICTURE
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    starts = np.linspace(0, len(padded) - _WINDOW, columns).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[starts] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, 1:]) ** 2  # (columns, 200)
    bands = np.stack([band.mean(axis=1) for band in np.array_split(power, rows, axis=1)])  # (rows, columns)
    # Speech falls by about 6 dB per octave; without this slope consonants would be as dark as silence.
    slope = 20 * np.log10(np.arange(1, rows + 1))[:, None]
    level = 10 * np.log10(bands + 1e-10) + slope
    bright = np.clip((level - max(level.max(), _LEAST_LOUDEST_DB) + _RANGE_DB) / _RANGE_DB, 0, 1)
    picture = Image.fromarray((bright[::-1] * 31).astype(np.uint8) * 8)
    picture.putpalette(_palette())
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG", optimize=True)
    return encoded.getvalue()


def _palette() -> list[int]:
    import numpy as np

    anchors = np.array(_LOUDNESS_COLOURS)
    places = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(places, range(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(int).ravel().tolist()
