"""Drascula: the voices of an adventure game in English and Spanish, ten characters.

Sound: `<prefix><number>.ALS`: 32 bytes of header, unsigned 8-bit samples at 11,025 Hz, 32 bytes to ignore.
Text: ScummVM's `drascula.dat`, which holds the string tables of all languages; the prefix of a file names
its table. The game prints capitals only, so the texts are lower-cased; Spanish gets its accents back.
"""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path

from goama.errors import GoamaError
from goama.voices.clip import NO_TRANSCRIPT, NOT_SPEECH, VoiceClip
from goama.voices.spanish import restore_accents

LANGUAGES = {"en": 0, "es": 1}
"""Place of the language in drascula.dat. French and German speak English: their packages have no voices of their own,
and neither has the Italian one, whose recordings are the English ones, stored again a millisecond longer."""

CHARACTERS = {
    "": "John Hacker",
    "D": "Drascula and others",
    "B": "drunkard",
    "BJ": "BJ",
    "E": "Mus",
    "I": "Igor",
    "L": "werewolf",
    "P": "pianist",
    "T": "bartender",
    "VB": "von Braun",
}
_RATE = 11_025
_EDGE = 32  # bytes at the start and at the end of a file that are no samples
_HEADER = 9  # bytes of drascula.dat: name and version
_TABLES_BEFORE_TEXTS = (4, 4, 4, 2, 4, 2, 4, 2, 2, 20, 20, 10, 8)  # bytes an entry; ScummVM, create_drascula
_TEXT_TABLES = ("", "D", "B", "BJ", "E", "I", "L", "P", "T")  # in this order; VB follows


def read(tree: Path, language: str) -> Iterator[VoiceClip]:
    """Every recording of the language in the unpacked packages, in the order of the names."""
    data = (tree / "usr/share/scummvm/drascula.dat").read_bytes()
    tables = _read_tables(data, LANGUAGES[language])
    for path in sorted((tree / "usr/share/scummvm/drascula" / language).glob("*.ALS")):
        name = re.fullmatch(r"([A-Z]*)(\d+)", path.stem)
        if not name or path.is_symlink():
            continue  # a link plays the recording of another package
        prefix, number = name[1], int(name[2])
        table = tables.get(prefix, [])
        original = table[number].lower() if number < len(table) else ""
        text = restore_accents(original) if language == "es" else original
        yield VoiceClip(
            id=f"{prefix}{number:03d}",
            text=text.strip(),
            speaker=CHARACTERS.get(prefix, ""),
            audio=_as_wav(path.read_bytes()[_EDGE:-_EDGE]),
            encoding="pcm_u8",
            problem=_problem(prefix, number, table),
            repaired=text != original,
        )


def _as_wav(samples: bytes) -> bytes:
    """A WAV file of unsigned 8-bit mono samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 1, _RATE, 0, "NONE", "not compressed"))
        wav.writeframes(samples)
    return file.getvalue()


def _problem(prefix: str, number: int, table: list[str]) -> str:
    if prefix not in CHARACTERS:
        return NOT_SPEECH  # S: sound effects, F: foley
    return "" if number < len(table) else NO_TRANSCRIPT


def _read_tables(data: bytes, language: int) -> dict[str, list[str]]:
    """The texts of one language by the prefix of their recordings."""
    try:
        position = _HEADER
        for size in _TABLES_BEFORE_TEXTS:
            position += 2 + _number(data, position) * size
        languages = _number(data, position)
        position += 2
        tables: dict[str, list[str]] = {}
        for prefix in (*_TEXT_TABLES, "VB"):
            tables[prefix], position = _read_table(data, position, languages, language)
        return tables
    except IndexError as error:
        raise GoamaError(
            "drascula.dat is not laid out as in ScummVM 2.7: this version is not known to goama"
        ) from error


def _read_table(data: bytes, position: int, languages: int, language: int) -> tuple[list[str], int]:
    """Count, then a block a language: its length, two bytes, then length and text of each entry."""
    count = _number(data, position)
    position += 2
    texts: list[str] = []
    for number in range(languages):
        length = _number(data, position)
        entry = position + 4
        position += 2 + length
        if number != language:
            continue
        for _ in range(count):
            end = entry + _number(data, entry)
            texts.append(data[entry + 2 : end].split(b"\0")[0].decode("cp850", "replace"))
            entry = end
    return texts, position


def _number(data: bytes, position: int) -> int:
    return data[position] << 8 | data[position + 1]
