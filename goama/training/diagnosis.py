"""What is wrong with a run, and what to do about it: metrics and facts in, sentences with their evidence out.

Pure functions; each says nothing unless its evidence is there. The thresholds come from goama's own runs.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from goama.files import write_beside
from goama.training.facts import Facts, Spread

DIAGNOSIS_FILE = "diagnosis.json"

NORMAL_PLATEAU_STEPS = {"scratch": 1000, "pretrained": 300}
"""Until when CTC's blank plateau is normal; ours ended after 340 steps from scratch, 90 with a pretrained encoder."""

_NAMED = 5  # clips in a sentence
_RARE = 5  # a character seen at most so often in training is rare
_FEW_FRAMES = 1.25  # per label that CTC needs, in the tightest hundredth of the clips


@dataclass(frozen=True)
class Diagnosis:
    """One finding; `clips` are the ids it is about, `step` is when it was first true."""

    name: str
    sentence: str
    evidence: str
    remedy: str
    clips: tuple[str, ...] = ()
    step: int = 0

    def __str__(self) -> str:
        return f"{self.sentence} ({self.evidence}) -> {self.remedy}"


@dataclass(frozen=True)
class _History:
    """metrics.jsonl by kind of line."""

    steps: list[Mapping[str, Any]]
    evaluations: list[Mapping[str, Any]]
    events: list[Mapping[str, Any]]
    facts: Facts
    at_end: bool

    @property
    def step(self) -> int:
        return max((int(line["step"]) for line in (*self.steps, *self.evaluations, *self.events)), default=0)

    @property
    def by_ctc(self) -> list[Mapping[str, Any]]:
        """The logged steps whose loss measures what that of the last one does; none while CTC has no part in it.

        Frame labels alone, CTC fading in and what comes after have losses that cannot be compared.
        """
        guidance = _guidance(self.steps[-1]) if self.steps else 1.0
        if guidance == 1.0:
            return []
        return [line for line in self.steps if _guidance(line) == guidance and line["loss"] is not None]

    @property
    def ctc_begins(self) -> int:
        """The step after which CTC has a part in the loss: the last one of frame labels alone."""
        return max((int(line["step"]) for line in self.steps if _guidance(line) == 1.0), default=0)

    @property
    def peak_step(self) -> int:
        """The step with the highest rate so far: the end of the warm-up, once that is over."""
        return max(self.steps, key=lambda line: line["learning_rate"])["step"] if self.steps else 0

    @property
    def least_blank(self) -> float | None:
        """The least share of blank frames in the last fifty steps; None before CTC had a part in so many."""
        last = [line["blank_share"] for line in self.steps if _guidance(line) < 1.0][-5:]
        return min(last) if len(last) >= 3 else None

    @property
    def on_plateau(self) -> bool:
        """Blank everywhere for the last fifty steps, and nothing right in the last evaluation."""
        is_blank = self.least_blank is not None and self.least_blank >= 0.95
        return is_blank and bool(self.evaluations) and self.evaluations[-1]["dev_cer"] >= 0.9

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [line for line in self.events if line["event"] == event]


def _guidance(line: Mapping[str, Any]) -> float:
    """The share of the frame labels in a logged step's loss; a run without them need not say so."""
    return float(line.get("guidance", 0.0))


def diagnose(lines: Iterable[Mapping[str, Any]], facts: Facts, *, at_end: bool = False) -> list[Diagnosis]:
    """Everything that is true of a run now, the gravest first; `lines` are metrics.jsonl's, oldest first.

    `at_end` adds what can only be said of a whole run.
    """
    lines = list(lines)
    history = _History(
        [line for line in lines if "loss" in line],
        [line for line in lines if "dev_cer" in line],
        [line for line in lines if "event" in line],
        facts,
        at_end,
    )
    found = [diagnosis for check in _CHECKS for diagnosis in check(history)]
    return [Diagnosis(**{**asdict(one), "step": history.step}) for one in found]


