"""Signs in the curves: what the guard had to do, the learning rate, the blank plateau, over- and under-training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from goama.training.diagnosis.history import Diagnosis, History, clip_count, counted, ids_of, percent, some_of
from goama.training.facts import Facts
from goama.training.plan import DISGUISES, LONGEST_AT_FIRST, WARMUP_STEPS

_NORMAL_PLATEAU_STEPS = {"scratch": 1000, "pretrained": 300}
"""Until when CTC's blank plateau is normal; ours ended after 340 steps from scratch, 90 with a pretrained encoder."""


def stopped(history: History) -> Iterable[Diagnosis]:
    for line in history.of("stopped"):
        yield Diagnosis(
            "stopped-by-the-guard",
            f"The guard stopped the training at step {line['step']}: {line['reason']}.",
            f"{counted(len(history.of('rolled back')), 'roll-back')} before; "
            f"learning rate {_rates_at(history.facts, line['learning_rate'])}",
            "see the other findings; RUN/best holds the best model from before, if an evaluation found one",
        )


def not_finite(history: History) -> Iterable[Diagnosis]:
    unsound = ids_of(history.of("unsound"))
    if unsound:
        yield Diagnosis(
            "sound-not-finite",
            f"{clip_count(len(unsound))} cannot be trained on: some samples of the sound are not finite.",
            some_of(unsound),
            "decode these recordings again (`goama prepare` does) and train anew",
            unsound,
        )
    skipped = history.of("skipped")
    if skipped:
        named = ids_of(skipped)
        reasons = Counter(clip["why"] for line in skipped for clip in line["clips"])
        why = "; ".join(reason for reason, _ in reasons.most_common(2)) or "no single clip explains it"
        yield Diagnosis(
            "steps-skipped",
            f"{counted(len(skipped), 'step')} had no finite gradients and changed nothing.",
            f"{why}{f': {some_of(named)}' if named else ''}",
            "check these clips" if named else f"lower the learning rate ({_lower(history.facts, 3)})",
            named,
        )


def _lower(facts: Facts, times: float) -> str:
    """Both keys: the plan does not let the head's rate follow the encoder's below 5e-4."""
    encoder, head = facts.learning_rate / times, facts.head_learning_rate / times
    return f"-s train.learning_rate={encoder:.1e} -s train.head_learning_rate={head:.1e}"


def _rates_at(facts: Facts, logged: float) -> str:
    """The rates of a moment; metrics hold the higher of the two, which rise and fall together."""
    share = logged / max(facts.learning_rate, facts.head_learning_rate)
    if facts.learning_rate == facts.head_learning_rate:
        return f"{logged:.1e}"
    return f"{share * facts.learning_rate:.1e} ({share * facts.head_learning_rate:.1e} of what is new)"


def rate(history: History) -> Iterable[Diagnosis]:
    """A loss that rose for good: undone by the guard, or slowly over hundreds of steps."""
    undone = [line for line in history.of("rolled back") + history.of("stopped") if line["kind"] != "not finite"]
    if undone:
        first = undone[0]
        since, rates = first["since_step"], _rates_at(history.facts, first["learning_rate"])
        back = counted(len(history.of("rolled back")), "roll-back")
        evidence = f"from step {since} on {first['reason']}, at a rate of up to {rates}; {back}"
        if first["kind"] == "grown weights":
            yield Diagnosis(
                "learning-rate-too-high",
                "The learning rate was too high: the steps were larger than the weights.",
                evidence,
                f"train again with a tenth of the recipe's rate ({_lower(history.facts, 10)})",
            )
            return
        if first["kind"] == "forgotten":
            yield Diagnosis(
                "learning-rate-too-high",
                "The learning rate was too high: the network forgot what it could write.",
                evidence,
                f"train again with a tenth of the recipe's rate ({_lower(history.facts, 10)})",
            )
            return
    else:
        drift = _drift([(line["step"], line["loss"]) for line in history.with_loss])
        if drift is None or _still_gains(history):
            return
        low_step, low, now = drift
        since, rates = low_step, _rates_at(history.facts, max(line["learning_rate"] for line in history.steps))
        evidence = f"loss {low:.2f} around step {low_step}, {now:.2f} now, at a rate of up to {rates}"
    warmup = history.warm_up_steps
    if warmup < WARMUP_STEPS and since <= max(3 * warmup, WARMUP_STEPS):
        yield Diagnosis(
            "warm-up-too-short",
            f"The warm-up of {counted(warmup, 'step')} was too short: the loss rose right after it.",
            evidence,
            _longer_warm_up(history),
        )
    else:
        yield Diagnosis(
            "learning-rate-too-high",
            "The learning rate was too high: the loss rose and stayed up.",
            evidence,
            f"train again with a third of the recipe's rate ({_lower(history.facts, 3)})",
        )


