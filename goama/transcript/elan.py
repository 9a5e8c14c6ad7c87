"""Transcripts as ELAN's .eaf: a tier of segments, one of words under it, and one of confidences.

An existing file, or a new one made from a template, gets these tiers beside those that it has.
"""

from __future__ import annotations

import mimetypes
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

from goama.errors import GoamaError
from goama.files import write_beside
from goama.sources.elan import read_elan
from goama.transcript.eaf_edits import Element, Outline, edited, outline, to_utf8
from goama.transcript.layout import Layout, recording_path
from goama.transcript.spans import segment_spans, word_spans
from goama.transcript.transcript import Transcript

_EMPTY = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="goama" DATE="{date}" FORMAT="3.0" VERSION="3.0" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <PROPERTY NAME="lastUsedAnnotationId">0</PROPERTY>
    </HEADER>
    <TIME_ORDER>
    </TIME_ORDER>
</ANNOTATION_DOCUMENT>
"""

_STEREOTYPES = {
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
    "Symbolic_Association": "1-1 association with a parent annotation",
}
"""ELAN's two kinds of dependent tiers that are used here, with the descriptions that it writes."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML file can hold."""

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Added:
    """The tiers that an existing file got, and the copy of the file as it was."""

    tiers: tuple[str, ...]
    backup: Path


def to_eaf(transcript: Transcript, layout: Layout) -> str:
    """The content of a new .eaf file, made from `layout.template` where there is one.

    Annotations of the template and its links to recordings are left out. A template's tier that has the name of the
    tier of segments and no parent is filled.
    Raises `GoamaError` when the template cannot be read.
    """
    if layout.template is None:
        document = _EMPTY.format(date=datetime.now(UTC).isoformat(timespec="seconds")).encode()
    else:
        document = _emptied(_read(layout.template)[0])
    document = _with_recording(document, transcript.audio, layout)
    return _with_tiers(document, transcript, layout, fill=True)[0].decode()


def add_to_eaf(transcript: Transcript, path: Path, layout: Layout) -> Added:
    """The tiers that were added to an existing .eaf file; a copy as it was lies beside it, `.eaf.bak`.

    Everything else in the file stays as it is, byte for byte, except ELAN's note of the last annotation's number. A
    name that a tier has already gets a number. Raises `GoamaError` as `require_takes_tiers` does.
    """
    require_takes_tiers(path)
    text, encoding = _read(path)
    before = read_elan(path)
    new, names = _with_tiers(text, transcript, layout, fill=False)
    backup = _free_backup(path)
    try:
        shutil.copy2(path, backup)
        write_beside(path.resolve(), new.decode().encode(encoding, errors="xmlcharrefreplace"))
        shutil.copymode(backup, path)
    except OSError as error:
        with suppress(OSError):  # a copy that is not whole, or not needed
            backup.unlink(missing_ok=True)
        raise GoamaError(f"{path}: cannot be written ({error.strerror}); nothing in it was changed") from error
    after = read_elan(path)
    if after.tiers[: len(before.tiers)] != before.tiers:  # never seen: the user's work comes first
        path.write_bytes(backup.read_bytes())
        raise GoamaError(f"{path}: tiers could not be added without changing others; it is as it was")
    return Added(names, backup)


def require_takes_tiers(path: Path) -> None:
    """Raises `GoamaError` for a file that is write-protected, no ELAN file, or damaged."""
    _read(path)
    if not path.stat().st_mode & _WRITABLE or not os.access(path, os.W_OK):
        raise GoamaError(f"{path}: write-protected, and stays as it is; allow writing to it, or choose another -o")


def require_template(path: Path) -> None:
    """Raises `GoamaError` for a template that is no ELAN file, or damaged."""
    _read(path)


def _read(path: Path) -> tuple[bytes, str]:
    """An ELAN file as UTF-8, and its own encoding, after the checks of the reader of untrusted files."""
    read_elan(path)
    try:
        text, encoding = to_utf8(path.read_bytes())
    except (UnicodeDecodeError, LookupError) as error:
        raise GoamaError(f"{path}: its text is not in the encoding that it names ({error}); save it in ELAN") from error
    missing = outline(text).missing
    if missing:
        raise GoamaError(f"{path}: damaged: {missing}; open and save it in ELAN")
    return text, encoding


