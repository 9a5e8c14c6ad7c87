"""What every verb says to its user the same way: progress, the next command, nothing of the libraries' own."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from goama.errors import GoamaError

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def next_command(*command: object) -> None:
    """The next command to type, quoted for a shell."""
    out.print("\nnext: " + shlex.join(["goama", *map(str, command)]), markup=False)


def has_gpu() -> bool:
    """Without importing torch, which takes seconds."""
    return Path("/dev/nvidiactl").exists() or sys.platform == "darwin"


def quiet_libraries() -> None:
    """Their warnings speak to programmers; what a user must know, goama says itself."""
    import warnings

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    import transformers.utils.logging as transformers_logging

    transformers_logging.disable_progress_bar()


def require_model_first(model: Path, others: Sequence[Path], verb: str) -> None:
    """Raises `GoamaError` where the model stands behind the corpus or the recordings."""
    swapped = next((other for other in others if _is_model(other)), None)
    if swapped is None or _is_model(model):
        return
    rest = shlex.join(map(str, [swapped, model, *(other for other in others if other != swapped)]))
    raise GoamaError(f"{model}: this is not a model, and {swapped} is one; the model comes first: goama {verb} {rest}")


def _is_model(path: Path) -> bool:
    return any((folder / "vocab.json").is_file() for folder in (path, path / "best"))


def countdown(status: Callable[[str], None], what: str, total: int | None) -> Callable[[int], None]:
    """Shows "checking, clip 12 of 400, 0:31 left"; `total` None: not known."""
    started = time.monotonic()

    def show(done: int) -> None:
        line = f"{what}, clip {done}"
        if total:
            left = round((time.monotonic() - started) / done * (total - done))
            line += f" of {total}, {left // 60}:{left % 60:02d} left"
        status(line)

    return show


def sound_progress(status: Callable[[str], None], what: str, total: float | None) -> Callable[[float], None]:
    """Shows "aligning a.mp3, 3.0 of 60.0 min of sound, 1:31 left"; `total` (s) None: not known."""
    started = time.monotonic()

    def show(seconds: float) -> None:
        line = f"{what}, {seconds / 60:.1f} min of sound"
        if total and seconds:
            left = round((time.monotonic() - started) * max(0.0, total / seconds - 1))
            line = f"{what}, {seconds / 60:.1f} of {total / 60:.1f} min of sound, {left // 60}:{left % 60:02d} left"
        status(line)

    return show


class Spinner:
    """A spinner with one changing line on a terminal; silent elsewhere."""

    def __enter__(self):
        self._spinner = err.status("") if err.is_terminal else None
        if self._spinner:
            self._spinner.start()
        return self._update

    def _update(self, line: str) -> None:
        if self._spinner:
            self._spinner.update(line)

    def __exit__(self, *_: object) -> None:
        if self._spinner:
            self._spinner.stop()
