"""The name of a sound file in somebody's metadata becomes a path, which may not lead out of a folder from others."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

SOUND_SUFFIXES = (
    ".wav", ".flac", ".aiff", ".aif", ".w64", ".caf", ".au",
    ".m4a", ".opus", ".ogg", ".oga", ".mp3", ".aac", ".wma", ".amr", ".awb", ".g722", ".gsm",
    ".mp4", ".webm", ".mkv", ".mov", ".3gp", ".avi", ".mpg", ".mpeg",
)  # fmt: skip
"""What a recording may end in; where one name is there with several, the first of these is taken."""


@dataclass(frozen=True)
class SoundFiles:
    """Where relative names start, and what names may lead to.

    `within` None: anywhere, for a file that the user named is the user's word. Else the folders in which every
    sound must lie: a folder is often somebody else's, and must not make a corpus of one's private recordings.
    Links are followed (the Hub's cache is made of them): only names are judged.
    """

    base: Path
    within: tuple[Path, ...] | None = None
    elsewhere: Path | None = None
    """Where relative names that are not at `base` start: the folder that the user named."""
    suffix: str = ""
    """What is added to names that end in nothing known."""
    _listed: dict[Path, dict[str, list[Path]]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of_folder(
        cls, folder: Path, audio_folder: Path | None, base: Path | None = None, suffix: str = ""
    ) -> SoundFiles:
        """Those of a folder: inside it, or inside the folder that the user names for them."""
        within = [Path(os.path.abspath(f)) for f in (folder, audio_folder) if f]  # noqa: PTH100
        return cls(base or folder, tuple(within), audio_folder, suffix)

    @classmethod
    def of_file(cls, file: Path, audio_folder: Path | None, base: Path | None = None, suffix: str = "") -> SoundFiles:
        """Those of a file that the user named: anywhere."""
        return cls(base or file.parent, None, audio_folder, suffix)

    def path(self, name: str) -> Path:
        """The path that a name means."""
        if self.suffix and not name.lower().endswith(SOUND_SUFFIXES):
            name += self.suffix
        path = self.base / name
        if "\\" in name and not path.exists():  # written on Windows
            name = name.replace("\\", "/")
            path = self.base / name
        if self.elsewhere and not path.exists():
            path = self.elsewhere / name
        return path

    def fault(self, path: Path) -> str | None:
        """Why this path may not be read, or None."""
        if self.within is None:
            return None
        absolute = Path(os.path.abspath(path))  # noqa: PTH100
        if any(absolute.is_relative_to(folder) for folder in self.within):
            return None
        return (
            f"{path} lies outside of {' and '.join(map(str, self.within))}, and files in a folder must not reach out "
            f"of it; if you trust them, pass --audio-folder {absolute.parent}"
        )

    def beside(self, folder: Path, stem: str) -> list[Path]:
        """The recordings of a name, whatever they end in: best first."""
        if folder not in self._listed:
            by_stem: dict[str, list[Path]] = {}
            names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
            for name in names:
                beginning, suffix = os.path.splitext(name)  # noqa: PTH122
                if suffix.lower() in SOUND_SUFFIXES:
                    by_stem.setdefault(beginning.casefold(), []).append(folder / name)
            for paths in by_stem.values():
                paths.sort(key=lambda path: SOUND_SUFFIXES.index(path.suffix.lower()))
            self._listed[folder] = by_stem
        return self._listed[folder].get(stem.casefold(), [])
