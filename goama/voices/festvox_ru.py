"""festvox-ru: the recordings behind a Russian speech synthesiser, one man reading sentences from novels.

Text: `etc/txt.done.data`, lines `( ru_0001 "text" )`. Sound: `wav/ru_0001.wav`, 16 kHz. A `+` marks stress,
commas mark pauses and stay; one word is spelled as it sounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from goama.voices.clip import NO_TRANSCRIPT, VoiceClip

VOICE = "usr/share/festival/voices/russian/msu_ru_nsh_clunits"
SPEAKER = "Nickolay V. Shmyrev"

_LINE = re.compile(r'\(\s*(\S+)\s+"(.*)"\s*\)\s*')


def read(tree: Path, language: str) -> Iterator[VoiceClip]:
    """Every recording in the unpacked package, in the order of the names."""
    lines = (tree / VOICE / "etc/txt.done.data").read_text(encoding="utf-8").splitlines()
    texts = {match[1]: match[2] for match in map(_LINE.fullmatch, lines) if match}
    for path in sorted((tree / VOICE / "wav").glob("*.wav")):
        yield VoiceClip(
            id=path.stem,
            text=_repair(texts.get(path.stem, "")),
            speaker=SPEAKER,
            audio=path,
            encoding="wav",
            problem="" if path.stem in texts else NO_TRANSCRIPT,
        )


def _repair(text: str) -> str:
    return re.sub(r"\bиё\b", "её", text.replace("+", ""), flags=re.IGNORECASE)
