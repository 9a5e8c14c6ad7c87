"""Asterisk core sounds: the prompts of a telephone exchange, one professional speaker a language.

Text: `core-sounds-<language>.txt.gz` of asterisk-core-sounds-<language>, lines `name: text`, `;` comments.
Sound: `<voice>/<name>.g722` of asterisk-core-sounds-<language>-g722, 16 kHz; a name can hold slashes.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from goama.voices.clip import (
    NO_TRANSCRIPT,
    NOT_SPEECH,
    NOTE_IN_TEXT,
    SINGLE_LETTER,
    WRONG_SCRIPT,
    VoiceClip,
)
from goama.voices.spanish import restore_accents

SPEAKERS = {
    "en": "Allison Smith",
    "es": "Allison Smith",
    "fr": "June Wallack",
    "it": "Carlo Flora",
    "ru": "ivrvoice.ru",
}
NUMBERS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать",
}
LARGEST_LIST = 2**20  # bytes; the real lists are below 40 kB

_NOT_SPEECH = re.compile(
    r"silence/|beep|ascending-|descending-|tt-monkeys|confbridge-(?:join|leave)$|spy-jingle|hello-world-jingle"
)
_SIGN_IN_BRACKETS = re.compile(r"\s*\[[^\w\]]*\]\s*")  # `at [@]`
_NOTE = re.compile(r"emphase|enfatico|in inglese|voce alternativa|\bbeep\b|segnale acustico breve", re.IGNORECASE)


def read(tree: Path, language: str) -> Iterator[VoiceClip]:
    """Every recording of the language in the unpacked packages, in the order of the paths."""
    texts = _read_list(tree, language)
    for voice in sorted((tree / "usr/share/asterisk/sounds").glob(f"{language}_*/")):
        for path in sorted(voice.glob("**/*.g722"), key=Path.as_posix):
            name = path.relative_to(voice).with_suffix("").as_posix()
            original = texts.get(name, "")
            text = _repair(original, language)
            yield VoiceClip(
                id=name.replace("/", "__"),
                text=text,
                speaker=SPEAKERS[language],
                audio=path,
                encoding="g722",
                problem=_problem(name, text if name in texts else None, language),
                repaired=text != _without_signs(original),
            )


def _read_list(tree: Path, language: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    folder = tree / "usr/share/doc" / f"asterisk-core-sounds-{language}"
    with gzip.open(folder / f"core-sounds-{language}.txt.gz") as file:
        lines = file.read(LARGEST_LIST).decode("utf-8-sig").splitlines()
    for line in lines:
        name, colon, text = line.strip().partition(":")
        if colon and not name.startswith(";"):
            texts.setdefault(name.strip(), text.strip())
    return texts


def _repair(text: str, language: str) -> str:
    """The text with numbers up to twelve in words, without signs in brackets, with Spanish accents restored."""
    words = NUMBERS[language].split()
    text = re.sub(
        r"\b\d+\b",
        lambda number: words[int(number[0])] if int(number[0]) < len(words) else number[0],
        _without_signs(text),
    )
    return restore_accents(text) if language == "es" else text


def _without_signs(text: str) -> str:
    return _SIGN_IN_BRACKETS.sub(" ", text).strip()


def _problem(name: str, text: str | None, language: str) -> str:
    if _NOT_SPEECH.match(name):
        return NOT_SPEECH
    if text is None:
        return NO_TRANSCRIPT
    folder, _, letter = name.rpartition("/")
    if re.fullmatch(r"\W*\w\W*", text) or (folder == "letters" and len(letter) == 1):
        return SINGLE_LETTER
    if language == "ru" and re.search(r"[A-Za-z]", text):
        return WRONG_SCRIPT
    return NOTE_IN_TEXT if _NOTE.search(text) else ""
