"""Ctrl-C as a wish, not an accident: a long job hears it between two pieces of work and stops in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_requests(say: Callable[[str], None], sentence: str) -> Iterator[Callable[[], bool]]:
    """Within, the first Ctrl-C or SIGTERM only says `sentence` and makes the given function true; the second kills."""
    requested = False

    def request(number: int, _: object) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        say(sentence)

    try:
        previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals are somebody else's
        yield lambda: False
        return
    try:
        yield lambda: requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
