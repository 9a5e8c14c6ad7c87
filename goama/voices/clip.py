"""What a reader of Debian packages yields: one recording with its human text, not yet judged.

Importing it loads no numerical library: the readers parse text, only `verdicts` and `folder` read sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

NO_TRANSCRIPT = "no transcript in the source"
NOT_SPEECH = "not speech"
SINGLE_LETTER = "a single letter or sign"
PLACEHOLDER = "the text holds a placeholder"
NOTE_IN_TEXT = "the text holds a note that is not spoken"
UNTRANSLATED = "the text was not translated"
WRONG_SCRIPT = "the text holds letters of another script"
BRACKETS = "the text holds brackets"

KEPT_ENCODINGS = ("ogg", "wav", "mp3")
"""Encodings that all common programs read; such a recording is copied byte for byte, others become FLAC."""


@dataclass(frozen=True)
class VoiceClip:
    """One recording of a package.

    id: unique in its voice, fit for a file name.
    text: the human text after the repairs that this source needs; case and punctuation are kept.
    speaker: the name of the person, or of the character where the person is not named.
    audio: a file, or the encoded bytes where the package holds all its clips in one file.
    encoding: `ogg`, `wav`, `mp3`, `g722`, or `pcm_u8` (a WAV of unsigned 8-bit samples that has no header on disk).
    problem: why the reader itself thinks the clip unusable; empty if it does not.
    repaired: the text was changed by a rule, so its length says less about the recording.
    scene: clips of one scene go to the same split; empty where a source has no scenes.
    """

    id: str
    text: str
    speaker: str
    audio: Path | bytes
    encoding: str
    problem: str = ""
    repaired: bool = False
    scene: str = ""


def reject_brackets(text: str) -> str:
    """The problem of a text with brackets of any kind (stage directions, variants), else ''."""
    return BRACKETS if re.search(r"[\[\]<>(){}]", text) else ""
