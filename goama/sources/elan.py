"""An ELAN file (.eaf) becomes tiers; an annotation without times of its own gets those of its parent."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from goama.errors import GoamaError
from goama.sources.annotation_file import Annotation, AnnotationFile, LinkedRecording, Tier
from goama.sources.xml import parse_xml

_LARGEST = 128 << 20  # bytes; an hour of speech with ten tiers needs two million
_MOST_ANNOTATIONS = 500_000
_DEEPEST = 50  # annotations that refer to each other


@dataclass(slots=True)
class _Annotation:
    tier: int
    """Index of its tier."""
    slots: tuple[str, str] | None
    """Ids of the time slots of its start and end; None: it has the times of its parent."""
    parent: str = ""
    previous: str = ""
    """Id of the annotation before it under the same parent."""
    text: str = ""


@dataclass
class _Document:
    """The content of a file, filled while the file is parsed."""

    path: Path
    slots: dict[str, float | None] = field(default_factory=dict)
    tiers: list[dict[str, str]] = field(default_factory=list)
    annotations: dict[str, _Annotation] = field(default_factory=dict)
    recordings: list[LinkedRecording] = field(default_factory=list)
    words: list[str] | None = None
    """Pieces of the text inside an open ANNOTATION_VALUE."""
    current: _Annotation | None = None
    is_elan: bool = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.is_elan:
            if tag != "ANNOTATION_DOCUMENT":
                raise GoamaError(f"{self.path}: not an ELAN file: it begins with <{tag[:40]}>")
            self.is_elan = True
        if tag == "HEADER" and attributes.get("TIME_UNITS", "milliseconds") != "milliseconds":
            raise GoamaError(
                f"{self.path}: its times are {attributes['TIME_UNITS']}, not milliseconds; save it again with ELAN"
            )
        if tag == "MEDIA_DESCRIPTOR":
            self._link(attributes)
        elif tag == "TIME_SLOT":
            self._limit(len(self.slots), 2 * _MOST_ANNOTATIONS)
            value = attributes.get("TIME_VALUE")
            self.slots[attributes["TIME_SLOT_ID"]] = None if value is None else self._seconds(value)
        elif tag == "TIER":
            self._limit(len(self.tiers), 10_000)
            self.tiers.append(attributes)
        elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            self._limit(len(self.annotations), _MOST_ANNOTATIONS)
            slots = (attributes["TIME_SLOT_REF1"], attributes["TIME_SLOT_REF2"]) if tag[0] == "A" else None
            parent = "" if slots else attributes["ANNOTATION_REF"]
            previous = attributes.get("PREVIOUS_ANNOTATION", "")
            self.current = _Annotation(len(self.tiers) - 1, slots, parent, previous)
            self.annotations[attributes["ANNOTATION_ID"]] = self.current
        elif tag == "ANNOTATION_VALUE":
            self.words = []

    def text(self, piece: str) -> None:
        if self.words is not None:
            self.words.append(piece)

    def end(self, tag: str) -> None:
        if tag == "ANNOTATION_VALUE" and self.words is not None:
            if self.current:
                self.current.text = "".join(self.words)
            self.words = self.current = None

    def _link(self, attributes: dict[str, str]) -> None:
        shift = self._seconds(attributes.get("TIME_ORIGIN", "0"))
        relative, stored = attributes.get("RELATIVE_MEDIA_URL"), attributes.get("MEDIA_URL")
        if relative:
            self.recordings.append(LinkedRecording(str(self.path.parent / _file_name(relative)), shift))
        if stored:
            self.recordings.append(LinkedRecording(_file_name(stored), shift))

    def _seconds(self, milliseconds: str) -> float:
        if not re.fullmatch(r"-?\d{1,12}", milliseconds):
            raise GoamaError(f"{self.path}: {milliseconds[:40]!r} is not a number of milliseconds")
        return int(milliseconds) / 1000

    def _limit(self, number: int, most: int) -> None:
        if number >= most:
            raise GoamaError(f"{self.path}: more annotations than a recording of days has ({most}); not read")


def read_elan(path: Path) -> AnnotationFile:
    """The tiers in the order of the file, and the linked recordings, sound before video.

    An annotation of a symbolic tier has the times of its parent. Several with one parent (words of a sentence) are
    joined in their order, because only together do they have these times.
    Raises `GoamaError` when the file is not an ELAN file, is damaged, or exceeds a limit.
    """
    document = _Document(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise GoamaError(f"{path}: larger than {_LARGEST >> 20} MB, which no ELAN file is; not read")
        with path.open("rb") as file:
            parse_xml(file, str(path), start=document.start, end=document.end, text=document.text)
    except KeyError as error:
        raise GoamaError(f"{path}: damaged: an element has no {error.args[0]}; open and save it in ELAN") from error
    except OSError as error:
        raise GoamaError(f"{path}: cannot be read ({error.strerror})") from error
    tiers = [
        Tier(
            name=attributes.get("TIER_ID", ""),
            annotations=annotations,
            kind=attributes.get("LINGUISTIC_TYPE_REF", ""),
            speaker=attributes.get("PARTICIPANT", "").strip() or None,
        )
        for attributes, annotations in zip(document.tiers, _annotations_by_tier(document), strict=True)
    ]
    return AnnotationFile(tiers, sorted(document.recordings, key=_is_video))


def _annotations_by_tier(document: _Document) -> list[list[Annotation]]:
    by_tier: list[list[Annotation]] = [[] for _ in document.tiers]
    children: dict[tuple[int, str], dict[str, _Annotation]] = defaultdict(dict)  # by tier and parent
    for identity, annotation in document.annotations.items():
        if annotation.tier < 0:
            raise GoamaError(
                f"{document.path}: damaged: the annotation {identity!r} is in no tier; open and save it in ELAN"
            )
        if annotation.slots:
            by_tier[annotation.tier].append(Annotation(*_times(document, annotation.slots), annotation.text))
        else:
            children[annotation.tier, annotation.parent][identity] = annotation
    joined: dict[tuple[int, str], list[str]] = defaultdict(list)
    for (tier, parent), siblings in children.items():
        joined[tier, _ancestor_with_times(document, parent)].extend(s.text for s in _in_order(siblings))
    for (tier, ancestor), texts in joined.items():
        times = _times(document, document.annotations[ancestor].slots or ("", ""))
        by_tier[tier].append(Annotation(*times, " ".join(text.strip() for text in texts if text.strip())))
    return by_tier


def _times(document: _Document, slots: tuple[str, str]) -> tuple[float | None, float | None]:
    return document.slots.get(slots[0]), document.slots.get(slots[1])


def _ancestor_with_times(document: _Document, identity: str) -> str:
    """The id of the nearest annotation with times, from this one upwards."""
    for _ in range(_DEEPEST):
        annotation = document.annotations.get(identity)
        if annotation is None:
            raise GoamaError(
                f"{document.path}: damaged: an annotation refers to {identity[:40]!r}, which is not there; "
                "open and save it in ELAN"
            )
        if annotation.slots:
            return identity
        identity = annotation.parent
    raise GoamaError(f"{document.path}: damaged: {identity[:40]!r} refers to itself; open and save it in ELAN")


def _in_order(siblings: dict[str, _Annotation]) -> list[_Annotation]:
    """The annotations of one parent, each after the one it names as previous; as in the file if these do not fit."""
    next_of = {sibling.previous: identity for identity, sibling in siblings.items()}
    ordered: list[_Annotation] = []
    identity = next_of.get("")
    while identity is not None and len(ordered) < len(siblings):
        ordered.append(siblings[identity])
        identity = next_of.get(identity)
    return ordered if len(ordered) == len(siblings) else list(siblings.values())


def _file_name(url: str) -> str:
    """The path in a URL such as `file:///C:/tapes/a%20b.wav`."""
    path = unquote(re.sub(r"^file:/*(?=/|[A-Za-z]:)", "", url), errors="surrogateescape")
    return path.replace("\0", "")


def _is_video(recording: LinkedRecording) -> bool:
    return recording.path.lower().endswith((".mp4", ".mov", ".mpg", ".mpeg", ".avi", ".mkv", ".webm", ".wmv", ".m4v"))
