"""What an encoder is: its configuration, read from a folder, a Hub repository or `scratch`, and its frames.

What differs between the families of encoders stands in `families`; this module asks the right one.
"""

from __future__ import annotations

from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig, Wav2Vec2BertConfig, WhisperConfig

from goama.errors import GoamaError, first_line
from goama.model import ctranslate2, whisper
from goama.model.families import Family, WaveformFamily, WhisperFamily, family_of
from goama.model.hub import CONFIGURATION_FILES, local_folder
from goama.model.shipped import SCRATCH
from goama.sound.front_end import FrontEnd
from goama.sound.log_mel import MEL_BINS
from goama.whisper_ctc import WhisperCTCConfig

_SCRATCH_CONFIG = {  # 7 M parameters and 30 ms frames (in fast speech a letter takes 53 ms): two cores can train it
    "hidden_size": 192,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    "output_hidden_size": 192,
    "feature_projection_input_dim": 3 * MEL_BINS,
}


def read_config(encoder: str) -> PreTrainedConfig:
    """The configuration of a folder, a CTranslate2 file, a Hub id, `starter` or `scratch`.

    Raises `GoamaError` when it cannot be found or read, or is of a model that goama does not train.
    """
    if encoder == SCRATCH:
        return Wav2Vec2BertConfig(**_SCRATCH_CONFIG)
    folder = local_folder(encoder, CONFIGURATION_FILES)
    file = ctranslate2.find_file(str(folder))
    if file is not None:
        sizes: dict[str, Any] = ctranslate2.read_sizes(file)
        return _checked(encoder, WhisperCTCConfig(**sizes))
    if not (folder / "config.json").is_file():
        raise GoamaError(f"{encoder}: it has no config.json; --encoder takes a transformers model folder or Hub id")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        raise unreadable(encoder, error) from error
    if isinstance(config, WhisperConfig):
        config = whisper.encoder_config(encoder, config)
    return _checked(encoder, config)


def _checked(encoder: str, config: PreTrainedConfig) -> PreTrainedConfig:
    """The same configuration, if goama trains such an encoder; else `GoamaError`."""
    family = family_of(config)
    if family is None:
        raise GoamaError(
            f"{encoder}: this is a {config.model_type} model; goama trains Wav2Vec2-BERT, Whisper, wav2vec 2.0 (also "
            "XLS-R and MMS), HuBERT and WavLM encoders"
        )
    family.check(encoder)
    return config


def unreadable(encoder: str, error: Exception) -> GoamaError:
    """The error for a file of a model folder that is damaged, with the first line of its cause."""
    return GoamaError(f"{encoder}: the model in this folder cannot be read ({first_line(error)})")


def takes_waveforms(config: PreTrainedConfig) -> bool:
    """Whether the network's input is the waveform; if not, it is log-mel frames."""
    return isinstance(family_of(config), WaveformFamily)


def is_whisper(config: PreTrainedConfig) -> bool:
    """Whether it is a Whisper encoder under a CTC head."""
    return isinstance(family_of(config), WhisperFamily)


def front_end(encoder: str, config: PreTrainedConfig) -> FrontEnd:
    """The module that turns clips into this encoder's input.

    Raises `GoamaError` when the encoder was trained at another sampling rate than 16 kHz.
    """
    return known_family(config).front_end(encoder)


def longest_s(config: PreTrainedConfig) -> float | None:
    """Seconds of sound that the network can take at once; None where there is no limit."""
    return known_family(config).longest_s


def input_frames(config: PreTrainedConfig, samples: int) -> int:
    """The length of the network's input for a clip of that many samples."""
    return known_family(config).input_frames(samples)


def feature_stride(config: PreTrainedConfig) -> int:
    """Log-mel frames (10 ms each) stacked into one input frame."""
    return known_family(config).stride


def frame_shift_s(config: PreTrainedConfig) -> float:
    """Seconds between two logits."""
    return known_family(config).frame_shift_s


def with_adapter(config: PreTrainedConfig, adapter: bool) -> PreTrainedConfig:
    """The configuration with or without Wav2Vec2-BERT's stride-2 adapter."""
    return type(config).from_dict({**config.to_dict(), "add_adapter": adapter})


def output_frames(config: PreTrainedConfig, frames: torch.Tensor) -> torch.Tensor:
    """Logits for input frames (for encoders of waveforms: samples), integers of any shape."""
    return known_family(config).output_frames(frames)


def known_family(config: PreTrainedConfig) -> Family:
    """The family of a configuration that `read_config` has let through."""
    family = family_of(config)
    assert family is not None, config.model_type
    return family