def _emptied(document: bytes) -> bytes:
    """A document without annotations, time slots and links to recordings."""
    old = outline(document)
    full = [element for element in old.named("TIME_ORDER", "TIER") if element.children]
    return edited(document, [(*link, "") for link in old.links] + [(e.inside, e.children_end, "") for e in full])


def _free_backup(path: Path) -> Path:
    number = 1
    backup = path.with_name(path.name + ".bak")
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    return backup


def _with_recording(document: bytes, audio: str, layout: Layout) -> bytes:
    """The document with a link to the recording, if that is a file."""
    header = outline(document).named("HEADER")[0]
    if not Path(audio).is_file():
        return document
    relative = recording_path(audio, layout)
    kind = mimetypes.guess_type(audio)[0] or "audio/x-wav"
    link = (
        f'\n        <MEDIA_DESCRIPTOR MEDIA_URL="{escape(Path(audio).resolve().as_uri())}" '
        f'MIME_TYPE="{kind}" RELATIVE_MEDIA_URL="{escape(_relative_url(relative))}"/>'
    )
    return edited(document, [_inserted(header, link, at_start=True)])


def _relative_url(path: str) -> str:
    return quote(path if path.startswith(("/", ".")) else f"./{path}")


@dataclass
class _Additions:
    """New content of a document; annotations and time slots are numbered on from those that it has."""

    annotation: int
    slot: int
    slots: list[str]
    tiers: list[str]
    types: list[str]

    def timed(self, spans: Iterable[tuple[int, int]], texts: Iterable[str]) -> list[str]:
        """Annotations with times of their own."""
        return [self._timed(start, end, text) for (start, end), text in zip(spans, texts, strict=True)]

    def _timed(self, start: int, end: int, text: str) -> str:
        for time in (start, end):
            self.slot += 1
            self.slots.append(f'\n        <TIME_SLOT TIME_SLOT_ID="ts{self.slot}" TIME_VALUE="{time}"/>')
        return self._annotation(
            "ALIGNABLE_ANNOTATION", f'TIME_SLOT_REF1="ts{self.slot - 1}" TIME_SLOT_REF2="ts{self.slot}"', text
        )

    def referring(self, first: int, texts: Iterable[str]) -> list[str]:
        """Annotations that refer one by one to those numbered from `first`."""
        return [
            self._annotation("REF_ANNOTATION", f'ANNOTATION_REF="a{number}"', text)
            for number, text in enumerate(texts, start=first)
        ]

    def _annotation(self, tag: str, reference: str, text: str) -> str:
        self.annotation += 1
        value = escape(_NOT_XML.sub("\ufffd", text))
        return (
            f'\n        <ANNOTATION>\n            <{tag} ANNOTATION_ID="a{self.annotation}" {reference}>\n'
            f"                <ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>\n"
            f"            </{tag}>\n        </ANNOTATION>"
        )


def _with_tiers(
    document: bytes, transcript: Transcript, layout: Layout, *, fill: bool
) -> tuple[bytes, tuple[str, ...]]:
    """The document with the tiers of a transcript, and the names that they have."""
    old = outline(document)
    taken = {element.attributes["TIER_ID"] for element in old.named("TIER")}
    new = _Additions(old.last_annotation, old.last_slot, [], [], [])
    edits = []
    first = new.annotation + 1
    segments = new.timed(segment_spans(transcript), [segment.text for segment in transcript.segments])
    filled = _empty_tier(old, layout.tier) if fill else None
    if filled:
        names = [layout.tier]
        edits.append(_inserted(filled, "".join(segments)))
    else:
        names = [_free(layout.tier, taken)]
        new.tiers.append(_tier(names[0], _type(old, new, "Transcription"), None, segments))
    items: Sequence[float] = [segment.confidence for segment in transcript.segments]
    if layout.words_tier is not None:
        first = new.annotation + 1
        words = new.timed(word_spans(transcript), [word.text for word in transcript.words])
        items = [word.confidence for word in transcript.words]
        names.append(_free(layout.words_tier, taken | set(names)))
        new.tiers.append(_tier(names[-1], _type(old, new, "Word", "Included_In"), names[0], words))
    if layout.confidence_tier is not None:
        parent = names[-1]
        confidences = new.referring(first, [f"{confidence:.2f}" for confidence in items])
        names.append(_free(layout.confidence_tier, taken | set(names)))
        kind = _type(old, new, "Confidence", "Symbolic_Association")
        new.tiers.append(_tier(names[-1], kind, parent, confidences))
    return edited(document, edits + _edits(old, new)), tuple(names)


