"""Whisper checkpoints, transformers' and CTranslate2's, become encoders for `WhisperForCTC`."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig, AutoModelForCTC, PreTrainedConfig, PreTrainedModel, WhisperConfig

from goama.errors import GoamaError
from goama.model import ctranslate2
from goama.whisper_ctc import WhisperCTCConfig, WhisperForCTC

AutoConfig.register(WhisperCTCConfig.model_type, WhisperCTCConfig)  # so that the file in a model folder is never run
AutoModelForCTC.register(WhisperCTCConfig, WhisperForCTC)


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

    Raises `GoamaError` when a weight has a size that does not fit.
    """
    network = WhisperForCTC(config)
    weights = ctranslate2.read_encoder(file).weights
    try:
        result = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise GoamaError(f"{file}: a weight has another size than its neighbours ask for") from error
    return network.float(), sorted(result.missing_keys)
