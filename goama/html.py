"""A few facts as HTML, for notebooks: a heading, rows of two cells, lines."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def facts_html(title: str, rows: Iterable[tuple[str, object]] = (), lines: Iterable[str] = ()) -> str:
    """A heading, a table of (name, value) and paragraphs; everything is escaped."""
    left = 'style="text-align:start"'
    table = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(str(value))}</td></tr>" for name, value in rows
    )
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<div><b>{escape(title)}</b>{f'<table>{table}</table>' if table else ''}{paragraphs}</div>"
