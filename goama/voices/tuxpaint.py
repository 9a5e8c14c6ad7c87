"""Tux Paint stamps: a child's drawing program says what is on each picture, one volunteer a language.

Sound: `<stamp>_desc_<language>.ogg`. Text: `<stamp>.txt` beside it, first line English, then lines
`<language>.utf8=<text>`; both in tuxpaint-stamps-default. Many stamps share one recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from goama.voices.clip import NO_TRANSCRIPT, SINGLE_LETTER, UNTRANSLATED, VoiceClip
from goama.voices.splits import comparison_key

SPEAKERS = {
    "be": "Kseniya Buraya",
    "bg": "Krasimir Petkov",
    "ca": "Pere Pujal i Carabantes",
    "da": "Joe Dalton",
    "el": "Kiriaki Serafeim",
    "es": "Estefania Ortiz",
    "fr": "PaulK or Jacques Chion",
    "ro": "Tabbytha",
    "ru": "Edwin Veber",
}
_LETTERS = ("symbols/alphabet", "symbols/letters", "symbols/characters")
_ROMANIAN_CEDILLAS = str.maketrans("ŞşŢţ", "ȘșȚț")


def read(tree: Path, language: str) -> Iterator[VoiceClip]:
    """Every recording of the language in the unpacked package, in the order of the paths."""
    stamps = tree / "usr/share/tuxpaint/stamps"
    named = re.compile(rf"(.+)_desc_{language}(?:\.ogg)?\.ogg")  # some end in .ogg.ogg
    for path in sorted(stamps.glob(f"**/*_desc_{language}*.ogg"), key=Path.as_posix):
        name = named.fullmatch(path.name)
        if not name:
            continue  # another language whose code begins alike
        stamp = (path.parent / name[1]).relative_to(stamps).as_posix()
        english, text = _read_texts(path.parent / f"{name[1]}.txt", language)
        yield VoiceClip(
            id=stamp.replace("/", "__"),
            text=text.translate(_ROMANIAN_CEDILLAS) if language == "ro" else text,
            speaker=SPEAKERS[language],
            audio=path,
            encoding="ogg",
            problem=_problem(stamp, english, text, language),
        )


def _read_texts(path: Path, language: str) -> tuple[str, str]:
    """The English text and the text in the language, each empty if there is none."""
    if not path.is_file():
        return "", ""
    english, *lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    prefix = f"{language}.utf8="
    texts = (line.removeprefix(prefix).strip() for line in lines if line.startswith(prefix))
    return english.strip(), next(filter(None, texts), "")


def _problem(stamp: str, english: str, text: str, language: str) -> str:
    if not text:
        return NO_TRANSCRIPT
    if stamp.startswith(_LETTERS) or len(comparison_key(text, language)) <= 1:
        return SINGLE_LETTER
    return UNTRANSLATED if text == english else ""
