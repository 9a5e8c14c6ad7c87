"""Transcripts in text files become clips: LibriSpeech's `.trans.txt`, or one `.txt` beside each recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from goama.errors import GoamaError
from goama.sound.paths import SOUND_SUFFIXES
from goama.sources.clip import Source, SourceClip
from goama.sources.columns import SPLIT_NAMES, split_in_name
from goama.sources.sound_files import SoundFiles
from goama.sources.text_lines import CUT_OFF, CUT_OFF_FAULT, text_lines

_LIBRISPEECH = ".trans.txt"
_LARGEST_TEXT = 1_000_000  # bytes; a clip's transcript is a thousand times smaller


def librispeech_files(files: Iterable[Path]) -> list[Path]:
    """The `.trans.txt` files among the files of a folder, sorted."""
    return sorted(file for file in files if file.name.lower().endswith(_LIBRISPEECH))


def text_files(files: Iterable[Path]) -> list[Path]:
    """The `.txt` files among the files of a folder that have the name of a recording beside them, sorted."""
    files = list(files)
    recordings = {_without_suffix(file) for file in files if file.suffix.lower() in SOUND_SUFFIXES}
    return sorted(file for file in files if file.suffix.lower() == ".txt" and _recording_name(file) in recordings)


# --- LibriSpeech


def read_librispeech(folder: Path, files: Sequence[Path], audio_folder: Path | None) -> Source:
    """The clips of `.trans.txt` files: each line is a clip's id and its text, the recording has the id as its name.

    The folder `train-clean-100`, `dev-other` or the like above a file gives the split, and the name of the file
    (`speaker-chapter.trans.txt`) the speaker.
    """
    sounds = [SoundFiles.of_folder(folder, audio_folder, base=file.parent) for file in files]

    def clips() -> Iterator[SourceClip]:
        for file, its_sounds in zip(files, sounds, strict=True):
            try:
                yield from _librispeech_clips(folder, file, its_sounds)
            except GoamaError as error:
                yield SourceClip(file.name, b"", "", str(file), id_given=False, fault=str(error))

    return Source(
        f"LibriSpeech: {_count(len(files), 'file')} {_LIBRISPEECH}; the speaker is the part of their names before -",
        clips,
        after_reading=lambda: tuple(note for its_sounds in sounds for note in its_sounds.notes()),
    )


def _librispeech_clips(folder: Path, file: Path, sounds: SoundFiles) -> Iterator[SourceClip]:
    speaker, dash, _ = file.name[: -len(_LIBRISPEECH)].partition("-")
    above = file.parent.relative_to(folder).parts
    split = next(filter(None, map(split_in_name, above)), None)
    taken = set()
    for number, line in text_lines(file):
        identity, _, text = line.removesuffix(CUT_OFF).strip().partition(" ")
        if not identity:
            continue
        audio = sounds.path(identity)
        taken.add(audio)
        yield SourceClip(
            id=identity,
            audio=audio,
            text=text.strip(),
            where=f"{file}:{number}",
            speaker=speaker if dash else None,
            split=split,
            fault=CUT_OFF_FAULT if line.endswith(CUT_OFF) else sounds.fault(audio),
        )
    beside = (path for path in sorted(file.parent.iterdir()) if path.suffix.lower() in SOUND_SUFFIXES)
    for path in beside:
        if path not in taken and path.name.startswith(file.name[: -len(_LIBRISPEECH)]):
            yield SourceClip(path.stem, path, "", str(path), id_given=False, fault=f"{file.name} has no line for it")


# --- one text file for each recording


def read_text_files(folder: Path, files: Sequence[Path], audio_folder: Path | None) -> Source:
    """The clips of a folder in which a `.txt` file beside each recording holds what is said in it.

    files: all files of the folder. A folder `train`, `dev` or `test` at its top gives the split. Recordings without a
    text are faulty clips; text files without a recording are counted. Raises `GoamaError` when no recording has a text.
    """
    sounds = SoundFiles.of_folder(folder, audio_folder)
    pairs: list[tuple[Path, Path]] = []
    alone = []
    for text in sorted(file for file in files if file.suffix.lower() == ".txt"):
        recording = _recording_of(text, folder, audio_folder, sounds)
        if recording:
            pairs.append((text, recording))
        else:
            alone.append(text)
    if not pairs:
        raise GoamaError(f"{folder}: no .txt file in it has the name of a recording; clip-1.txt belongs to clip-1.wav")
    paired = {_without_suffix(recording) for _, recording in pairs}
    missing = sorted(f for f in files if f.suffix.lower() in SOUND_SUFFIXES and _without_suffix(f) not in paired)

    def clips() -> Iterator[SourceClip]:
        for text, recording in pairs:
            yield _text_clip(folder, text, recording, sounds)
        for path in missing:
            fault = f"there is no {path.stem}.txt beside it"
            yield SourceClip(path.stem, path, "", str(path), id_given=False, fault=fault)

    notes = []
    if alone:
        more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
        names = ", ".join(str(file.relative_to(folder)) for file in alone[:3])
        notes.append(f"text files without a recording of the same name are not read: {names}{more}")
    return Source(f"text files: {len(pairs)} .txt, each with the recording of the same name", clips, tuple(notes))


def _text_clip(folder: Path, text: Path, recording: Path, sounds: SoundFiles) -> SourceClip:
    top = text.relative_to(folder).parts[0].lower()
    words, fault = "", sounds.fault(recording)
    try:
        if text.stat().st_size > _LARGEST_TEXT:
            raise GoamaError(f"{text}: larger than {_LARGEST_TEXT // 1_000_000} MB, which no transcript of a clip is")
        words = "\n".join(line.strip() for _, line in text_lines(text)).strip()
        if words.endswith(CUT_OFF):
            raise GoamaError(f"{text}: not UTF-8 text, or not written to its end; save it again with encoding UTF-8")
    except (GoamaError, OSError) as error:
        fault = str(error)
    split = SPLIT_NAMES.get(top)
    return SourceClip(recording.stem, recording, words, str(text), split=split, id_given=False, fault=fault)


def _recording_of(text: Path, folder: Path, audio_folder: Path | None, sounds: SoundFiles) -> Path | None:
    places = [text.parent]
    if audio_folder:
        places += [audio_folder / text.parent.relative_to(folder), audio_folder]
    found = (sounds.beside(place, _recording_name(text).name) for place in places)
    return next((paths[0] for paths in found if paths), None)


def _recording_name(text: Path) -> Path:
    """The path of the recording without its suffix: `a.txt` and `a.wav.txt` belong to `a.wav`."""
    path = text.with_suffix("")
    return _without_suffix(path) if path.suffix.lower() in SOUND_SUFFIXES else path


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
