"""A tape: 12 Dutch sentences by two speakers in one recording, with silence between them and known boundaries."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE, read_audio
from goama.sources.clip import SourceClip

SILENCE_S = 0.5


def assert_refused_cheaply(read: Callable[[Path], object], path: Path, sentence: str) -> None:
    """Reading the file raises one sentence that names it, in little time and memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(GoamaError, match=sentence) as refused:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)
    assert time.process_time() - started < 10


@dataclass(frozen=True)
class Piece:
    """A sentence on the tape; `samples` is its sound alone."""

    start: float
    end: float
    text: str
    speaker: str
    samples: np.ndarray


@dataclass(frozen=True)
class Tape:
    wav: Path
    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> float:
        return self.pieces[-1].end + SILENCE_S

    def copy_to(self, folder: Path, name: str = "tape.wav") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(self.wav.read_bytes())
        return folder / name

    def of(self, speaker: str) -> list[Piece]:
        return [piece for piece in self.pieces if piece.speaker == speaker]


@pytest.fixture(scope="session")
def tape(sentences: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Tape:
    chosen = [row for name in ("small fish", "big fish") for row in sentences if row["speaker"] == name]
    chosen = [row for pair in zip(chosen[:6], chosen[-6:], strict=True) for row in pair]
    silence = np.zeros(round(SILENCE_S * SAMPLE_RATE), np.float32)
    sound, pieces = [silence], []
    at = len(silence)
    for row in chosen:
        samples = 0.9 * read_audio(row["file_name"]).samples
        samples = samples[: len(samples) // 16 * 16]  # whole milliseconds, the finest that ELAN writes
        pieces.append(Piece(at / SAMPLE_RATE, (at + len(samples)) / SAMPLE_RATE, row["text"], row["speaker"], samples))
        sound += [samples, silence]
        at += len(samples) + len(silence)
    wav = tmp_path_factory.mktemp("tape") / "tape.wav"
    soundfile.write(wav, np.concatenate(sound), SAMPLE_RATE)
    return Tape(wav, tuple(pieces))


def is_piece(clip: SourceClip, piece: Piece) -> bool:
    """Whether a clip's text is the piece's and its sound is the piece's sound."""
    assert clip.fault is None, clip.fault
    audio = read_audio(clip.audio, offset=clip.offset or 0.0, duration=clip.duration)
    np.testing.assert_allclose(audio.samples, piece.samples, atol=1 / 30_000)
    return clip.text == piece.text
