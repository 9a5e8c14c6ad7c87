"""Times as whole milliseconds, neither empty nor overlapping: ELAN and Praat take no others on a tier."""

from __future__ import annotations

from itertools import islice

from goama.transcript.transcript import Transcript

Span = tuple[int, int]
"""Start and end in ms, the start below the end."""


def word_spans(transcript: Transcript) -> list[Span]:
    """The times of the words.

    A start before the end of the word before it is moved to that end; a word without length gets a millisecond.
    """
    spans = []
    free = 0
    for word in transcript.words:
        start = max(free, round(1000 * word.start))
        free = max(start + 1, round(1000 * word.end))
        spans.append((start, free))
    return spans


def segment_spans(transcript: Transcript) -> list[Span]:
    """The times of the segments, from the first of their `word_spans` to the last."""
    spans = iter(word_spans(transcript))
    members = [list(islice(spans, len(segment.words))) for segment in transcript.segments]
    return [(inside[0][0], inside[-1][1]) for inside in members]
