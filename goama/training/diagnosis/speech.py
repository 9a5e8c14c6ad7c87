"""Checks on the clips: too few frames, odd batches, a corpus or speaker much worse than the others, an odd dev set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from goama.audit.findings import Finding
from goama.audit.pairs import TIGHT_FRAMES_PER_LABEL
from goama.training.diagnosis.history import NAMED, History, clip_count, counted, percent, some_of
from goama.training.facts import Spread

_RARE = 5  # largest count in training at which a character is rare
_DEV_UNLIKE_TRAIN = "The dev set decides which model is kept as the best; it should be like the speech trained on."


def frames(history: History) -> Iterable[Finding]:
    """A finding where clips have fewer frames than CTC needs for their text, or hardly more."""
    facts = history.facts
    unfit, all_clips = len(facts.unfit), len(facts.unfit) + facts.train.clips
    tightest, middle = facts.frames_per_label
    if unfit < max(1, 0.01 * all_clips) and tightest >= TIGHT_FRAMES_PER_LABEL:
        return
    remedy = "Check whether these texts belong to these sounds."
    if facts.adapter:
        remedy = "Halve the frame shift (-s model.adapter=false)." + (f" {remedy}" if unfit else "")
    elif not unfit:
        remedy = "Take an encoder with shorter frames, or cut the clips less tightly."
    yield Finding(
        "too-few-frames-per-label",
        "warning",
        facts.unfit,
        f"{clip_count(unfit)} of {all_clips} left out: CTC needs more frames for the text than the sound has."
        if unfit
        else "In some clips CTC has hardly a frame for each label.",
        "CTC needs a frame for each label; with hardly more it cannot place the letters in time.",
        remedy,
        evidence=f"{tightest:.2f} frames for each that CTC needs in the tightest 1 % of the clips trained on, "
        f"{middle:.1f} in the median{f'; {some_of(facts.unfit)}' if unfit else ''}",
    )


def odd_batches(history: History) -> Iterable[Finding]:
    """A finding about clips that make single batches go wrong: rare characters, or a text of another recording."""
    odd = history.events("odd batch")
    worst_clips = [clip for line in odd for clip in line["clips"][:1]]
    if len(worst_clips) < 3:
        return
    counts = history.facts.train.characters
    rare_in = {clip["id"]: _rare(clip["text"], counts) for clip in worst_clips}
    with_rare = [clip for clip in worst_clips if rare_in[clip["id"]]]
    evidence = f"{counted(len(odd), 'batch', 'batches')} with a loss far above the usual"
    if 2 * len(with_rare) > len(worst_clips):
        characters = sorted({unit for clip in with_rare for unit in rare_in[clip["id"]]})
        named = tuple(dict.fromkeys(clip["id"] for clip in with_rare))
        shown = ", ".join(f"{unit!r} ({counts.get(unit, 0)} times)" for unit in characters[:NAMED])
        yield Finding(
            "rare-characters",
            "warning",
            named,
            f"Rare characters make single batches go wrong: {shown}.",
            "A character that training hardly has cannot be learnt, and its gradients disturb the others.",
            "Write these words without them, or let such characters become [UNK] (-s data.min_count=6).",
            evidence=f"{evidence}, mostly by {some_of(named)}",
        )
        return
    times = Counter(clip["id"] for clip in worst_clips)
    named = tuple(clip for clip, count in times.most_common() if count >= 2)
    if named:
        yield Finding(
            "clips-that-do-not-fit",
            "warning",
            named,
            f"{clip_count(len(named))} {'has' if len(named) == 1 else 'have'} a loss far above all others, again and "
            "again.",
            "A text that is not what is said teaches wrong letters.",
            "Listen to them: their text may belong to another recording.",
            evidence=f"{evidence}; {some_of(named)}",
        )


def _rare(text: str, counts: Mapping[str, int]) -> list[str]:
    """The characters of a text that training hardly ever has."""
    return [unit for unit, count in counts.items() if count <= _RARE and unit in text]


def corpora(history: History) -> Iterable[Finding]:
    """A finding for each corpus with a much higher CER than the others."""
    for name, evidence in _much_worse(history, "corpora", over=0.1):
        yield Finding(
            "one-corpus-much-worse",
            "warning",
            (),
            f"The corpus {name} has a much higher CER than the others; its transcripts may not match its audio.",
            "Texts that are not what is said teach wrong letters, in the other corpora too.",
            "Listen to some of its clips and read along; `goama check --report report.html` has some.",
            evidence=evidence,
            subject=name,
        )


def speakers(history: History) -> Iterable[Finding]:
    """A finding for each speaker with a much higher CER than the others."""
    for name, evidence in _much_worse(history, "speakers", over=0.05):
        yield Finding(
            "one-speaker-much-worse",
            "warning",
            (),
            f"{name} has a much higher CER than the other speakers.",
            "The error rate of all clips hides that the model does not work for this voice.",
            "Listen to these clips; more training speech of this speaker, or of similar speakers, helps most.",
            evidence=evidence,
            subject=name,
        )


def _much_worse(history: History, of: str, *, over: float) -> Iterable[tuple[str, str]]:
    """Names and evidence of those whose CER is 1.5 times that of the others, and higher by `over`."""
    if not history.evaluations or history.evaluations[-1]["dev_cer"] > 0.9:
        return
    all_counts: Mapping[str, Sequence[int]] = history.evaluations[-1].get(of) or {}
    for name, (errors, characters, clips) in all_counts.items():
        others = [counts for other, counts in all_counts.items() if other != name]
        cer = errors / max(1, characters)
        others_cer = sum(counts[0] for counts in others) / max(1, sum(counts[1] for counts in others))
        if clips >= 5 and characters >= 100 and cer >= 1.5 * others_cer and cer >= others_cer + over:
            yield name, f"dev CER {percent(cer)} over {clip_count(clips)}, the others {percent(others_cer)}"


def dev_unlike_train(history: History) -> Iterable[Finding]:
    """Findings where the dev clips differ from the training clips in characters, speaking rate or loudness."""
    yield from _unseen_characters(history)
    yield from _other_speaking_rate(history)
    yield from _other_loudness(history)


def _unseen_characters(history: History) -> Iterable[Finding]:
    train, dev = history.facts.train, history.facts.dev
    unseen = {unit: count for unit, count in dev.characters.items() if unit not in train.characters}
    share = sum(unseen.values()) / max(1, sum(dev.characters.values()))
    if share < 0.005:
        return
    shown = ", ".join(f"{unit!r} ({count})" for unit, count in sorted(unseen.items(), key=lambda item: -item[1])[:8])
    yield Finding(
        "dev-unlike-train-characters",
        "warning",
        (),
        f"{percent(share)} of the dev set's characters never occur in training; they cannot be learnt.",
        "Each of them counts as an error whatever the model does.",
        "Check the spelling of the dev texts, or split again.",
        evidence=f"unseen: {shown}",
    )


def _other_speaking_rate(history: History) -> Iterable[Finding]:
    train, dev = history.facts.train.labels_per_s, history.facts.dev.labels_per_s
    if not _is_outside(train, dev) or 0.8 < dev.median / train.median < 1.25:
        return
    yield Finding(
        "dev-unlike-train-speaking-rate",
        "warning",
        (),
        f"The speech of the dev set is {'faster' if dev.median > train.median else 'slower'} than that of the "
        "training set.",
        _DEV_UNLIKE_TRAIN,
        "Split again."
        if history.facts.takes_waveforms
        else "Split again, or train with more varied tempo (-s augment.tempo=0.2).",
        evidence=f"median {dev.median:.1f} characters per second; 80 % of the training clips have "
        f"{train.low:.1f} to {train.high:.1f}",
    )


def _other_loudness(history: History) -> Iterable[Finding]:
    train, dev = history.facts.train.level_db, history.facts.dev.level_db
    louder_db = dev.median - train.median
    if not _is_outside(train, dev) or abs(louder_db) < 6:
        return
    yield Finding(
        "dev-unlike-train-loudness",
        "warning",
        (),
        f"The dev set is recorded {'louder' if louder_db > 0 else 'more quietly'} than the training set.",
        "goama normalises the level, but a different level often means a different microphone or room.",
        "Listen to clips of both; split again if the difference is not intended.",
        evidence=f"median {dev.median:.0f} dB; 80 % of the training clips have "
        f"{train.low:.0f} to {train.high:.0f} dB of full scale",
    )


def _is_outside(train: Spread, dev: Spread) -> bool:
    """Whether the median of dev lies outside the middle eight tenths of train."""
    return not train.low <= dev.median <= train.high
