"""Splits of the voices: a clip is in the same split on every machine and in every version.

Every split hangs on an MD5 of the comparison key or of the scene, never on order or chance.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from goama.voices.clip import VoiceClip

REPEATED = "its text is also in a held-out split"

_APOSTROPHES = str.maketrans("\u2019\u2018\u02bc`\u00b4", "'" * 5)
_INVISIBLE = str.maketrans({"\u00ad": None, "\u200b": None, "\ufeff": None})
_ROMANIAN_CEDILLAS = str.maketrans("ŞşŢţ", "ȘșȚț")
_CATALAN_DOT = "\x01"


def comparison_key(text: str, language: str) -> str:
    """The form in which two texts count as the same: lower case, letters, marks, digits, word apostrophes.

    This is not the text normaliser and must never follow it: the published splits are hashes of this key,
    so one changed character here would move clips between train and test. Leave it as it is.
    """
    text = unicodedata.normalize("NFC", text).translate(_APOSTROPHES).translate(_INVISIBLE)
    if language == "ro":
        text = text.translate(_ROMANIAN_CEDILLAS)
    text = text.lower()
    if language == "ca":
        text = text.replace("l·l", f"l{_CATALAN_DOT}l")
    text = "".join(character if _counts(character) else " " for character in text).replace(_CATALAN_DOT, "·")
    clitics = r"(?!(?:t|s|n|k|m|r|em|ie)\b)" if language == "nl" else ""
    text = re.sub(rf"(?<!\w)'{clitics}", " ", text)
    if language != "it":  # Italian cuts words short: po', fa'
        text = re.sub(r"'(?!\w)", " ", text)
    return " ".join(text.split())


def _counts(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd" or character in ("'", _CATALAN_DOT)


def split_by_scene(clips: Sequence[VoiceClip], language: str) -> list[str]:
    """19 % of the scenes to test, 11 % to dev, the rest to train; '' for a clip that must be left out.

    Scenes stay whole because a scene shares its topic and its words. A text of test is taken out of dev
    and train, and a text of dev out of train (reason: `REPEATED`).
    """
    keys = [comparison_key(clip.text, language) for clip in clips]
    places = [_place_of_scene(clip.scene) for clip in clips]
    test = {key for key, place in zip(keys, places, strict=True) if place == "test"}
    dev = {key for key, place in zip(keys, places, strict=True) if place == "dev"} - test
    forbidden: dict[str, set[str]] = {"test": set(), "dev": test, "train": test | dev}
    return ["" if key in forbidden[place] else place for key, place in zip(keys, places, strict=True)]


def split_by_text(clips: Sequence[VoiceClip], language: str) -> list[str]:
    """3 % of the texts to dev, the rest to train: no text is in both."""
    keys = (comparison_key(clip.text, language) for clip in clips)
    return ["dev" if _per_mille(language + key) < 30 else "train" for key in keys]


def _place_of_scene(scene: str) -> str:
    share = _per_mille(scene)
    return "test" if share < 190 else "dev" if share < 300 else "train"


def _per_mille(name: str) -> int:
    return int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 1000
