"""Checkpoints on the Hugging Face Hub become local folders; each way in which that fails has its own sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from goama.errors import GoamaError
from goama.hub import ASK_S, answers, is_hub_name, split_revision, why_not_read
from goama.model import shipped
from goama.reach import answer_within

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

_RECOGNISER_FILES = (*WEIGHT_FILES, "*.json", "ngram/*")


def local_folder(encoder: str, files: Sequence[str]) -> Path:
    """The folder that `--encoder` means: one on this machine, the shipped starter, or a copy of a Hub repository.

    A repository may be named at a revision, `owner/name@revision`. Of it only the `files` (names or patterns) that it
    has are downloaded, into the cache of huggingface_hub; where the Hub cannot be reached, a copy that is in the cache
    already is taken. Raises `GoamaError` with the cause when there is no such folder and the repository cannot be
    downloaded, and for a starter that is not shipped.
    """
    if encoder == shipped.STARTER:
        return shipped.starter_folder()
    if Path(encoder).exists():
        return Path(encoder)
    otherwise = f"download the model elsewhere and pass its folder, or use --encoder {shipped.small_encoder()}"
    return _download(encoder, files, otherwise)


def model_folder(model: Path | str) -> Path:
    """The folder of a recogniser that a person names: its own, RUN/best of a run, or a copy of a Hub repository.

    Raises `GoamaError` when it is neither here nor on the Hub.
    """
    folder, name = Path(model), Path(model).as_posix()
    if not folder.is_dir():
        if not is_hub_name(name) or folder.parent.is_dir():
            raise GoamaError(f"{folder}: no such model folder; `goama train` leaves one in RUN/best")
        return _download(name, _RECOGNISER_FILES, "or download the model elsewhere and pass its folder")
    if not (folder / "config.json").is_file() and (folder / "best" / "config.json").is_file():
        return folder / "best"  # a run folder: its best model
    return folder


def _download(name: str, files: Sequence[str], otherwise: str) -> Path:
    """A copy of a repository. Raises `GoamaError` with the cause when it cannot be downloaded and is not cached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        here_only = not answers(name)
        repository, revision = split_revision(name)
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=list(files),
                local_files_only=here_only,
                max_workers=1,  # on a bad line, threads of the client close the connection that others are using
            )
        )
    except (HTTPError, OSError, HFValidationError) as error:
        raise GoamaError(
            f"{name}: no such folder here, and {why_not_read(name, error, otherwise=otherwise)}"
        ) from error


def is_within_reach(hub_id: str) -> bool:
    """Whether the checkpoint is on this machine already, or the Hub answers for it."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = [try_to_load_from_cache(hub_id, name) for name in ("config.json", "model.safetensors")]
    if all(isinstance(path, str) for path in cached):
        return True
    try:
        answer_within(lambda: HfApi().model_info(hub_id, timeout=ASK_S))
    except Exception:  # offline mode, no route, a proxy's refusal, a Hub that is down: each has its own exception
        return False
    return True
