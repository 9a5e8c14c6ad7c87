"""The small encoders that need no download: the starter, where the package holds one, and scratch."""

from __future__ import annotations

from pathlib import Path

STARTER = "starter"
"""`--encoder starter`: the plain transformers folder that comes with the package (docs/starter.md)."""

SCRATCH = "scratch"
"""`--encoder scratch`: a small random encoder, for when there is no checkpoint at all."""

STARTER_FOLDER = Path(__file__).parent / STARTER


def has_starter() -> bool:
    """Whether this package was built with it."""
    return (STARTER_FOLDER / "config.json").is_file()


def small_encoder() -> str:
    """What a machine without a GPU best begins with."""
    return STARTER if has_starter() else SCRATCH
