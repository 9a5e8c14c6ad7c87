"""A row of a table, as every reader of tables gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    number: of the row's first line, or of the row in a sheet or list
    cells:  {column: value}; empty where `fault` says why they cannot be told apart
    """

    number: int
    cells: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None