def _longer_warm_up(history: History) -> str:
    total = history.total_steps
    if total is None:
        return f"let the rate rise over {WARMUP_STEPS} steps, a larger share of the run (train.warmup)"
    share = math.ceil(1000 * WARMUP_STEPS / total) / 1000
    if share <= LONGEST_AT_FIRST:
        return f"let the rate rise over {WARMUP_STEPS} of the {total} steps (-s train.warmup={share:g})"
    enough = math.ceil(WARMUP_STEPS / LONGEST_AT_FIRST)
    return (
        f"{total} steps have no room for a warm-up of {WARMUP_STEPS}: train for {enough} or more "
        f"({_to_last(history, enough)} -s train.warmup={LONGEST_AT_FIRST}), or lower the learning rate "
        f"({_lower(history.facts, 3)})"
    )


def _to_last(history: History, steps: int) -> str:
    """Whatever would end a run before so many steps, raised."""
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
    """The step and level of the lowest sixth of a run, and its last sixth, where that is 15 % higher."""
    width = max(10, len(losses) // 6)
    if len(losses) < 3 * width:
        return None
    sixths = [losses[start : start + width] for start in range(0, len(losses) - 2 * width + 1, width)]
    level, step = min((median(loss for _, loss in part), part[len(part) // 2][0]) for part in sixths)
    now = median(loss for _, loss in losses[-width:])
    return (step, level, now) if now + 0.25 > 1.15 * (level + 0.25) else None


def _still_gains(history: History) -> bool:
    """Whether the best dev CER is among the last two evaluations."""
    rates = [line["dev_cer"] for line in history.evaluations]
    return bool(rates) and min(rates) in rates[-2:]


def plateau(history: History) -> Iterable[Diagnosis]:
    if not history.on_plateau or history.least_blank is None:
        return
    facts = history.facts
    usual = _NORMAL_PLATEAU_STEPS["scratch" if facts.from_scratch else "pretrained"]
    normal_until = max(history.thaw_steps + usual, 2 * history.peak_step)
    share = 100 * history.least_blank
    evidence = f"at least {share:.0f} % of the frames are blank, dev CER {percent(history.evaluations[-1]['dev_cer'])}"
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
            "train from a pretrained encoder (--encoder starter), or longer"
            if facts.from_scratch
            else f"check that texts belong to their sounds; lower the learning rate ({_lower(facts, 3)})",
        )


def over_fitting(history: History) -> Iterable[Diagnosis]:
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
        told = percent if key == "dev_cer" else "{:.2f}".format
        recovers = key == "dev_loss" and _still_gains(history)
        yield Diagnosis(
            "over-fitting",
            f"The network learns the training clips by heart: since step {best['step']} the training loss falls and "
            f"the {name} rises{', though the CER does not yet' if recovers else ''}.",
            f"training loss {then:.2f} -> {now:.2f}, {name} {told(best[key])} -> {told(seen[-1][key])}",
            f"more speech helps most; else {_changes(history.facts)}"
            "a shorter run or -s train.patience=3; RUN/best is the model with the lowest dev CER",
        )
        return


def _changes(facts: Facts) -> str:
    """What makes the same clips different ones, as far as it is not done already."""
    if facts.hears_waveforms:
        return "more masking (a higher augment.time_masks_per_s), "
    if not facts.disguises_left:
        return ""
    worn = " ".join(f"-s augment.{key}={DISGUISES[key]}" for key in facts.disguises_left)
    return f"clips that differ each time ({worn}), "


def under_training(history: History) -> Iterable[Diagnosis]:
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
    times, longer = (2.0, "twice as long") if fall >= 0.1 else (1.5, "half as long again")
    name = "dev loss" if key == "dev_loss" else "dev CER"
    yield Diagnosis(
        "under-training",
        f"The run was too short: in its last third the {name} still fell by {100 * fall:.0f} %.",
        f"{name} {earlier[-1][key]:.3g} at step {earlier[-1]['step']}, {last[key]:.3g} at step {last['step']}; "
        f"training loss {then:.2f} -> {now:.2f}",
        f"train again for {longer} ({_to_last(history, math.ceil(times * last['step']))})",
    )


def _loss_around(history: History, step: int) -> float | None:
    """The middle training loss of the ten logged lines up to a step."""
    losses = [line["loss"] for line in history.with_loss if line["step"] <= step][-10:]
    return median(losses) if len(losses) >= 3 else None
