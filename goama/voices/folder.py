"""Writes a voice as an audiofolder: metadata.jsonl, audio/, LICENCE, ATTRIBUTION.md and left-out.jsonl."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from goama.corpus.file_names import without_split_words
from goama.files import write_json_lines
from goama.sound.audio import read_audio
from goama.sound.flac import write_flac
from goama.voices.catalogue import Voice
from goama.voices.clip import KEPT_ENCODINGS, VoiceClip
from goama.voices.debian import Package, copyright_text
from goama.voices.verdicts import Verdict


@dataclass(frozen=True)
class Placed:
    """A usable clip and the split it goes to."""

    verdict: Verdict
    split: str


def write_clips(
    folder: Path, clips: Sequence[Placed], voice: Voice, written: Callable[[int, int], None] | None = None
) -> None:
    """`metadata.jsonl` and `audio/`; `written` is called with (done, all)."""
    (folder / "audio").mkdir(parents=True)
    rows = []
    for number, placed in enumerate(clips, start=1):
        clip = placed.verdict.clip
        rows.append(
            {
                "file_name": _write_audio(clip, folder),
                "id": clip.id,
                "text": clip.text,
                "speaker": clip.speaker,
                "language": voice.language,
                "split": placed.split,
                "licence": voice.licence,
                "source": voice.attribution,
            }
        )
        if written:
            written(number, len(clips))
    write_json_lines(folder / "metadata.jsonl", rows)


def write_left_out(folder: Path, left_out: Sequence[Verdict]) -> None:
    """`left-out.jsonl`: every clip that is not in metadata.jsonl, with its reason and its text."""
    rows = []
    for verdict in left_out:
        row = {"id": verdict.clip.id, "reason": verdict.reason}
        row |= {"detail": verdict.detail} if verdict.detail else {}
        rows.append(row | {"text": verdict.clip.text})
    write_json_lines(folder / "left-out.jsonl", rows)


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


def _write_audio(clip: VoiceClip, folder: Path) -> str:
    stem = without_split_words(clip.id)
    if clip.encoding not in KEPT_ENCODINGS:
        file_name = f"audio/{stem}.flac"
        write_flac(folder / file_name, read_audio(clip.audio, name=clip.id).samples)
        return file_name
    file_name = f"audio/{stem}.{clip.encoding}"
    if isinstance(clip.audio, bytes):
        (folder / file_name).write_bytes(clip.audio)
    else:
        shutil.copyfile(clip.audio, folder / file_name)
    return file_name
