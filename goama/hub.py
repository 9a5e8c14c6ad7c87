"""Names on the Hugging Face Hub, and one sentence for each way in which the Hub fails."""

from __future__ import annotations

import errno
import re
from typing import Literal

from goama.errors import first_line
from goama.offline import is_offline
from goama.reach import answer_within

Kind = Literal["model", "data set"]

ASK_S = 5.0
"""Seconds that one request may take which only asks whether something is there."""

_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_hub_name(name: str) -> bool:
    """Whether a name has the form of one on the Hub: `owner/name`, or `owner/name@revision`."""
    return _NAME.fullmatch(name) is not None


def split_revision(name: str) -> tuple[str, str | None]:
    """(owner/name, revision) of `owner/name@revision`; the revision is a branch, a tag or a commit, or None."""
    repository, _, revision = name.partition("@")
    return repository, revision or None


def answers(name: str, kind: Kind = "model") -> bool:
    """Whether the Hub answers for a repository; where it cannot be reached, only the cache is left.

    Raises what the Hub says of a name or a revision that it does not have: a download would try for half a minute.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, revision = split_revision(name)
    ask = HfApi().model_info if kind == "model" else HfApi().dataset_info
    try:
        answer_within(lambda: ask(repository, revision=revision, timeout=ASK_S))
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError):
        raise
    except HfHubHTTPError:
        return True  # whatever is wrong, the download says it
    except Exception:  # offline mode, no route, no answer: each has its own exception
        return False
    return True


def why_not_read(name: str, error: BaseException, kind: Kind = "model", otherwise: str = "") -> str:
    """The rest of a sentence: why a repository cannot be downloaded, and what to do.

    otherwise:  what else to do where the Hub cannot be reached, such as "or use another encoder"
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, revision = split_revision(name)
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, HfHubHTTPError):
        error = error.__cause__  # it answered, and the cache has no copy
    if isinstance(error, HFValidationError):
        return "this is not a name that the Hugging Face Hub can have (OWNER/NAME); check the path"
    if isinstance(error, GatedRepoError):
        folder = "" if kind == "model" else "datasets/"
        return (
            "its authors ask on the Hugging Face Hub that you accept their terms first; do so on "
            f"{constants.ENDPOINT}/{folder}{repository}, log in here with `hf auth login`, and start again"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"the Hugging Face Hub has no revision {revision!r} of it; a branch, tag or commit is meant"
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"the Hugging Face Hub has no {kind} of this name that you may see; check the name, or log in with "
            "`hf auth login` if it is private"
        )
    if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled | ConnectionError | TimeoutError) and not (
        isinstance(error, HfHubHTTPError)
    ):
        return f"the Hugging Face Hub cannot be reached{_why_offline()}; check the network, {otherwise or 'try again'}"
    if isinstance(error, HfHubHTTPError):
        return why_refused(error)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return (
            f"it does not fit on the disk ({constants.HF_HUB_CACHE}); free some space, or set HF_HOME to another disk"
        )
    return f"its download broke off ({first_line(_as_exception(error))}); try again, what has come is kept"


def why_refused(error: BaseException) -> str:
    """The rest of a sentence for an `HfHubHTTPError`: what the Hub answers, and what to do."""
    status: int = error.response.status_code  # type: ignore[attr-defined]
    if status == 401:
        return (
            "the Hugging Face Hub does not accept the token of this machine; log in again with `hf auth login`, or "
            "renew HF_TOKEN"
        )
    if status == 403:
        return "the Hugging Face Hub does not allow it with this token; use one with the right to do so"
    if status == 429:
        wait = retry_after_s(error)
        until = "some minutes" if wait is None else f"{wait:.0f} s"
        return f"the Hugging Face Hub has had too many requests from here; try again in {until}"
    return f"the Hugging Face Hub answers with status {status}; try again later"


def retry_after_s(error: BaseException) -> float | None:
    """The seconds after which the Hub asks to try again; None if it does not say."""
    from huggingface_hub.utils import parse_ratelimit_headers

    headers = error.response.headers  # type: ignore[attr-defined]
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit is not None and limit.remaining == 0 else None


def _why_offline() -> str:
    from huggingface_hub import constants

    if is_offline():
        return " (--offline)"
    return " (HF_HUB_OFFLINE is set)" if constants.is_offline_mode() else ""


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else Exception(str(error))
