"""`--where "votes >= 1"`: a condition on the columns of a row; it is parsed here and never run as code.

condition  = all ("or" all)*
all        = one ("and" one)*
one        = "not" one | "(" condition ")" | value operator value
operator   = "==" "=" "!=" "<>" "<" "<=" ">" ">=" "in" "not in" "contains"
value      = column | `column name` | 'text' | number | true | false | (value, value, ...) after "in"
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from goama.errors import GoamaError

Cells = Mapping[str, Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?(?![\w.]))|(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`(?P<column>[^`]+)`"""
    r"""|(?P<sign>==|!=|<>|<=|>=|<|>|=|\(|\)|,)|(?P<word>[^\W\d][\w.\-]*))"""
)
_SIGNS = {"=": "==", "<>": "!="}
_MOST_NESTED = 50


@dataclass(frozen=True)
class Where:
    """A condition on rows; `columns` are those that it names."""

    text: str
    columns: tuple[str, ...]
    _holds: Callable[[Cells], bool]

    def __call__(self, row: Cells) -> bool:
        """Whether the row meets the condition. An empty cell equals '' and nothing else; it is never less or more."""
        return self._holds(row)

    def check_columns(self, present: Collection[str], table: str) -> None:
        """Raises `GoamaError` when the table lacks a column that the condition names."""
        for column in self.columns:
            if column not in present:
                close = difflib.get_close_matches(column, list(present)[:1000], n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else f"; text is written in quotes: '{column}'"
                raise GoamaError(
                    f"--where {self.text!r}: {table} has no column {column!r}{hint}; "
                    f"its columns are: {', '.join(' '.join(name[:60].split()) for name in list(present)[:20])}"
                )


def parse_where(text: str) -> Where:
    """The condition that a text says. Raises `GoamaError` with the place where it cannot be understood."""
    parser = _Parser(text)
    holds = parser.condition()
    if parser.token is not None:
        raise parser.error(f"{parser.token[1]!r} was not expected here")
    return Where(text, tuple(dict.fromkeys(parser.columns)), holds)


class _Parser:
    def __init__(self, text: str):
        self.text, self.at, self.columns, self.depth = text, 0, list[str](), 0
        self.token: tuple[str, str] | None = None
        self.advance()

    def error(self, what: str) -> GoamaError:
        return GoamaError(
            f"--where {self.text!r}: {what} (before character {self.at + 1}); write a condition on columns such as "
            "\"votes >= 1 and gender != ''\""
        )

    def advance(self) -> None:
        if not self.text[self.at :].strip():
            self.token = None
            return
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise self.error(f"{self.text[self.at :].strip()[:10]!r} is not understood")
        self.at = match.end()
        kind = str(match.lastgroup)
        self.token = (kind, match[kind])

    def take(self, *words: str) -> str | None:
        """The next word or sign if it is one of these, else None."""
        if self.token and self.token[0] in ("word", "sign") and self.token[1].lower() in words:
            taken = self.token[1].lower()
            self.advance()
            return taken
        return None

    def condition(self) -> Callable[[Cells], bool]:
        parts = [self.all()]
        while self.take("or"):
            parts.append(self.all())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def all(self) -> Callable[[Cells], bool]:
        parts = [self.one()]
        while self.take("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def one(self) -> Callable[[Cells], bool]:
        self.depth += 1
        if self.depth > _MOST_NESTED:
            raise self.error("too many brackets in brackets")
        try:
            if self.take("not"):
                inner = self.one()
                return lambda row: not inner(row)
            if self.take("("):
                inner = self.condition()
                if not self.take(")"):
                    raise self.error("a ) is missing")
                return inner
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Callable[[Cells], bool]:
        left = self.value()
        sign = self.take("==", "=", "!=", "<>", "<", "<=", ">", ">=", "in", "not", "contains")
        if sign is None:
            raise self.error("a comparison such as >= is missing")
        if sign == "not" and not self.take("in"):
            raise self.error("'in' is missing after 'not'")
        if sign in ("in", "not"):
            options = self.values()
            return lambda row: any(_equal(left(row), option(row)) for option in options) is (sign == "in")
        right = self.value()
        compare = _COMPARISONS[_SIGNS.get(sign, sign)]
        return lambda row: compare(left(row), right(row))

    def values(self) -> list[Callable[[Cells], Any]]:
        if not self.take("("):
            raise self.error("'in' needs a list in brackets: split in ('train', 'dev')")
        options = [self.value()]
        while self.take(","):
            options.append(self.value())
        if not self.take(")"):
            raise self.error("a ) is missing")
        return options

    def value(self) -> Callable[[Cells], Any]:
        if self.token is None:
            raise self.error("a value is missing at the end")
        kind, word = self.token
        if kind == "sign" or (kind == "word" and word.lower() in ("and", "or", "not", "in", "contains")):
            raise self.error(f"a column or a value is needed instead of {word!r}")
        self.advance()
        if kind == "number":
            return lambda row: float(word)
        if kind == "text":
            text = re.sub(r"\\(.)", r"\1", word[1:-1])
            return lambda row: text
        if word.lower() in ("true", "false") and kind == "word":
            return lambda row: word.lower() == "true"
        self.columns.append(word)
        return lambda row: row.get(word)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return _text(one).lower() == _text(other).lower()
    numbers = _number(one), _number(other)
    return numbers[0] == numbers[1] if None not in numbers else _text(one) == _text(other)


def _less(one: Any, other: Any) -> bool:
    numbers = _number(one), _number(other)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] < numbers[1]
    texts = _text(one), _text(other)
    both_text = numbers == (None, None)
    return bool(texts[0] and texts[1] and both_text and texts[0] < texts[1])


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda one, other: not _equal(one, other),
    "<": _less,
    ">": lambda one, other: _less(other, one),
    "<=": lambda one, other: _less(one, other) or (_text(one) != "" and _equal(one, other)),
    ">=": lambda one, other: _less(other, one) or (_text(one) != "" and _equal(one, other)),
    "contains": lambda one, other: _text(other).casefold() in _text(one).casefold(),
}
