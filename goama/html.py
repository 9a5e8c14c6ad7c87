"""What all HTML shares: facts for notebooks, and the templates of pages that run their own script only."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def facts_html(title: str, rows: Iterable[tuple[str, object]] = (), lines: Iterable[str] = ()) -> str:
    """A heading, a table of (name, value) and paragraphs; everything is escaped."""
    left = 'style="text-align:start"'
    table = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(str(value))}</td></tr>" for name, value in rows
    )
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<div><b>{escape(title)}</b>{f'<table>{table}</table>' if table else ''}{paragraphs}</div>"


def page_templates(folder: Path, policy: str) -> Environment:
    """The Jinja templates of a folder, which escape their values; `script` is its `page.js`.

    `policy` is what a page may load. With the script's fingerprint it is the content security policy: even a
    transcript that got past the escaping could neither run a script nor load or send anything else.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (folder / "page.js").read_text(encoding="utf-8")
    fingerprint = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    templates.globals["script"] = Markup(script)
    templates.globals["policy"] = f"{policy}; script-src 'sha256-{fingerprint}'"
    return templates