def _stopped(history: _History) -> Iterable[Diagnosis]:
    for line in history.of("stopped"):
        yield Diagnosis(
            "stopped-by-the-guard",
            f"The guard stopped the training at step {line['step']}: {line['reason']}.",
            f"{_count(len(history.of('rolled back')), 'roll-back')} before; learning rate {line['learning_rate']:.1e}",
            "see the other findings; RUN/best holds the best model from before, if an evaluation found one",
        )


def _not_finite(history: _History) -> Iterable[Diagnosis]:
    unsound = _ids(history.of("unsound"))
    if unsound:
        yield Diagnosis(
            "sound-not-finite",
            f"{_clips(len(unsound))} cannot be trained on: some samples of the sound are not finite.",
            _first(unsound),
            "decode these recordings again (`goama prepare` does) and train anew",
            unsound,
        )
    skipped = history.of("skipped")
    if skipped:
        named = _ids(skipped)
        reasons = Counter(clip["why"] for line in skipped for clip in line["clips"])
        why = "; ".join(reason for reason, _ in reasons.most_common(2)) or "no single clip explains it"
        yield Diagnosis(
            "steps-skipped",
            f"{_count(len(skipped), 'step')} had no finite gradients and changed nothing.",
            f"{why}{f': {_first(named)}' if named else ''}",
            "check these clips"
            if named
            else f"lower the learning rate (-s train.learning_rate={history.facts.learning_rate / 3:.1e})",
            named,
        )


def _rate(history: _History) -> Iterable[Diagnosis]:
    """A loss that rose for good: undone by the guard, or slowly over hundreds of steps."""
    undone = [line for line in history.of("rolled back") + history.of("stopped") if line["kind"] != "not finite"]
    if undone:
        first = undone[0]
        since, rate = first["since_step"], first["learning_rate"]
        back = _count(len(history.of("rolled back")), "roll-back")
        evidence = f"from step {since} on {first['reason']}, at a rate of up to {rate:.1e}; {back}"
        if first["kind"] == "grown weights":
            yield Diagnosis(
                "learning-rate-too-high",
                "The learning rate was too high: the steps were larger than the weights.",
                evidence,
                f"train again with a tenth of that rate (-s train.learning_rate={rate / 10:.1e})",
            )
            return
        if first["kind"] == "forgotten":
            yield Diagnosis(
                "learning-rate-too-high",
                "The learning rate was too high: the network forgot what it could write.",
                evidence,
                f"train again with a tenth of that rate (-s train.learning_rate={rate / 10:.1e})",
            )
            return
    else:
        drift = _drift([(line["step"], line["loss"]) for line in history.by_ctc])
        if drift is None or _still_gains(history):
            return
        low_step, low, now = drift
        since, rate = low_step, max(line["learning_rate"] for line in history.steps)
        evidence = f"loss {low:.2f} around step {low_step}, {now:.2f} now, at a rate of up to {rate:.1e}"
    warmup = history.peak_step
    if warmup < 50 and since <= 3 * warmup:
        yield Diagnosis(
            "warm-up-too-short",
            f"The warm-up of {_count(warmup, 'step')} was too short: the loss rose right after it.",
            evidence,
            "let the rate rise longer (-s train.warmup=0.1, or more where that is under 50 steps)",
        )
    else:
        yield Diagnosis(
            "learning-rate-too-high",
            "The learning rate was too high: the loss rose and stayed up.",
            evidence,
            f"train again with a third of that rate (-s train.learning_rate={rate / 3:.1e})",
        )


