"""Verdicts to an audiofolder: metadata.jsonl, audio/, LICENCE, ATTRIBUTION.md and left-out.jsonl."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from goama.corpus.file_names import without_split_words
from goama.voices.debian import Package, copyright_text
from goama.voices.judgement import Verdict
from goama.voices.recording import KEPT_ENCODINGS, Recording
from goama.voices.sound import SAMPLE_RATE, decode, pcm_16


@dataclass(frozen=True)
class Placed:
    """A usable clip and the split it goes to."""

    verdict: Verdict
    split: str


def write_clips(
    folder: Path, clips: Sequence[Placed], language: str, written: Callable[[int, int], None] | None = None
) -> None:
    """`metadata.jsonl` and `audio/`; `written` hears (done, all)."""
    (folder / "audio").mkdir(parents=True)
    rows = []
    for number, clip in enumerate(clips, start=1):
        recording = clip.verdict.recording
        rows.append(
            {
                "file_name": _write_audio(recording, folder),
                "id": recording.id,
                "text": recording.text,
                "speaker": recording.speaker,
                "language": language,
                "split": clip.split,
            }
        )
        if written:
            written(number, len(clips))
    _write_lines(folder / "metadata.jsonl", rows)


def write_left_out(folder: Path, left_out: Sequence[Verdict]) -> None:
    """`left-out.jsonl`: every clip that is not in metadata.jsonl, with its reason and its text."""
    rows = []
    for verdict in left_out:
        row = {"id": verdict.recording.id, "reason": verdict.reason}
        row |= {"detail": verdict.detail} if verdict.detail else {}
        rows.append(row | {"text": verdict.recording.text})
    _write_lines(folder / "left-out.jsonl", rows)


def write_licence(folder: Path, packages: Sequence[Package], tree: Path) -> None:
    """`LICENCE`: the copyright file of every package, word for word."""
    parts = [
        f"{'=' * 20} {package.name} {package.version}\n\n{copyright_text(package.name, tree)}" for package in packages
    ]
    (folder / "LICENCE").write_text("\n\n".join(parts), encoding="utf-8")


def write_attribution(folder: Path, title: str, attribution: str, licence: str, packages: Sequence[Package]) -> None:
    """`ATTRIBUTION.md`: who made the recordings, their licence, their packages, and what was done."""
    sources = "\n".join(f"- {package.name} {package.version} (Debian main)" for package in packages)
    (folder / "ATTRIBUTION.md").write_text(
        f"# {title}\n\n"
        f"Recordings and texts: {attribution}\n\n"
        f"Licence: {licence}. What the packages themselves say about it is in `LICENCE`.\n\n"
        f"## Source packages\n\n{sources}\n\n"
        "## This is a modified version\n\n"
        "goama paired the recordings with their texts, repaired what is peculiar to the source (escapes, "
        "stress marks, missing accents, digits spelled out), decoded to 16 kHz FLAC what common decoders do "
        "not read, assigned the splits, and left out the clips listed in `left-out.jsonl`. "
        "Nothing else was changed, and the authors do not endorse it.\n",
        encoding="utf-8",
    )


def _write_audio(recording: Recording, folder: Path) -> str:
    stem = without_split_words(recording.id)
    if recording.encoding not in KEPT_ENCODINGS:
        file_name = f"audio/{stem}.flac"
        soundfile.write(folder / file_name, pcm_16(decode(recording)), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
        return file_name
    file_name = f"audio/{stem}.{recording.encoding}"
    if isinstance(recording.audio, bytes):
        (folder / file_name).write_bytes(recording.audio)
    else:
        shutil.copyfile(recording.audio, folder / file_name)
    return file_name


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
