"""An encoder, from the Hub, a folder or from scratch, becomes a CTC network for a vocabulary.

Wav2Vec2-BERT and Whisper hear log-mel frames; wav2vec 2.0 (XLS-R, MMS), HuBERT and WavLM hear the waveform.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoConfig,
    AutoModelForCTC,
    HubertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WhisperConfig,
)
from transformers.utils import logging as transformers_logging

from goama.errors import GoamaError
from goama.model import attention, ctranslate2, shipped, waveform_layers, whisper
from goama.model.carry_over import CarriedOver, carry_over
from goama.model.shipped import SCRATCH, STARTER
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import FrontEnd, RawWaveforms
from goama.sound.log_mel import FRAME_SHIFT_S, MEL_BINS, LogMel, stacked_frames
from goama.sound.whisper_mel import WhisperMel
from goama.text.vocabulary import Vocabulary
from goama.whisper_ctc import WhisperCTCConfig, logit_frames

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

_HEARS_WAVEFORMS = (Wav2Vec2Config, HubertConfig, WavLMConfig)

_NO_DROPOUT = {  # as the notebook: an hour of speech needs masking, not dropout
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "conformer_conv_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_feature_prob": 0.0,
}

_MASK_TIME_PROB = 0.05  # transformers' default; goama draws the masks itself, but without it there is nothing to put in

_ALLOWED_TO_BE_NEW = ("lm_head.", "wav2vec2_bert.adapter.")


@dataclass(frozen=True)
class LoadedEncoder:
    """A CTC network ready to be trained, and what was decided while it was loaded."""

    network: PreTrainedModel
    new_parameters: tuple[str, ...]
    """Modules whose parameters start from random values: the head, and adapters when they are new."""
    carried_over: CarriedOver
    """What the checkpoint's own head, or in MMS the adapter of a language, already knew."""


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
    """The configuration of a folder, a Hub id, `starter` or `scratch`; `GoamaError` if goama cannot train it."""
    if encoder == SCRATCH:
        return Wav2Vec2BertConfig(**_SCRATCH_CONFIG)
    encoder = _folder_or_id(encoder)
    folder = Path(encoder)
    file = ctranslate2.find_file(encoder)
    if file is not None:
        return WhisperCTCConfig(**ctranslate2.read_encoder(file).sizes)
    if folder.exists() and not (folder / "config.json").is_file():
        raise GoamaError(f"{encoder}: no config.json in this folder; --encoder takes a transformers model folder")
    try:
        config = AutoConfig.from_pretrained(encoder, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        raise GoamaError(_unreachable(encoder, error)) from error
    if isinstance(config, WhisperConfig):
        return whisper.encoder_config(encoder, config)
    if is_whisper(config):
        return config
    if isinstance(config, _HEARS_WAVEFORMS):
        unfit = [key for key in ("add_adapter", "conv_pos_batch_norm") if getattr(config, key, False)]
        if unfit:
            raise GoamaError(f"{encoder}: goama does not train {config.model_type} encoders with {unfit[0]}")
        return config
    if not isinstance(config, Wav2Vec2BertConfig):
        raise GoamaError(
            f"{encoder}: this is a {config.model_type} model; goama trains Wav2Vec2-BERT, Whisper, wav2vec 2.0 (also "
            "XLS-R and MMS), HuBERT and WavLM encoders"
        )
    width = config.feature_projection_input_dim
    if width < MEL_BINS or width % MEL_BINS:
        raise GoamaError(
            f"{encoder}: its frames are {width} numbers wide, not stacked frames of {MEL_BINS} mel bins as "
            "Wav2Vec2-BERT's are; goama cannot make its features"
        )
    return config


def hears_waveforms(config: PreTrainedConfig) -> bool:
    """Whether the network's input are samples; if not, it is log-mel frames."""
    return isinstance(config, _HEARS_WAVEFORMS)


def is_whisper(config: PreTrainedConfig) -> bool:
    """Whether it is a Whisper encoder under a CTC head."""
    return isinstance(config, WhisperCTCConfig)


def longest_s(config: PreTrainedConfig) -> float | None:
    """Seconds of sound that the network can hear at once; None where there is no limit."""
    return config.longest_s if isinstance(config, WhisperCTCConfig) else None


def front_end(encoder: str, config: PreTrainedConfig) -> FrontEnd:
    """What turns clips into this encoder's input; raw waveforms as the checkpoint's feature extractor has them.

    A checkpoint without one gets transformers' default, zero mean and unit variance. Raises `GoamaError` when the
    encoder was trained at another sampling rate.
    """
    if is_whisper(config):
        return WhisperMel(config.num_mel_bins)
    if not hears_waveforms(config):
        return LogMel(feature_stride(config))
    try:
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(_folder_or_id(encoder))
    except OSError:
        extractor = Wav2Vec2FeatureExtractor()
    if extractor.sampling_rate != SAMPLE_RATE:
        raise GoamaError(
            f"{encoder}: this encoder was trained at {extractor.sampling_rate} Hz, goama works at {SAMPLE_RATE} Hz"
        )
    field = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        field = (field - 1) * stride + kernel
    return RawWaveforms(bool(extractor.do_normalize), field)


def input_frames(config: PreTrainedConfig, samples: int) -> int:
    """The length of the network's input for a clip of that many samples."""
    if is_whisper(config):
        return WhisperMel(config.num_mel_bins).frames(samples)
    return samples if hears_waveforms(config) else stacked_frames(samples, feature_stride(config))


def feature_stride(config: PreTrainedConfig) -> int:
    """Log-mel frames (10 ms each) stacked into one input frame."""
    return 1 if is_whisper(config) else int(config.feature_projection_input_dim) // MEL_BINS


def frame_shift_s(config: PreTrainedConfig) -> float:
    """Seconds between two logits."""
    if is_whisper(config):
        return config.inputs_to_logits_ratio / SAMPLE_RATE
    if hears_waveforms(config):
        return math.prod(config.conv_stride) / SAMPLE_RATE
    adapter = config.adapter_stride**config.num_adapter_layers if config.add_adapter else 1
    return FRAME_SHIFT_S * feature_stride(config) * adapter


def output_frames(config: PreTrainedConfig, frames: torch.Tensor) -> torch.Tensor:
    """Logit frames for input frames (of raw waveforms: samples), any integer shape."""
    if is_whisper(config):
        return logit_frames(frames)
    if hears_waveforms(config):
        return waveform_layers.convolved_length(frames, config.conv_kernel, config.conv_stride)
    if config.add_adapter:
        for _ in range(config.num_adapter_layers):
            frames = attention.pooled_length(frames, config.adapter_kernel_size, config.adapter_stride)
    return frames


def load_for_training(
    encoder: str, vocabulary: Vocabulary, *, adapter: bool, languages: Sequence[str] = ()
) -> LoadedEncoder:
    """Load an encoder under a fresh CTC head for `vocabulary`; Wav2Vec2-BERT with or without its stride-2 adapter.

    Where the checkpoint already is a CTC model with its vocabulary beside it, the head's rows of the characters
    both know are carried over; of MMS, also the attention adapters of the first of `languages` that it has.

    Raises `GoamaError` when it cannot be found, is none that goama trains, or lacks encoder weights.
    """
    config = read_config(encoder)
    if adapter and (hears_waveforms(config) or is_whisper(config)):
        raise GoamaError(f"{encoder}: model.adapter is Wav2Vec2-BERT's; a {config.model_type} encoder has none")
    config.update({key: value for key, value in _NO_DROPOUT.items() if hasattr(config, key)})
    config.update(
        {
            "vocab_size": len(vocabulary),
            "pad_token_id": vocabulary.blank_id,
            "bos_token_id": None,
            "eos_token_id": None,
            "ctc_loss_reduction": "mean",
            "ctc_zero_infinity": True,
        }
    )
    if hears_waveforms(config):  # SpecAugment works inside the network, on what the convolutions made
        config.update({"apply_spec_augment": True, "mask_time_prob": config.mask_time_prob or _MASK_TIME_PROB})
    elif not is_whisper(config):  # SpecAugment works on the features, before the network
        config.update({"add_adapter": adapter, "mask_time_prob": 0.0})
    if encoder == SCRATCH:
        network = Wav2Vec2BertForCTC(config)
        attention.install(network)
        return LoadedEncoder(network, ("all",), CarriedOver())

    encoder = _folder_or_id(encoder)
    network, missing = _from_checkpoint(encoder, config)
    missing = sorted({*missing, "lm_head.weight", "lm_head.bias"})  # also where the old head has the same size
    with torch.no_grad():
        network.lm_head.weight.normal_(0.0, config.initializer_range)
        network.lm_head.bias.zero_()
    lost = [name for name in missing if not _may_be_new(name)]
    if lost:
        raise GoamaError(
            f"{encoder}: {len(lost)} encoder weights are missing (the first: {lost[0]}); "
            f"this is not a whole {config.model_type} checkpoint"
        )
    _install(network)
    is_file = ctranslate2.find_file(encoder) is not None
    known = CarriedOver() if is_file else carry_over(encoder, network, vocabulary, languages)
    new = {name.rsplit(".", 1)[0] for name in missing} | set(known.renewed)
    return LoadedEncoder(network, tuple(sorted(new)), known)


def load_for_inference(folder: Path) -> PreTrainedModel:
    """A finished model folder's network, in evaluation mode on the CPU."""
    config = read_config(str(folder))
    network, missing = _from_checkpoint(str(folder), config)
    missing = [name for name in missing if not name.endswith("masked_spec_embed")]  # unused outside training
    if missing:
        raise GoamaError(f"{folder}: {len(missing)} weights are missing (the first: {missing[0]}); train again")
    _install(network)
    return network.eval()


def _install(network: PreTrainedModel) -> None:
    if is_whisper(network.config):  # its layers are goama's own
        return
    (waveform_layers if hears_waveforms(network.config) else attention).install(network)


def _may_be_new(name: str) -> bool:
    """The head, either kind of adapter, and what is put in the place of masked frames."""
    return name.startswith(_ALLOWED_TO_BE_NEW) or ".adapter_layer." in name or name.endswith("masked_spec_embed")


def _from_checkpoint(encoder: str, config: PreTrainedConfig) -> tuple[PreTrainedModel, list[str]]:
    """The network and the names of the parameters that the checkpoint did not fill."""
    from safetensors import SafetensorError

    file = ctranslate2.find_file(encoder)
    if file is not None:
        return whisper.from_ctranslate2(file, config)
    try:
        with quiet_transformers():
            network, info = AutoModelForCTC.from_pretrained(
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
