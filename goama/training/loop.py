"""The training loop: batches in, the best and the last model out; stopped at any moment, it goes on the same."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from goama.data.batches import Batch, DataPlace, TrainingBatches
from goama.evaluation.evaluate import score_batches
from goama.evaluation.scores import ClipScore, error_rates
from goama.interrupt import stop_requests
from goama.model.fsdp import own_part
from goama.model.trainable import learning_matrices
from goama.reports.run_page import RunPage
from goama.run.checkpoint import RunState, drop_later, load_everywhere, save_everywhere
from goama.run.recipe import EVALUATIONS, AugmentSection, TrainSection
from goama.training import guard
from goama.training.culprits import culprits, worst
from goama.training.learner import Learner, StepResult
from goama.training.monitor import Monitor, clock
from goama.training.optimiser import rate_factor, set_rate, weight_scale

_LOG_EVERY = guard.MEASURED_EVERY  # steps
_SAID = 5  # skipped steps that the screen explains; metrics.jsonl has all
_STOPPING = "stopping after this step, then saving (once more: stop at once, without saving)"


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: RunState
    interrupted: bool


class TrainingLoop:
    """Runs a learner to the end of its recipe. The only mutable state is `state`."""

    def __init__(
        self,
        learner: Learner,
        batches: TrainingBatches,
        dev_cuts: Any,
        train: TrainSection,
        augment: AugmentSection,
        accumulate: int,
        total_steps: int | None,
        run: Path,
        state: RunState,
        monitor: Monitor,
        save_model: Callable[[str, RunState], None],
        diagnose: Callable[[RunState, bool], None],
        knows_letters: bool = False,
    ):
        """`knows_letters`: the network may be able to write before it is trained, which it should not forget."""
        self.learner, self.batches, self.dev_cuts = learner, batches, dev_cuts
        self.train, self.augment, self.accumulate, self.total_steps = train, augment, accumulate, total_steps
        self.run_folder, self.state, self.monitor, self.save_model = run, state, monitor, save_model
        self.diagnose, self.processes = diagnose, learner.processes
        self.knows_letters = knows_letters
        self.page = RunPage(run, monitor.say, writes=self.processes.is_main)
        self._pace = ""
        self._unsound: set[str] = set()
        self._why_skipped = ""

    def run(self) -> Outcome:
        """Train until steps or minutes are used up, or the first Ctrl-C (or SIGTERM), which saves."""
        stream = self.batches.starting_at(self.state.place)
        recent: list[StepResult] = []
        recent_s = 0.0
        stopping = False
        if self.state.step == 0:
            self._measure()
            if self.knows_letters:
                self._hear_first()
            self._save()  # what the guard goes back to when the first steps already go wrong
        started = time.monotonic() - self.state.elapsed_s  # from the first step: the rate's warm-up is of training
        if self.state.owes_evaluation:
            self._evaluate_now(self._progress())
        with stop_requests(self.monitor.say, _STOPPING) as stop_requested:
            while self._progress() < 1.0 and not stopping:
                before, step_started = self._progress(), time.monotonic()
                place, parts = self.processes.together(lambda: self._next(stream))
                result = self._step(self._sound(parts), before)
                recent_s += time.monotonic() - step_started
                elapsed_s, stopping = self.processes.agree(time.monotonic() - started, stop_requested())
                self.state = replace(
                    self.state,
                    step=self.state.step + 1,
                    place=place,
                    elapsed_s=elapsed_s,
                    skipped_steps=self.state.skipped_steps + result.skipped,
                )
                recent.append(result)
                self._guard(result, parts)
                if self.state.step % _LOG_EVERY == 0 or self._progress() >= 1.0:
                    self._log(recent, recent_s)
                    recent, recent_s = [], 0.0
                is_due = self._is_evaluation_due(before, self._progress())
                if stopping and self._progress() < 1.0:
                    self.state = replace(self.state, owes_evaluation=is_due)
                    break
                is_best = is_due and self._evaluate_now(self._progress())
                elapsed_s, stopping = self.processes.agree(time.monotonic() - started, stop_requested())
                self.state = replace(self.state, elapsed_s=elapsed_s)
                self._maybe_save(before, self._progress(), is_best)
                self._show(result)
            interrupted = self._progress() < 1.0
        self.state = replace(self.state, finished=not interrupted)
        self._save()
        if self.state.step:
            self.save_model("last", self.state)
            self.diagnose(self.state, not interrupted)
        self.page.write(going=False)
        return Outcome(self.state, interrupted)

    def _next(self, stream: Iterator[tuple[DataPlace, Batch]]) -> tuple[DataPlace, list[Batch]]:
        places, parts = zip(*(next(stream) for _ in range(self.accumulate)), strict=True)
        return places[-1], list(parts)

    def _sound(self, parts: list[Batch]) -> list[Batch]:
        """Without clips whose samples are not finite, each of them named once."""
        kept, unsound = zip(*(guard.without_unsound(batch) for batch in parts), strict=True)
        here = {clip for clips in unsound for clip in clips} - self._unsound
        if self.processes.sums(len(here))[0]:
            new = sorted(self.processes.gathered(here))
            self._unsound |= set(new)
            self.monitor.log(self.state.step, {"event": "unsound", "clips": [{"id": name} for name in new]})
            self.monitor.say(f"not trained on, some samples of their sound are not finite: {', '.join(new)}")
        return list(kept)

    def _step(self, parts: list[Batch], progress: float) -> StepResult:
        left = guard.rate(self.state.guard, self.state.step)
        factor = left * rate_factor(progress, float(self.train.warmup))
        set_rate(self.learner.bare_optimiser, factor, only_new=progress < float(self.train.thaw))
        return self.learner.step(
            parts,
            seed=(self.train.seed * 1_000_003 + self.state.step) % 2**63,
            clip=self.train.clip,
            augment=self.augment,
            consistency=self.train.consistency,
        )

    def _guard(self, result: StepResult, parts: list[Batch]) -> None:
        """Remember the step; explain one that was skipped or odd; undo a spike, or stop when that helps no more."""
        is_odd = not result.skipped and guard.is_odd(self.state.guard, result.loss)
        scaled = self.learner.accelerator.scaler is not None
        self.state = replace(self.state, guard=guard.after_step(self.state.guard, result.loss, skipped=result.skipped))
        if is_odd or (result.skipped and not scaled):
            self._explain_step(result, parts)
        if self.state.step % guard.MEASURED_EVERY == 0:
            self._measure()
        found = guard.trouble(self.state.guard, scaled=scaled)
        if found is not None:
            self._go_back(found)

    def _measure(self) -> None:
        scale = weight_scale(learning_matrices(self.learner.whole_network()))
        self.state = replace(self.state, guard=guard.after_measuring(self.state.guard, scale))

    def _explain_step(self, result: StepResult, parts: list[Batch]) -> None:
        learner = self.learner
        here = culprits(learner.whole_network(), learner.front_end, learner.vocabulary, parts)
        named = worst(self.processes.gathered(here))
        line = {
            "event": "skipped" if result.skipped else "odd batch",
            "batch_loss": result.loss,
            "batch_gradient_norm": result.gradient_norm,
            "clips": [asdict(clip) for clip in named],
        }
        self.monitor.log(self.state.step, line)
        if result.skipped:
            why = "; ".join(f"{clip.id}: {clip.why}" for clip in named) or "no single clip explains it"
            self._why_skipped = why
            if self.state.skipped_steps <= _SAID:
                self.monitor.say(f"step {self.state.step} was skipped, its gradients were not finite ({why})")

    def _go_back(self, found: guard.Trouble, *, at_end: bool = False) -> None:
        """To the weights of the newest checkpoint from before the trouble; time and data go on, but not `at_end`."""
        learner, before = self.learner, self.state.guard
        rates = [group["lr"] for group in learner.bare_optimiser.param_groups]
        self.processes.on_main(lambda: drop_later(self.run_folder, self.state.step - found.steps))
        restored, _ = load_everywhere(self.processes, self.run_folder, learner.bare_network, learner.bare_optimiser)
        learner.load_scaler(restored.scaler)
        why = f"{found} ({self._why_skipped})" if found.kind == "not finite" and self._why_skipped else str(found)
        line = {
            "kind": found.kind,
            "since_step": self.state.step - found.steps,
            "to_step": restored.step,
            "usual": found.usual,
            "now": found.now,
            "learning_rate": max(rates),
            "reason": why,
        }
        if before.rollbacks < self.train.rollbacks and not at_end:
            cut = guard.cut(found)
            after = guard.after_rollback(before, restored.guard, self.state.step, cut)
            self.monitor.log(self.state.step, {"event": "rolled back", **line, "guard_rate": after.rate})
            self.monitor.say(
                f"step {self.state.step}: {why}; back to the weights of step {restored.step}, "
                f"at {cut:g} times the learning rate"
            )
            self.state = replace(self.state, guard=after)
            self._save()
        else:
            self.monitor.log(self.state.step, {"event": "stopped", **line})
            self._end("guard", guard.stopped(why, before))

    def _end(self, by: Literal["guard", "patience"], reason: str) -> None:
        self.monitor.say(f"step {self.state.step}: {reason}")
        self.state = replace(self.state, finished=True, guard=replace(self.state.guard, ended_by=by, reason=reason))

    def _progress(self) -> float:
        """The share of the run that is done: of its steps or of its minutes, whichever is further."""
        shares = [1.0 if self.state.finished else 0.0]
        if self.total_steps is not None:
            shares.append(self.state.step / self.total_steps)
        if self.train.minutes is not None:
            budget = max(1.0, 60 * self.train.minutes - 1.2 * self.state.evaluation_s)
            shares.append(self.state.elapsed_s / budget)
        return max(shares)

    def _is_evaluation_due(self, before: float, now: float) -> bool:
        if self.train.eval_every is not None:
            due = self.state.step % self.train.eval_every == 0
        else:
            due = int(before * EVALUATIONS) < int(now * EVALUATIONS) and not self._is_too_dear()
        return due or now >= 1.0

    def _evaluate_now(self, now: float) -> bool:
        """True when that gave the best model so far."""
        clips = self._evaluate()
        result = error_rates(clips)
        self._hear(clips, result.cer)
        is_sane = guard.is_calm(self.state.guard) and _are_numbers(clips) and self._is_finite()
        is_best = is_sane and (self.state.best_cer is None or result.cer < self.state.best_cer)
        self.monitor.log_evaluation(self.state.step, clips, best=is_best, sane=is_sane)
        told = "  (best so far)" if is_best else "" if is_sane else "  (not kept: the training is out of order)"
        self.monitor.say(
            f"step {self.state.step:5d}  {clock(self.state.elapsed_s):>7}  dev CER {100 * result.cer:5.1f} %  "
            f"WER {100 * result.wer:5.1f} %{self._pace}{told}"
        )
        if is_best:
            self.state = replace(self.state, best_cer=result.cer, best_step=self.state.step)
            self.save_model("best", self.state)
        self.page.remember(self.state.step, clips, is_best=is_best)
        self.state = replace(
            self.state, guard=guard.after_evaluation(self.state.guard, cer=result.cer, is_best=is_best)
        )
        self.diagnose(self.state, False)
        self.page.write()
        found = guard.trouble(self.state.guard) if self.state.guard.silent_for else None
        if found is not None:
            self._go_back(found, at_end=now >= 1.0)
            return is_best
        without_gain = self.state.guard.without_gain
        if self.train.patience is not None and without_gain >= self.train.patience and now < 1.0:
            self.monitor.log(self.state.step, {"event": "stopped early", "evaluations": without_gain})
            self._end("patience", f"no better dev CER in {without_gain} evaluations (train.patience): stopped early")
        return is_best

    def _hear_first(self) -> None:
        clips = self._evaluate()
        cer = error_rates(clips).cer
        self._hear(clips, cer)
        self.monitor.log(0, {"event": "before training", "reason": f"dev CER {100 * cer:.1f} %"})
        self.monitor.say(f"before training: dev CER {100 * cer:.1f} %")
        self.page.remember(0, clips, is_best=False)

    def _hear(self, clips: list[ClipScore], cer: float) -> None:
        written = sum(len(clip.hypothesis) for clip in clips) / max(1, sum(len(clip.reference) for clip in clips))
        heard = guard.after_hearing(self.state.guard, self.state.step, cer=cer, written=written)
        self.state = replace(self.state, guard=heard)

    def _is_too_dear(self) -> bool:
        """Of minutes, evaluations may cost a tenth."""
        if self.train.minutes is None:
            return False
        return self.state.elapsed_s - self.state.evaluated_at_s < 9 * self.state.evaluation_s

    def _is_finite(self) -> bool:
        parameters = self.learner.bare_network.parameters()
        broken = sum(not bool(torch.isfinite(own_part(parameter)).all()) for parameter in parameters)
        return not self.processes.sums(broken)[0]

    def _evaluate(self) -> list[ClipScore]:
        """Each process recognises its share of the batches; all of them know all clips, and how long it took."""
        started = time.monotonic()
        learner, network = self.learner, self.learner.whole_network()
        share = {"rank": self.processes.rank, "world_size": self.processes.count}
        network.eval()
        try:
            scored = score_batches(network, learner.front_end, learner.vocabulary, self.dev_cuts, **share)
            clips = self.processes.gathered(self.processes.together(lambda: list(scored)))
        finally:
            network.train()
        spent_s, _ = self.processes.agree(time.monotonic() - started, False)
        self.state = replace(
            self.state,
            evaluation_s=max(self.state.evaluation_s, spent_s),
            evaluated_at_s=self.state.elapsed_s + spent_s if self.state.step else 0.0,
            owes_evaluation=False,
        )
        return clips

    def _maybe_save(self, before: float, now: float, is_best: bool) -> None:
        """A checkpoint when it is time, and with every best model: a resumed run must know what it has to beat."""
        if self.train.save_every is not None:
            due = self.state.step % self.train.save_every == 0
        else:
            due = int(before * EVALUATIONS) < int(now * EVALUATIONS)
        if (due or is_best) and now < 1.0 and guard.is_calm(self.state.guard):  # the guard goes back to it
            self._save()

    def _save(self) -> None:
        scaler = self.learner.accelerator.scaler
        self.state = replace(self.state, scaler=scaler.state_dict() if scaler is not None else {})
        learner = self.learner
        network, optimiser = learner.bare_network, learner.bare_optimiser
        save_everywhere(self.processes, self.run_folder, self.state, network, optimiser, self.train.keep)

    def _log(self, recent: list[StepResult], seconds: float) -> None:
        audio, padded = sum(r.audio_s for r in recent), sum(r.padded_s for r in recent)
        padding = 1 - audio / padded if padded else 0.0
        self._pace = f"  {audio / seconds:4.0f} audio-s/s, {100 * padding:2.0f} % padding"
        taken = [r for r in recent if not r.skipped] or recent
        progress = min(1.0, self._progress())
        self.monitor.log(
            self.state.step,
            {
                "loss": sum(r.loss for r in taken) / len(taken),
                "learning_rate": max(group["lr"] for group in self.learner.bare_optimiser.param_groups),
                "gradient_norm": max(r.gradient_norm for r in taken),
                "weight_growth": guard.growth(self.state.guard),
                "blank_share": sum(r.blank_share for r in recent) / len(recent),
                **_mean_of(recent, "disagreement"),
                "padding_share": padding,
                "audio_s_per_s": audio / seconds,
                "epoch": self.state.place.epoch,
                "elapsed_s": round(self.state.elapsed_s, 2),
                "skipped_steps": self.state.skipped_steps,
                "progress": round(progress, 4),
                "guard_rate": self.state.guard.rate,
                "rollbacks": self.state.guard.rollbacks,
            },
        )
        self.page.keep_fresh()

    def _show(self, result: StepResult) -> None:
        progress = min(1.0, self._progress())
        left = self.state.elapsed_s * (1 - progress) / progress if progress > 0.01 else None
        line = f"step {self.state.step}  loss {result.loss:.3f}  blank {100 * result.blank_share:.0f} %"
        self.monitor.show(progress, left, line)


def _are_numbers(clips: Sequence[ClipScore]) -> bool:
    """An infinite loss is a text too long for its sound; one that is no number is a network out of order."""
    return not any(clip.loss is not None and math.isnan(clip.loss) for clip in clips)


def _mean_of(recent: Sequence[StepResult], name: str) -> dict[str, float]:
    """Of the steps that have it."""
    values = [value for result in recent if (value := getattr(result, name)) is not None]
    return {name: sum(values) / len(values)} if values else {}
