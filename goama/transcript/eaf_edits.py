"""Where in the bytes of an ELAN file something can be inserted, so that everything else stays as it is.

An XML library would write the whole file anew, with other spaces, entities and line ends than ELAN's.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from xml.parsers import expat

_NUMBERED_ANNOTATION, _NUMBERED_SLOT = re.compile(r"a(\d+)"), re.compile(r"ts(\d+)")
_LAST_ID = "lastUsedAnnotationId"
_LINKS = ("MEDIA_DESCRIPTOR", "LINKED_FILE_DESCRIPTOR")
_NEEDED = {
    "TIER": ("TIER_ID", "LINGUISTIC_TYPE_REF"),
    "LINGUISTIC_TYPE": ("LINGUISTIC_TYPE_ID",),
    "CONSTRAINT": ("STEREOTYPE",),
}
"""The attributes without which tiers cannot be added."""
_DECLARED = re.compile(rb"""\A<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")


_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass
class Element:
    """A child of the document's element, as a part of its UTF-8 text."""

    tag: str
    attributes: dict[str, str]
    start: int
    end: int = 0
    """The byte after its end tag."""
    inside: int = 0
    """The byte after its start tag."""
    children_end: int = 0
    """The byte after the end tag of its last child; `inside` where it has none."""
    children: int = 0
    is_closed: bool = False
    """Whether it is one tag, `<TIER .../>`."""


@dataclass
class Outline:
    """The elements of an ELAN file, and the ids in use."""

    elements: list[Element] = field(default_factory=list)
    last_annotation: int = 0
    """Largest number in an annotation's id, or ELAN's own note of it."""
    last_slot: int = 0
    last_id_value: tuple[int, int] | None = None
    """Where ELAN's note of the last annotation's number stands."""
    links: list[tuple[int, int]] = field(default_factory=list)
    """Where the links to recordings and to other files stand in the header."""

    def named(self, *tags: str) -> list[Element]:
        """The elements with one of these tags."""
        return [element for element in self.elements if element.tag in tags]

    def end_of(self, *tags: str) -> int:
        """The byte after the last element with one of these tags; the file must have one."""
        return self.named(*tags)[-1].end

    @property
    def missing(self) -> str | None:
        """What ELAN's format asks for and the file does not have; None: nothing that is needed here."""
        for tag in ("HEADER", "TIME_ORDER"):
            if not self.named(tag):
                return f"it has no {tag}"
        for element in self.named(*_NEEDED):
            for name in _NEEDED[element.tag]:
                if name not in element.attributes:
                    return f"a {element.tag} has no {name}"
        return None


def outline(text: bytes) -> Outline:
    """The outline of an ELAN file, as UTF-8 (whatever it declares) that `read_elan` has read without complaint."""
    return _Scan(text).result


def to_utf8(content: bytes) -> tuple[bytes, str]:
    """(the text of an XML file as UTF-8, the encoding that it has)."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding).encode(), encoding
    declared = _DECLARED.match(content)
    encoding = declared[1].decode() if declared else "utf-8"
    return content.decode(encoding).encode(), encoding


def edited(text: bytes, edits: list[tuple[int, int, str]]) -> bytes:
    """The text with each part from `start` to `end` replaced; edits at one place keep their order."""
    pieces, done = [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[0]):
        pieces += [text[done:start], new.encode()]
        done = end
    return b"".join([*pieces, text[done:]])


class _Scan:
    """State of the parser: how deep it is, and the start tag whose end has not been seen yet."""

    def __init__(self, text: bytes):
        self.result = Outline()
        self._text, self._depth, self._open_tag = text, 0, False
        self._property_start: int | None = None
        self._link_start = 0
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.DefaultHandlerExpand = lambda _: self._start_tag_ended()
        self._parser.CharacterDataHandler = lambda _: self._start_tag_ended()
        self._parser.Parse(text, True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._start_tag_ended()
        here = self._parser.CurrentByteIndex
        if self._depth == 1:
            self.result.elements.append(Element(tag, attributes, here))
            self._open_tag = True
        elif self._depth == 2:
            self.result.elements[-1].children += 1
            self._link_start = here
        self._depth += 1
        self._note_ids(tag, attributes)
        if tag == "PROPERTY" and attributes.get("NAME") == _LAST_ID:
            self._property_start = self._text.index(b">", here) + 1

    def _end(self, tag: str) -> None:
        here = self._parser.CurrentByteIndex
        self._depth -= 1
        # The parser stands before an end tag, but behind a tag that is closed in itself.
        is_closed = not self._text.startswith(f"</{tag}".encode(), here)
        after = here if is_closed else self._text.index(b">", here) + 1
        if self._depth == 1:
            self._close(here, after, is_closed)
        elif self._depth == 2:
            self.result.elements[-1].children_end = after
            if tag in _LINKS:
                self.result.links.append((self._link_start, after))
        if tag == "PROPERTY" and self._property_start is not None:
            number = self._text[self._property_start : here].strip()
            if number.isdigit():
                self.result.last_id_value = self._property_start, here
                self.result.last_annotation = max(self.result.last_annotation, int(number))
            self._property_start = None

    def _close(self, here: int, after: int, is_closed: bool) -> None:
        element = self.result.elements[-1]
        if self._open_tag:
            element.inside, self._open_tag = here, False
        element.end, element.is_closed = after, is_closed
        element.children_end = element.children_end or element.inside

    def _start_tag_ended(self) -> None:
        if self._open_tag:
            self.result.elements[-1].inside = self._parser.CurrentByteIndex
            self._open_tag = False

    def _note_ids(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "TIME_SLOT" and (number := _NUMBERED_SLOT.fullmatch(attributes["TIME_SLOT_ID"])):
            self.result.last_slot = max(self.result.last_slot, int(number[1]))
        elif tag.endswith("_ANNOTATION") and (number := _NUMBERED_ANNOTATION.fullmatch(attributes["ANNOTATION_ID"])):
            self.result.last_annotation = max(self.result.last_annotation, int(number[1]))
