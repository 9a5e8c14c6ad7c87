"""A Wav2Vec2-BERT encoder, from the Hub, a folder or from scratch, becomes a CTC network for a vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig, Wav2Vec2BertConfig, Wav2Vec2BertForCTC
from transformers.utils import logging as transformers_logging

from goama.acoustics.log_mel import FRAME_SHIFT_S, MEL_BINS
from goama.errors import GoamaError
from goama.model import attention, shipped
from goama.model.shipped import SCRATCH, STARTER
from goama.text.vocabulary import Vocabulary

GIANT = "facebook/w2v-bert-2.0"
"""What is fine-tuned where nothing else is asked for and the Hub can be reached."""

_HUB_TIMEOUT_S = 5.0

_SCRATCH_CONFIG = {  # 7 M parameters, 30 ms frames (fast speech has a letter in 53 ms): what two cores can train
    "hidden_size": 192,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    "output_hidden_size": 192,
    "feature_projection_input_dim": 3 * MEL_BINS,
}

_NO_DROPOUT = {  # as the notebook: an hour of speech needs masking, not dropout
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "conformer_conv_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,  # SpecAugment works on the features, before the network
    "mask_feature_prob": 0.0,
}

_ALLOWED_TO_BE_NEW = ("lm_head.", "wav2vec2_bert.adapter.", "wav2vec2_bert.masked_spec_embed")


@dataclass(frozen=True)
class LoadedEncoder:
    """A CTC network ready to be trained, and what was decided while it was loaded."""

    network: Wav2Vec2BertForCTC
    new_parameters: tuple[str, ...]
    """Parameters that start from random values: the head, and the adapter when it is new."""
    carried_over: int
    """Rows of the head that were copied from the checkpoint's own, for characters both know."""


def default_encoder() -> tuple[str, str | None]:
    """w2v-bert-2.0, or the starter where that cannot be reached and the package has one; then also a sentence why."""
    if not shipped.has_starter() or _is_within_reach(GIANT):
        return GIANT, None
    return STARTER, f"{GIANT} cannot be reached; training from the {STARTER}"


def _is_within_reach(hub_id: str) -> bool:
    """On this machine already, or given by the Hub."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = [try_to_load_from_cache(hub_id, name) for name in ("config.json", "model.safetensors")]
    if all(isinstance(path, str) for path in cached):
        return True
    try:
        HfApi().model_info(hub_id, timeout=_HUB_TIMEOUT_S)
    except Exception:  # offline mode, no route, a proxy's refusal, a Hub that is down: each transport has its own kinds
        return False
    return True


def _folder_or_id(encoder: str) -> str:
    """The folder or Hub id that `--encoder` means; `GoamaError` for a starter that is not there."""
    if encoder != STARTER:
        return encoder
    if not shipped.has_starter():
        raise GoamaError(
            f"--encoder {STARTER}: this copy of goama comes without one; `make starter` trains it (docs/starter.md), "
            f"or use a model folder, a Hub id or {SCRATCH}"
        )
    return str(shipped.STARTER_FOLDER)


def read_config(encoder: str) -> PreTrainedConfig:
    """The configuration of a folder, a Hub id, `starter` or `scratch`; `GoamaError` if it is not Wav2Vec2-BERT."""
    if encoder == SCRATCH:
        return Wav2Vec2BertConfig(**_SCRATCH_CONFIG)
    encoder = _folder_or_id(encoder)
    folder = Path(encoder)
    if folder.exists() and not (folder / "config.json").is_file():
        raise GoamaError(f"{encoder}: no config.json in this folder; --encoder takes a transformers model folder")
    try:
        config = AutoConfig.from_pretrained(encoder, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        raise GoamaError(_unreachable(encoder, error)) from error
    if not isinstance(config, Wav2Vec2BertConfig):
        raise GoamaError(
            f"{encoder}: this is a {config.model_type} model; goama trains Wav2Vec2-BERT encoders "
            "(facebook/w2v-bert-2.0 and its descendants)"
        )
    width = config.feature_projection_input_dim
    if width < MEL_BINS or width % MEL_BINS:
        raise GoamaError(
            f"{encoder}: its frames are {width} numbers wide, not stacked frames of {MEL_BINS} mel bins as "
            "Wav2Vec2-BERT's are; goama cannot make its features"
        )
    return config


def feature_stride(config: PreTrainedConfig) -> int:
    """Log-mel frames (10 ms each) stacked into one input frame."""
    return int(config.feature_projection_input_dim) // MEL_BINS


def frame_shift_s(config: PreTrainedConfig) -> float:
    """Seconds between two logits."""
    adapter = config.adapter_stride**config.num_adapter_layers if config.add_adapter else 1
    return FRAME_SHIFT_S * feature_stride(config) * adapter


def output_frames(config: PreTrainedConfig, frames: torch.Tensor) -> torch.Tensor:
    """Logit frames for input frames, any integer shape."""
    if config.add_adapter:
        for _ in range(config.num_adapter_layers):
            frames = attention.pooled_length(frames, config.adapter_kernel_size, config.adapter_stride)
    return frames


def load_for_training(encoder: str, vocabulary: Vocabulary, *, adapter: bool) -> LoadedEncoder:
    """Load an encoder under a fresh CTC head for `vocabulary`, with or without the stride-2 adapter.

    Where the checkpoint already is a CTC model with its vocabulary beside it, the head's rows of the
    characters both know are carried over.

    Raises `GoamaError` when it cannot be found, is not Wav2Vec2-BERT, or lacks encoder weights.
    """
    config = read_config(encoder)
    config.update(_NO_DROPOUT)
    config.update(
        {
            "vocab_size": len(vocabulary),
            "pad_token_id": vocabulary.blank_id,
            "bos_token_id": None,
            "eos_token_id": None,
            "add_adapter": adapter,
            "ctc_loss_reduction": "mean",
            "ctc_zero_infinity": True,
        }
    )
    if encoder == SCRATCH:
        network = Wav2Vec2BertForCTC(config)
        attention.install(network)
        return LoadedEncoder(network, ("all",), 0)

    encoder = _folder_or_id(encoder)
    network, missing = _from_checkpoint(encoder, config)
    missing = sorted({*missing, "lm_head.weight", "lm_head.bias"})  # also where the old head has the same size
    with torch.no_grad():
        network.lm_head.weight.normal_(0.0, config.initializer_range)
        network.lm_head.bias.zero_()
    lost = [name for name in missing if not name.startswith(_ALLOWED_TO_BE_NEW)]
    if lost:
        raise GoamaError(
            f"{encoder}: {len(lost)} encoder weights are missing (the first: {lost[0]}); "
            "this is not a whole Wav2Vec2-BERT checkpoint"
        )
    attention.install(network)
    carried_over = _carry_over_head(encoder, network, vocabulary)
    return LoadedEncoder(network, tuple(sorted({name.rsplit(".", 1)[0] for name in missing})), carried_over)


def load_for_inference(folder: Path) -> Wav2Vec2BertForCTC:
    """A finished model folder's network, in evaluation mode on the CPU."""
    config = read_config(str(folder))
    network, missing = _from_checkpoint(str(folder), config)
    if missing:
        raise GoamaError(f"{folder}: {len(missing)} weights are missing (the first: {missing[0]}); train again")
    attention.install(network)
    return network.eval()


