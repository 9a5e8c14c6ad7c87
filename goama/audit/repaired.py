"""Clips whose sound was mended while it was read: damage, gaps in a clock, samples at another scale."""

from __future__ import annotations

from collections.abc import Sequence

from goama.audit.findings import ClipFacts, Finding, finding_if, of
from goama.audit.measure import Sound
from goama.sound import repairs
from goama.sources.judge import DAMAGED, NOT_FINITE

_WORDS = {
    repairs.DAMAGED: (
        DAMAGED,
        "warning",
        "with silence where sound could not be decoded (--damaged mend)",
        "Words of the text may be missing in the sound.",
        "Copy the files again from their origin, or leave these clips out: without --damaged mend.",
    ),
    repairs.NOT_FINITE: (
        NOT_FINITE,
        "warning",
        "with silence in place of samples that are not finite numbers (--damaged mend)",
        "Many such samples are audible as a break.",
        "Make these files again, or leave these clips out: without --damaged mend.",
    ),
    repairs.SCALED: (
        "audio-scaled",
        "info",
        "in files of floating-point samples that hold integers, divided so that full scale is 1",
        "Read as they are, nearly all their samples would be cut off at full scale.",
        "Nothing to do. Other programs may need them divided: soundfile.write(FILE, samples / 32768, rate)",
    ),
    repairs.JUMP: (
        "audio-clock-jump",
        "warning",
        "from recordings whose clock jumps back, or by hours, as in recorded streams and joined files",
        "Behind the jump nobody can tell the time that the text means: all sound is kept, and times count on.",
        "Listen to some of these clips; where the words do not fit, convert the recording and correct the times.",
    ),
    repairs.GAP: (
        "audio-clock-gap",
        "info",
        "with silence where the clock of their container jumps or starts late",
        "The container says that no sound was recorded there, and times count by its clock.",
        "Nothing to do if the words sound where the text says; listen to one of these clips.",
    ),
}
"""Kind of repair -> name and severity of the finding, what such clips are, why it matters, what to do."""


def check_repairs(clips: Sequence[tuple[ClipFacts, Sound]]) -> list[Finding | None]:
    """Findings on clips that are used although, or since, their sound was mended."""
    found = []
    for kind, (name, severity, what, why, remedy) in _WORDS.items():
        details = {
            facts.id: repair.sentence for facts, sound in clips for repair in sound.repairs if repair.kind == kind
        }
        found.append(finding_if(name, severity, details, f"{of(len(details), len(clips))} {what}", why, remedy))
    return found
