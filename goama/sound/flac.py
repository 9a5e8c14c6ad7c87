"""16 kHz mono samples are written as 16-bit FLAC: the sound files of a corpus."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from goama.sound.resample import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np


def write_flac(path: Path, samples: np.ndarray) -> None:
    """Write `samples` (N,) float32 as 16-bit mono FLAC at 16 kHz; samples beyond [-1, 1] are clipped.

    Raises `OSError` with the file's name when the disk is full or cannot be written.
    """
    import numpy as np
    import soundfile

    encoded = io.BytesIO()  # libsndfile does not notice a disk that takes only a part; Python's own files do
    soundfile.write(encoded, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    try:
        path.write_bytes(encoded.getbuffer())
    except OSError as error:
        error.filename = str(path)
        raise
