"""How long the network may keep a person waiting for the first answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

ANSWER_S = 8.0
"""Names that cannot be resolved, retries and proxies add up in the libraries; together they get so long."""

Answer = TypeVar("Answer")


def answer_within(ask: Callable[[], Answer], seconds: float = ANSWER_S) -> Answer:
    """What `ask` returns or raises; `TimeoutError` when it takes longer, and its thread is left behind."""
    answers: list[Answer] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # given to the caller
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no answer in {seconds:.0f} s")
    return answers[0]
