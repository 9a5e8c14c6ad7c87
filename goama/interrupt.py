"""Ctrl-C as a request: a long job checks for it between two pieces of work and stops in an orderly way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_requests(say: Callable[[str], None], sentence: str) -> Iterator[Callable[[], bool]]:
    """A function that is true after the first Ctrl-C or SIGTERM, for use in a `with` block.

    The first signal only passes `sentence` to `say`; the second raises `KeyboardInterrupt`. Outside of the main thread,
    where Python allows no signal handlers, the function is always false.
    """
    requested = False

    def request(number: int, _: object) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        say(sentence)

    try:
        previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread
        yield lambda: False
        return
    try:
        yield lambda: requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
