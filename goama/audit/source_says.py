"""What the source itself says of its clips: quality tags, and splits that it gives to some clips only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from goama.audit.findings import Finding, finding_if, of
from goama.sources.clip import SourceClip


def check_what_source_says(clips: Sequence[SourceClip]) -> list[Finding]:
    """Findings on the tags and splits of a source's clips."""
    return [finding for finding in (_quality_tags(clips), _partly_split(clips)) if finding]


def _quality_tags(clips: Sequence[SourceClip]) -> Finding | None:
    details = {clip.id: ", ".join(clip.tags) for clip in clips if clip.tags}
    counted = Counter(tag for clip in clips for tag in set(clip.tags)).most_common(5)
    return finding_if(
        "source-quality-tags",
        "warning",
        details,
        f"{of(len(details), len(clips))} that the source itself tags: "
        + ", ".join(f"{tag} ({count})" for tag, count in counted),
        "Those who listened to the clip found a fault in it, and a model learns it along with the speech.",
        "Listen to some of them; --where \"quality_tags == ''\" takes only clips without a tag.",
    )


def _partly_split(clips: Sequence[SourceClip]) -> Finding | None:
    if {clip.split for clip in clips} <= {None, "train"}:
        return None
    details = {clip.id: clip.where for clip in clips if clip.split is None and not clip.fault}
    return finding_if(
        "split-missing",
        "warning",
        details,
        f"{of(len(details), len(clips))} without a split, while the source splits the others",
        "Speakers that are in train and in test make the scores too good.",
        "`goama prepare` puts each where the source has its speaker, recording or sentence, and the others into train; "
        "--unsplit train or --unsplit leave-out decides otherwise.",
    )
