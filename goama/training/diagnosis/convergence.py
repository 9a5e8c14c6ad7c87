"""Checks on losses and error rates: guard, learning rate, blank plateau, overfitting, too short a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from goama.audit.findings import Finding
from goama.training.choices import AUGMENTATION
from goama.training.diagnosis.history import History, clip_count, counted, ids_of, percent, some_of
from goama.training.facts import Facts
from goama.training.schedule import LARGEST_FIRST_SHARE, WARMUP_STEPS

_NORMAL_PLATEAU_STEPS = {"scratch": 1000, "pretrained": 300}
"""Until when CTC's blank plateau is normal; ours ended after 340 steps from scratch, 90 with a pretrained encoder."""

_RATE_TOO_HIGH = "Above a certain rate each step undoes what the steps before have learnt."
_PLATEAU = "CTC first learns to write blanks only; until it leaves this plateau the model writes nothing."


def stopped(history: History) -> Iterable[Finding]:
    """A finding for each time the guard stopped the training."""
    for line in history.events("stopped"):
        yield Finding(
            "stopped-by-the-guard",
            "error",
            (),
            f"The guard stopped the training at step {line['step']}: {line['reason']}.",
            "Further training would have made the model worse.",
            "See the other findings; RUN/best holds the best model from before, if an evaluation found one.",
            evidence=f"{counted(len(history.events('rolled back')), 'roll-back')} before; "
            f"learning rate {_rates_at(history.facts, line['learning_rate'])}",
        )


def not_finite(history: History) -> Iterable[Finding]:
    """Findings about clips with samples, and about steps with gradients, that are not finite."""
    unsound = ids_of(history.events("unsound"))
    if unsound:
        yield Finding(
            "sound-not-finite",
            "error",
            unsound,
            f"{clip_count(len(unsound))} cannot be trained on: some samples of the sound are not finite.",
            "One such sample makes the loss, and then every weight, not finite.",
            "Decode these recordings again (`goama prepare` does) and train again.",
            evidence=some_of(unsound),
        )
    skipped = history.events("skipped")
    if skipped:
        named = ids_of(skipped)
        reasons = Counter(clip["why"] for line in skipped for clip in line["clips"])
        why = "; ".join(reason for reason, _ in reasons.most_common(2)) or "no single clip is the cause"
        yield Finding(
            "steps-skipped",
            "warning",
            named,
            f"{counted(len(skipped), 'step')} had gradients that were not finite and changed nothing.",
            "The clips of a skipped step are not learnt from.",
            "Check these clips." if named else f"Lower the learning rate ({_lower(history.facts, 3)}).",
            evidence=f"{why}{f': {some_of(named)}' if named else ''}",
        )


def _lower(facts: Facts, times: float) -> str:
    """Both keys: the plan does not let the head's rate follow the encoder's below 5e-4."""
    encoder, head = facts.learning_rate / times, facts.head_learning_rate / times
    return f"-s train.learning_rate={encoder:.1e} -s train.head_learning_rate={head:.1e}"


def _rates_at(facts: Facts, logged: float) -> str:
    """The rates of encoder and head when `logged` was logged: metrics hold the higher of the two."""
    share = logged / max(facts.learning_rate, facts.head_learning_rate)
    if facts.learning_rate == facts.head_learning_rate:
        return f"{logged:.1e}"
    return f"{share * facts.learning_rate:.1e} ({share * facts.head_learning_rate:.1e} for new parameters)"


def learning_rate(history: History) -> Iterable[Finding]:
    """A finding where the loss rose for good: undone by the guard, or slowly over hundreds of steps."""
    undone = [
        line for line in history.events("rolled back") + history.events("stopped") if line["kind"] != "not finite"
    ]
    if undone:
        first = undone[0]
        since, rates = first["since_step"], _rates_at(history.facts, first["learning_rate"])
        back = counted(len(history.events("rolled back")), "roll-back")
        evidence = f"from step {since} on {first['reason']}, at a rate of up to {rates}; {back}"
        if first["kind"] == "grown weights":
            yield _rate_too_high(history, "the steps were larger than the weights", evidence, 10)
            return
        if first["kind"] == "forgotten":
            yield _rate_too_high(history, "the network forgot what it could write", evidence, 10)
            return
    else:
        drift = _drift(history.losses)
        if drift is None or _still_improves(history):
            return
        since, low, now = drift
        rates = _rates_at(history.facts, max(line["learning_rate"] for line in history.steps))
        evidence = f"loss {low:.2f} around step {since}, {now:.2f} now, at a rate of up to {rates}"
    warmup = history.warmup_steps
    if warmup < WARMUP_STEPS and since <= max(3 * warmup, WARMUP_STEPS):
        yield Finding(
            "warm-up-too-short",
            "warning",
            (),
            f"The warm-up of {counted(warmup, 'step')} was too short: the loss rose right after it.",
            "AdamW's estimates of the gradient variance are poor at first, and full steps in a wrong direction follow.",
            _longer_warmup(history),
            evidence=evidence,
        )
    else:
        yield _rate_too_high(history, "the loss rose and stayed up", evidence, 3)


