"""A clip's id becomes a file name that every file system takes and that `datasets` does not misread."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# `datasets` takes a word such as train in a file name for a split and then forgets all other files:
# toy_train.ogg is written as toy_train~.ogg.
_SPLIT_WORD = re.compile(
    r"(?<![^-._ 0-9])(train|training|test|testing|eval|evaluation|validation|valid|val|dev)(?![^-._ 0-9])"
)
_LONGEST = 120  # bytes in UTF-8; file systems take 255, this leaves room for `~`, a hash and an extension


def without_split_words(stem: str) -> str:
    """The stem with a `~` after each word that `datasets` would take for the name of a split."""
    return _SPLIT_WORD.sub(r"\1~", stem)


def safe_stem(clip_id: str) -> str:
    """A file name without its extension; ids that have to be changed keep apart by a hash."""
    stem = unicodedata.normalize("NFC", re.sub(r"[^\w.-]", "_", clip_id))
    if stem != clip_id or stem[:1] in {"", ".", "-"} or len(stem.encode()) > _LONGEST:
        stem = with_hash(stem, clip_id)
    return without_split_words(stem)


def with_hash(stem: str, clip_id: str) -> str:
    """The beginning of the stem, and eight characters that only this id has."""
    beginning = stem.encode()[: _LONGEST - 9].decode(errors="ignore").strip("._-")
    return f"{beginning or 'clip'}-{hashlib.sha256(clip_id.encode()).hexdigest()[:8]}"