def _empty_tier(old: Outline, name: str) -> Element | None:
    """The tier of this name that can take the segments: without annotations, parent and constraint."""
    free = {
        kind.attributes["LINGUISTIC_TYPE_ID"]
        for kind in old.named("LINGUISTIC_TYPE")
        if "CONSTRAINTS" not in kind.attributes and kind.attributes.get("TIME_ALIGNABLE", "true") == "true"
    }
    for tier in old.named("TIER"):
        attributes = tier.attributes
        if attributes["TIER_ID"] == name and not tier.children and "PARENT_REF" not in attributes:
            return tier if attributes["LINGUISTIC_TYPE_REF"] in free else None
    return None


def _type(old: Outline, new: _Additions, name: str, stereotype: str | None = None) -> str:
    """The linguistic type of this name and stereotype, made new where the document has none."""
    alignable = stereotype != "Symbolic_Association"
    for kind in old.named("LINGUISTIC_TYPE"):
        attributes = kind.attributes
        same = attributes.get("CONSTRAINTS") == stereotype and attributes["LINGUISTIC_TYPE_ID"] == name
        if same and attributes.get("TIME_ALIGNABLE", "true") == str(alignable).lower():
            return name
    name = _free(name, {kind.attributes["LINGUISTIC_TYPE_ID"] for kind in old.named("LINGUISTIC_TYPE")})
    constraint = f'CONSTRAINTS="{stereotype}" ' if stereotype else ""
    new.types.append(
        f'\n    <LINGUISTIC_TYPE {constraint}GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{escape(name)}" '
        f'TIME_ALIGNABLE="{str(alignable).lower()}"/>'
    )
    return name


def _tier(name: str, kind: str, parent: str | None, annotations: Sequence[str]) -> str:
    under = f' PARENT_REF="{escape(parent)}"' if parent else ""
    start = f'\n    <TIER LINGUISTIC_TYPE_REF="{escape(kind)}"{under} TIER_ID="{escape(name)}"'
    return f"{start}>{''.join(annotations)}\n    </TIER>" if annotations else f"{start}/>"


def _edits(old: Outline, new: _Additions) -> list[tuple[int, int, str]]:
    """Everything new in the order that the format asks for: time slots, tiers, types, constraints."""
    after_tiers = old.end_of("TIME_ORDER", "TIER")
    after_types = old.end_of("TIME_ORDER", "TIER", "LINGUISTIC_TYPE")
    after_constraints = old.end_of("TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE", "CONSTRAINT")
    known = {constraint.attributes["STEREOTYPE"] for constraint in old.named("CONSTRAINT")}
    needed = [name for name in _STEREOTYPES if f'"{name}"' in "".join(new.types) and name not in known]
    constraints = [f'\n    <CONSTRAINT DESCRIPTION="{_STEREOTYPES[name]}" STEREOTYPE="{name}"/>' for name in needed]
    edits = [
        _inserted(old.named("TIME_ORDER")[0], "".join(new.slots)),
        (after_tiers, after_tiers, "".join(new.tiers)),
        (after_types, after_types, "".join(new.types)),
        (after_constraints, after_constraints, "".join(constraints)),
    ]
    if old.last_id_value:
        edits.append((*old.last_id_value, str(new.annotation)))
    return edits


def _inserted(element: Element, content: str, *, at_start: bool = False) -> tuple[int, int, str]:
    """The edit that puts content into an element, after its last child or before its first."""
    if element.is_closed:
        return element.end - 2, element.end, f">{content}\n    </{element.tag}>" if content else "/>"
    place = element.inside if at_start else element.children_end
    return place, place, content


def _free(name: str, taken: Collection[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free
