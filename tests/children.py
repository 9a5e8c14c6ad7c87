"""Work in forked processes: what is imported and opened already is not imported again, which takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from goama.cli import terminal
from goama.cli.app import main

LIMIT_S = 240


def in_a_child(work: Callable[[], Any]) -> Any:
    """What `work` gives in a process of its own; an exception is given too."""
    (result,) = in_children([{}], work)
    return result


def in_children(environments: Sequence[Mapping[str, str]], work: Callable[[], Any]) -> list[Any]:
    """What `work` gives in a process for each environment; exceptions are given too.

    Raises `AssertionError` where a process dies.
    """
    fork = multiprocessing.get_context("fork")
    pipes, children = [], []
    for environment in environments:
        receiving, sending = fork.Pipe(duplex=False)
        child = fork.Process(target=_in_child, args=(environment, work, sending))
        child.start()
        sending.close()
        pipes.append(receiving)
        children.append(child)
    try:
        return [pipe.recv() if pipe.poll(LIMIT_S) else TimeoutError() for pipe in pipes]
    except EOFError as error:
        raise AssertionError("a process died without a word") from error
    finally:
        for child in children:
            child.join(20)
            child.kill()


def _in_child(environment: Mapping[str, str], work: Callable[[], Any], sending: Any) -> None:
    os.environ |= environment
    torch.set_num_threads(1)  # a forked OpenMP hangs where it has more
    PartialState._reset_state()
    try:
        result = work()
    except BaseException as error:
        result = error
    sending.send(result)
    sending.close()


def struck(work: Callable[[], Any], moment: Path, by: signal.Signals) -> Callable[[], Any]:
    """`work` in whose process this signal comes as soon as the file or folder `moment` is there."""

    def strike() -> None:
        while not moment.exists():
            time.sleep(0.002)
        os.kill(os.getpid(), by)

    def begun() -> Any:
        threading.Thread(target=strike, daemon=True).start()
        return work()

    return begun


def command_line(*arguments: object, said: Path) -> Callable[[], int]:
    """`goama ARGUMENTS`, which prints into the file `said`; gives its exit status."""

    def command() -> int:
        sys.argv = ["goama", *map(str, arguments)]
        with said.open("w", encoding="utf-8") as file:
            terminal.out.file = terminal.err.file = file
            try:
                main()
            except SystemExit as leave:
                return leave.code if isinstance(leave.code, int) else 0
        return 0

    return command
