"""What every report page shares: the template with its style and script, and the policy that lets nothing in or out."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama import __version__

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """A template of this room as a page. Every value is text: ids, transcripts and speakers are escaped."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    fingerprint = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    templates.globals |= {
        "version": __version__,
        "style": Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        # Even a transcript that got past the escaping could neither run nor call home.
        "policy": f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{fingerprint}'",
    }
    templates.filters |= {"clips": count_of_clips, "duration": duration, "grouped": "{:,}".format, "code": with_code}
    return templates


def with_code(text: str) -> Markup:
    """Text, escaped; what stands between `backticks` is shown as something to type."""
    from markupsafe import Markup, escape

    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(pieces))


def count_of_clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count:,} clips"


def duration(seconds: float | None) -> str:
    """4.2 s, 12 min, 3.5 h: as many figures as a reader wants."""
    if seconds is None:
        return "length unknown"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.{1 if seconds < 600 else 0}f} min"
    return f"{seconds / 3600:.{1 if seconds < 360_000 else 0}f} h"
