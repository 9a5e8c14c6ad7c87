"""What a user can choose about the files that transcripts are written to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SubtitleLimits:
    """The usual limits of subtitles; a speaker who is faster than viewers read breaks the last one.

    line_characters:        longest line; only a longer word has a longer line
    lines:                  lines of a subtitle, 1 or 2
    shortest_s, longest_s:  how long a subtitle stands
    characters_per_second:  reading speed
    gap_s:                  least time between two subtitles
    """

    line_characters: int = 42
    lines: int = 2
    shortest_s: float = 1.0
    longest_s: float = 7.0
    characters_per_second: float = 17.0
    gap_s: float = 0.08


@dataclass(frozen=True)
class Layout:
    """How transcripts are written.

    folder:           where the file will lie, from which it names its recording; None: the full path is written
    subtitles:        limits of SRT and VTT
    tier:             tier of the segments in ELAN and Praat; SayMore and FLEx users know it as Transcription
    words_tier:       tier of the words; None: no such tier
    confidence_tier:  tier of the words' confidences, of the segments' where there is no tier of words; None: none
    template:         ELAN file (.etf or .eaf) from which new .eaf files are made
    """

    folder: Path | None = None
    subtitles: SubtitleLimits = SubtitleLimits()
    tier: str = "Transcription"
    words_tier: str | None = "Words"
    confidence_tier: str | None = "Confidence"
    template: Path | None = None


def recording_path(audio: str, layout: Layout) -> str:
    """The recording as a file in `layout.folder` names it; a name that is no file here stays as it is."""
    path = Path(audio)
    if not path.is_file():
        return audio
    path = path.resolve()
    if layout.folder is None:
        return str(path)
    try:
        return Path(os.path.relpath(path, layout.folder.resolve())).as_posix()
    except ValueError:  # another drive
        return str(path)
