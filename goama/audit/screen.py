"""An audit as lines for a terminal: the corpus, then the findings, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goama.audit.findings import Audit

_NAMED_SPEAKERS = 4


def lines(audit: Audit) -> Iterator[str]:
    """Lines without markup: the corpus, each finding with its first clips and its remedy, the count of findings."""
    yield from _corpus(audit)
    for finding in audit.findings:
        yield ""
        yield from finding.lines()
    yield ""
    counts = {
        severity: sum(f.severity == severity for f in audit.findings) for severity in ("error", "warning", "info")
    }
    if not audit.findings:
        yield "nothing found that would harm training"
    else:
        said = (f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts.items() if count)
        yield ", ".join(said) + " (info: nothing to mend)" * bool(counts["info"])


def _corpus(audit: Audit) -> Iterator[str]:
    summary = audit.summary
    language = f"language {audit.language or 'not given'}"
    yield f"{_count(summary['clips'], 'clip')}{_content(audit)}; {language}"
    for name, split in summary["splits"].items():
        yield (
            f"{name:9}{split['clips']:6d} clips"
            + (f"  {split['seconds'] / 60:7.1f} min" if split["seconds"] else "")
            + (f"  {_count(split['speakers'], 'speaker')}" if split["speakers"] else "")
        )
    speakers = summary["speakers"]
    if speakers:
        named = [
            name + (f" {_time(entry['seconds'])}" if entry["seconds"] else "")
            for name, entry in list(speakers.items())[:_NAMED_SPEAKERS]
        ]
        more = f" and {len(speakers) - _NAMED_SPEAKERS} more" if len(speakers) > _NAMED_SPEAKERS else ""
        yield "speakers " + ", ".join(named) + more
    if summary.get("frames"):
        yield _frames(summary)


def _content(audit: Audit) -> str:
    """How much sound and text the usable clips have, and how many clips cannot be used."""
    summary = audit.summary
    usable = sum(clip.fault is None for clip in audit.clips)
    if not usable:
        return ", none of which can be used"
    hours = f"{_time(3600 * summary['hours'])} of sound" if summary["hours"] else "sound of unknown length"
    if summary["speech_hours"]:
        hours += f", {_time(3600 * summary['speech_hours'])} of it speech"
    others = len(audit.clips) - usable
    which = f", {others} of which cannot be used; in the others" if others else ":"
    return f"{which} {hours}, {_count(summary['words'], 'word')}"


def _frames(summary: dict[str, Any]) -> str:
    rate = f"{summary['characters_per_second']:.1f} letters a second"
    plain, *halved = summary["frames"]
    if not halved:
        tight = summary["frames"][plain]["frames_per_label_in_the_tightest_hundredth"]
        return f"{rate}: {tight:.1f} frames of {plain} for each step that CTC needs, in the fastest clips"
    if summary["adapter"]:
        return (
            f"{rate}: slow enough for the {halved[0]} steps of a model with an adapter (`goama train` measures it too)"
        )
    return (
        f"{rate}, in the fastest clips too many for the {halved[0]} steps of a model with an adapter: "
        f"`goama train` measures it too, and takes steps of {plain}; nothing to do"
    )


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
