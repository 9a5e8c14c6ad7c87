"""A folder becomes one commit of a Hub repository; what may pass is tried again, what arrived is not sent again."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from goama.errors import GoamaError, first_line
from goama.hub import retry_after_s, why_refused

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

WAITS_S = (2.0, 5.0, 15.0, 30.0, 60.0)
"""Seconds between tries, where the Hub does not say how long to wait."""

_LONGEST_WAIT_S = 900.0
"""A longer Retry-After is told to the user instead of waited for."""

_TIMEOUTS_S = (30.0, 300.0, 60.0, 60.0)
"""Connecting, waiting for an answer, sending, waiting for a free connection; the Hub's client itself sets no limits."""

_PASSING = {408, 409, 412, 425, 429, 500, 502, 503, 504}
"""Status codes after which another try may succeed; 409 and 412: another commit came first."""

_OWN_FILES = ("model*.safetensors", "model*.safetensors.index.json", "whisper_ctc.py", "ngram/*", "decoding.json")
"""Files that make a model: those of an earlier upload that this one has not are deleted in the same commit."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Target:
    """A repository to upload to."""

    name: str
    """owner/name"""
    private: bool = False
    """Whether it is created private; one that exists already stays as it is."""
    refuse_public: bool = False
    """Whether nothing is uploaded if it exists and is public."""


def check_login(api: HfApi) -> str:
    """The name of the account whose token this machine has. Raises `GoamaError` when it has none, or a bad one."""
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        return str(api.whoami()["name"])
    except (HTTPError, OSError, HFValidationError) as error:
        raise GoamaError(f"the Hub: {why_not_written('', error)}") from error


def upload_folder(
    api: HfApi,
    target: Target,
    folder: Path,
    message: str,
    say: Callable[[str], None],
    waits_s: Sequence[float] = WAITS_S,
) -> CommitInfo:
    """The commit that holds the files of a folder, all in one; a repository that is not there is created.

    Failures that may pass are tried again after the time that the Hub asks for, else after `waits_s`. Files that
    arrived in an earlier try are not sent again. Raises `GoamaError` with the cause when it fails for good.
    """
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        with _waits_are_said(say):
            return _trying(lambda: _upload(api, target, folder, message), say, waits_s)
    except (HTTPError, OSError, RuntimeError, ValueError, HFValidationError) as error:
        raise GoamaError(f"{target.name}: {why_not_written(target.name, error)}") from error


@contextmanager
def _waits_are_said(say: Callable[[str], None]) -> Iterator[None]:
    """A context in which `say` gets what the Hub's client only logs: that it waits, and how long."""
    logger = logging.getLogger("huggingface_hub")
    level, handlers = logger.level, logger.handlers[:]
    logger.handlers[:] = [_Waits(say)]
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)


class _Waits(logging.Handler):
    """Says each wait between two tries of the Hub's client."""

    def __init__(self, say: Callable[[str], None]):
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        found = re.search(r"(?:Waiting|Retrying in) ([\d.]+)s", record.getMessage())
        if found:
            self._say(f"the Hub is busy or the connection broke; going on in {float(found[1]):.0f} s")


def _upload(api: HfApi, target: Target, folder: Path, message: str) -> CommitInfo:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_session

    get_session().timeout = _TIMEOUTS_S
    api.create_repo(target.name, private=target.private or None, exist_ok=True)
    if target.refuse_public and not api.model_info(target.name).private:
        raise GoamaError(f"{target.name}: exists and is public; publish without --private, or choose a new name")
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    there = set(api.list_repo_files(target.name))
    stale = sorted(name for name in there - paths.keys() if any(fnmatch(name, pattern) for pattern in _OWN_FILES))
    return api.create_commit(
        target.name,
        [
            *(CommitOperationAdd(name, path) for name, path in paths.items()),
            *(CommitOperationDelete(name) for name in stale),
        ],
        commit_message=message,
    )


def _trying(action: Callable[[], Result], say: Callable[[str], None], waits_s: Sequence[float]) -> Result:
    """What `action` returns, tried again after failures that may pass."""
    for wait_s in (*waits_s, None):
        try:
            return action()
        except GoamaError:
            raise
        except Exception as error:  # the Hub's client and its transports raise dozens of kinds
            asked_s = _asked_to_wait_s(error)
            if wait_s is None or not may_pass(error) or (asked_s or 0) > _LONGEST_WAIT_S:
                raise
            pause_s = wait_s if asked_s is None else asked_s
            say(f"{_reason(error)}; trying again in {pause_s:.0f} s")
            time.sleep(pause_s)
    raise AssertionError


def may_pass(error: BaseException) -> bool:
    """Whether a failure may pass by itself: a broken connection, a busy Hub, a commit that came first."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    for cause in _chain(error):
        if isinstance(cause, LocalTokenNotFoundError | OfflineModeIsEnabled):
            return False
        if isinstance(cause, HfHubHTTPError):
            return cause.response.status_code in _PASSING
        if isinstance(cause, HTTPError | ConnectionError | TimeoutError):
            return True
    # hf_xet raises RuntimeError for a transfer that failed; a page that is not JSON comes from something on the way
    return type(error) is RuntimeError or isinstance(error, json.JSONDecodeError)


def _asked_to_wait_s(error: BaseException) -> float | None:
    from huggingface_hub.errors import HfHubHTTPError

    refused = next((cause for cause in _chain(error) if isinstance(cause, HfHubHTTPError)), None)
    return None if refused is None else retry_after_s(refused)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it: a file's upload wraps the failure of its connection."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _reason(error: BaseException) -> str:
    from huggingface_hub.errors import HfHubHTTPError

    last = list(_chain(error))[-1]
    refused = next((cause for cause in _chain(error) if isinstance(cause, HfHubHTTPError)), None)
    if refused is not None:
        return f"the Hub answers with status {refused.response.status_code}"
    if isinstance(last, json.JSONDecodeError):
        return "the Hub's answer cannot be read"
    return f"the connection failed ({first_line(last) if isinstance(last, Exception) else last})"


def why_not_written(name: str, error: BaseException) -> str:
    """The rest of a sentence: why nothing can be uploaded to a repository, and what to do."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    causes = list(_chain(error))
    if any(isinstance(cause, LocalTokenNotFoundError) for cause in causes):
        return "this machine is not logged in; use `hf auth login`, or set HF_TOKEN, with a token that may write"
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        return "nothing can be published offline (--offline, or HF_HUB_OFFLINE is set)"
    if isinstance(error, HFValidationError):
        return "this is not a name that the Hugging Face Hub can have; it is OWNER/NAME"
    refused = next((cause for cause in causes if isinstance(cause, HfHubHTTPError)), None)
    if refused is None:
        return f"{_reason(error)}; start again, what has arrived is not sent again"
    status = refused.response.status_code
    if status == 403:
        return (
            f"the Hugging Face Hub does not let this token write to {name}; use a token with the right to write there, "
            "or publish under your own name"
        )
    if status == 404:
        return f"the Hugging Face Hub has no {name} that this token may write to; check the name and the token"
    if status == 400:
        return f"the Hugging Face Hub refuses what was sent ({refused.server_message or first_line(refused)})"
    return why_refused(refused)
