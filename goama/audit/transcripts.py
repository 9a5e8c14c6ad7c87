"""The transcripts of a source, and the parts of them that are no words: the input of all checks of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from goama.audit.findings import ClipFacts, Finding, shortened
from goama.text.normaliser import Normaliser

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
    """Clips with a text, and every character that occurs in one: checks for other characters need not look further."""

    clips: Sequence[ClipFacts]
    characters: frozenset[str]

    def cleaned(self, normaliser: Normaliser) -> Transcripts:
        """These texts after the rules for letters, tables and notes, without those that hold nothing then."""
        return Transcripts.of([replace(clip, text=normaliser.before_punctuation(clip.text)) for clip in self.clips])

    @classmethod
    def of(cls, clips: Sequence[ClipFacts]) -> Transcripts:
        """Those of the clips that have a text."""
        written = [clip for clip in clips if clip.text.strip()]
        return cls(written, frozenset(character for clip in written for character in set(clip.text)))


def with_mended(typed: Finding | None, left: Finding | None) -> Finding | None:
    """The finding on texts as typed, which says of each clip whether the spelling rules mend it.

    left: the same finding on the cleaned texts. What is mended everywhere is an info.
    """
    if typed is None:
        return left
    remaining = set(left.clips) if left else set()
    mended = [clip_id for clip_id in typed.clips if clip_id not in remaining]
    if not mended:
        return left
    details = {clip_id: f"{typed.details[clip_id]}: mended" for clip_id in mended}
    if left is None:
        return replace(
            typed,
            severity="info",
            message=f"{typed.message}: mended by the spelling rules",
            remedy="Nothing to do: `goama prepare` does it; `goama prepare --dry-run` shows each change.",
            details=details,
        )
    return replace(
        left,
        clips=(*left.clips, *mended),
        message=f"{left.message}; in {len(mended)} more the spelling rules mend it",
        details={**left.details, **details},
    )


def without_annotations(text: str) -> str:
    """The text with a space in place of each annotation, address and markup."""
    return MARKUP.sub(" ", URL.sub(" ", ANNOTATION.sub(" ", text)))


def around(text: str, needle: str) -> str:
    """The first word that contains `needle`, shortened."""
    return shortened(next((word for word in text.split() if needle in word), needle), 30)
