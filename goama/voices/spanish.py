"""Spanish written without accents to Spanish with them: `Marque el numero` → `Marque el número`.

`spanish_accents.json` holds only words with one reading in these sources: `el`, `esta` or `termino` can be
right with and without an accent and stay as they are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from pathlib import Path


def restore_accents(text: str) -> str:
    """The text in NFC with the unambiguous accents put back; the case of every word is kept."""
    return re.sub(r"[^\W\d_]+", lambda word: _accented(word[0]), unicodedata.normalize("NFC", text))


def _accented(word: str) -> str:
    accented = _accents().get(word.lower())
    if accented is None:
        return word
    if word.isupper():
        return accented.upper()
    return accented.capitalize() if word[0].isupper() else accented


@cache
def _accents() -> dict[str, str]:
    path = Path(__file__).with_name("spanish_accents.json")
    accents: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return accents
