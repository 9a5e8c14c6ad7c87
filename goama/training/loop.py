"""The training loop: batches in, the best and the last model out; stopped at any moment, it goes on the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goama.acoustics.batches import Batch, DataPlace, TrainingBatches
from goama.evaluation.evaluate import score_batches
from goama.evaluation.scores import ErrorRates, error_rates
from goama.interrupt import stop_requests
from goama.training.checkpoint import RunState, save_checkpoint
from goama.training.guidance import Guide
from goama.training.learner import Learner, StepResult
from goama.training.monitor import Monitor, clock
from goama.training.optimiser import rate_factor, set_rate
from goama.training.recipe import AugmentSection, TrainSection

EVALUATIONS = 12
"""Evaluations in a run, evenly spaced, when the recipe does not say how often."""

_LOG_EVERY = 10  # steps
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
        guide: Guide | None = None,
    ):
        self.learner, self.batches, self.dev_cuts = learner, batches, dev_cuts
        self.train, self.augment, self.accumulate, self.total_steps = train, augment, accumulate, total_steps
        self.run_folder, self.state, self.monitor, self.save_model = run, state, monitor, save_model
        self.guide, self.processes = guide, learner.processes
        self._pace = ""

    def run(self) -> Outcome:
        """Train until steps or minutes are used up, or the first Ctrl-C (or SIGTERM), which saves."""
        started = time.monotonic() - self.state.elapsed_s
        stream = self.batches.starting_at(self.state.place)
        recent: list[StepResult] = []
        recent_s = 0.0
        stopping = False
        with stop_requests(self.monitor.say, _STOPPING) as stop_requested:
            while self._progress() < 1.0 and not stopping:
                self._maybe_align_again()
                before, step_started = self._progress(), time.monotonic()
                place, parts = self.processes.together(lambda: self._next(stream))
                result = self._step(parts, before)
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
                if self.state.step % _LOG_EVERY == 0 or self._progress() >= 1.0:
                    self._log(recent, recent_s)
                    recent, recent_s = [], 0.0
                if stopping and self._progress() < 1.0:
                    break
                is_best = self._maybe_evaluate(before, self._progress())
                elapsed_s, stopping = self.processes.agree(time.monotonic() - started, stop_requested())
                self.state = replace(self.state, elapsed_s=elapsed_s)
                self._maybe_save(before, self._progress(), is_best)
                self._show(result)
            interrupted = self._progress() < 1.0
        self.state = replace(self.state, finished=not interrupted)
        self._save()
        if self.state.step:
            self.save_model("last", self.state)
        return Outcome(self.state, interrupted)

    def _next(self, stream: Iterator[tuple[DataPlace, Batch]]) -> tuple[DataPlace, list[Batch]]:
        places, parts = zip(*(next(stream) for _ in range(self.accumulate)), strict=True)
        return places[-1], list(parts)

    def _step(self, parts: list[Batch], progress: float) -> StepResult:
        set_rate(self.learner.bare_optimiser, rate_factor(progress, self.train.warmup))
        return self.learner.step(
            parts,
            seed=(self.train.seed * 1_000_003 + self.state.step) % 2**63,
            clip=self.train.clip,
            augment=self.augment,
            alignment=self.guide.alignment if self.guide else None,
            guidance=self._guidance(progress),
        )

    def _guidance(self, progress: float) -> float:
        return self.guide.weight(progress) if self.guide else 0.0

    def _maybe_align_again(self) -> None:
        progress, realigned = self._progress(), self.state.realigned
        if self.guide is None or not self.guide.is_due(progress, realigned):
            return
        network = self.learner.bare_network
        network.eval()
        try:
            self.guide.align_again(network, self.learner.front_end, progress, realigned + 1)
        finally:
            network.train()
        self.state = replace(self.state, realigned=realigned + 1)

    def _progress(self) -> float:
        """The share of the run that is done: of its steps or of its minutes, whichever is further."""
        shares = [1.0 if self.state.finished else 0.0]
        if self.total_steps is not None:
            shares.append(self.state.step / self.total_steps)
        if self.train.minutes is not None:
            budget = max(1.0, 60 * self.train.minutes - 1.2 * self.state.evaluation_s)
            shares.append(self.state.elapsed_s / budget)
        return max(shares)

    def _maybe_evaluate(self, before: float, now: float) -> bool:
        """Evaluate if it is time; True when that gave the best model so far.

        While frame labels alone are learnt there is nothing to evaluate: CTC cannot write yet.
        """
        if self._guidance(before) == 1.0 and now < 1.0:
            return False
        if self.train.eval_every is not None:
            due = self.state.step % self.train.eval_every == 0
        else:
            due = int(before * EVALUATIONS) < int(now * EVALUATIONS)
        if not (due or now >= 1.0):
            return False
        started = time.monotonic()
        result = self._evaluate()
        spent_s, _ = self.processes.agree(time.monotonic() - started, False)
        self.state = replace(self.state, evaluation_s=max(self.state.evaluation_s, spent_s))
        is_best = self.state.best_cer is None or result.cer < self.state.best_cer
        self.monitor.log(
            self.state.step,
            {"dev_cer": result.cer, "dev_wer": result.wer, "dev_clips": result.clips, "best": is_best},
        )
        self.monitor.say(
            f"step {self.state.step:5d}  {clock(self.state.elapsed_s):>7}  dev CER {100 * result.cer:5.1f} %  "
            f"WER {100 * result.wer:5.1f} %{self._pace}{'  (best so far)' if is_best else ''}"
        )
        if is_best:
            self.state = replace(self.state, best_cer=result.cer, best_step=self.state.step)
            self.save_model("best", self.state)
        return is_best

    def _evaluate(self) -> ErrorRates:
        """Each process recognises its share of the batches; all of them count all clips."""
        learner, network = self.learner, self.learner.bare_network
        share = {"rank": self.processes.rank, "world_size": self.processes.count}
        network.eval()
        try:
            scored = score_batches(network, learner.front_end, learner.vocabulary, self.dev_cuts, **share)
            return error_rates(self.processes.gathered(self.processes.together(lambda: list(scored))))
        finally:
            network.train()

    def _maybe_save(self, before: float, now: float, is_best: bool) -> None:
        """A checkpoint when it is time, and with every best model: a resumed run must know what it has to beat."""
        if self.train.save_every is not None:
            due = self.state.step % self.train.save_every == 0
        else:
            due = int(before * EVALUATIONS) < int(now * EVALUATIONS)
        if (due or is_best) and now < 1.0:
            self._save()

    def _save(self) -> None:
        scaler = self.learner.accelerator.scaler
        self.state = replace(self.state, scaler=scaler.state_dict() if scaler is not None else {})
        learner = self.learner
        self.processes.on_main(
            lambda: save_checkpoint(
                self.run_folder, self.state, learner.bare_network, learner.bare_optimiser, self.train.keep
            )
        )

    def _log(self, recent: list[StepResult], seconds: float) -> None:
        audio, padded = sum(r.audio_s for r in recent), sum(r.padded_s for r in recent)
        self._pace = f"  {audio / seconds:4.0f} audio-s/s, {100 * (1 - audio / padded):2.0f} % padding"
        self.monitor.log(
            self.state.step,
            {
                "loss": sum(r.loss for r in recent) / len(recent),
                "learning_rate": max(group["lr"] for group in self.learner.bare_optimiser.param_groups),
                "gradient_norm": max(r.gradient_norm for r in recent),
                "blank_share": sum(r.blank_share for r in recent) / len(recent),
                **_guided(recent),
                "padding_share": 1 - audio / padded,
                "audio_s_per_s": audio / seconds,
                "epoch": self.state.place.epoch,
                "elapsed_s": round(self.state.elapsed_s, 2),
                "skipped_steps": self.state.skipped_steps,
            },
        )

    def _show(self, result: StepResult) -> None:
        progress = min(1.0, self._progress())
        left = self.state.elapsed_s * (1 - progress) / progress if progress > 0.01 else None
        line = f"step {self.state.step}  loss {result.loss:.3f}  blank {100 * result.blank_share:.0f} %"
        if result.frames_right is not None:
            line += f"  frames right {100 * result.frames_right:.0f} %"
        self.monitor.show(progress, left, line)


def _guided(recent: Sequence[StepResult]) -> dict[str, float]:
    right = [r.frames_right for r in recent if r.frames_right is not None]
    return {"frames_right": sum(right) / len(right)} if right else {}
