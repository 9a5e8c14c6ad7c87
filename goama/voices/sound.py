"""A recording's bytes to 16 kHz mono samples, and what can be measured on them: loudness and activity.

libsndfile reads Ogg, WAV and MP3; PyAV reads G.722, which has no header and needs its format named.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from goama.voices.recording import Recording

SAMPLE_RATE = 16_000
PCM_U8_RATE = 11_025
LONGEST_S = 120.0
"""No clip of these voices is half as long; what claims to be longer is damaged."""

_FRAME = 320  # 20 ms
_SMALLEST = 160  # 10 ms: anything shorter holds no sound


class UnreadableError(Exception):
    """The recording cannot be decoded, is empty or is far too long; the message says which."""


@dataclass(frozen=True)
class Activity:
    """rms_db: level of the whole clip, dB of full scale. active_s: seconds from first to last sound."""

    rms_db: float
    active_s: float


def decode(recording: Recording) -> np.ndarray:
    """Samples of one recording, `(samples,) float32` at 16 kHz, mixed to mono; raises `UnreadableError`."""
    try:
        if recording.encoding == "g722":
            samples, rate = _decode_g722(recording), SAMPLE_RATE
        elif recording.encoding == "pcm_u8":
            samples, rate = _decode_pcm_u8(recording), PCM_U8_RATE
        else:
            samples, rate = _decode_container(recording)
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        raise UnreadableError("the recording cannot be decoded") from error
    if len(samples) > LONGEST_S * rate:
        raise UnreadableError(f"the recording is longer than {LONGEST_S:.0f} s")
    if rate != SAMPLE_RATE:
        samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ")
    if len(samples) < _SMALLEST:
        raise UnreadableError("the recording is empty")
    return samples.astype(np.float32)


def activity(samples: np.ndarray) -> Activity:
    """Level and active time of `(samples,) float32` at 16 kHz.

    A frame of 20 ms is active within 35 dB of the loudest one and above -65 dB of full scale.
    """
    if len(samples) < _FRAME:
        return Activity(rms_db=-120.0, active_s=0.0)
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    energy_db = 10 * np.log10((frames**2).mean(axis=1) + 1e-12)
    rms_db = float(10 * np.log10((samples**2).mean() + 1e-12))
    active = np.flatnonzero(energy_db > max(energy_db.max() - 35, -65))
    if not len(active):
        return Activity(rms_db, 0.0)
    return Activity(rms_db, float(active[-1] + 1 - active[0]) * _FRAME / SAMPLE_RATE)


def pcm_16(samples: np.ndarray) -> np.ndarray:
    """`(samples,) int16`, clipped at full scale: what a FLAC file holds and what is compared for equality."""
    scaled: np.ndarray = np.clip(samples, -1, 1) * 32767
    return scaled.astype("<i2")


def _decode_container(recording: Recording) -> tuple[np.ndarray, int]:
    with _opened(recording) as source, soundfile.SoundFile(source) as sound:
        channels = sound.read(frames=int((LONGEST_S + 1) * sound.samplerate), dtype="float32", always_2d=True)
        return channels.mean(axis=1), sound.samplerate


def _decode_g722(recording: Recording) -> np.ndarray:
    import av

    blocks: list[np.ndarray] = []
    with _opened(recording) as source:
        if not source.read(1):  # PyAV prints a traceback of its own for an empty file
            raise UnreadableError("the recording is empty")
        source.seek(0)
        try:
            with av.open(source, mode="r", format="g722") as container:
                for frame in container.decode(audio=0):
                    blocks.append(frame.to_ndarray().reshape(-1))
                    if len(blocks) * len(blocks[0]) > (LONGEST_S + 1) * SAMPLE_RATE:
                        break
        except av.FFmpegError as error:
            raise UnreadableError("the recording cannot be decoded") from error
    if not blocks:
        raise UnreadableError("the recording is empty")
    return np.concatenate(blocks).astype(np.float32) / 32768


def _decode_pcm_u8(recording: Recording) -> np.ndarray:
    with _opened(recording) as source:
        raw = source.read(int((LONGEST_S + 1) * PCM_U8_RATE))
    return (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 128) / 128


@contextmanager
def _opened(recording: Recording) -> Iterator[io.BufferedIOBase]:
    if isinstance(recording.audio, bytes):
        yield io.BytesIO(recording.audio)
    else:
        with recording.audio.open("rb") as file:
            yield file
