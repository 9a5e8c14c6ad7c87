"""The name of a sound file in metadata becomes a path, which must not lead out of a folder."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from goama.files import is_readable, readable
from goama.sound.paths import SOUND_SUFFIXES

_SOUND_FOLDERS = ("wavs", "wav", "clips", "audio", "audios", "sound", "recordings", "flac", "mp3", "data")
_LONGEST_NAME = 400
_DEEPEST = 8  # folders in folders whose names may be written otherwise


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
    """Added to names that have no known suffix."""
    _listed: dict[Path, dict[str, list[Path]]] = field(default_factory=dict, compare=False, repr=False)
    _names: dict[Path, dict[str, list[str]]] = field(default_factory=dict, compare=False, repr=False)
    _otherwise: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Names in the metadata -> the names of the files found, where the two differ in case, accents or spaces."""
    _folders: list[Path] = field(default_factory=list, compare=False, repr=False)
    _first: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)
    """The first file that was found, and the first that was missing."""

    @classmethod
    def of_folder(
        cls, folder: Path, audio_folder: Path | None, base: Path | None = None, suffix: str = ""
    ) -> SoundFiles:
        """The sound files of a folder: inside it, or inside the folder that the user names for them."""
        within = [Path(os.path.abspath(f)) for f in (folder, audio_folder) if f]  # noqa: PTH100
        return cls(base or folder, tuple(within), audio_folder, suffix)

    @classmethod
    def of_file(cls, file: Path, audio_folder: Path | None, base: Path | None = None, suffix: str = "") -> SoundFiles:
        """The sound files of a table that the user named: anywhere."""
        return cls(base or file.parent, None, audio_folder, suffix)

    def path(self, name: str) -> Path:
        """The path for a name, also where the file's name differs in case, Unicode form or spaces around it, or lies in
        one of the usual folders for sound.

        A file that is not there is looked for under the name as it stands; `notes` tells of both.
        """
        if self.suffix and not name.lower().rstrip().endswith(SOUND_SUFFIXES):
            name = name.strip() + self.suffix
        names = [name, name.replace("\\", "/")] if "\\" in name else [name]  # written on Windows
        folders = [self.base, self.elsewhere] if self.elsewhere else [self.base]
        paths = [folder / name for folder in folders for name in names]
        for path in paths:
            if os.path.exists(path):  # noqa: PTH110 - False, not an error, for what can be no name
                self._first.setdefault("found", path)
                return path
        for path in paths:
            near = self.near(path)
            if near:
                self._first.setdefault("found", near)
                self._otherwise[name] = near.name
                return near
        for each in names:
            found = self.by_stem(each)
            if found:
                self._first.setdefault("found", found)
                return found
        self._first.setdefault("missing", paths[-1])
        return paths[-1]

    def by_stem(self, name: str) -> Path | None:
        """The recording of this name, with or without its suffix, in the folder or in the usual ones for sound."""
        name = name.strip()
        beginning, suffix = os.path.splitext(name)  # noqa: PTH122
        stem = beginning if suffix.lower() in SOUND_SUFFIXES else name
        if not stem or "\0" in stem or len(stem) > _LONGEST_NAME:
            return None
        for folder in self._sound_folders():
            places = [folder / stem[:2] / stem, folder / stem] if folder.name == "data" else [folder / stem]
            if folder in (self.base, self.elsewhere) and stem != name:
                continue  # a name with a suffix was looked for there already
            for path in places:
                if self.fault(path):
                    continue
                found = self.beside(path.parent, path.name)
                same = found if stem == name else [f for f in found if f.suffix.lower() == suffix.lower()]
                if same:
                    return same[0]
        return None

    def _sound_folders(self) -> list[Path]:
        """The folders in which names start, and those in them that usually hold sound."""
        if not self._folders:
            for start in (self.base, self.elsewhere):
                if start:
                    inside = (start / name for name in _SOUND_FOLDERS)
                    self._folders.extend([start, *(folder for folder in inside if folder.is_dir())])
        return self._folders

    def near(self, path: Path) -> Path | None:
        """The only file whose name differs in case, Unicode form (a Mac's disk) or spaces alone, or None."""
        if self.fault(path):
            return None
        folder: Path = path.parent
        if not os.path.isdir(folder):  # noqa: PTH112 - as above
            deep = len(folder.parts) - len(self.base.parts) if folder.is_relative_to(self.base) else 0
            nearest = self.near(folder) if 0 < deep <= _DEEPEST else None
            if nearest is None:
                return None
            folder = nearest
        if folder not in self._names:
            by_key: dict[str, list[str]] = {}
            for name in _names_in(folder):
                by_key.setdefault(_key(name), []).append(name)
            self._names[folder] = by_key
        names = self._names[folder].get(_key(path.name), [])
        same = [name for name in names if _composed(name) == _composed(path.name)] or names
        return folder / same[0] if len(same) == 1 else None

    def notes(self) -> tuple[str, ...]:
        """Sentences on the names asked for so far: those found under a slightly different name; that none was found."""
        notes = []
        count = len(self._otherwise)
        if count:
            first = [(readable(name), readable(found)) for name, found in list(self._otherwise.items())[:3]]
            shown = ", ".join(f"{name!r} as {found!r}" for name, found in first)
            notes.append(
                f"{'1 sound file was' if count == 1 else f'{count} sound files were'} found under a name whose case, "
                f"spaces or form of accents differs: {shown}{f' and {count - 3} more' if count > 3 else ''}"
            )
        if "missing" in self._first and "found" not in self._first:
            notes.append(
                f"no sound file is where the source says (the first: {self._first['missing']}); "
                "--audio-folder FOLDER names the folder where they lie"
            )
        return tuple(notes)

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
        """The recordings with this stem, in the order of `SOUND_SUFFIXES`."""
        if folder not in self._listed:
            by_stem: dict[str, list[Path]] = {}
            for name in _names_in(folder):
                beginning, suffix = os.path.splitext(name)  # noqa: PTH122
                if suffix.lower() in SOUND_SUFFIXES:
                    by_stem.setdefault(_key(beginning), []).append(folder / name)
            for paths in by_stem.values():
                paths.sort(key=lambda path: SOUND_SUFFIXES.index(path.suffix.lower()))
            self._listed[folder] = by_stem
        return self._listed[folder].get(_key(stem), [])


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return []


def _composed(name: str) -> str:
    if not is_readable(name):  # written by an old Windows: é is one byte
        name = os.fsencode(name).decode("cp1252", errors="replace")
    return unicodedata.normalize("NFC", name)


def _key(name: str) -> str:
    """Equal for names that differ in case, Unicode form or spaces around them alone."""
    return _composed(name).casefold().strip()
