"""What an annotation file holds: tiers of annotations with times, and the recordings that it links to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Annotation:
    """A text with its start and end in the recording (s); None where the file gives no time."""

    start: float | None
    end: float | None
    text: str
    speaker: str | None = None
    interpolated: bool = False
    """Whether the file gives no time and it was put evenly between its neighbours."""


@dataclass(frozen=True)
class Tier:
    """A named layer of annotations; `kind` is its linguistic type in ELAN."""

    name: str
    annotations: Sequence[Annotation]
    kind: str = ""
    speaker: str | None = None
    marks_points: bool = False
    """True for a Praat tier of points, which have no duration."""

    @property
    def base_name(self) -> str:
        """The name without the speaker: ELAN users write tier@speaker."""
        return self.name.partition("@")[0].strip()

    @property
    def with_text(self) -> list[Annotation]:
        """The annotations that are not empty."""
        return [annotation for annotation in self.annotations if annotation.text.strip()]


@dataclass(frozen=True)
class LinkedRecording:
    """The path of a recording as the file has it, and the recording's time where the file's clock shows 0 (s)."""

    path: str
    shift_s: float = 0.0

    @property
    def file_name(self) -> str:
        """The path without its folders, whether it was written on Windows or elsewhere."""
        return self.path.replace("\\", "/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class AnnotationFile:
    """The tiers of a file and the recordings it links to; with no links, the recording has the file's own name.

    `span`: the times of its start and end (s), where the file states them; `notes`: sentences on what was decided.
    """

    tiers: Sequence[Tier]
    recordings: Sequence[LinkedRecording] = ()
    span: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
