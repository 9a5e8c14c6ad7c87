"""From an annotation file to its recording: as linked, beside the file, or under the file's own name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES, similar_name
from goama.sources.annotation_file import LinkedRecording
from goama.sources.sound_files import SoundFiles

RecordingsByFile = Mapping[Path, Sequence[LinkedRecording]]


@dataclass(frozen=True)
class FoundRecording:
    """The sound file of an annotation file and its time at the file's 0 (s), or why there is none."""

    audio: Path | None
    shift_s: float = 0.0
    fault: str | None = None


def recordings_named(linked: RecordingsByFile, wanted: str | None, where: str) -> RecordingsByFile:
    """The links of each file that match `wanted`: a name, with or without its suffix, or a pattern; None: no links.

    Raises `GoamaError` when no file links to such a recording.
    """
    if wanted is None:
        return {}
    names = dict.fromkeys(recording.file_name for recordings in linked.values() for recording in recordings)
    matching = {
        name
        for name in names
        if wanted.casefold() in (name.casefold(), name.rpartition(".")[0].casefold())
        or fnmatchcase(name.casefold(), wanted.casefold())
    }
    if not matching and linked:
        containing = [name for name in names if wanted.casefold() in name.casefold()]
        close = containing or difflib.get_close_matches(wanted, names, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        shown = ", ".join(list(names)[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        raise GoamaError(f"{where}: no recording {wanted!r} is linked{hint}; linked are: {shown or 'none'}")
    return {file: [r for r in recordings if r.file_name in matching] for file, recordings in linked.items()}


def find_recording(
    file: Path, linked: Sequence[LinkedRecording], wanted: Sequence[LinkedRecording], sounds: SoundFiles
) -> FoundRecording:
    """The recording of an annotation file.

    Looked for in this order: the file name of each link beside `file` or in the --audio-folder, the link's own path;
    then any sound file with the same name apart from its suffix. If any link is `wanted`, only those count, and the
    annotation file's own name does not.
    """
    links = wanted or linked
    for recording in links:
        beside = [folder / recording.file_name for folder in (file.parent, sounds.elsewhere) if folder]
        for path in (*beside, *map(sounds.near, beside), Path(recording.path)):
            if path and path.name.lower().endswith(SOUND_SUFFIXES) and path.is_file() and not sounds.fault(path):
                return FoundRecording(path, recording.shift_s)
    stems = [*([] if wanted else [file.stem]), *(recording.file_name for recording in links)]
    stems += [stem.rsplit(".", 1)[0] for stem in stems if "." in stem]  # talk.mos.srt; tape.mp4 linked, tape.wav there
    for folder in (file.parent, sounds.elsewhere):
        for stem in dict.fromkeys(stems):
            found = sounds.beside(folder, stem) if folder else []
            if found:
                return FoundRecording(found[0], links[0].shift_s if links else 0.0)
    return FoundRecording(None, fault=_why_not_found(file, links, sounds))


def _why_not_found(file: Path, links: Sequence[LinkedRecording], sounds: SoundFiles) -> str:
    for link in links:
        outside = sounds.fault(Path(link.path)) if Path(link.path).is_file() else None
        if outside:
            return outside
    names = " or ".join(dict.fromkeys(link.path for link in links)) or f"{file.stem}.wav (or .mp3, …)"
    similar = next((name for link in links if (name := similar_name(file.parent / link.file_name))), None)
    hint = f" (did you mean {similar!r}?)" if similar else ""
    return (
        f"its recording {names} is not beside {file.name}{hint}; put it there, or name its folder with --audio-folder"
    )


def notes_on_recordings(
    linked: RecordingsByFile, wanted: RecordingsByFile, named: str | None, sounds: SoundFiles
) -> list[str]:
    """Sentences about files that link to several recordings, and about files that lack the one the user named."""
    notes = []
    choices = []
    for file, recordings in linked.items():
        audio = find_recording(file, recordings, wanted.get(file, ()), sounds).audio
        names = dict.fromkeys(recording.file_name for recording in wanted.get(file) or recordings)
        if audio and len(names) > 1:
            choices.append(f"{audio.name} for {file.name} (not {', '.join(n for n in names if n != audio.name)})")
    if choices:
        shown = ", ".join(choices[:5]) + (f" and {len(choices) - 5} more" if len(choices) > 5 else "")
        which = f"match --recording {named}" if named else "are linked"
        notes.append(
            f"several recordings {which}; the first that is here is taken for all tiers: {shown}; "
            "--recording NAME takes another, and --tier with it only the tiers that belong to it"
        )
    without = [file.name for file in wanted if not wanted[file]]
    if without:
        notes.append(
            f"no recording {named!r} is linked in {len(without)} file{'s' if len(without) > 1 else ''}, whose own is "
            f"taken: {', '.join(without[:5])}" + (f" and {len(without) - 5} more" if len(without) > 5 else "")
        )
    return notes
