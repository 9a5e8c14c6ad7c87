"""The three families of encoders: each with its input, its frames and its settings for training in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from transformers import (
    HubertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
)

from goama.errors import GoamaError
from goama.model import attention, waveform_layers
from goama.model.hub import CONFIGURATION_FILES, local_folder
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import RawWaveforms
from goama.sound.log_mel import FRAME_SHIFT_S, MEL_BINS, LogMel, stacked_frames
from goama.sound.whisper_mel import WhisperMel
from goama.whisper_ctc import WhisperCTCConfig, logit_frames

_MASK_TIME_PROB = 0.05
"""transformers' default. goama draws the masks itself; at 0 the network would have no vector to put in their place."""

_WHISPER_SIZES = (
    *("num_mel_bins", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    "max_source_positions",
)
_LARGEST_WHISPER_SIZE = 20_000
"""Above the largest of any Whisper, the 5120 of large's feed-forward layers; a larger one would only fill memory."""


@dataclass(frozen=True)
class Wav2Vec2BertFamily:
    """Wav2Vec2-BERT: stacked and normalised log-mel frames, conformer layers, an optional adapter of stride 2."""

    config: Wav2Vec2BertConfig
    longest_s: ClassVar[float | None] = None

    def check(self, encoder: str) -> None:
        """Raises `GoamaError` when the configuration asks for features that goama cannot compute."""
        width = self.config.feature_projection_input_dim
        if width < MEL_BINS or width % MEL_BINS:
            raise GoamaError(
                f"{encoder}: its frames are {width} numbers wide, not stacked frames of {MEL_BINS} mel bins as "
                "Wav2Vec2-BERT's are; goama cannot make its features"
            )

    @property
    def stride(self) -> int:
        """Log-mel frames (10 ms each) stacked into one input frame."""
        return int(self.config.feature_projection_input_dim) // MEL_BINS

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two logits."""
        adapter = self.config.adapter_stride**self.config.num_adapter_layers if self.config.add_adapter else 1
        return FRAME_SHIFT_S * self.stride * adapter

    def front_end(self, encoder: str) -> LogMel:
        """The features of the encoder."""
        return LogMel(self.stride)

    def input_frames(self, samples: int) -> int:
        """Input frames of a clip of that many samples."""
        return stacked_frames(samples, self.stride)

    def output_frames(self, frames: torch.Tensor) -> torch.Tensor:
        """Logits for that many input frames, integers of any shape."""
        if self.config.add_adapter:
            for _ in range(self.config.num_adapter_layers):
                frames = attention.pooled_length(frames, self.config.adapter_kernel_size, self.config.adapter_stride)
        return frames

    def training_settings(self, adapter: bool) -> dict[str, Any]:
        """Changes of the configuration for training; SpecAugment works on the features, not in the network."""
        return {"add_adapter": adapter, "mask_time_prob": 0.0}

    def install_layers(self, network: PreTrainedModel) -> None:
        """Give the network goama's layers, in place."""
        attention.install(network)


@dataclass(frozen=True)
class WaveformFamily:
    """wav2vec 2.0 (also XLS-R and MMS), HuBERT and WavLM: convolutions over the waveform, transformer layers."""

    config: Wav2Vec2Config | HubertConfig | WavLMConfig
    longest_s: ClassVar[float | None] = None
    stride: ClassVar[int] = 1

    def check(self, encoder: str) -> None:
        """Raises `GoamaError` for the two settings in which padding would reach a clip."""
        for key in ("add_adapter", "conv_pos_batch_norm"):
            if getattr(self.config, key, False):
                raise GoamaError(f"{encoder}: goama does not train {self.config.model_type} encoders with {key}")

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two logits."""
        return math.prod(self.config.conv_stride) / SAMPLE_RATE

    def front_end(self, encoder: str) -> RawWaveforms:
        """Waveforms as the checkpoint's feature extractor has them; without one, normalised to mean 0 and variance 1.

        Raises `GoamaError` when the encoder was trained at another sampling rate.
        """
        try:
            extractor = Wav2Vec2FeatureExtractor.from_pretrained(local_folder(encoder, CONFIGURATION_FILES))
        except OSError:
            extractor = Wav2Vec2FeatureExtractor()
        if extractor.sampling_rate != SAMPLE_RATE:
            raise GoamaError(
                f"{encoder}: this encoder was trained at {extractor.sampling_rate} Hz, goama works at {SAMPLE_RATE} Hz"
            )
        field = 1
        for kernel, stride in zip(reversed(self.config.conv_kernel), reversed(self.config.conv_stride), strict=True):
            field = (field - 1) * stride + kernel
        return RawWaveforms(bool(extractor.do_normalize), field)

    def input_frames(self, samples: int) -> int:
        """The input of a clip are its samples."""
        return samples

    def output_frames(self, frames: torch.Tensor) -> torch.Tensor:
        """Logits for that many samples, integers of any shape."""
        return waveform_layers.convolved_length(frames, self.config.conv_kernel, self.config.conv_stride)

    def training_settings(self, adapter: bool) -> dict[str, Any]:
        """Changes of the configuration for training; SpecAugment works in the network, behind the convolutions."""
        return {"apply_spec_augment": True, "mask_time_prob": self.config.mask_time_prob or _MASK_TIME_PROB}

    def install_layers(self, network: PreTrainedModel) -> None:
        """Give the network goama's layers, in place."""
        waveform_layers.install(network)


@dataclass(frozen=True)
class WhisperFamily:
    """The encoder of Whisper under a CTC head: Whisper's log-mel frames, two convolutions, transformer layers."""

    config: WhisperCTCConfig
    stride: ClassVar[int] = 1

    def check(self, encoder: str) -> None:
        """Raises `GoamaError` for sizes and functions that no Whisper encoder has."""
        sizes = {name: getattr(self.config, name) for name in _WHISPER_SIZES}
        for name, size in sizes.items():
            if not isinstance(size, int) or not 0 < size <= _LARGEST_WHISPER_SIZE:
                raise GoamaError(f"{encoder}: its {name} is {size!r}, which no Whisper encoder has; is it damaged?")
        width, heads = sizes["hidden_size"], sizes["num_attention_heads"]
        if width % heads or width % 2 or width < 4:
            raise GoamaError(
                f"{encoder}: {heads} attention heads do not share a width of {width} evenly; is it damaged?"
            )
        if self.config.hidden_act != "gelu":
            raise GoamaError(f"{encoder}: its hidden_act is {self.config.hidden_act!r}, not Whisper's gelu")

    @property
    def longest_s(self) -> float:
        """Seconds of sound for which the encoder has positions."""
        return self.config.longest_s

    @property
    def frame_shift_s(self) -> float:
        """Seconds between two logits."""
        return self.config.inputs_to_logits_ratio / SAMPLE_RATE

    def front_end(self, encoder: str) -> WhisperMel:
        """The features of the encoder."""
        return WhisperMel(self.config.num_mel_bins)

    def input_frames(self, samples: int) -> int:
        """Input frames of a clip of that many samples."""
        return WhisperMel(self.config.num_mel_bins).frames(samples)

    def output_frames(self, frames: torch.Tensor) -> torch.Tensor:
        """Logits for that many input frames, integers of any shape."""
        return logit_frames(frames)

    def training_settings(self, adapter: bool) -> dict[str, Any]:
        """No changes of the configuration: SpecAugment works on the features, not in the network."""
        return {}

    def install_layers(self, network: PreTrainedModel) -> None:
        """Nothing: all layers are goama's own."""


Family = Wav2Vec2BertFamily | WaveformFamily | WhisperFamily


def family_of(config: PreTrainedConfig) -> Family | None:
    """The family of an encoder; None for models that goama does not train."""
    if isinstance(config, Wav2Vec2BertConfig):
        return Wav2Vec2BertFamily(config)
    if isinstance(config, Wav2Vec2Config | HubertConfig | WavLMConfig):
        return WaveformFamily(config)
    if isinstance(config, WhisperCTCConfig):
        return WhisperFamily(config)
    return None
