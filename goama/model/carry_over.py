"""What a checkpoint already knows of a vocabulary: rows of its CTC head, and in MMS the adapter of a language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from goama.errors import GoamaError
from goama.text.vocabulary import Vocabulary

_WEIGHTS = "model.safetensors"
_TOKENIZER_FILES = ("vocab.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True)
class CarriedOver:
    """What was taken from the checkpoint beyond its encoder, and the modules that were made new instead."""

    characters: int = 0
    language: str | None = None
    """MMS: the language whose adapter was loaded."""
    renewed: tuple[str, ...] = ()
    """MMS: attention adapters that start anew, because the checkpoint has none for any of the languages."""


def carry_over(encoder: str, network: PreTrainedModel, vocabulary: Vocabulary, languages: Sequence[str]) -> CarriedOver:
    """Fill what the checkpoint knows of `vocabulary` into the network's fresh head, for folders and Hub ids.

    An MMS checkpoint holds a vocabulary, a head and small attention adapters for each of its languages; of the first
    of `languages` that it has, they are loaded. If it has none, the adapters are made new: those in its main file
    are another language's. Raises `GoamaError` for an adapter file that cannot be read.
    """
    folder = _folder(encoder, languages)
    if folder is None or not (folder / "vocab.json").is_file():
        return CarriedOver()
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    if not any(isinstance(value, dict) for value in ids.values()):
        return CarriedOver(_carry_over_head(network, vocabulary, folder, folder / _WEIGHTS, None))
    for language in languages:
        adapter = folder / _adapter_file(language)
        if adapter.is_file() and language in ids:
            _load_adapter(network, adapter)
            return CarriedOver(_carry_over_head(network, vocabulary, folder, adapter, language), language)
    return CarriedOver(renewed=_renew_adapters(network))


def _folder(encoder: str, languages: Sequence[str]) -> Path | None:
    """The checkpoint's folder; of a Hub id, its copy on this machine with the files that are needed here."""
    if Path(encoder).is_dir():
        return Path(encoder)
    from huggingface_hub import snapshot_download

    wanted = [*_TOKENIZER_FILES, _WEIGHTS, *map(_adapter_file, languages)]
    try:
        return Path(snapshot_download(encoder, allow_patterns=wanted))
    except OSError:  # the weights came from a cache that has no more than them
        return None


def _adapter_file(language: str) -> str:
    return f"adapter.{language}.safetensors"


def _carry_over_head(
    network: PreTrainedModel, vocabulary: Vocabulary, folder: Path, weights: Path, language: str | None
) -> int:
    """Copy the old head's rows of blank, delimiter and shared characters; the number of characters copied.

    A character that the old head knows only as a capital takes the capital's row: case has no sound.
    """
    from safetensors import safe_open

    try:
        old = Vocabulary.load(folder, language)
    except GoamaError:  # not a character vocabulary: nothing to share
        return 0
    if not weights.is_file():
        return 0
    with safe_open(weights, framework="pt") as file:
        if not {"lm_head.weight", "lm_head.bias"} <= set(file.keys()):
            return 0
        old_weight, old_bias = file.get_tensor("lm_head.weight"), file.get_tensor("lm_head.bias")
    if old_weight.shape[1] != network.lm_head.weight.shape[1]:
        return 0
    old_units = set(old.units)
    old_ids = {unit: id for id, unit in enumerate(old.tokens[: len(old_weight)]) if unit in old_units}
    rows = {vocabulary.blank_id: old.blank_id, vocabulary.delimiter_id: old.delimiter_id}
    known_units = 0
    for new_id, unit in enumerate(vocabulary.tokens):
        old_id = old_ids.get(unit, old_ids.get(unit.upper()))
        if unit in vocabulary.units and old_id is not None:
            rows[new_id] = old_id
            known_units += 1
    with torch.no_grad():
        for new_id, old_id in rows.items():
            network.lm_head.weight[new_id] = old_weight[old_id].float()
            network.lm_head.bias[new_id] = old_bias[old_id].float()
    return known_units


def _load_adapter(network: PreTrainedModel, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise GoamaError(f"{path}: this adapter cannot be read ({error}); copy it again from the model's source") from (
            error
        )
    ours = {name: value for name, value in network.named_parameters() if ".adapter_layer." in name}
    theirs = {name: value for name, value in tensors.items() if ".adapter_layer." in name}
    if ours.keys() != theirs.keys() or any(ours[name].shape != theirs[name].shape for name in ours):
        raise GoamaError(f"{path}: its weights are not those of this network's adapters; are they of one checkpoint?")
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(theirs[name])


def _renew_adapters(network: PreTrainedModel) -> tuple[str, ...]:
    """Initialise attention adapters as the MMS recipe does; the names of their modules."""
    renewed = []
    for name, module in network.named_modules():
        if ".adapter_layer." in name:
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.normal_(module.weight, std=network.config.initializer_range)
                torch.nn.init.zeros_(module.bias)
            elif isinstance(module, torch.nn.LayerNorm):
                module.reset_parameters()
            if next(module.parameters(recurse=False), None) is not None:
                renewed.append(name)
    return tuple(renewed)
