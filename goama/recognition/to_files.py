"""Many recordings become files of transcripts, in this process or in several; a recording that fails stops no other."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama.errors import GoamaError
from goama.heap import keep_heap_small
from goama.transcript import Transcript
from goama.transcript.writers import Layout, save

if TYPE_CHECKING:
    from goama.recognition.recogniser import Recogniser

_POLL_S = 0.5


@dataclass(frozen=True)
class Task:
    """A recording to transcribe, what to call it, and the files to write; their endings are the formats."""

    recording: Path
    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Outcome:
    """How the task with this number ended: `error` is the sentence for the user if it failed.

    transcript:  None if it failed, and where another process made it: it is in the files
    saved:       a sentence for each file that was written
    is_empty:    whether no speech was recognised
    repairs:     what was mended as the recording was read
    """

    number: int
    transcript: Transcript | None = None
    saved: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    is_empty: bool = False
    error: str | None = None


Load = Callable[[], "Recogniser"]
ShowSeconds = Callable[[Sequence[float]], None]


def transcribe_to_files(
    tasks: Sequence[Task], load: Load, layout: Layout, *, jobs: int = 1, show: ShowSeconds = lambda seconds: None
) -> Iterator[Outcome]:
    """The outcome of each task, as soon as its files are written.

    load:  makes the recogniser; with several `jobs`, in each process, so it must be picklable
    jobs:  processes; each has a recogniser of its own and its share of the cores
    show:  called now and then with the seconds done of each recording

    Outcomes of several processes come in any order. Raises `GoamaError` when the model cannot be loaded. If this
    process ends, however it does, the others end too; files that are there are whole.
    """
    jobs = min(jobs, len(tasks))
    if jobs > 1:
        yield from _in_processes(tasks, load, layout, jobs, show)
        return
    keep_heap_small()
    recogniser = load()
    seconds = [0.0] * len(tasks)
    for number in range(len(tasks)):
        yield _outcome(recogniser, tasks, number, layout, seconds, show)


def _outcome(
    recogniser: Recogniser, tasks: Sequence[Task], number: int, layout: Layout, seconds: Any, show: ShowSeconds
) -> Outcome:
    task = tasks[number]

    def progress(done: float) -> None:
        seconds[number] = done
        show(seconds)

    try:
        transcript = recogniser.transcribe(task.recording, progress, task.name)
        saved = []
        for file in task.files:
            file.parent.mkdir(parents=True, exist_ok=True)
            saved.append(save(transcript, file, layout).sentence)
    except GoamaError as error:
        return Outcome(number, error=str(error))
    except OSError as error:
        return Outcome(number, error=f"{task.name}: no file can be written at {error.filename} ({error.strerror})")
    return Outcome(number, transcript, tuple(saved), transcript.repairs, is_empty=not transcript.segments)


@dataclass(frozen=True)
class _Shared:
    """What the processes share: the number of the next task, the seconds done of each, and the outcomes."""

    next: Any
    seconds: Any
    outcomes: Any


def _in_processes(tasks: Sequence[Task], load: Load, layout: Layout, jobs: int, show: ShowSeconds) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    shared = _Shared(context.Value("l", 0), context.RawArray("d", len(tasks)), context.Queue())
    workers = [
        context.Process(target=_work, args=(tasks, load, layout, jobs, shared), daemon=True) for _ in range(jobs)
    ]
    for worker in workers:
        worker.start()
    open_tasks = set(range(len(tasks)))
    try:
        while open_tasks:
            alive = any(worker.is_alive() for worker in workers)  # before the queue is found empty
            try:
                outcome = shared.outcomes.get(timeout=_POLL_S)
            except queue.Empty:
                if not alive:
                    break
                show(shared.seconds[:])
                continue
            if isinstance(outcome, GoamaError):
                raise outcome
            open_tasks.discard(outcome.number)
            yield outcome
    finally:
        for worker in workers:
            worker.terminate()
    for number in sorted(open_tasks):
        yield Outcome(
            number,
            error=f"{tasks[number].name}: the process that transcribed it was killed, perhaps for lack of memory; try "
            "fewer --jobs",
        )


def _work(tasks: Sequence[Task], load: Load, layout: Layout, jobs: int, shared: _Shared) -> None:
    """What a worker process does: one task after another."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    try:
        keep_heap_small()
        recogniser = load()
    except GoamaError as error:
        shared.outcomes.put(error)
        return
    while True:
        with shared.next.get_lock():
            number = shared.next.value
            shared.next.value += 1
        if number >= len(tasks):
            return
        outcome = _outcome(recogniser, tasks, number, layout, shared.seconds, lambda seconds: None)
        shared.outcomes.put(replace(outcome, transcript=None))


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
