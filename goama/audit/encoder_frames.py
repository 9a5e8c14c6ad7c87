"""How many frames the encoder that will be trained makes of a clip: CTC needs at least one for each label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedConfig, Wav2Vec2BertConfig

from goama.errors import GoamaError
from goama.model.default import default_encoder
from goama.model.encoder import frame_shift_s, input_frames, output_frames, read_config, with_adapter
from goama.sound.audio import SAMPLE_RATE

ADAPTER_UP_TO_MS = 20.0  # `goama train` never halves the frames of an encoder whose frames are longer


@dataclass(frozen=True)
class FrameCount:
    """The frames of one encoder: `shift_ms` apart; `of` counts those of clips of (N,) seconds, (N,) int64."""

    shift_ms: float
    of: Callable[[Sequence[float]], np.ndarray]

    @property
    def label(self) -> str:
        """ "20 ms"."""
        return f"{self.shift_ms:.0f} ms"


@dataclass(frozen=True)
class EncoderFrames:
    """The frames of an encoder as it is, and with its adapter where `goama train` may use that."""

    plain: FrameCount
    with_adapter: FrameCount | None

    @property
    def counts(self) -> tuple[FrameCount, ...]:
        """One or two of them."""
        return (self.plain, self.with_adapter) if self.with_adapter else (self.plain,)


def encoder_frames(encoder: str | None) -> EncoderFrames:
    """The frames of an encoder (a folder, a Hub id, starter, scratch); None: of the one that `goama train` would take.

    Where that one cannot be looked at, because the Hub is out of reach, Wav2Vec2-BERT's are taken. Raises `GoamaError`
    when an encoder that is named cannot be found or is none that goama trains.
    """
    if encoder is not None:
        return frames_of_config(read_config(encoder))
    try:
        return frames_of_config(read_config(default_encoder()[0]))
    except GoamaError:
        return frames_of_config(Wav2Vec2BertConfig())


def frames_of_config(config: PreTrainedConfig) -> EncoderFrames:
    """The frames that a network of this configuration makes."""
    if not isinstance(config, Wav2Vec2BertConfig):
        return EncoderFrames(_counted(config), None)
    plain, halved = with_adapter(config, False), with_adapter(config, True)
    fits = 1000 * frame_shift_s(plain) <= ADAPTER_UP_TO_MS
    return EncoderFrames(_counted(plain), _counted(halved) if fits else None)


def _counted(config: PreTrainedConfig) -> FrameCount:
    def count(seconds: Sequence[float]) -> np.ndarray:
        frames = [input_frames(config, round(length * SAMPLE_RATE)) for length in seconds]
        return output_frames(config, torch.tensor(frames, dtype=torch.int64)).clamp_min(0).numpy()

    return FrameCount(1000 * frame_shift_s(config), count)