def _rate_too_high(history: History, sign: str, evidence: str, times: int) -> Finding:
    share = {3: "a third", 10: "a tenth"}[times]
    return Finding(
        "learning-rate-too-high",
        "warning",
        (),
        f"The learning rate was too high: {sign}.",
        _RATE_TOO_HIGH,
        f"Train again with {share} of the recipe's rate ({_lower(history.facts, times)}).",
        evidence=evidence,
    )


def _longer_warmup(history: History) -> str:
    total = history.total_steps
    if total is None:
        return f"Let the rate rise over {WARMUP_STEPS} steps, a larger share of the run (train.warmup)."
    share = math.ceil(1000 * WARMUP_STEPS / total) / 1000
    if share <= LARGEST_FIRST_SHARE:
        return f"Let the rate rise over {WARMUP_STEPS} of the {total} steps (-s train.warmup={share:g})."
    enough = math.ceil(WARMUP_STEPS / LARGEST_FIRST_SHARE)
    return (
        f"{total} steps have no room for a warm-up of {WARMUP_STEPS}: train for {enough} or more "
        f"({_to_reach(history, enough)} -s train.warmup={LARGEST_FIRST_SHARE}), or lower the learning rate "
        f"({_lower(history.facts, 3)})."
    )


def _to_reach(history: History, steps: int) -> str:
    """The recipe keys that would end a run before so many steps, raised."""
    facts, raised = history.facts, []
    if facts.steps is not None and facts.steps < steps:
        raised.append(f"-s train.steps={steps}")
    epochs = math.ceil(round(steps / facts.steps_per_epoch, 3))
    if facts.epochs is not None and facts.epochs < epochs:
        raised.append(f"-s train.epochs={epochs}")
    if facts.minutes is not None:
        last = history.steps[-1]
        minutes = steps / last["step"] * last.get("elapsed_s", 60 * facts.minutes) / 60
        if facts.minutes < minutes:
            raised.append(f"-s train.minutes={minutes:.3g}")
    return " ".join(raised) or "with more train.patience"


