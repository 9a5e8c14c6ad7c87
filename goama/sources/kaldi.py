"""A Kaldi data folder (wav.scp, text, utt2spk, with or without segments) becomes clips; its commands are not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from goama.errors import GoamaError
from goama.sources.clip import Source, SourceClip
from goama.sources.manifest import folders_of_splits
from goama.sources.sound_files import SoundFiles
from goama.sources.text_lines import CUT_OFF, CUT_OFF_FAULT, text_lines

COMMANDS_TO_FILES = (
    'mkdir wav; while read -r id place; do case "$place" in '
    '*"|") bash -c "${place%|}" > "wav/$id.wav" < /dev/null; place="wav/$id.wav";; esac; '
    'echo "$id $place"; done < wav.scp > new.scp'
)
"""A bash script for the folder of wav.scp: it runs the commands and keeps the lines that are file names."""


def kaldi_folders(folder: Path) -> list[tuple[Path, str | None]]:
    """(data folder, split): the folder itself, or its sub-folders named like splits; empty if none is complete."""
    candidates: list[tuple[Path, str | None]] = [(folder, None), *folders_of_splits(folder)]
    there = [(child, split) for child, split in candidates if all((child / n).is_file() for n in ("wav.scp", "text"))]
    return there[:1] if there and there[0][0] == folder else there


def read_kaldi(folder: Path, audio_folder: Path | None) -> Source:
    """The clips of a data folder, or of its data folders train, dev and test.

    Raises `GoamaError` with the line when a table is malformed, lists an id twice or holds a shell command.
    """
    data = kaldi_folders(folder)
    for child, _ in data:
        _refuse_pipes(child / "wav.scp")
    sounds = [SoundFiles.of_folder(folder, audio_folder, base=child) for child, _ in data]
    segmented = [child for child, _ in data if (child / "segments").is_file()]

    def clips() -> Iterator[SourceClip]:
        for (child, split), its_sounds in zip(data, sounds, strict=True):
            yield from _clips(child, split, its_sounds)

    folders = ", ".join(child.name for child, _ in data)
    pieces = "pieces from segments" if segmented else "whole recordings"
    return Source(
        f"Kaldi data folder: {folders} (wav.scp, text); {pieces}",
        clips,
        after_reading=lambda: tuple(note for its_sounds in sounds for note in its_sounds.notes()),
    )


def _refuse_pipes(wav_scp: Path) -> None:
    for number, _, value in _entries(wav_scp):
        if value.endswith("|") or value.startswith("|"):
            raise GoamaError(
                f"{wav_scp}:{number}: {value[:80]!r} is a shell command, and goama runs none out of a file; if you "
                f"trust them all, write the sound files and a new list yourself, `{COMMANDS_TO_FILES}`, look at it, "
                "and rename it to wav.scp"
            )


def _clips(folder: Path, split: str | None, sounds: SoundFiles) -> Iterator[SourceClip]:
    recordings = _table(folder / "wav.scp")
    segments = _table(folder / "segments") if (folder / "segments").is_file() else None
    speakers = _table(folder / "utt2spk") if (folder / "utt2spk").is_file() else {}
    languages = _table(folder / "utt2lang") if (folder / "utt2lang").is_file() else {}
    without_text = dict.fromkeys(segments if segments is not None else recordings)
    path = folder / "text"

    def clip(utterance: str, text: str | None, where: str) -> SourceClip:
        offset, duration, recording, fault = None, None, utterance, None
        if segments is not None:
            offset, duration, recording, fault = _segment(segments.get(utterance))
        name = recordings.get(recording)
        if fault is None and not name:
            fault = f"wav.scp names no sound file for {recording!r}"
        elif name and re.search(r"\.ark:\d+$", name):
            fault = f"{name!r} lies in a Kaldi archive; copy it into files (`wav-copy`) and name them in wav.scp"
        if text is None:
            fault = "text has no line for it"
        elif any(value.endswith(CUT_OFF) for value in (text, name or "", speakers.get(utterance, ""))):
            fault = CUT_OFF_FAULT
        audio = sounds.path(name) if name else None
        return SourceClip(
            id=utterance,
            audio=audio or b"",
            text=text or "",
            where=where,
            offset=offset,
            duration=duration,
            speaker=speakers.get(utterance),
            split=split,
            language=languages.get(utterance),
            fault=fault or (sounds.fault(audio) if audio else None),
        )

    for number, utterance, text in _entries(path):
        without_text.pop(utterance, None)
        yield clip(utterance, text, f"{path}:{number}")
    for utterance in without_text:
        yield clip(utterance, None, str(path))


def _segment(fields: str | None) -> tuple[float | None, float | None, str, str | None]:
    """(offset (s), duration (s), recording, fault) from a line of segments; an end of -1 is the recording's end."""
    if fields is None:
        return None, None, "", "segments has no line for it"
    if fields.endswith(CUT_OFF):
        return None, None, "", CUT_OFF_FAULT
    parts = fields.split()
    try:
        recording, start, end = parts[0], float(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        return None, None, "", f"its line in segments is not `utterance recording start end`: {fields[:80]!r}"
    if len(parts) > 3:
        return (
            None,
            None,
            recording,
            "its line in segments names a channel; split the channels into files first",
        )
    if end == -1 and start >= 0:
        return start, None, recording, None
    if not 0 <= start < end < float("inf"):
        return None, None, recording, f"its segment from {start:.2f} s to {end:.2f} s is not possible"
    return start, end - start, recording, None


def _table(path: Path) -> dict[str, str]:
    table: dict[str, str] = {}
    for number, key, value in _entries(path):
        if key in table:
            raise GoamaError(f"{path}:{number}: {key!r} is listed twice; every line needs an id of its own")
        table[key] = value
    return table


def _entries(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line number, first word, rest of the line with its `CUT_OFF`) for each line that is not blank."""
    for number, line in text_lines(path):
        words = line.removesuffix(CUT_OFF).split(maxsplit=1)
        if words:
            rest = words[1].strip() if len(words) > 1 else ""
            yield number, words[0], rest + (CUT_OFF if line.endswith(CUT_OFF) else "")
