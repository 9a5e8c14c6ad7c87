"""Transcripts in text files: LibriSpeech's `.trans.txt`, and one `.txt` beside each recording."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from goama.errors import GoamaError
from goama.sources.reading import read_clips
from goama.sources.source import Choices, SourceClip, read_source


def clips(source: Path, **choices: Any) -> list[SourceClip]:
    return list(read_source(str(source), choices=Choices(**choices)))


def put(path: Path, content: str | bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def librispeech(sentences: list[dict[str, Any]], tmp_path: Path) -> Path:
    """Two chapters of two sentences in LibriSpeech's folders."""
    root = tmp_path / "LibriSpeech"
    rows = iter(sentences)
    for chapter in ("train-clean-100/19/198", "dev-clean/84/121123"):
        _, speaker, number = chapter.split("/")
        lines = []
        for index, row in zip(range(2), rows, strict=False):
            name = f"{speaker}-{number}-{index:04d}"
            sound = Path(row["file_name"])
            put(root / chapter / f"{name}{sound.suffix}", sound.read_bytes())
            lines.append(f"{name} {row['text']}\n")
        put(root / chapter / f"{speaker}-{number}.trans.txt", "".join(lines))
    put(root / "SPEAKERS.TXT", "19 | F | train-clean-100 | 25.19 | Kara Shallenberg\n")
    return root


def test_librispeech_gives_every_clip_with_speaker_and_split(
    librispeech: Path, sentences: list[dict[str, Any]]
) -> None:
    read = clips(librispeech)
    assert sorted(clip.text for clip in read) == sorted(row["text"] for row in sentences[:4])
    assert [(clip.id, clip.speaker, clip.split) for clip in read] == [
        ("84-121123-0000", "84", "dev"),
        ("84-121123-0001", "84", "dev"),
        ("19-198-0000", "19", "train"),
        ("19-198-0001", "19", "train"),
    ]
    assert read[0].where == f"{librispeech}/dev-clean/84/121123/84-121123.trans.txt:1"
    assert all(clip.fault is None for clip in read)
    assert all(sound.seconds > 0.3 for _, sound in read_clips(read))


def test_a_recording_of_librispeech_without_a_line_is_named(librispeech: Path) -> None:
    chapter = librispeech / "train-clean-100/19/198"
    shutil.copy(next(chapter.glob("19-198-0000.*")), chapter / "19-198-0002.ogg")
    read = clips(chapter)
    assert [(clip.id, clip.fault) for clip in read if clip.fault] == [
        ("19-198-0002", "19-198.trans.txt has no line for it")
    ]
    assert [clip.split for clip in read] == [None] * 3


def test_a_damaged_trans_file_costs_its_own_clips_alone(librispeech: Path) -> None:
    put(librispeech / "dev-clean/84/121123/84-121123.trans.txt", b"84-121123-0000 caf\xe9\n")
    read = clips(librispeech)
    assert len(read) == 3 and "not UTF-8 text" in str(read[0].fault)


def test_a_text_beside_each_recording_is_its_transcript(tmp_path: Path) -> None:
    for name in ("clip-1.wav", "Clip-2.WAV", "day 2/clip-1.m4a", "long.name.1.flac", "w.mp3"):
        put(tmp_path / name)
    put(tmp_path / "clip-1.txt", "\ufeffNe y windga,\r\nAwa\r\n")
    put(tmp_path / "clip-2.TXT", "M yʋʋr".encode("utf-16"))
    put(tmp_path / "day 2/clip-1.txt", "ja")
    put(tmp_path / "long.name.1.txt", "nee")
    put(tmp_path / "w.mp3.txt", "misschien")
    read = {str(clip.audio.relative_to(tmp_path)): clip.text for clip in clips(tmp_path)}  # type: ignore[union-attr]
    assert read == {
        "clip-1.wav": "Ne y windga,\nAwa",
        "Clip-2.WAV": "M yʋʋr",
        "day 2/clip-1.m4a": "ja",
        "long.name.1.flac": "nee",
        "w.mp3": "misschien",
    }


def test_of_texts_and_recordings_that_lack_the_other_all_are_named(tmp_path: Path) -> None:
    for name in ("a.wav", "a.txt", "b.wav", "c.wav", "README.txt", "d.txt"):
        put(tmp_path / name, b"ja")
    put(tmp_path / "c.txt", b"caf\xe9 noir")
    put(tmp_path / "e.wav")
    put(tmp_path / "e.txt", b"caf\xe9")
    source = read_source(str(tmp_path))
    assert source.notes == ("text files without a recording of the same name are not read: README.txt, d.txt",)
    faults = {clip.id: clip.fault for clip in source}
    assert faults["a"] is None
    assert faults["b"] == "there is no b.txt beside it"
    assert "c.txt:1: not UTF-8 text; save the file again" in str(faults["c"])
    assert "e.txt: not UTF-8 text, or not written to its end; save it again" in str(faults["e"])


def test_folders_train_dev_and_test_of_text_files_are_the_splits(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        put(tmp_path / split / "a.wav")
        put(tmp_path / split / "a.txt", "ja")
    assert sorted(str(clip.split) for clip in clips(tmp_path)) == ["dev", "test", "train"]


def test_recordings_of_text_files_may_lie_in_another_folder(tmp_path: Path) -> None:
    put(tmp_path / "wav48/p225/p225_001.wav")
    put(tmp_path / "txt/p225/p225_001.txt", "ja")
    (clip,) = clips(tmp_path / "txt", format="txt", audio_folder=tmp_path / "wav48")
    assert (clip.audio, clip.fault) == (tmp_path / "wav48/p225/p225_001.wav", None)
    with pytest.raises(GoamaError, match=r"no \.txt file in it has the name of a recording"):
        clips(tmp_path / "txt", format="txt")


def test_a_table_goes_before_text_files_and_both_are_said(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    put(tmp_path / "a.txt", "ja")
    put(tmp_path / "clips.csv", "file,text\na.wav,nee\n")
    source = read_source(str(tmp_path))
    assert [clip.text for clip in source] == ["nee"]
    assert "the folder could also be read as txt (1 files): --format txt" in source.notes
    assert [clip.text for clip in clips(tmp_path, format="txt")] == ["ja"]
