"""XML from strangers, read piece by piece: no document types, no entities, no tag without end, bounded depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO
from xml.parsers import expat

from goama.errors import GoamaError

_CHUNK = 1 << 16  # bytes
_LONGEST_TAG = 4 << 20  # bytes that the parser may hold before it understands them
_DEEPEST = 100

Start = Callable[[str, dict[str, str]], None]


def parse_xml(
    file: BinaryIO,
    name: str,
    *,
    start: Start,
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Call `start` (tag, attributes), `end` (tag) and `text` as the document goes by; nothing of it is kept.

    Raises `GoamaError` with the line when it is not well-formed or is made to do harm.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def refuse(*_: Any) -> None:
        raise GoamaError(
            f"{name}:{parser.CurrentLineNumber}: a document type or entities have no place in this file and can do "
            "harm; it is not read"
        )

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise GoamaError(f"{name}:{parser.CurrentLineNumber}: tags in tags in tags, {_DEEPEST} deep; not read")
        start(tag, attributes)

    def on_end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if end:
            end(tag)

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    if text:
        parser.CharacterDataHandler = text
    fed = 0
    try:
        while chunk := file.read(_CHUNK):
            parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - parser.CurrentByteIndex > _LONGEST_TAG:
                raise GoamaError(f"{name}:{parser.CurrentLineNumber}: a tag longer than {_LONGEST_TAG} bytes; not read")
        parser.Parse(b"", True)
    except KeyError:  # of those who were called
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:  # the others: encodings that Python does not know
        raise GoamaError(f"{name}:{parser.CurrentLineNumber}: not XML that can be read ({error})") from error
