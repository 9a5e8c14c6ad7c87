"""The training loop: batches in, the best and the last model out; stopped at any moment, it goes on the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from goama.acoustics.audio import SAMPLE_RATE
from goama.acoustics.augment import change_tempo, generators, limit_band, spec_augment, warp_bands
from goama.acoustics.batches import Batch, DataPlace, TrainingBatches
from goama.acoustics.log_mel import LogMel
from goama.evaluation.evaluate import score_batches
from goama.evaluation.scores import ErrorRates, error_rates
from goama.interrupt import stop_requests
from goama.model.encoder import output_frames
from goama.text.vocabulary import Vocabulary
from goama.training.checkpoint import RunState, save_checkpoint
from goama.training.monitor import Monitor, clock
from goama.training.objective import ctc_sum, flat_start_sum
from goama.training.optimiser import rate_factor, set_rate
from goama.training.processes import Processes
from goama.training.recipe import AugmentSection, TrainSection

EVALUATIONS = 12
"""Evaluations in a run, evenly spaced, when the recipe does not say how often."""

_LOG_EVERY = 10  # steps
_STOPPING = "stopping after this step, then saving (once more: stop at once, without saving)"


@dataclass(frozen=True)
class StepResult:
    """One optimiser step: loss in nats per label, gradient norm before clipping, frames that are blank."""

    loss: float
    gradient_norm: float
    blank_share: float
    audio_s: float
    padded_s: float
    skipped: bool


class Learner:
    """A network, its features and its optimiser: computes steps, keeps no history."""

    def __init__(
        self,
        accelerator: Accelerator,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        log_mel: LogMel,
        vocabulary: Vocabulary,
    ):
        self.accelerator, self.vocabulary = accelerator, vocabulary
        self.bare_optimiser = optimiser
        self.log_mel = log_mel.on(accelerator.device)
        self.network = accelerator.prepare_model(network, evaluation_mode=True)  # not in DDP: see sum_gradients
        self.optimiser = accelerator.prepare_optimizer(optimiser)
        self.processes = Processes()
        self.processes.same_weights(self.network)
        self.config = network.config

    @property
    def bare_network(self) -> nn.Module:
        return self.accelerator.unwrap_model(self.network)

    def step(
        self,
        batches: Sequence[Batch],
        *,
        seed: int,
        clip: float,
        augment: AugmentSection | None = None,
        flat_start: float = 0.0,
    ) -> StepResult:
        """One optimiser step over `batches`, computed one after the other.

        The loss is the sum over all clips of all batches (of all processes) divided by their labels, so that
        one batch of 32 clips and four of 8 give the same gradient. `seed` sets all of the step's randomness.
        """
        torch.manual_seed(seed)
        totals = self._total(sum(b.label_count for b in batches), sum(b.samples for b in batches))
        label_total, sample_total = (max(1.0, float(value)) for value in totals)
        loss_sum, blanks, frames = 0.0, 0.0, 0.0
        for batch in batches:
            if not batch.ids:  # fewer clips than processes
                continue
            logits, lengths = self._forward(batch, augment, seed)
            loss = (
                (1.0 - flat_start)
                * ctc_sum(logits, lengths, batch.labels, self.vocabulary.blank_id).sum()
                / label_total
            )
            if flat_start:
                per_sample = flat_start_sum(logits, lengths, batch.labels).sum() / sample_total
                loss = loss + flat_start * per_sample * self._samples_per_frame
            self.accelerator.backward(loss)
            loss_sum += float(loss.detach())
            valid = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
            blanks += int(((logits.detach().argmax(-1) == self.vocabulary.blank_id) & valid).sum())
            frames += int(valid.sum())
        self.processes.sum_gradients(self.network.parameters())
        norm = float(self.accelerator.clip_grad_norm_(self.network.parameters(), clip))
        padded = sum(b.padded_samples for b in batches)
        loss_sum, blanks, frames, padded = self._total(loss_sum, blanks, frames, padded).tolist()
        skipped = not (torch.isfinite(torch.tensor([norm, loss_sum])).all())
        if not skipped or self.accelerator.scaler is not None:  # the fp16 scaler skips by itself, and must be told
            self.optimiser.step()
        self.optimiser.zero_grad()
        return StepResult(
            loss=loss_sum,
            gradient_norm=norm,
            blank_share=blanks / max(1, frames),
            audio_s=sample_total / SAMPLE_RATE,
            padded_s=padded / SAMPLE_RATE,
            skipped=skipped,
        )

    def _forward(self, batch: Batch, augment: AugmentSection | None, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        features, mask = self.log_mel(batch.waveforms)
        if augment is not None:
            features, mask = self._augmented(features, mask, batch, augment, seed)
        logits = self.network(features, attention_mask=mask.long()).logits
        return logits, output_frames(self.config, mask.sum(1))

    def _augmented(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        batch: Batch,
        augment: AugmentSection,
        seed: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        by_clip = generators(seed, batch.ids)
        if augment.tempo:
            needed = self._frames_needed(batch, features.shape[1])
            features, mask = change_tempo(features, mask, by_clip, augment.tempo, needed)
        if augment.vocal_tract:
            features = warp_bands(features, by_clip, augment.vocal_tract)
        if augment.band_limit:
            features = limit_band(features, mask, by_clip, augment.band_limit)
        features = spec_augment(
            features,
            mask,
            by_clip,
            time_masks_per_s=augment.time_masks_per_s,
            longest_time_mask_s=augment.longest_time_mask_s,
            frequency_masks=augment.frequency_masks,
            widest_frequency_mask=augment.widest_frequency_mask,
            frame_shift_s=self.log_mel.frame_shift_s,
        )
        return features, mask

    def _frames_needed(self, batch: Batch, frames: int) -> torch.Tensor:
        """(B,) input frames, of at most `frames`, that leave CTC as many logits as each clip's labels need."""
        logits = output_frames(self.config, torch.arange(frames + 1))
        required = torch.tensor([self.vocabulary.required_frames(labels) for labels in batch.labels])
        return torch.searchsorted(logits, required)

    @property
    def _samples_per_frame(self) -> float:
        one = output_frames(self.config, torch.tensor([1000]))
        return self.log_mel.frame_shift_s * SAMPLE_RATE * 1000 / float(one[0])

    def _total(self, *values: float) -> torch.Tensor:
        """Sums over all processes."""
        return torch.tensor(self.processes.sums(*values), dtype=torch.float64)


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
    ):
        self.learner, self.batches, self.dev_cuts = learner, batches, dev_cuts
        self.train, self.augment, self.accumulate, self.total_steps = train, augment, accumulate, total_steps
        self.run_folder, self.state, self.monitor, self.save_model = run, state, monitor, save_model
        self.processes = learner.processes
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
        flat_end = float(self.train.flat_start)
        set_rate(self.learner.bare_optimiser, rate_factor(progress, self.train.warmup))
        return self.learner.step(
            parts,
            seed=(self.train.seed * 1_000_003 + self.state.step) % 2**63,
            clip=self.train.clip,
            augment=self.augment,
            flat_start=max(0.0, 1.0 - progress / flat_end) if flat_end else 0.0,
        )

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
        """Evaluate if it is time; True when that gave the best model so far."""
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
            scored = score_batches(network, learner.log_mel, learner.vocabulary, self.dev_cuts, **share)
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
        self.monitor.show(progress, left, line)
