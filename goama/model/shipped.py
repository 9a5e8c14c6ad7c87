"""The small encoders that need no download: the starter, if the package holds one, and scratch."""

from __future__ import annotations

from pathlib import Path

from goama.errors import GoamaError

STARTER = "starter"
"""`--encoder starter`: the plain transformers folder that comes with the package (docs/starter.md)."""

SCRATCH = "scratch"
"""`--encoder scratch`: a small encoder with random weights, for tests and comparison."""

STARTER_FOLDER = Path(__file__).parent / STARTER


def has_starter() -> bool:
    """Whether this copy of the package holds the starter."""
    return (STARTER_FOLDER / "config.json").is_file()


def starter_folder() -> Path:
    """The starter's folder; raises `GoamaError` when this copy of the package holds none."""
    if not has_starter():
        raise GoamaError(
            f"--encoder {STARTER}: this copy of goama comes without one; `make starter` trains it (docs/starter.md), "
            f"or use a model folder, a Hub id or {SCRATCH}"
        )
    return STARTER_FOLDER


def small_encoder() -> str:
    """The encoder to begin with on a machine without a GPU."""
    return STARTER if has_starter() else SCRATCH
