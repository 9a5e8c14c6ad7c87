"""What the readers decided about clips that are used: overlaps, times between neighbours, lengths that do not match."""

from __future__ import annotations

from collections.abc import Sequence

from goama.audit.findings import Finding, finding_if, of
from goama.audit.sound_checks import AuditedClip
from goama.sources import judge, remarks

_WORDS = {
    remarks.KEPT: (
        judge.OVERLAPPING,
        "warning",
        "whose annotation overlaps another one in time, kept as they are (--overlaps keep)",
        "Two voices, or words of the neighbour, are in the sound and not in the text.",
        "Correct the borders, or prepare with --overlaps trim or without --overlaps, which leaves them out.",
    ),
    remarks.TRIMMED: (
        "overlap-trimmed",
        "info",
        "cut at the middle of an overlap with another one (--overlaps trim)",
        "A word at the border may be cut.",
        "Listen to one or two of these clips; without --overlaps trim they are left out.",
    ),
    remarks.INTERPOLATED: (
        "times-interpolated",
        "info",
        "whose times are spread evenly between their neighbours, as ELAN shows them",
        "ELAN stores no time for these annotations, so nobody has set their borders.",
        "Listen to some of these clips; where the words do not fit, set the borders in ELAN.",
    ),
    remarks.LENGTH: (
        "annotation-length-mismatch",
        "warning",
        "from an annotation file whose length is not that of its recording",
        "The annotations may belong to another version of the recording; then every clip has the wrong words.",
        "Listen to some of these clips; if they do not fit, pair the file with the recording that it was made for.",
    ),
}
"""Kind of remark -> name and severity of the finding, what such clips are, why it matters, what to do."""


def check_remarks(clips: Sequence[AuditedClip]) -> list[Finding]:
    """Findings on what the readers decided about clips that can be used."""
    usable = [clip for clip in clips if not clip.facts.fault]
    found = []
    for kind, (name, severity, what, why, remedy) in _WORDS.items():
        details = {clip.facts.id: remark.sentence for clip in usable for remark in clip.remarks if remark.kind == kind}
        found.append(finding_if(name, severity, details, f"{of(len(details), len(clips))} {what}", why, remedy))
    return [finding for finding in found if finding]