def _from_checkpoint(encoder: str, config: PreTrainedConfig) -> tuple[Wav2Vec2BertForCTC, list[str]]:
    """The network and the names of the parameters that the checkpoint did not fill."""
    from safetensors import SafetensorError

    try:
        with quiet_transformers():
            network, info = Wav2Vec2BertForCTC.from_pretrained(
                encoder,
                config=config,
                ignore_mismatched_sizes=True,  # the head has another vocabulary's size
                output_loading_info=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
            )
    except (OSError, SafetensorError) as error:
        raise GoamaError(_unreachable(encoder, error)) from error
    mismatched = [entry[0] if isinstance(entry, tuple) else entry for entry in info["mismatched_keys"]]
    return network, sorted({*info["missing_keys"], *mismatched})


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Its loading report and bars speak to programmers; what a user must know, goama says itself."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def _unreachable(encoder: str, error: Exception) -> str:
    if Path(encoder).exists():
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"{encoder}: the model in this folder cannot be read ({first_line})"
    return (
        f"{encoder}: no such folder here, and the Hugging Face Hub does not give it; check the name and the "
        f"network, download it elsewhere and pass the folder, or use --encoder {shipped.small_encoder()}"
    )


def _carry_over_head(encoder: str, network: Wav2Vec2BertForCTC, vocabulary: Vocabulary) -> int:
    """Copy the old head's rows of shared characters; the number copied."""
    from safetensors import safe_open

    folder = Path(encoder)
    weights = folder / "model.safetensors"
    if not (folder / "vocab.json").is_file() or not weights.is_file():
        return 0
    old_ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    with safe_open(weights, framework="pt") as file:
        names = set(file.keys())
        if not {"lm_head.weight", "lm_head.bias"} <= names:
            return 0
        old_weight, old_bias = file.get_tensor("lm_head.weight"), file.get_tensor("lm_head.bias")
    if old_weight.shape[1] != network.lm_head.weight.shape[1]:
        return 0
    known_units, units = 0, set(vocabulary.units)
    with torch.no_grad():
        for new_id, unit in enumerate(vocabulary.tokens):
            old_id = old_ids.get(unit)
            if old_id is not None and new_id != vocabulary.unk_id and old_id < len(old_weight):
                known_units += unit in units
                network.lm_head.weight[new_id] = old_weight[old_id].float()
                network.lm_head.bias[new_id] = old_bias[old_id].float()
    return known_units
