"""The clips of a source with their sound: decoded ahead on all cores, within a bound of memory.

`prepare`, its dry run, `check` and the voices read through `read_clips` or `examine_clips`; both give each clip without
its encoded bytes, so that what reads a data set never keeps its sound.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from goama.errors import GoamaError
from goama.interrupt import stop_requests
from goama.sound.audio import Audio, read_audio
from goama.sources.clip import SourceClip
from goama.sources.judge import LONGEST_S, Fault, reading_fault

_MOST_CLIPS = 32  # decoded ahead, or waiting for a thread
_MOST_SECONDS = 300.0  # of sound at 16 kHz, decoded ahead: 19 MB
_USUAL_S = 10.0  # of a clip whose duration the source does not say

_SEEKABLE_SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".w64", ".caf", ".au")

Result = TypeVar("Result")


def read_clips(
    clips: Iterable[SourceClip], progress: Callable[[int], None] | None = None
) -> Iterator[tuple[SourceClip, Audio | Fault]]:
    """Each clip, in order, with its sound or the reason why that cannot be read.

    `progress` is called with the clips done so far. Raises `KeyboardInterrupt` after a Ctrl-C or SIGTERM, between two
    clips; and `GoamaError` where the source itself cannot be read on.
    """
    return examine_clips(clips, lambda _, audio: audio, progress=progress)


def examine_clips(
    clips: Iterable[SourceClip],
    examine: Callable[[SourceClip, Audio], Result],
    *,
    keep_native: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[SourceClip, Result | Fault]]:
    """As `read_clips`, with what `examine` makes of each clip's sound in place of the sound.

    `examine` runs in the decoding threads: libsndfile, soxr and numpy's transforms work without Python's lock.
    `keep_native`: it also gets the sound as stored.
    """

    def finish(clip: SourceClip, read: Callable[[], Audio | Fault]) -> Result | Fault:
        sound = read()
        return sound if isinstance(sound, Fault) else examine(clip, sound)

    def submit(clip: SourceClip) -> Future[Result | Fault]:
        read: Callable[[], Audio | Fault] = partial(_sound_of, clip, keep_native)
        if _is_cut_from_a_stream(clip):
            read = partial(Future.result, in_order.submit(read))
        return pool.submit(finish, clip, read)

    waiting: deque[tuple[SourceClip, Future[Result | Fault]]] = deque()
    stream = iter(clips)
    done = 0
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        ThreadPoolExecutor(1) as in_order,
        stop_requests(lambda _: None, "") as stop_requested,
    ):
        try:
            while True:
                while len(waiting) < _MOST_CLIPS and sum(map(_seconds, waiting)) < _MOST_SECONDS:
                    clip = next(stream, None)
                    if clip is None:
                        break
                    waiting.append((_without_bytes(clip), submit(clip)))
                    del clip  # or its bytes would stay until the next one
                if not waiting:
                    return
                first, future = waiting.popleft()
                yield first, future.result()
                del future
                if stop_requested():
                    raise KeyboardInterrupt
                done += 1
                if progress:
                    progress(done)
        finally:
            for threads in (in_order, pool):
                threads.shutdown(wait=False, cancel_futures=True)


def _is_cut_from_a_stream(clip: SourceClip) -> bool:
    """Whether the clip's recording can only be decoded from its beginning: one thread then decodes it, once."""
    return (
        clip.offset is not None and isinstance(clip.audio, Path) and clip.audio.suffix.lower() not in _SEEKABLE_SUFFIXES
    )


def _sound_of(clip: SourceClip, keep_native: bool) -> Audio | Fault:
    if clip.fault:
        return Fault(clip.fault_kind, clip.fault)
    try:
        return read_audio(
            clip.audio,
            offset=clip.offset or 0.0,
            duration=clip.duration if clip.offset is not None else None,
            longest_s=LONGEST_S,
            name=str(clip.audio) if isinstance(clip.audio, Path) else clip.where,
            keep_native=keep_native,
        )
    except GoamaError as error:
        return reading_fault(error)


def _without_bytes(clip: SourceClip) -> SourceClip:
    return replace(clip, audio=b"") if isinstance(clip.audio, bytes) else clip


def _seconds(waiting: tuple[SourceClip, Future]) -> float:
    """Sound that a clip holds, or will hold, in memory."""
    clip, future = waiting
    if not future.done():
        return clip.duration or _USUAL_S
    result = future.result() if not future.exception() else None
    return result.seconds if isinstance(result, Audio) else 0.0