def _drift(losses: Sequence[tuple[int, float]]) -> tuple[int, float, float] | None:
    """The step and level of the lowest sixth of a run, and its last sixth, where that is 15 % higher."""
    width = max(10, len(losses) // 6)
    if len(losses) < 3 * width:
        return None
    sixths = [losses[start : start + width] for start in range(0, len(losses) - 2 * width + 1, width)]
    level, step = min((median(loss for _, loss in part), part[len(part) // 2][0]) for part in sixths)
    now = median(loss for _, loss in losses[-width:])
    return (step, level, now) if now + 0.25 > 1.15 * (level + 0.25) else None


def _still_gains(history: _History) -> bool:
    """Whether the best dev CER is among the last two evaluations."""
    rates = [line["dev_cer"] for line in history.evaluations]
    return bool(rates) and min(rates) in rates[-2:]


def _plateau(history: _History) -> Iterable[Diagnosis]:
    if not history.on_plateau or history.least_blank is None:
        return
    facts = history.facts
    usual = NORMAL_PLATEAU_STEPS["scratch" if facts.from_scratch else "pretrained"]
    normal_until = max(history.ctc_begins + usual, 2 * history.peak_step)
    share = 100 * history.least_blank
    evidence = f"at least {share:.0f} % of the frames are blank, dev CER {_percent(history.evaluations[-1]['dev_cer'])}"
    right = history.steps[-1].get("frames_right")
    if right is not None:
        evidence += f"; of the letters' frames {_percent(right)} have the right frame label"
    if history.step <= normal_until and not history.at_end:
        yield Diagnosis(
            "blank-plateau",
            f"At step {history.step} the network writes next to nothing: CTC's blank plateau, "
            f"normal until about step {normal_until}.",
            evidence,
            "wait",
        )
    elif history.step <= normal_until:
        yield Diagnosis(
            "ended-on-the-blank-plateau",
            f"The run ended on CTC's blank plateau, which is normal until about step {normal_until}: it was too short.",
            evidence,
            f"train at least {max(3 * history.step, 2 * normal_until)} steps, or from a pretrained encoder",
        )
    else:
        yield Diagnosis(
            "stuck-on-the-blank-plateau",
            f"At step {history.step} the network still writes next to nothing; CTC's blank plateau is normal "
            f"until about step {normal_until}.",
            evidence,
            "train from a pretrained encoder (--encoder), or"
            f" {'longer' if facts.flat_start else 'on frame labels first (-s train.flat_start=0.45)'}"
            if facts.from_scratch
            else f"check that texts belong to their sounds; lower -s train.learning_rate={facts.learning_rate / 3:.1e}",
        )


def _over_fitting(history: _History) -> Iterable[Diagnosis]:
    """The dev set gets worse, in two evaluations running, while the training loss falls."""
    for key, name, least in (("dev_cer", "dev CER", 1.05), ("dev_loss", "dev loss", 1.1)):
        seen = [line for line in history.evaluations if line.get(key) is not None]
        if len(seen) < 4:
            continue
        best = min(seen, key=lambda line: (line[key], line["step"]))
        after = [line for line in seen if line["step"] > best["step"]]
        if len(after) < 2 or min(line[key] for line in after[-2:]) < least * best[key] or best["dev_cer"] > 0.9:
            continue
        then, now = _loss_around(history, best["step"]), _loss_around(history, history.step)
        if then is None or now is None or now > 0.9 * then:
            continue
        told = _percent if key == "dev_cer" else "{:.2f}".format
        recovers = key == "dev_loss" and _still_gains(history)
        yield Diagnosis(
            "over-fitting",
            f"The network learns the training clips by heart: since step {best['step']} the training loss falls and "
            f"the {name} rises{', though the CER does not yet' if recovers else ''}.",
            f"training loss {then:.2f} -> {now:.2f}, {name} {told(best[key])} -> {told(seen[-1][key])}",
            f"more speech helps most; else {_changes(history.facts)}, "
            "fewer epochs or -s train.patience=3; RUN/best is the model with the lowest dev CER",
        )
        return


def _changes(facts: Facts) -> str:
    """What makes the same clips different ones; encoders that hear waveforms know no tempo."""
    if facts.hears_waveforms:
        return "more masking (-s augment.time_masks_per_s=1)"
    return "more masking and tempo (-s augment.time_masks_per_s=1 -s augment.tempo=0.1)"


def _under_training(history: _History) -> Iterable[Diagnosis]:
    """Only of a whole run: losses that still fall steeply at its end."""
    if not history.at_end or history.on_plateau or history.of("stopped") or len(history.evaluations) < 4:
        return
    last = history.evaluations[-1]
    earlier = [line for line in history.evaluations if line["step"] <= 2 / 3 * last["step"]]
    if not earlier or not _still_gains(history):
        return
    key = "dev_loss" if last.get("dev_loss") and earlier[-1].get("dev_loss") else "dev_cer"
    fall = 1 - last[key] / earlier[-1][key]
    then, now = _loss_around(history, earlier[-1]["step"]), _loss_around(history, last["step"])
    if fall < 0.05 or then is None or now is None or now > 0.97 * then:
        return
    done = last["step"] / history.facts.steps_per_epoch
    more = max(1, math.ceil(done * (1.0 if fall >= 0.1 else 0.5)))
    minutes = history.facts.minutes
    longer = f"train.minutes={minutes * (1 + more / done):.3g}" if minutes else f"train.epochs={math.ceil(done) + more}"
    name = "dev loss" if key == "dev_loss" else "dev CER"
    yield Diagnosis(
        "under-training",
        f"The run was too short: in its last third the {name} still fell by {100 * fall:.0f} %.",
        f"{name} {earlier[-1][key]:.3g} at step {earlier[-1]['step']}, {last[key]:.3g} at step {last['step']}; "
        f"training loss {then:.2f} -> {now:.2f}",
        f"give it about {_count(more, 'epoch')} more: train again with -s {longer}",
    )


def _loss_around(history: _History, step: int) -> float | None:
    """The middle training loss of the ten logged lines up to a step."""
    losses = [line["loss"] for line in history.by_ctc if line["step"] <= step][-10:]
    return median(losses) if len(losses) >= 3 else None


def _frames(history: _History) -> Iterable[Diagnosis]:
    facts = history.facts
    unfit, all_clips = len(facts.unfit), len(facts.unfit) + facts.train.clips
    tightest, middle = facts.frames_per_label
    if unfit < max(1, 0.01 * all_clips) and tightest >= _FEW_FRAMES:
        return
    remedy = "check whether these texts belong to these sounds"
    if facts.adapter:
        remedy = "halve the frame shift (-s model.adapter=false)" + (f"; {remedy}" if unfit else "")
    elif not unfit:
        remedy = "an encoder with shorter frames, or clips that are not cut so tightly"
    yield Diagnosis(
        "too-few-frames-per-label",
        f"{_clips(unfit)} of {all_clips} left out: CTC needs more frames for the text than the sound has."
        if unfit
        else "In some clips CTC has hardly a frame for each label.",
        f"{tightest:.2f} frames for each that CTC needs in the tightest 1 % of the clips trained on, "
        f"{middle:.1f} in the middle{f'; {_first(facts.unfit)}' if unfit else ''}",
        remedy,
        facts.unfit,
    )


def _odd_batches(history: _History) -> Iterable[Diagnosis]:
    """Clips that spoil their batches, by rare characters or because text and sound do not belong together."""
    odd = history.of("odd batch")
    culprits = [clip for line in odd for clip in line["clips"][:1]]
    if len(culprits) < 3:
        return
    counts = history.facts.train.characters
    rare_in = {clip["id"]: _rare(clip["text"], counts) for clip in culprits}
    with_rare = [clip for clip in culprits if rare_in[clip["id"]]]
    evidence = f"{_count(len(odd), 'batch', 'batches')} with a loss far over the usual"
    if 2 * len(with_rare) > len(culprits):
        characters = sorted({unit for clip in with_rare for unit in rare_in[clip["id"]]})
        named = tuple(dict.fromkeys(clip["id"] for clip in with_rare))
        shown = ", ".join(f"{unit!r} ({counts.get(unit, 0)} times)" for unit in characters[:_NAMED])
        yield Diagnosis(
            "rare-characters",
            f"Rare characters make single batches go wrong: {shown}.",
            f"{evidence}, mostly by {_first(named)}",
            "spell these words otherwise, or let such characters become [UNK] (-s data.min_count=6)",
            named,
        )
        return
    again = Counter(clip["id"] for clip in culprits)
    named = tuple(clip for clip, count in again.most_common() if count >= 2)
    if named:
        yield Diagnosis(
            "clips-that-do-not-fit",
            f"{_clips(len(named))} again and again {'has' if len(named) == 1 else 'have'} a loss far over all others.",
            f"{evidence}; {_first(named)}",
            "listen to them: the text may be of another recording",
            named,
        )


def _rare(text: str, counts: Mapping[str, int]) -> list[str]:
    """The units of a text that training hardly ever has."""
    return [unit for unit, count in counts.items() if count <= _RARE and unit in text]


def _dev_unlike_train(history: _History) -> Iterable[Diagnosis]:
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


def _one_speaker(history: _History) -> Iterable[Diagnosis]:
    for name, evidence in _much_worse(history, "speakers", over=0.05):
        yield Diagnosis(
            "one-speaker-much-worse",
            f"{name} is understood much worse than the others.",
            evidence,
            "listen to these clips; more speech of this speaker, or of speakers alike, in training helps most",
        )


def _one_corpus(history: _History) -> Iterable[Diagnosis]:
    for name, evidence in _much_worse(history, "corpora", over=0.1):
        yield Diagnosis(
            "one-corpus-much-worse",
            f"The corpus {name} is understood much worse than the others: perhaps its texts are not what is said.",
            evidence,
            f"listen to some of its clips and read along; `goama check {name} --report` lays some out",
        )


def _much_worse(history: _History, of: str, *, over: float) -> Iterable[tuple[str, str]]:
    """Names and evidence of those whose CER is 1.5 times that of the others, and higher by `over`."""
    if not history.evaluations or history.evaluations[-1]["dev_cer"] > 0.9:
        return
    all_counts: Mapping[str, Sequence[int]] = history.evaluations[-1].get(of) or {}
    for name, (errors, characters, clips) in all_counts.items():
        others = [counts for other, counts in all_counts.items() if other != name]
        its = errors / max(1, characters)
        rest = sum(counts[0] for counts in others) / max(1, sum(counts[1] for counts in others))
        if clips >= 5 and characters >= 100 and its >= 1.5 * rest and its >= rest + over:
            yield name, f"dev CER {_percent(its)} over {_clips(clips)}, the others {_percent(rest)}"


_CHECKS: tuple[Callable[[_History], Iterable[Diagnosis]], ...] = (
    _stopped,
    _not_finite,
    _rate,
    _plateau,
    _over_fitting,
    _under_training,
    _frames,
    _odd_batches,
    _one_corpus,
    _one_speaker,
    _dev_unlike_train,
)


def save_diagnoses(run: Path, found: Sequence[Diagnosis], *, finished: bool, reason: str) -> list[Diagnosis]:
    """Write RUN/diagnosis.json and return what was not in it before: what a person has not been told yet.

    A finding keeps the step at which it was first true; one that is no longer true is no longer there, but
    stays told.
    """
    before = _read(run / DIAGNOSIS_FILE)
    told: dict[str, int] = before.get("told", {})
    kept = [Diagnosis(**{**asdict(one), "step": told.get(one.name, one.step)}) for one in found]
    new = [one for one in kept if one.name not in told]
    content = {
        "finished": finished,
        "reason": reason,
        "diagnoses": [asdict(one) for one in kept],
        "told": told | {one.name: one.step for one in new},
    }
    write_beside(run / DIAGNOSIS_FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return new


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _ids(lines: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clip["id"] for line in lines for clip in line["clips"]))


def _first(named: Sequence[str]) -> str:
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


def _clips(count: int) -> str:
    return _count(count, "clip")


def _count(count: int, noun: str, plural: str = "") -> str:
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
