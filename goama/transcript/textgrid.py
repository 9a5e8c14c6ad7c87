"""Transcripts as Praat's TextGrid, in its long text format: a tier of segments, one of words, one of confidences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goama.transcript.layout import Layout
from goama.transcript.spans import segment_spans, word_spans
from goama.transcript.transcript import Segment, Transcript, Word

_Interval = tuple[int, int, str]
"""Start and end in ms, and text."""


def to_textgrid(transcript: Transcript, layout: Layout) -> str:
    """The content of a .TextGrid file; intervals without speech have no text, as in Praat."""
    words, segments = transcript.words, transcript.segments
    spans = segment_spans(transcript)
    items: Sequence[Word] | Sequence[Segment] = segments
    tiers = {layout.tier: _intervals(spans, [segment.text for segment in segments])}
    if layout.words_tier is not None:
        spans, items = word_spans(transcript), words
        tiers[layout.words_tier] = _intervals(spans, [word.text for word in words])
    if layout.confidence_tier is not None:
        tiers[layout.confidence_tier] = _intervals(spans, [f"{item.confidence:.2f}" for item in items])
    last = max((intervals[-1][1] for intervals in tiers.values() if intervals), default=0)
    end = max(last, round(1000 * transcript.duration), 1)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end / 1000:.3f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", *_tier(name, _with_silence(intervals, end), end)]
    return "\n".join(lines) + "\n"


def _intervals(spans: Iterable[tuple[int, int]], texts: Iterable[str]) -> list[_Interval]:
    return [(start, end, text) for (start, end), text in zip(spans, texts, strict=True)]


def _with_silence(intervals: Sequence[_Interval], end: int) -> list[_Interval]:
    """The intervals, and empty ones between them: those of a tier cover the whole recording."""
    covered: list[_Interval] = []
    last = 0
    for interval in intervals:
        if interval[0] > last:
            covered.append((last, interval[0], ""))
        covered.append(interval)
        last = interval[1]
    if last < end:
        covered.append((last, end, ""))
    return covered


def _tier(name: str, intervals: Sequence[_Interval], end: int) -> list[str]:
    lines = [
        '        class = "IntervalTier"',
        f"        name = {_quoted(name)}",
        "        xmin = 0",
        f"        xmax = {end / 1000:.3f}",
        f"        intervals: size = {len(intervals)}",
    ]
    for number, (start, stop, text) in enumerate(intervals, start=1):
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {start / 1000:.3f}",
            f"            xmax = {stop / 1000:.3f}",
            f"            text = {_quoted(text)}",
        ]
    return lines


def _quoted(text: str) -> str:
    """The text in quotes; Praat would take a backslash for the start of a special symbol."""
    return '"' + text.replace("\\", "\\bs").replace('"', '""') + '"'
