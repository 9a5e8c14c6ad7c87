"""An ELAN file (.eaf) becomes tiers; an annotation without times of its own gets those of its parent.

Time slots without a time lie evenly between their neighbours on the tier, as ELAN shows them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    by_tier = _annotations_by_tier(document)
    spread = sum(annotation.interpolated for annotations in by_tier for annotation in annotations)
    note = f"{path.name}: annotations without times in the file lie evenly between their neighbours: {spread}"
    tiers = [
        Tier(
            name=attributes.get("TIER_ID", ""),
            annotations=annotations,
            kind=attributes.get("LINGUISTIC_TYPE_REF", ""),
            speaker=attributes.get("PARTICIPANT", "").strip() or None,
        )
        for attributes, annotations in zip(document.tiers, by_tier, strict=True)
    ]
    return AnnotationFile(tiers, sorted(document.recordings, key=_is_video), notes=(note,) if spread else ())


def _annotations_by_tier(document: _Document) -> list[list[Annotation]]:
    by_tier: list[list[Annotation]] = [[] for _ in document.tiers]
    children: dict[tuple[int, str], dict[str, _Annotation]] = defaultdict(dict)  # by tier and parent
    spread = _times_between(document)
    for identity, annotation in document.annotations.items():
        if annotation.tier < 0:
            raise GoamaError(
                f"{document.path}: damaged: the annotation {identity!r} is in no tier; open and save it in ELAN"
            )
        if annotation.slots:
            by_tier[annotation.tier].append(_timed(document, spread, annotation, annotation.text))
        else:
            children[annotation.tier, annotation.parent][identity] = annotation
    joined: dict[tuple[int, str], list[str]] = defaultdict(list)
    for (tier, parent), siblings in children.items():
        joined[tier, _ancestor_with_times(document, parent)].extend(s.text for s in _in_order(siblings))
    for (tier, ancestor), texts in joined.items():
        text = " ".join(text.strip() for text in texts if text.strip())
        by_tier[tier].append(_timed(document, spread, document.annotations[ancestor], text))
    return by_tier


def _timed(document: _Document, spread: dict[tuple[int, str], float], parent: _Annotation, text: str) -> Annotation:
    """The text with the times of `parent`, which has slots."""
    times, interpolated = [], False
    for slot in parent.slots or ("", ""):
        stored = document.slots.get(slot)
        between = spread.get((parent.tier, slot)) if stored is None else None
        interpolated |= between is not None
        times.append(stored if stored is not None else between)
    return Annotation(times[0], times[1], text, interpolated=interpolated)


def _times_between(document: _Document) -> dict[tuple[int, str], float]:
    """(tier, slot) -> time for slots without one that lie between two with one on their tier, in the file's order."""
    order = {slot: place for place, slot in enumerate(document.slots)}
    of_tier: dict[int, set[str]] = defaultdict(set)
    for annotation in document.annotations.values():
        if annotation.slots:
            of_tier[annotation.tier].update(slot for slot in annotation.slots if slot in order)
    everywhere = _spread(document.slots, document.slots)
    spread: dict[tuple[int, str], float] = {}
    for tier, used in of_tier.items():
        on_tier = _spread(document.slots, sorted(used, key=order.__getitem__))
        spread.update({(tier, slot): time for slot, time in {**everywhere, **on_tier}.items() if slot in used})
    return spread


def _spread(times: Mapping[str, float | None], slots: Iterable[str]) -> dict[str, float]:
    """Times for the slots that have none, evenly between the slots before and after them that have one."""
    spread: dict[str, float] = {}
    waiting: list[str] = []
    before: float | None = None
    for slot in slots:
        time = times[slot]
        if time is None:
            waiting.append(slot)
            continue
        if before is not None and before <= time:
            step = (time - before) / (len(waiting) + 1)
            spread.update({name: before + step * number for number, name in enumerate(waiting, start=1)})
        before, waiting = time, []
    return spread


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
    return recording.path.lower().endswith(
        (".mp4", ".mov", ".mpg", ".mpeg", ".avi", ".mkv", ".webm", ".wmv", ".m4v", ".flv", ".ts", ".mts", ".m2ts")
    )
