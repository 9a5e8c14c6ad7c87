"""The transcripts that all checks of texts work on, and patterns of what is not a word in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from goama.audit.findings import ClipFacts, shortened

# Brackets with their content, and text between two asterisks: [rires] (laughs) {bruit} <unk> *cough* （笑）.
ANNOTATION = re.compile(
    r"\[[^\[\]]{0,80}\]|\([^()]{0,80}\)|\{[^{}]{0,80}\}|<[^<>]{1,80}>|（[^（）]{0,80}）|【[^【】]{0,80}】"
    r"|(?<!\w)\*[^\s*](?:[^*]{0,38}[^\s*])?\*(?!\w)|(?<!\w)(?:xxx|XXX|yyy|www)(?![\w.])"
)
URL = re.compile(
    r"(?:https?|ftp)://\S+|\bwww\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[\w-]+\.(?:com|org|net|info|edu|gov|eu|nl|de|fr|it|ru|uk|es|be|bf|sn|ml)(?:/\S*)?(?![\w.])",
    re.IGNORECASE,
)
MARKUP = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});|\\[nrt](?![a-z])|\\u[0-9a-f]{4}", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Transcripts:
    """Clips with a text, and all characters in them, so that a check for absent characters ends at once."""

    clips: Sequence[ClipFacts]
    characters: frozenset[str]

    @classmethod
    def of(cls, clips: Sequence[ClipFacts]) -> Transcripts:
        """The transcripts of those clips that have a text."""
        written = [clip for clip in clips if clip.text.strip()]
        return cls(written, frozenset(character for clip in written for character in set(clip.text)))


def without_annotations(text: str) -> str:
    """The text with annotations, addresses and markup replaced by spaces."""
    return MARKUP.sub(" ", URL.sub(" ", ANNOTATION.sub(" ", text)))


def around(text: str, needle: str) -> str:
    """The first word that contains `needle`, shortened."""
    return shortened(next((word for word in text.split() if needle in word), needle), 30)
