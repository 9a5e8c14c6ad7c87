"""Clips that are the same recording: sample by sample, or encoded again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from goama.audit.findings import Finding, of, shortened
from goama.audit.fingerprint import find_copies
from goama.audit.sound_checks import AuditedClip

SHORTEST_S = 0.4
"""Shortest speech compared: shorter copies cannot be told from short words that sound alike."""


_Pair = tuple[AuditedClip, AuditedClip]
"""A copy, and the first clip with its sound."""


def check_duplicates(clips: Sequence[AuditedClip], mute: frozenset[str]) -> list[Finding]:
    """Findings on copies; `mute`: ids of clips without speech, which are all alike and not compared."""
    readable = [clip for clip in clips if clip.sound and not clip.facts.fault and clip.facts.id not in mute]
    exact, again = _exact(readable), _encoded_again(readable)
    other_text = {
        clip.facts.id: f"{shortened(clip.facts.text)!r}, but {first.facts.id}: {shortened(first.facts.text)!r}"
        for clip, first in [*exact, *again]
        if not _same_text(clip, first)
    }
    surely = any(not _same_text(clip, first) for clip, first in exact)
    across: dict[str, str] = {}
    for clip, first in [*exact, *again]:
        if clip.facts.split and first.facts.split and clip.facts.split != first.facts.split:
            held_out, other = (clip, first) if clip.facts.split != "train" else (first, clip)
            across[held_out.facts.id] = f"in {held_out.facts.split}, and {other.facts.id} in {other.facts.split}"
    said = {*other_text, *across}
    found = [
        Finding(
            "duplicate-in-two-splits",
            "error",
            tuple(across),
            f"{of(len(across), len(clips))} whose recording is in two splits",
            "The model is tested on what it was trained on: the score is false.",
            "Remove these clips from dev and test.",
            across,
        ),
        Finding(
            "duplicate-with-other-text",
            "error" if surely else "warning",
            tuple(other_text),
            f"{of(len(other_text), len(clips))} with the sound of another clip and another text",
            "One of the two transcripts is wrong.",
            "Listen, keep the row whose text is right, and remove the other.",
            other_text,
        ),
        _copies("duplicate-exact", "the very same sound as another clip", exact, said, len(clips)),
        _copies("duplicate-encoded-again", "the sound of another clip in another encoding", again, said, len(clips)),
    ]
    return [finding for finding in found if finding.clips]


def _same_text(clip: AuditedClip, first: AuditedClip) -> bool:
    return clip.facts.normalised == first.facts.normalised


def _copies(name: str, what: str, pairs: Sequence[_Pair], said: set[str], total: int) -> Finding:
    details = {clip.facts.id: f"as {first.facts.id}" for clip, first in pairs if clip.facts.id not in said}
    return Finding(
        name,
        "warning",
        tuple(details),
        f"{of(len(details), total)} with {what}",
        "A recording counts twice in training, and one copy may end up in the test.",
        "Remove the copies (each is named with the clip it repeats).",
        details,
    )


def _exact(clips: Sequence[AuditedClip]) -> list[_Pair]:
    by_digest: dict[bytes, list[AuditedClip]] = defaultdict(list)
    for clip in clips:
        if clip.sound:
            by_digest[clip.sound.digest].append(clip)
    return [(copy, members[0]) for members in by_digest.values() for copy in members[1:]]


def _encoded_again(clips: Sequence[AuditedClip]) -> list[_Pair]:
    first_of: dict[bytes, AuditedClip] = {}
    for clip in clips:
        if clip.sound and clip.sound.speech_s >= SHORTEST_S:
            first_of.setdefault(clip.sound.digest, clip)
    unlike = list(first_of.values())
    original: dict[int, int] = {}
    for first, second, _ in sorted(find_copies([clip.sound.fingerprint for clip in unlike if clip.sound])):
        original.setdefault(second, original.get(first, first))
    return [(unlike[copy], unlike[first]) for copy, first in sorted(original.items())]