def _drift(losses: Sequence[tuple[int, float]]) -> tuple[int, float, float] | None:
    """(step, loss) of the lowest sixth of a run and the loss of its last sixth, where that is 15 % higher."""
    width = max(10, len(losses) // 6)
    if len(losses) < 3 * width:
        return None
    sixths = [losses[start : start + width] for start in range(0, len(losses) - 2 * width + 1, width)]
    level, step = min((median(loss for _, loss in part), part[len(part) // 2][0]) for part in sixths)
    now = median(loss for _, loss in losses[-width:])
    return (step, level, now) if now + 0.25 > 1.15 * (level + 0.25) else None


def _still_improves(history: History) -> bool:
    """Whether the best dev CER is among the last two evaluations."""
    rates = [line["dev_cer"] for line in history.evaluations]
    return bool(rates) and min(rates) in rates[-2:]


def blank_plateau(history: History) -> Iterable[Finding]:
    """A finding while, or because, the network outputs almost only blanks."""
    if not history.on_plateau or history.least_blank is None:
        return
    facts = history.facts
    usual = _NORMAL_PLATEAU_STEPS["scratch" if facts.from_scratch else "pretrained"]
    normal_until = max(usual, history.head_only_steps + usual, 2 * history.peak_step)
    cer = percent(history.evaluations[-1]["dev_cer"])
    evidence = f"at least {100 * history.least_blank:.0f} % of the frames are blank, dev CER {cer}"
    if history.step <= normal_until and not history.at_end:
        yield Finding(
            "blank-plateau",
            "info",
            (),
            f"At step {history.step} the network outputs almost only blanks (the blank plateau of CTC), which is "
            f"normal until about step {normal_until}.",
            _PLATEAU,
            "Wait.",
            evidence=evidence,
        )
    elif history.step <= normal_until:
        yield Finding(
            "ended-on-the-blank-plateau",
            "warning",
            (),
            f"The run ended on CTC's blank plateau, which is normal until about step {normal_until}: it was too short.",
            _PLATEAU,
            f"Train at least {max(3 * history.step, 2 * normal_until)} steps, or from a pretrained encoder.",
            evidence=evidence,
        )
    else:
        yield Finding(
            "stuck-on-the-blank-plateau",
            "warning",
            (),
            f"At step {history.step} the network still outputs almost nothing; CTC's blank plateau is normal "
            f"until about step {normal_until}.",
            _PLATEAU,
            "Train from a pretrained encoder (--encoder)."
            if facts.from_scratch
            else f"Check that the texts belong to their clips; lower the learning rate ({_lower(facts, 3)}).",
            evidence=evidence,
        )


def overfitting(history: History) -> Iterable[Finding]:
    """A finding where the dev set got worse in two evaluations running while the training loss fell."""
    for key, name, least in (("dev_cer", "dev CER", 1.05), ("dev_loss", "dev loss", 1.1)):
        measured = [line for line in history.evaluations if line.get(key) is not None]
        if len(measured) < 4:
            continue
        best = min(measured, key=lambda line: (line[key], line["step"]))
        after = [line for line in measured if line["step"] > best["step"]]
        if len(after) < 2 or min(line[key] for line in after[-2:]) < least * best[key] or best["dev_cer"] > 0.9:
            continue
        then, now = _loss_around(history, best["step"]), _loss_around(history, history.step)
        if then is None or now is None or now > 0.9 * then:
            continue
        say = percent if key == "dev_cer" else "{:.2f}".format
        only_loss = key == "dev_loss" and _still_improves(history)
        yield Finding(
            "over-fitting",
            "warning",
            (),
            f"The network overfits: since step {best['step']} the training loss falls and the {name} "
            f"rises{', though the CER does not yet' if only_loss else ''}.",
            "It learns the training clips instead of the language; other recordings are recognised worse.",
            f"More speech helps most; else {_more_augmentation(history.facts)}a shorter run or -s train.patience=3. "
            "RUN/best is the model with the lowest dev CER.",
            evidence=f"training loss {then:.2f} -> {now:.2f}, {name} {say(best[key])} -> {say(measured[-1][key])}",
        )
        return


def _more_augmentation(facts: Facts) -> str:
    """The augmentation that the recipe leaves at 0, as a part of a sentence; empty where nothing is left."""
    if facts.takes_waveforms:
        return "more masking (a higher augment.time_masks_per_s), "
    if not facts.augmentation_off:
        return ""
    settings = " ".join(f"-s augment.{key}={AUGMENTATION[key]}" for key in facts.augmentation_off)
    return f"more augmentation ({settings}), "


def undertraining(history: History) -> Iterable[Finding]:
    """A finding about a whole run whose dev loss or CER still fell steeply at its end."""
    if not history.at_end or history.on_plateau or history.events("stopped") or len(history.evaluations) < 4:
        return
    last = history.evaluations[-1]
    earlier = [line for line in history.evaluations if line["step"] <= 2 / 3 * last["step"]]
    if not earlier or not _still_improves(history):
        return
    key = "dev_loss" if last.get("dev_loss") and earlier[-1].get("dev_loss") else "dev_cer"
    fall = 1 - last[key] / earlier[-1][key]
    then, now = _loss_around(history, earlier[-1]["step"]), _loss_around(history, last["step"])
    if fall < 0.05 or then is None or now is None or now > 0.97 * then:
        return
    times, longer = (2.0, "twice as long") if fall >= 0.1 else (1.5, "1.5 times as long")
    name = "dev loss" if key == "dev_loss" else "dev CER"
    yield Finding(
        "under-training",
        "warning",
        (),
        f"The run was too short: in its last third the {name} still fell by {100 * fall:.0f} %.",
        "The same speech would give a better model in a longer run.",
        f"Train again for {longer} ({_to_reach(history, math.ceil(times * last['step']))}).",
        evidence=f"{name} {earlier[-1][key]:.3g} at step {earlier[-1]['step']}, "
        f"{last[key]:.3g} at step {last['step']}; training loss {then:.2f} -> {now:.2f}",
    )


def _loss_around(history: History, step: int) -> float | None:
    """The median training loss of the ten lines up to a step; None with fewer than three."""
    losses = [loss for at, loss in history.losses if at <= step][-10:]
    return median(losses) if len(losses) >= 3 else None
