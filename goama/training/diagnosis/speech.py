"""Signs in the speech: frames that do not suffice, odd clips, a dev set, a speaker or a corpus unlike the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from goama.training.diagnosis.history import NAMED, Diagnosis, History, clip_count, counted, percent, some_of
from goama.training.facts import Spread
from goama.training.plan import TIGHTEST_WITH_ADAPTER

_RARE = 5  # a character seen at most so often in training is rare


def frames(history: History) -> Iterable[Diagnosis]:
    facts = history.facts
    unfit, all_clips = len(facts.unfit), len(facts.unfit) + facts.train.clips
    tightest, middle = facts.frames_per_label
    if unfit < max(1, 0.01 * all_clips) and tightest >= TIGHTEST_WITH_ADAPTER:
        return
    remedy = "check whether these texts belong to these sounds"
    if facts.adapter:
        remedy = "halve the frame shift (-s model.adapter=false)" + (f"; {remedy}" if unfit else "")
    elif not unfit:
        remedy = "an encoder with shorter frames, or clips that are not cut so tightly"
    yield Diagnosis(
        "too-few-frames-per-label",
        f"{clip_count(unfit)} of {all_clips} left out: CTC needs more frames for the text than the sound has."
        if unfit
        else "In some clips CTC has hardly a frame for each label.",
        f"{tightest:.2f} frames for each that CTC needs in the tightest 1 % of the clips trained on, "
        f"{middle:.1f} in the middle{f'; {some_of(facts.unfit)}' if unfit else ''}",
        remedy,
        facts.unfit,
    )


def odd_batches(history: History) -> Iterable[Diagnosis]:
    """Clips that spoil their batches, by rare characters or because text and sound do not belong together."""
    odd = history.of("odd batch")
    culprits = [clip for line in odd for clip in line["clips"][:1]]
    if len(culprits) < 3:
        return
    counts = history.facts.train.characters
    rare_in = {clip["id"]: _rare(clip["text"], counts) for clip in culprits}
    with_rare = [clip for clip in culprits if rare_in[clip["id"]]]
    evidence = f"{counted(len(odd), 'batch', 'batches')} with a loss far over the usual"
    if 2 * len(with_rare) > len(culprits):
        characters = sorted({unit for clip in with_rare for unit in rare_in[clip["id"]]})
        named = tuple(dict.fromkeys(clip["id"] for clip in with_rare))
        shown = ", ".join(f"{unit!r} ({counts.get(unit, 0)} times)" for unit in characters[:NAMED])
        yield Diagnosis(
            "rare-characters",
            f"Rare characters make single batches go wrong: {shown}.",
            f"{evidence}, mostly by {some_of(named)}",
            "spell these words otherwise, or let such characters become [UNK] (-s data.min_count=6)",
            named,
        )
        return
    again = Counter(clip["id"] for clip in culprits)
    named = tuple(clip for clip, count in again.most_common() if count >= 2)
    if named:
        yield Diagnosis(
            "clips-that-do-not-fit",
            f"{clip_count(len(named))} again and again {'has' if len(named) == 1 else 'have'} a loss far over all "
            "others.",
            f"{evidence}; {some_of(named)}",
            "listen to them: the text may be of another recording",
            named,
        )


def _rare(text: str, counts: Mapping[str, int]) -> list[str]:
    """The units of a text that training hardly ever has."""
    return [unit for unit, count in counts.items() if count <= _RARE and unit in text]


def dev_unlike_train(history: History) -> Iterable[Diagnosis]:
    train, dev = history.facts.train, history.facts.dev
    unseen = {unit: count for unit, count in dev.characters.items() if unit not in train.characters}
    share = sum(unseen.values()) / max(1, sum(dev.characters.values()))
    if share >= 0.005:
        shown = ", ".join(
            f"{unit!r} ({count})" for unit, count in sorted(unseen.items(), key=lambda item: -item[1])[:8]
        )
        yield Diagnosis(
            "dev-unlike-train-characters",
            f"{100 * share:.1f} % of the dev set's characters never occur in training; they cannot be learnt.",
            f"unseen: {shown}",
            "check the spelling of the dev texts, or split anew",
        )
    if (
        _apart(train.labels_per_s, dev.labels_per_s)
        and not 0.8 < dev.labels_per_s.middle / train.labels_per_s.middle < 1.25
    ):
        yield Diagnosis(
            "dev-unlike-train-speaking-rate",
            f"The dev set is spoken {'faster' if dev.labels_per_s.middle > train.labels_per_s.middle else 'slower'} "
            "than the training set.",
            f"in the middle {dev.labels_per_s.middle:.1f} characters a second; of the training clips eight in ten have "
            f"{train.labels_per_s.low:.1f} to {train.labels_per_s.high:.1f}",
            "split anew"
            if history.facts.hears_waveforms
            else "split anew, or train with other tempos (-s augment.tempo=0.2)",
        )
    louder_db = dev.level_db.middle - train.level_db.middle
    if _apart(train.level_db, dev.level_db) and abs(louder_db) >= 6:
        yield Diagnosis(
            "dev-unlike-train-loudness",
            f"The dev set is recorded {'louder' if louder_db > 0 else 'more quietly'} than the training set. goama "
            "evens the level out, but another level often means another microphone or room.",
            f"in the middle {dev.level_db.middle:.0f} dB; of the training clips eight in ten have "
            f"{train.level_db.low:.0f} to {train.level_db.high:.0f} dB of full scale",
            "listen to clips of both; split anew if the difference is not meant",
        )


def _apart(train: Spread, dev: Spread) -> bool:
    """Whether the middle of dev lies outside the middle eight tenths of train."""
    return not train.low <= dev.middle <= train.high


def one_speaker(history: History) -> Iterable[Diagnosis]:
    for name, evidence in _much_worse(history, "speakers", over=0.05):
        yield Diagnosis(
            "one-speaker-much-worse",
            f"{name} is understood much worse than the others.",
            evidence,
            "listen to these clips; more speech of this speaker, or of speakers alike, in training helps most",
            subject=name,
        )


def one_corpus(history: History) -> Iterable[Diagnosis]:
    for name, evidence in _much_worse(history, "corpora", over=0.1):
        yield Diagnosis(
            "one-corpus-much-worse",
            f"The corpus {name} is understood much worse than the others: perhaps its texts are not what is said.",
            evidence,
            "listen to some of its clips and read along; `goama check` lays some out (--report report.html)",
            subject=name,
        )


def _much_worse(history: History, of: str, *, over: float) -> Iterable[tuple[str, str]]:
    """Names and evidence of those whose CER is 1.5 times that of the others, and higher by `over`."""
    if not history.evaluations or history.evaluations[-1]["dev_cer"] > 0.9:
        return
    all_counts: Mapping[str, Sequence[int]] = history.evaluations[-1].get(of) or {}
    for name, (errors, characters, clips) in all_counts.items():
        others = [counts for other, counts in all_counts.items() if other != name]
        its = errors / max(1, characters)
        rest = sum(counts[0] for counts in others) / max(1, sum(counts[1] for counts in others))
        if clips >= 5 and characters >= 100 and its >= 1.5 * rest and its >= rest + over:
            yield name, f"dev CER {percent(its)} over {clip_count(clips)}, the others {percent(rest)}"
