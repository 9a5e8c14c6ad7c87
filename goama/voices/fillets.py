"""Fish Fillets NG: the dialogues of a puzzle game, in Dutch or in Czech.

Sound: `sound/<level>/<language>/<name>.ogg` of fillets-ng-data-<language>. Text, in fillets-ng-data:
`script/<level>/*dialogs_<language>.lua` and `script/share/*_dialogs_<language>.lua`, pairs of

    dialogId("<name>", "<font = character>", "<English>")
    dialogStr("<text>")
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goama.voices.clip import NO_TRANSCRIPT, PLACEHOLDER, VoiceClip

GAME = "usr/share/games/fillets-ng"
SPEAKERS = {"font_small": "small fish", "font_big": "big fish"}

_STRING = r'"((?:[^"\\]|\\.)*)"'
_DIALOG = re.compile(
    rf"dialogId\(\s*{_STRING}\s*,\s*{_STRING}\s*,\s*{_STRING}\s*\)\s*"
    rf"dialogStr\(\s*((?:{_STRING}\s*(?:\.\.)?\s*)+)\)"
)
_COMMENT = re.compile(r"(?m)^\s*--.*$")


@dataclass(frozen=True)
class _Line:
    level: str
    font: str
    text: str


def read(tree: Path, language: str) -> Iterator[VoiceClip]:
    """Every recording of the language in the unpacked packages, in the order of the paths."""
    lines = _read_scripts(tree / GAME / "script", language)
    sounds = tree / GAME / "sound"
    for path in sorted(sounds.glob(f"**/{language}/*.ogg"), key=Path.as_posix):
        level, name = path.parent.parent.name, path.stem
        line = _line_for(level, lines.get(name, []))
        text = line.text.replace("…", "...") if line else ""
        yield VoiceClip(
            id=f"{level}__{name}",
            text=text,
            speaker=_speaker(line.font) if line else "",
            audio=path,
            encoding="ogg",
            problem=NO_TRANSCRIPT if line is None else PLACEHOLDER if "%1" in text else "",
            scene=level,
        )


def _read_scripts(scripts: Path, language: str) -> dict[str, list[_Line]]:
    """All lines by name; one name can be spoken in several levels."""
    lines: dict[str, list[_Line]] = {}
    for path in sorted(scripts.glob(f"**/*dialogs_{language}.lua"), key=Path.as_posix):
        source = _COMMENT.sub("", path.read_text(encoding="utf-8"))
        for dialog in _DIALOG.finditer(source):
            text = "".join(_unescape(part) for part in re.findall(_STRING, dialog[4]))
            lines.setdefault(_unescape(dialog[1]), []).append(_Line(path.parent.name, dialog[2], text))
    return lines


def _line_for(level: str, candidates: list[_Line]) -> _Line | None:
    """The line of the level itself, else a shared one, else the only text that goes by this name."""
    same_level = [line for line in candidates if line.level == level]
    shared = [line for line in candidates if line.level == "share"]
    if same_level or shared:
        return (same_level or shared)[0]
    return candidates[0] if len({line.text for line in candidates}) == 1 else None


def _speaker(font: str) -> str:
    return SPEAKERS.get(font, font.removeprefix("font_") or "other")


def _unescape(lua_string: str) -> str:
    return re.sub(r"\\(.)", lambda escape: " " if escape[1] == "n" else escape[1], lua_string)
