"""Weights reused from a checkpoint for a vocabulary: rows of its CTC head, and in MMS the adapter of a language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from goama.errors import GoamaError
from goama.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class CarriedOver:
    """What was taken from the checkpoint beyond its encoder, and the modules that were made new instead."""

    characters: int = 0
    language: str | None = None
    """MMS: the language whose adapter was loaded."""
    renewed: tuple[str, ...] = ()
    """MMS: attention adapters that start anew, because the checkpoint has none for any of the languages."""


@dataclass(frozen=True)
class _Head:
    """The rows of a checkpoint's CTC head: weight (V, hidden), bias (V,), and the vocabulary that numbers them."""

    weight: torch.Tensor
    bias: torch.Tensor
    vocabulary: Vocabulary


def carry_over(folder: Path, network: PreTrainedModel, vocabulary: Vocabulary, languages: Sequence[str]) -> CarriedOver:
    """What of a checkpoint's folder has been copied into the network, whose head is fresh and of `vocabulary`.

    The head's rows of characters that both vocabularies have. An MMS checkpoint holds a vocabulary, a head and small
    attention adapters for each of its languages: those of the first of `languages` that it has are taken. If it has
    none, the adapters are made new, since those in its main file are another language's.

    Raises `GoamaError` for a vocabulary or an adapter file that cannot be read.
    """
    if not (folder / "vocab.json").is_file():
        return CarriedOver()
    ids = _read_ids(folder / "vocab.json")
    if not any(isinstance(value, dict) for value in ids.values()):
        return CarriedOver(_copy_rows(_head_in_folder(folder), network, vocabulary))
    for language in languages:
        if (folder / adapter_file(language)).is_file() and language in ids:
            head = _load_adapter(folder, network, language)
            return CarriedOver(_copy_rows(head, network, vocabulary), language)
    return CarriedOver(renewed=_renew_adapters(network))


def adapter_file(language: str) -> str:
    """The name of the file in which an MMS checkpoint has a language's adapter and head."""
    return f"adapter.{language}.safetensors"


def _read_ids(path: Path) -> dict[str, Any]:
    advice = "copy it again from the model's source, or remove it to begin with a new head"
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GoamaError(f"{path}: this vocabulary cannot be read ({error}); {advice}") from error
    if not isinstance(ids, dict):
        raise GoamaError(f"{path}: this vocabulary is no JSON object of tokens and their ids; {advice}")
    return ids


def _vocabulary(folder: Path, language: str | None = None) -> Vocabulary | None:
    """The checkpoint's vocabulary; None where it is not of characters, as that of Whisper's decoder."""
    try:
        return Vocabulary.load(folder, language)
    except GoamaError:
        return None


def _head_in_folder(folder: Path) -> _Head | None:
    """The CTC head in the main weight file; None where there is none that can be used."""
    from safetensors import safe_open

    weights, vocabulary = folder / "model.safetensors", _vocabulary(folder)
    if vocabulary is None or not weights.is_file():
        return None
    with safe_open(weights, framework="pt") as file:
        if not {"lm_head.weight", "lm_head.bias"} <= set(file.keys()):
            return None
        return _Head(file.get_tensor("lm_head.weight"), file.get_tensor("lm_head.bias"), vocabulary)


def _copy_rows(head: _Head | None, network: PreTrainedModel, vocabulary: Vocabulary) -> int:
    """Copy the rows of blank, delimiter and shared characters into the network's head; the number of characters.

    A character that the old head has only as a capital takes the capital's row, since case has no sound.
    """
    if head is None or head.weight.shape[1] != network.lm_head.weight.shape[1]:
        return 0
    old = head.vocabulary
    old_units = set(old.units)
    old_ids = {unit: id for id, unit in enumerate(old.tokens[: len(head.weight)]) if unit in old_units}
    rows = {vocabulary.blank_id: old.blank_id, vocabulary.delimiter_id: old.delimiter_id}
    characters = 0
    for new_id, unit in enumerate(vocabulary.tokens):
        old_id = old_ids.get(unit, old_ids.get(unit.upper()))
        if unit in vocabulary.units and old_id is not None:
            rows[new_id] = old_id
            characters += 1
    with torch.no_grad():
        for new_id, old_id in rows.items():
            network.lm_head.weight[new_id] = head.weight[old_id].float()
            network.lm_head.bias[new_id] = head.bias[old_id].float()
    return characters


def _load_adapter(folder: Path, network: PreTrainedModel, language: str) -> _Head | None:
    """Load a language's attention adapters into the network; the head of that language.

    transformers also replaces the network's head by the language's, so ours is put back.
    """
    path = folder / adapter_file(language)
    fresh: nn.Module = network.lm_head
    try:
        network.load_adapter(language, use_safetensors=True, local_files_only=True)
    except OSError as error:
        raise GoamaError(f"{path}: this adapter cannot be read ({error}); copy it again from the model's source") from (
            error
        )
    except (ValueError, RuntimeError) as error:  # other names, other sizes
        raise GoamaError(
            f"{path}: its weights are not those of this network's adapters; are they of one checkpoint?"
        ) from error
    loaded, network.lm_head = network.lm_head, fresh
    network.config.vocab_size = fresh.out_features
    vocabulary = _vocabulary(folder, language)
    return None if vocabulary is None else _Head(loaded.weight.detach(), loaded.bias.detach(), vocabulary)


def _renew_adapters(network: PreTrainedModel) -> tuple[str, ...]:
    """Initialise attention adapters as the MMS recipe does; the names of their modules.

    transformers' `init_adapter_layers` leaves them as they are (5.23): it initialises the head alone.
    """
    renewed = []
    for name, module in network.named_modules():
        if ".adapter_layer." in name:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=network.config.initializer_range)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
            if next(module.parameters(recurse=False), None) is not None:
                renewed.append(name)
    return tuple(renewed)
