"""The training loop: batches in, checkpoints and the best model out; stopped at any moment, it resumes the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from goama.data.batches import Batch, DataPlace
from goama.evaluation.scores import ClipScore, ErrorRates, error_rates
from goama.interrupt import stop_requests
from goama.model.trainable import learning_matrices
from goama.run.checkpoint import drop_later, load_newest, save_checkpoint
from goama.run.state import RunState
from goama.training import guard
from goama.training.dev_split import has_finite_weights, has_nan_loss, output_length, recognise_dev
from goama.training.job import Job, known_characters
from goama.training.learner import Learner, StepResult
from goama.training.optimiser import rate_factor, set_rate, weight_scale
from goama.training.progress import checkpoint_is_due, evaluation_is_due, progress
from goama.training.recent_steps import RecentSteps
from goama.training.save import save_model
from goama.training.watchers import DevEvaluation, Watcher
from goama.training.worst_clips import worst_clips

_LOG_EVERY = guard.MEASURED_EVERY  # steps
_SAID = 5  # skipped steps that the screen explains; metrics.jsonl has all
_STOPPING = "stopping after this step, then saving (once more: stop at once, without saving)"


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: RunState
    interrupted: bool


class TrainingLoop:
    """Runs a learner to the end of its job.

    What changes is `state`, which every checkpoint holds, and the weights and moments of the learner. Beside it the
    loop keeps what a resumed run may forget: the steps since the last logged line, clips already reported, the reason
    of the last skipped step, and when the clock was started.
    """

    def __init__(self, job: Job, learner: Learner, watcher: Watcher, state: RunState):
        self.job, self.learner, self.watcher, self.state = job, learner, watcher, state
        self.train, self.processes = job.recipe.train, learner.processes
        self._recent = RecentSteps()
        self._non_finite: set[str] = set()
        self._why_skipped = ""
        self._started_s = 0.0

    def run(self) -> Outcome:
        """Train until steps or minutes are used up, or until the first Ctrl-C (or SIGTERM), which saves.

        Raises `GoamaError` when audio cannot be read, or a checkpoint or model cannot be written.
        """
        stream = self.job.batches.starting_at(self.state.place)
        self._begin_or_resume()
        stopping = False
        with stop_requests(self.watcher.said, _STOPPING) as stop_requested:
            while self._progress() < 1.0 and not stopping:
                before, step_started = self._progress(), time.monotonic()
                place, parts = self.processes.together(lambda: self._next(stream))
                result = self._step(self._without_non_finite(parts), before)
                self._recent.add(result, time.monotonic() - step_started)
                stopping = self._set_clock(stop_requested())
                self._count(result, place)
                self._check_step(result, parts)
                if self.state.step % _LOG_EVERY == 0 or self._progress() >= 1.0:
                    self._log()
                is_due = evaluation_is_due(self.state, self.train, before, self._progress())
                if stopping and self._progress() < 1.0:
                    self.state = replace(self.state, owes_evaluation=is_due)
                    break
                is_saved = is_due and self._evaluate()
                stopping = self._set_clock(stop_requested())
                is_calm = guard.is_calm(self.state.guard)  # the guard may go back to this checkpoint
                if checkpoint_is_due(self.state, self.train, before, self._progress()) and is_calm and not is_saved:
                    self._save()
                self._show(result)
            interrupted = self._progress() < 1.0
        return self._end_run(interrupted)

    def _begin_or_resume(self) -> None:
        """Before the first step of a new run, or where a run is resumed."""
        if self.state.step == 0:
            self._measure_weights()
            if known_characters(self.job.loaded, self.job.vocabulary):
                self.watcher.began(*self._recognise_dev())
            self._save()  # what the guard goes back to if the first steps already go wrong
        elif self.state.best_step == self.state.step:  # the checkpoint is there; RUN/best may not have been written
            save_model(self.job, self.learner, self.state, "best")
        self._started_s = time.monotonic() - self.state.elapsed_s  # from the first step on
        if self.state.owes_evaluation:
            self._evaluate()

    def _end_run(self, interrupted: bool) -> Outcome:
        self.state = replace(self.state, finished=not interrupted)
        self._save()
        if self.state.step:
            save_model(self.job, self.learner, self.state, "last")
        self.watcher.ended(self.state)
        return Outcome(self.state, interrupted)

    def _progress(self) -> float:
        return progress(self.state, self.train, self.job.total_steps)

    def _set_clock(self, wants_to_stop: bool) -> bool:
        """Set the clock, which all processes share; returns whether any of them wants to stop."""
        elapsed_s, stopping = self.processes.agree(time.monotonic() - self._started_s, wants_to_stop)
        self.state = replace(self.state, elapsed_s=elapsed_s)
        return stopping

    # --- a step

    def _next(self, stream: Iterator[tuple[DataPlace, Batch]]) -> tuple[DataPlace, list[Batch]]:
        places, parts = zip(*(next(stream) for _ in range(self.job.parts)), strict=True)
        return places[-1], list(parts)

    def _without_non_finite(self, parts: list[Batch]) -> list[Batch]:
        """The batches without clips that have samples that are not finite; each of these is reported once."""
        kept, dropped = zip(*(batch.without_non_finite() for batch in parts), strict=True)
        here = {clip for clips in dropped for clip in clips} - self._non_finite
        if self.processes.sums(len(here))[0]:
            new = sorted(self.processes.gathered(here))
            self._non_finite |= set(new)
            self.watcher.event(self.state.step, {"event": "unsound", "clips": [{"id": name} for name in new]})
            self.watcher.said(f"left out, because their audio has samples that are not finite: {', '.join(new)}")
        return list(kept)

    def _step(self, parts: list[Batch], done: float) -> StepResult:
        cut = guard.rate_at(self.state.guard, self.state.step)
        set_rate(self.learner.optimiser, cut * rate_factor(done, float(self.train.warmup)))
        return self.learner.step(
            parts,
            seed=(self.train.seed * 1_000_003 + self.state.step) % 2**63,
            clip=self.train.clip,
            augment=self.job.recipe.augment,
            consistency=self.train.consistency,
            head_only=done < float(self.train.head_only),
        )

    def _count(self, result: StepResult, place: DataPlace) -> None:
        step, skipped = self.state.step + 1, self.state.skipped_steps + result.skipped
        self.state = replace(self.state, step=step, place=place, skipped_steps=skipped)

    # --- the guard

    def _check_step(self, result: StepResult, parts: list[Batch]) -> None:
        """Record the step; explain one that was skipped or odd; undo divergence, or stop if that no longer helps."""
        is_odd = not result.skipped and guard.is_odd(self.state.guard, result.loss)
        scaled = self.learner.scaler is not None
        self.state = replace(self.state, guard=guard.after_step(self.state.guard, result.loss, skipped=result.skipped))
        if is_odd or (result.skipped and not scaled):
            self._explain_step(result, parts)
        if self.state.step % guard.MEASURED_EVERY == 0:
            self._measure_weights()
        found = guard.find_trouble(self.state.guard, scaled=scaled)
        if found is not None:
            self._roll_back(found)

    def _measure_weights(self) -> None:
        scale = weight_scale(learning_matrices(self.learner.whole_network()))
        self.state = replace(self.state, guard=guard.after_measuring(self.state.guard, scale))

    def _explain_step(self, result: StepResult, parts: list[Batch]) -> None:
        named = worst_clips(self.learner, parts)
        line = {
            "event": "skipped" if result.skipped else "odd batch",
            "batch_loss": result.loss,
            "batch_gradient_norm": result.gradient_norm,
            "clips": [asdict(clip) for clip in named],
        }
        self.watcher.event(self.state.step, line)
        if result.skipped:
            why = "; ".join(f"{clip.id}: {clip.why}" for clip in named) or "no single clip is the cause"
            self._why_skipped = why
            if self.state.skipped_steps <= _SAID:
                self.watcher.said(f"step {self.state.step} was skipped, its gradients were not finite ({why})")

    def _roll_back(self, found: guard.Trouble, *, at_end: bool = False) -> None:
        """Restore the newest checkpoint from before the trouble; time and data go on, unless the run is `at_end`."""
        learner, before, run = self.learner, self.state.guard, self.job.run
        rate = max(group["lr"] for group in learner.optimiser.param_groups)
        self.processes.on_main(lambda: drop_later(run, self.state.step - found.steps))
        restored, _ = load_newest(self.processes, run, learner.network, learner.optimiser)
        learner.load_scaler(restored.scaler)
        why = f"{found} ({self._why_skipped})" if found.kind == "not finite" and self._why_skipped else str(found)
        line = {
            "kind": found.kind,
            "since_step": self.state.step - found.steps,
            "to_step": restored.step,
            "usual": found.usual,
            "now": found.now,
            "learning_rate": rate,
            "reason": why,
        }
        if before.rollbacks < self.train.rollbacks and not at_end:
            after = guard.after_rollback(before, restored.guard, self.state.step, found.rate_cut)
            self.watcher.event(self.state.step, {"event": "rolled back", **line, "guard_rate": after.rate})
            self.watcher.said(
                f"step {self.state.step}: {why}; back to the weights of step {restored.step}, "
                f"at {found.rate_cut:g} times the learning rate"
            )
            self.state = replace(self.state, guard=after)
            self._save()
        else:
            self.watcher.event(self.state.step, {"event": "stopped", **line})
            self._end_early("guard", guard.stopped(why, before))

    def _end_early(self, by: Literal["guard", "patience"], reason: str) -> None:
        self.watcher.said(f"step {self.state.step}: {reason}")
        self.state = replace(self.state, finished=True, guard=replace(self.state.guard, ended_by=by, reason=reason))

    # --- evaluation and files

    def _evaluate(self) -> bool:
        """Recognise the dev split and keep the best model; returns whether a checkpoint was written with it.

        The checkpoint comes before RUN/best, so that a resumed run always knows what it has to beat.
        """
        at_end = self._progress() >= 1.0
        clips, rates = self._recognise_dev()
        is_sane = guard.is_calm(self.state.guard) and has_finite_weights(self.learner) and not has_nan_loss(clips)
        is_best = is_sane and (self.state.best_cer is None or rates.cer < self.state.best_cer)
        after = guard.after_evaluation(self.state.guard, cer=rates.cer, is_best=is_best)
        self.state = replace(self.state, guard=after)
        self.watcher.evaluated(
            DevEvaluation(self.state.step, self.state.elapsed_s, clips, rates, best=is_best, sane=is_sane)
        )
        if is_best:
            self._set_clock(False)
            self.state = replace(self.state, best_cer=rates.cer, best_step=self.state.step)
            self._save()
            save_model(self.job, self.learner, self.state, "best")
        found = guard.find_trouble(after) if after.silent_for else None
        if found is not None:
            self._roll_back(found, at_end=at_end)
        elif 0 < int(self.train.patience) <= after.without_gain and not at_end:
            self.watcher.event(self.state.step, {"event": "stopped early", "evaluations": after.without_gain})
            reason = f"no better dev CER in {after.without_gain} evaluations (train.patience): stopped early"
            self._end_early("patience", reason)
        return is_best

    def _recognise_dev(self) -> tuple[tuple[ClipScore, ...], ErrorRates]:
        """The scores of the dev clips and their error rates; records what the network wrote, and how long it took."""
        started = time.monotonic()
        clips = recognise_dev(self.learner, self.job.dev_cuts)
        spent_s, _ = self.processes.agree(time.monotonic() - started, False)
        rates, written = error_rates(clips), output_length(clips)
        self.state = replace(
            self.state,
            evaluation_s=max(self.state.evaluation_s, spent_s),
            evaluated_at_s=self.state.elapsed_s + spent_s if self.state.step else 0.0,
            owes_evaluation=False,
            guard=guard.after_recognition(self.state.guard, self.state.step, cer=rates.cer, written=written),
        )
        return clips, rates

    def _save(self) -> None:
        learner, scaler = self.learner, self.learner.scaler
        self.state = replace(self.state, scaler=scaler.state_dict() if scaler is not None else {})
        run, keep = self.job.run, self.train.keep
        save_checkpoint(self.processes, run, self.state, learner.network, learner.optimiser, keep)

    # --- what watchers are told

    def _log(self) -> None:
        state = self.state
        values = self._recent.values() | {
            "learning_rate": max(group["lr"] for group in self.learner.optimiser.param_groups),
            "weight_growth": guard.growth(state.guard),
            "epoch": state.place.epoch,
            "elapsed_s": round(state.elapsed_s, 2),
            "skipped_steps": state.skipped_steps,
            "progress": round(min(1.0, self._progress()), 4),
            "guard_rate": state.guard.rate,
            "rollbacks": state.guard.rollbacks,
        }
        self.watcher.logged(state.step, values)
        self._recent = RecentSteps()

    def _show(self, result: StepResult) -> None:
        done = min(1.0, self._progress())
        left_s = self.state.elapsed_s * (1 - done) / done if done > 0.01 else None
        line = f"step {self.state.step}  loss {result.loss:.3f}  blank {100 * result.blank_share:.0f} %"
        self.watcher.progressed(done, left_s, line)
