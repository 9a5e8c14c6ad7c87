"""What all report pages share: template, style, script, and a policy that lets the page load and send nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goama import __version__
from goama.html import page_templates
from goama.reports.formatting import count_of_clips, duration, hours
from goama.reports.listening import megabytes, mp3_by_key

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).parent
_OPTION = re.compile(r"-s [\w.]+=[\w.+-]*\w")


@dataclass(frozen=True)
class Verdict:
    """The judgement at the top of a page; `severity` is that of a finding, or "good"."""

    severity: str
    judgement: str
    reason: str


def render(template: str, **values: Any) -> str:
    """The page that a template of this folder makes. Values are escaped: ids, transcripts and speakers stay text."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Environment:
    from markupsafe import Markup

    templates = page_templates(_HERE, "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'")
    templates.globals |= {
        "version": __version__,
        "severity_word": {"error": "Error", "warning": "Warning", "info": "Note"},
        "style": Markup((_HERE / "page.css").read_text(encoding="utf-8")),
    }
    templates.filters |= {
        "clips": count_of_clips,
        "duration": duration,
        "hours": hours,
        "grouped": "{:,}".format,
        "code": with_code,
        "mp3_by_key": mp3_by_key,
        "megabytes": megabytes,
    }
    return templates


def language_attribute(language: str | None) -> Markup | str:
    """The HTML attribute that says the language of a text; empty where it is unknown."""
    from markupsafe import Markup

    return Markup(' lang="{}"').format(language) if language else ""


def with_code(text: str) -> Markup:
    """The text, escaped; what stands between `backticks` and options such as -s train.steps=10 are marked as code."""
    from markupsafe import Markup, escape

    code = "<code>{}</code>"
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # a single backtick is only a character
        pieces = [text]
    marked = []
    for number, piece in enumerate(pieces):
        if number % 2:
            marked.append(Markup(code).format(piece))
            continue
        start = 0
        for option in _OPTION.finditer(piece):
            marked += [escape(piece[start : option.start()]), Markup(code).format(option[0])]
            start = option.end()
        marked.append(escape(piece[start:]))
    return Markup("").join(marked)
