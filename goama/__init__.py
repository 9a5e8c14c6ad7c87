"""goama: an hour of transcribed recordings in any language becomes a speech recogniser.

    import goama

    goama.prepare("my-recordings", "corpus", language="mos")
    goama.train("corpus", "run")
    print(goama.evaluate("run", "corpus").score)
    print(goama.load("run").transcribe("interview.mp3").text)

The functions are those of `goama.api`; it and what it needs are imported when the first of them is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if os.environ.get("GOAMA_OFFLINE", "0") not in ("", "0"):  # also in processes that `goama --offline` starts
    from goama.offline import go_offline

    go_offline()

__version__ = "0.1.0"
__all__ = ["GoamaError", "__version__", "check", "evaluate", "load", "prepare", "publish", "train"]

if TYPE_CHECKING:
    from goama.api import check, evaluate, load, prepare, publish, train
    from goama.errors import GoamaError


def __getattr__(name: str) -> Any:
    if name == "GoamaError":
        from goama.errors import GoamaError

        return GoamaError
    if name in __all__:
        import goama.api

        return getattr(goama.api, name)
    raise AttributeError(f"module 'goama' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
