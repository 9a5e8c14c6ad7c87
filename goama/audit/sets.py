"""Checks of the splits: overlap of texts and speakers, size, and balance of speakers."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from goama.audit.findings import ClipFacts, Finding, of, shortened
from goama.corpus.corpus import SPLITS
from goama.corpus.split import ENOUGH_SPEAKERS

INTERVAL = 0.03
ASSUMED_WER = 0.3
DESIGN_EFFECT = 1.6
"""A WER of 30 % is measured to ±3 points (95 %) with 1.96² · 0.3 · 0.7 / 0.03² independent words; errors come in
clusters, which widens the interval as much as having 1.6 times fewer words."""

WORDS_NEEDED = round(1.96**2 * ASSUMED_WER * (1 - ASSUMED_WER) / INTERVAL**2 * DESIGN_EFFECT)

LARGEST_SPEAKER_SHARE = 0.5
"""Largest share of the speech that one of several speakers should have."""

_FEW_WORDS = 3
"""Shorter sentences (yes; good morning) are expected in two splits."""


def check_sets(clips: Sequence[ClipFacts], copies: frozenset[str] = frozenset()) -> list[Finding]:
    """Findings on the splits; `copies`: ids of clips already reported as copies of another recording."""
    usable = [clip for clip in clips if clip.normalised and not clip.fault]
    found = [
        _same_text([clip for clip in usable if clip.id not in copies]),
        _same_speaker(usable),
        *(_too_small(usable, split) for split in ("test", "dev")),
        _missing_split(usable),
        _unbalanced(usable),
        _without_speaker(usable),
        _speaker_spelling(usable),
    ]
    return [finding for finding in found if finding]


def summary(clips: Sequence[ClipFacts]) -> dict[str, Any]:
    """Clips, seconds, words and speakers of each split, and clips and seconds of each speaker."""
    splits: dict[str, dict[str, Any]] = {}
    for name in (*SPLITS, None):
        members = [clip for clip in clips if clip.split == name]
        if members:
            splits[name or "not split"] = {
                "clips": len(members),
                "seconds": round(sum(clip.seconds or 0.0 for clip in members), 2),
                "words": sum(clip.words for clip in members),
                "speakers": len({clip.speaker for clip in members if clip.speaker}),
            }
    speakers: dict[str, dict[str, Any]] = {}
    for clip in clips:
        if clip.speaker:
            entry = speakers.setdefault(clip.speaker, {"clips": 0, "seconds": 0.0})
            entry["clips"] += 1
            entry["seconds"] += clip.seconds or 0.0
    for entry in speakers.values():
        entry["seconds"] = round(entry["seconds"], 2)
    return {
        "splits": splits,
        "speakers": dict(sorted(speakers.items(), key=lambda item: -item[1]["seconds"])),
    }


def _same_text(clips: Sequence[ClipFacts]) -> Finding | None:
    by_text: dict[str, list[ClipFacts]] = defaultdict(list)
    for clip in clips:
        if clip.split and clip.words >= _FEW_WORDS:
            by_text[clip.normalised].append(clip)
    details = {}
    for members in by_text.values():
        trained = next((clip for clip in members if clip.split == "train"), members[0])
        for clip in members:
            if clip.split != trained.split:
                details[clip.id] = f"in {clip.split}, and {trained.id} in {trained.split}: {shortened(clip.normalised)}"
    held_out = sum(clip.split in ("dev", "test") for clip in clips)
    if not details:
        return None
    return Finding(
        "split-same-text",
        "warning",
        tuple(details),
        f"{len(details)} of the {held_out} clips of dev and test have a sentence that is also in another split",
        "The model has seen these sentences in training and recognises them better than new ones, so the error rate is "
        "too low.",
        "Remove them from dev and test, or let goama split again: without the split column it keeps equal sentences "
        "together.",
        details,
    )


def _same_speaker(clips: Sequence[ClipFacts]) -> Finding | None:
    trained = {clip.speaker for clip in clips if clip.split == "train" and clip.speaker}
    held_out = [clip for clip in clips if clip.split in ("dev", "test") and clip.speaker]
    shared = sorted({clip.speaker for clip in held_out if clip.speaker in trained})
    if not shared:
        return None
    everybody = {clip.speaker for clip in clips if clip.speaker}
    names = ", ".join(map(str, shared[:4])) + (f" and {len(shared) - 4} more" if len(shared) > 4 else "")
    how_many = f"{len(shared)} of {len(everybody)} speakers are" if len(everybody) > 1 else "the only speaker is"
    return Finding(
        "split-same-speaker",
        "info" if len(everybody) < ENOUGH_SPEAKERS else "warning",
        (),
        f"{how_many} in train and in dev or test: {names}",
        "The error rate then measures how well known voices are recognised; a new voice is harder.",
        "With few speakers there is no other way. With eight or more, keep speakers apart: without the split column "
        "goama does it.",
        {},
    )


def _too_small(clips: Sequence[ClipFacts], split: str) -> Finding | None:
    members = [clip for clip in clips if clip.split == split]
    words = sum(clip.words for clip in members)
    there = round(100 * INTERVAL * (WORDS_NEEDED / max(1, words)) ** 0.5)
    if not members or there <= 100 * INTERVAL:
        return None
    seconds = sum(clip.seconds or 0.0 for clip in members)
    how_long = f" in {seconds / 60:.1f} minutes" if seconds else ""
    needed = f"{WORDS_NEEDED} words"
    if seconds and words:
        needed += f", about {seconds / words * WORDS_NEEDED / 60:.0f} minutes in this corpus"
    return Finding(
        f"split-{split}-too-small",
        "warning" if split == "test" else "info",
        (),
        f"{split} has {words} words{how_long}: a word error rate of 30 % would be known to ±{there} points only",
        "Models whose error rates differ by less cannot be compared.",
        f"For ±3 points it takes {needed}: move clips from train, or record more.",
        {},
    )


def _missing_split(clips: Sequence[ClipFacts]) -> Finding | None:
    there = {clip.split for clip in clips if clip.split}
    if not there or {"train", "test"} <= there:
        return None
    missing = [split for split in SPLITS if split not in there]
    if there == {"train"}:
        return None  # prepare holds out dev and test by itself
    return Finding(
        "split-missing",
        "warning",
        (),
        f"there is no {' and no '.join(missing)} split, but {' and '.join(s for s in SPLITS if s in there)}",
        "Without test clips that training has never seen, the quality of the model is unknown; dev is used to choose "
        "the best checkpoint, so its error rate is too low.",
        "Give some clips the split test, or remove the split column and let `goama prepare` choose.",
        {},
    )


def _unbalanced(clips: Sequence[ClipFacts]) -> Finding | None:
    seconds: Counter[str] = Counter()
    for clip in clips:
        if clip.speaker:
            seconds[clip.speaker] += clip.seconds or 0.0  # type: ignore[assignment]
    total = sum(seconds.values())
    if len(seconds) < 3 or not total:
        return None
    name, most = seconds.most_common(1)[0]
    if most <= LARGEST_SPEAKER_SHARE * total:
        return None
    return Finding(
        "speakers-unbalanced",
        "info",
        (),
        f"{100 * most / total:.0f} % of the sound is {name}'s, the rest that of the other {len(seconds) - 1} speakers",
        "The model will recognise this voice best, and others much worse.",
        "Record more of the others, or look at the error rates by speaker.",
        {},
    )


def _without_speaker(clips: Sequence[ClipFacts]) -> Finding | None:
    unknown = tuple(clip.id for clip in clips if not clip.speaker)
    if not unknown or len(unknown) == len(clips):
        return None
    return Finding(
        "speaker-unknown",
        "info",
        unknown,
        f"{of(len(unknown), len(clips))} without a speaker",
        "Speakers can be kept apart only if each clip names its speaker.",
        "Fill the speaker column; a made-up name for each voice is enough.",
        {},
    )


def _speaker_spelling(clips: Sequence[ClipFacts]) -> Finding | None:
    """Speakers whose names differ only in case, spaces, marks or the Unicode form of accents: Awa D., AWA D, awa_d."""
    alike: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        if clip.speaker:
            letters = filter(str.isalnum, unicodedata.normalize("NFC", clip.speaker).casefold())
            alike["".join(letters) or clip.speaker][clip.speaker].append(clip.id)
    groups = [names for names in alike.values() if len(names) > 1]
    if not groups:
        return None
    rarer = tuple(i for names in groups for ids in sorted(names.values(), key=len)[:-1] for i in ids)
    shown = "; ".join(" / ".join(shortened(name) for name in names) for names in groups[:3])
    return Finding(
        "speaker-spelling",
        "warning",
        rarer,
        f"{of(len(rarer), len(clips))} with the name of another speaker in another spelling: {shown}",
        "They count as different people: a voice may be in train and in test, and `goama corpus forget` misses clips.",
        "Write each speaker's name in one way.",
        {},
    )
