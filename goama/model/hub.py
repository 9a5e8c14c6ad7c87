"""Checkpoints on the Hugging Face Hub become local folders; each way in which that fails has its own sentence."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from goama.errors import GoamaError, first_line
from goama.model import shipped

CONFIGURATION_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""All of a checkpoint that is read before its weights."""

WEIGHT_FILES = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")

_TIMEOUT_S = 5.0
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def local_folder(encoder: str, files: Sequence[str]) -> Path:
    """The folder that `--encoder` means: one on this machine, the shipped starter, or a copy of a Hub repository.

    Of a repository only the `files` (names or patterns) that it has are downloaded, into the cache of huggingface_hub;
    where the Hub cannot be reached, a copy that is in the cache already is taken. Raises `GoamaError` with the cause
    when there is no such folder and the repository cannot be downloaded, and for a starter that is not shipped.
    """
    if encoder == shipped.STARTER:
        return shipped.starter_folder()
    if Path(encoder).exists():
        return Path(encoder)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        return Path(snapshot_download(encoder, allow_patterns=list(files)))
    except (HTTPError, OSError, HFValidationError) as error:
        raise GoamaError(f"{encoder}: no such folder here, and {_cause(encoder, error)}") from error


def _cause(encoder: str, error: Exception) -> str:
    """The rest of a sentence: why a repository cannot be downloaded, and what to do."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    if isinstance(error, HFValidationError):
        return "this is not a name that the Hugging Face Hub can have (OWNER/NAME); check the path"
    if isinstance(error, GatedRepoError):
        return (
            "its authors ask on the Hugging Face Hub that you accept their terms first; do so on "
            f"{constants.ENDPOINT}/{encoder}, log in here with `hf auth login`, and start again"
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            "the Hugging Face Hub has no model of this name that you may see; check the name, or log in with "
            "`hf auth login` if it is private"
        )
    if isinstance(error, LocalEntryNotFoundError):
        offline = " (HF_HUB_OFFLINE is set)" if constants.is_offline_mode() else ""
        return (
            f"the Hugging Face Hub cannot be reached{offline}; check the network, download the model elsewhere and "
            f"pass its folder, or use --encoder {shipped.small_encoder()}"
        )
    if isinstance(error, HfHubHTTPError):
        return f"the Hugging Face Hub answers with status {error.response.status_code}; try again later"
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return (
            f"it does not fit on the disk ({constants.HF_HUB_CACHE}); free some space, or set HF_HOME to another disk"
        )
    return f"its download broke off ({first_line(error)}); try again, what has come is kept"


def is_within_reach(hub_id: str) -> bool:
    """Whether the checkpoint is on this machine already, or the Hub answers for it."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = [try_to_load_from_cache(hub_id, name) for name in ("config.json", "model.safetensors")]
    if all(isinstance(path, str) for path in cached):
        return True
    try:
        HfApi().model_info(hub_id, timeout=_TIMEOUT_S)
    except Exception:  # offline mode, no route, a proxy's refusal, a Hub that is down: each has its own exception
        return False
    return True
