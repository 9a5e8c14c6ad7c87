"""Whisper checkpoints, transformers' and CTranslate2's, become encoders for `WhisperForCTC`."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCTC, PreTrainedConfig, PreTrainedModel, WhisperConfig

from goama.errors import GoamaError
from goama.model import ctranslate2
from goama.whisper_ctc import WhisperCTCConfig, WhisperForCTC, sinusoids

AutoConfig.register(WhisperCTCConfig.model_type, WhisperCTCConfig)  # so that the file in a model folder is never run
AutoModelForCTC.register(WhisperCTCConfig, WhisperForCTC)

_ROUNDING = 4e-3
"""Of a number up to 1 in bfloat16; in float16 it is less."""


def encoder_config(encoder: str, config: WhisperConfig) -> WhisperCTCConfig:
    """The sizes of a Whisper checkpoint's encoder; `GoamaError` for what goama's network does not compute."""
    if config.scale_embedding or config.activation_function != "gelu":
        raise GoamaError(f"{encoder}: not built as OpenAI's Whisper is (scale_embedding or activation_function)")
    return WhisperCTCConfig(
        num_mel_bins=config.num_mel_bins,
        hidden_size=config.d_model,
        num_hidden_layers=config.encoder_layers,
        num_attention_heads=config.encoder_attention_heads,
        intermediate_size=config.encoder_ffn_dim,
        max_source_positions=config.max_source_positions,
    )


def from_ctranslate2(file: Path, config: PreTrainedConfig) -> tuple[PreTrainedModel, list[str]]:
    """The network with the encoder of a CTranslate2 file, and the names of the parameters that are not in it.

    Raises `GoamaError` as `ctranslate2.read_weights` does, and for positions that are not Whisper's.
    """
    weights = ctranslate2.read_weights(file)
    check_positions(str(file), weights.positions)
    network = WhisperForCTC(config)
    result = network.load_state_dict(weights.by_name, strict=False)
    return network, sorted(result.missing_keys)


def check_positions(encoder: str, positions: torch.Tensor) -> None:
    """Raises `GoamaError` when a checkpoint's position embeddings (T, hidden) are not the fixed sinusoids."""
    if not torch.allclose(positions.float(), sinusoids(*positions.shape), atol=_ROUNDING, rtol=0.0):
        raise GoamaError(
            f"{encoder}: its position embeddings are not the sinusoids of OpenAI's Whisper, which goama's network "
            "computes by itself; use a checkpoint whose embed_positions were not trained"
        )


def positions_in(folder: Path) -> torch.Tensor | None:
    """The position embeddings in the encoder of transformers' Whisper, (T, hidden); None in goama's folders."""
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 safetensors' file is no mapping
                if name.endswith("encoder.embed_positions.weight"):
                    return file.get_tensor(name)
    return None
