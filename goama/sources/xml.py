"""Untrusted XML, parsed piece by piece: no document type, no entities, limited depth and length of tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from goama.errors import GoamaError

_CHUNK = 1 << 16  # bytes
_LONGEST_TAG = 4 << 20  # bytes that the parser may take in without an event
_DEEPEST = 100

Start = Callable[[str, dict[str, str]], None]


def parse_xml(
    file: BinaryIO, name: str, *, start: Start, end: Callable[[str], None], text: Callable[[str], None]
) -> None:
    """Call `start` (tag, attributes), `end` (tag) and `text` in the order of the document, which is not kept.

    name:  what error messages call the file
    Raises `GoamaError` with the line when the document is not well-formed, has a document type or entities, or
    exceeds a limit.
    """
    events = _Events(start, end, text)
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(events)

    def refusal(why: str) -> GoamaError:
        return GoamaError(f"{name}:{parser.getLineNumber()}: {why}")

    try:
        while chunk := file.read(_CHUNK):
            events.bytes_without_event += len(chunk)
            parser.feed(chunk)
            if events.bytes_without_event > _LONGEST_TAG:
                raise refusal(f"a tag longer than {_LONGEST_TAG} bytes; not read")
        parser.feed(b"", isFinal=True)
    except KeyError:  # raised by the functions that were passed in
        raise
    except _TooDeepError as error:
        raise refusal(f"tags nested more than {_DEEPEST} deep; not read") from error
    except DefusedXmlException as error:
        raise refusal(
            "a document type or entities have no place in this file and can do harm; it is not read"
        ) from error
    except SAXParseException as error:
        raise refusal(f"not XML that can be read ({error.getMessage()})") from error
    except (ValueError, LookupError) as error:  # an encoding that Python does not know
        raise refusal(f"not XML that can be read ({error})") from error


class _TooDeepError(Exception):
    pass


class _Events(ContentHandler):
    """Passes the parser's events on and counts what the limits are about."""

    def __init__(self, start: Start, end: Callable[[str], None], text: Callable[[str], None]) -> None:
        super().__init__()
        self._start, self._end, self._text = start, end, text
        self._depth = 0
        self.bytes_without_event = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self.bytes_without_event = 0
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _TooDeepError
        self._start(name, dict(attrs))

    def endElement(self, name: str) -> None:
        self.bytes_without_event = 0
        self._depth -= 1
        self._end(name)

    def characters(self, content: str) -> None:
        self.bytes_without_event = 0
        self._text(content)
