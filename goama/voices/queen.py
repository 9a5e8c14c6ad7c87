"""Flight of the Amazon Queen: the English voices of an adventure game, one hero and some seventy others.

All is in `queen.1c`: a table of contents, then the files. `*.SB` are the voices (MP3, 11,025 Hz), the texts
stand in `*.DOG` (dialogues), `*.CUT` (scenes) and `QUEEN2.JAS` (descriptions, lines of text). A `*` in a
text starts a command to the animation and cuts the sentence; piece k of a sentence is the voice file
`<prefix><k in hexadecimal, from 1>.SB`, where the prefix says where the sentence stands:

    DOG   <character><sentence>J or P (Joe, the partner); SSSSJ, XXXXP, XXXXJ at first and later meetings
    CUT   <name of the scene, filled to 5 with _><number of the action>
    JAS   JOE<number>: 1 to 40 are answers, then come the descriptions

The layouts are those of ScummVM, engines/queen (talk.cpp, cutaway.cpp, queen.cpp).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goama.errors import GoamaError
from goama.voices.clip import NO_TRANSCRIPT, VoiceClip

ARCHIVE = "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"
HERO = "JOE"

_COUNT_AT = 13
_ENTRY = 21  # bytes: name (12), bundle (1), offset (4), size (4)
_FILE_HEADER = 20
_ANSWERS = 40
_DIALOGUE_STATES, _STATE_SIZE = 32, 96


@dataclass(frozen=True)
class _Piece:
    text: str
    speaker: str


def read(tree: Path, language: str) -> Iterator[VoiceClip]:
    """Every voice file in the unpacked package, in the order of the names.

    Raises GoamaError when the archive has another layout.
    """
    try:
        files = _read_archive((tree / ARCHIVE).read_bytes())
        pieces = _read_texts(files)
    except (IndexError, KeyError) as error:
        raise GoamaError(
            "queen.1c is not laid out as in the CD version: this package version is not known to goama"
        ) from error
    for name in sorted(files):
        if name.endswith(".SB"):
            piece = pieces.get(name)
            yield VoiceClip(
                id=name.removesuffix(".SB"),
                text=piece.text if piece else "",
                speaker=piece.speaker if piece else "",
                audio=files[name],
                encoding="mp3",
                problem="" if piece else NO_TRANSCRIPT,
            )


def _read_archive(data: bytes) -> dict[str, bytes]:
    files = {}
    for number in range(_unsigned(data, _COUNT_AT)):
        entry = _COUNT_AT + 2 + number * _ENTRY
        name = data[entry : entry + 12].split(b"\0")[0].decode("latin-1").strip().upper()
        offset = _unsigned(data, entry + 13, 4)
        files[name] = data[offset : offset + _unsigned(data, entry + 17, 4)]
    return files


def _read_texts(files: dict[str, bytes]) -> dict[str, _Piece]:
    """Every piece of every sentence by the name of its voice file; the first text of a name counts."""
    pieces: dict[str, _Piece] = {}
    for prefix, sentence, speaker in _sentences(files):
        for number, text in _cut(sentence):
            if text.strip():
                name = f"{prefix}{number + 1:x}.SB".replace(" ", "0").upper()
                pieces.setdefault(name, _Piece(text.strip(), speaker))
    return pieces


def _sentences(files: dict[str, bytes]) -> Iterator[tuple[str, str, str]]:
    """(prefix of the voice file, sentence, speaker), dialogues and scenes by name, then descriptions."""
    for name in sorted(files):
        if name.endswith(".DOG"):
            yield from _dialogue(files[name][_FILE_HEADER:], name.removesuffix(".DOG"))
        elif name.endswith(".CUT"):
            yield from _scene(files[name][_FILE_HEADER:], name.removesuffix(".CUT"))
    yield from _descriptions(files["QUEEN.JAS"][_FILE_HEADER:], files["QUEEN2.JAS"])


def _dialogue(data: bytes, partner: str) -> Iterator[tuple[str, str, str]]:
    """Greetings of both sides, then the numbered sentences of Joe (J) and of the partner (P)."""
    levels, key, joes, partners = abs(_signed(data, 0)), _signed(data, 4), _signed(data, 6), _signed(data, 8)
    partner_at, later_at = _unsigned(data, 22), _unsigned(data, 26)
    joe_at = _DIALOGUE_STATES + levels * _STATE_SIZE
    if not _unsigned(data, joe_at + 2):
        yield f"{key:2d}SSSSJ", _string(data, joe_at + 4)[0], HERO
    greeting, position = _string(data, later_at)
    yield f"{key:2d}XXXXP", greeting, partner
    yield f"{key:2d}XXXXJ", _string(data, position)[0], HERO
    for position, count, side, speaker in ((joe_at, joes, "J", HERO), (partner_at, partners, "P", partner)):
        for _ in range(count):
            sentence = _signed(data, position + 2)
            text, position = _string(data, position + 4, align=4)
            if sentence >= 0:
                yield f"{key:2d}{sentence:4x}{side}", text, speaker


def _scene(data: bytes, name: str) -> Iterator[tuple[str, str, str]]:
    """A title, then one string an action; `#` starts a command. The speakers are not named: `CUT`."""
    try:
        _, position = _string(data, _unsigned(data, 8))
        for number in range(1, abs(_signed(data, 2)) + 1):
            text, position = _string(data, position)
            if text and text != "*" and not text.startswith("#"):
                yield f"{name[:5]:_<5}{number:02d}", text, "CUT"
    except IndexError:
        return  # a scene without words ends where its strings would begin


def _descriptions(header: bytes, text: bytes) -> Iterator[tuple[str, str, str]]:
    """Lines of QUEEN2.JAS: descriptions first, then other strings, then Joe's forty answers."""
    rooms, names, descriptions = _unsigned(header, 0), _unsigned(header, 2), _unsigned(header, 6)
    lines = text.decode("cp437").replace("\r", "").split("\n")
    for number in range(1, descriptions + 1):
        yield f"JOE{number + _ANSWERS:04d}", lines[number - 1], HERO
    answers_at = descriptions + names + rooms + 12
    for number in range(1, _ANSWERS + 1):
        yield f"JOE{number:04d}", lines[answers_at + number - 1], HERO


def _cut(sentence: str) -> Iterator[tuple[int, str]]:
    """Pieces of a sentence with their numbers; `*GD` and `*GM` play no voice but count."""
    number = start = position = 0
    while (star := sentence.find("*", position)) >= 0:
        command = sentence[star + 1 : star + 3]
        if command not in ("GD", "GM"):
            yield number, sentence[start:star]
        number += 1
        start = position = star + 1 + (13 if command == "XY" else 2)
    if start < len(sentence):
        yield number, sentence[start:]


def _string(data: bytes, position: int, align: int = 2) -> tuple[str, int]:
    """A string with its length before it, and where the next one starts; an empty one takes no filling."""
    length = data[position]
    start = position + 1
    if not length:
        return "", start
    end = start + length
    return data[start:end].decode("cp437", "replace"), -(-end // align) * align


def _unsigned(data: bytes, position: int, size: int = 2) -> int:
    number = data[position : position + size]
    if len(number) < size:
        raise IndexError
    return int.from_bytes(number, "big")


def _signed(data: bytes, position: int) -> int:
    return (_unsigned(data, position) ^ 0x8000) - 0x8000
