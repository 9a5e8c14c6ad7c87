"""A checkpoint becomes a CTC network: under a fresh head for training, or as it was saved for recognition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCTC, PreTrainedConfig, PreTrainedModel, Wav2Vec2BertForCTC
from transformers.utils import logging as transformers_logging

from goama.errors import GoamaError
from goama.model import ctranslate2, whisper
from goama.model.carry_over import CarriedOver, adapter_file, carry_over
from goama.model.encoder import is_whisper, known_family, read_config, unreadable
from goama.model.families import Wav2Vec2BertFamily
from goama.model.hub import CONFIGURATION_FILES, WEIGHT_FILES, local_folder
from goama.model.shipped import SCRATCH
from goama.text.vocabulary import Vocabulary

_NO_DROPOUT = {  # as the notebook: for an hour of speech masks regularise enough
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "conformer_conv_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_feature_prob": 0.0,
}

_MAY_BE_NEW = ("lm_head.", "wav2vec2_bert.adapter.")


@dataclass(frozen=True)
class LoadedEncoder:
    """A CTC network ready to be trained, and what was decided while it was loaded."""

    network: PreTrainedModel
    new_parameters: tuple[str, ...]
    """Modules whose parameters start from random values: the head, and adapters when they are new."""
    carried_over: CarriedOver
    """What was taken from the checkpoint's own head, and in MMS from the adapter of a language."""


def load_for_training(
    encoder: str, vocabulary: Vocabulary, *, adapter: bool, languages: Sequence[str] = ()
) -> LoadedEncoder:
    """An encoder under a fresh CTC head for `vocabulary`; Wav2Vec2-BERT with or without its stride-2 adapter.

    If the checkpoint is a CTC model with its vocabulary, the head's rows of characters that both vocabularies have are
    carried over; of MMS, also the attention adapters of the first of `languages` that it has.

    Raises `GoamaError` when the checkpoint cannot be found or read, is none that goama trains, or lacks encoder
    weights.
    """
    config = read_config(encoder)
    family = known_family(config)
    if adapter and not isinstance(family, Wav2Vec2BertFamily):
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
            **family.training_settings(adapter),
        }
    )
    if encoder == SCRATCH:
        network = Wav2Vec2BertForCTC(config)
        family.install_layers(network)
        return LoadedEncoder(network, ("all",), CarriedOver())

    folder = local_folder(encoder, [*CONFIGURATION_FILES, *WEIGHT_FILES, *map(adapter_file, languages)])
    network, missing = _from_checkpoint(encoder, folder, config)
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
    family.install_layers(network)
    carried = carry_over(folder, network, vocabulary, languages)
    new = {name.rsplit(".", 1)[0] for name in missing} | set(carried.renewed)
    return LoadedEncoder(network, tuple(sorted(new)), carried)


def load_for_inference(folder: Path) -> PreTrainedModel:
    """A finished model folder's network, in evaluation mode on the CPU.

    Raises `GoamaError` when the folder cannot be read or lacks weights.
    """
    config = read_config(str(folder))
    network, missing = _from_checkpoint(str(folder), folder, config)
    missing = [name for name in missing if not name.endswith("masked_spec_embed")]  # unused outside training
    if missing:
        raise GoamaError(f"{folder}: {len(missing)} weights are missing (the first: {missing[0]}); train again")
    known_family(config).install_layers(network)
    return network.eval()


def _may_be_new(name: str) -> bool:
    """The head, either kind of adapter, and the vector in the place of masked frames."""
    return name.startswith(_MAY_BE_NEW) or ".adapter_layer." in name or name.endswith("masked_spec_embed")


def _from_checkpoint(encoder: str, folder: Path, config: PreTrainedConfig) -> tuple[PreTrainedModel, list[str]]:
    """The network and the names of the parameters that the checkpoint did not fill."""
    from safetensors import SafetensorError

    file = ctranslate2.find_file(str(folder))
    if file is not None:
        return whisper.from_ctranslate2(file, config)
    if not any(folder.glob("model*.safetensors")):
        raise GoamaError(
            f"{encoder}: it has no weights in model.safetensors, and pickled ones (pytorch_model.bin) are not opened; "
            "docs/encoders.md says how to convert them"
        )
    try:
        with quiet_transformers():
            network, info = AutoModelForCTC.from_pretrained(
                folder,
                config=config,
                ignore_mismatched_sizes=True,  # the head has another vocabulary's size
                output_loading_info=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
            )
        positions = whisper.positions_in(folder) if is_whisper(config) else None
    except (OSError, SafetensorError) as error:
        raise unreadable(encoder, error) from error
    if positions is not None:
        whisper.check_positions(encoder, positions)
    mismatched = [entry[0] if isinstance(entry, tuple) else entry for entry in info["mismatched_keys"]]
    return network, sorted({*info["missing_keys"], *mismatched})


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """A context without transformers' loading report and progress bars, which are for programmers."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
