"""The training loop: batches in, the best and the last model out; stopped at any moment, it goes on the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from goama.acoustics.audio import SAMPLE_RATE
from goama.acoustics.augment import change_tempo, limit_band, reverberate, spec_augment, warp_bands
from goama.acoustics.batches import Batch, DataPlace, TrainingBatches
from goama.acoustics.log_mel import LogMel
from goama.evaluation.evaluate import score_batches
from goama.evaluation.scores import ClipScore, error_rates
from goama.interrupt import stop_requests
from goama.model.encoder import output_frames
from goama.model.frame_head import frame_logits
from goama.reports.run_page import RunPage
from goama.text.vocabulary import Vocabulary
from goama.training.alignment import Alignment, frame_targets
from goama.training.checkpoint import RunState, save_checkpoint
from goama.training.guidance import Guide
from goama.training.monitor import Monitor, clock
from goama.training.objective import ctc_sum, frame_sum
from goama.training.optimiser import rate_factor, set_rate
from goama.training.recipe import AugmentSection, TrainSection

EVALUATIONS = 12
"""Evaluations in a run, evenly spaced, when the recipe does not say how often."""

_LOG_EVERY = 10  # steps
_STOPPING = "stopping after this step, then saving (once more: stop at once, without saving)"


@dataclass(frozen=True)
class StepResult:
    """One optimiser step: loss in nats per label, or per frame while frame labels guide; gradient norm before
    clipping; frames that are blank; of the frames of letters those whose frame label is right."""

    loss: float
    gradient_norm: float
    blank_share: float
    frames_right: float | None
    audio_s: float
    padded_s: float
    skipped: bool


@dataclass(frozen=True)
class _Heard:
    """What the network made of a batch."""

    logits: torch.Tensor
    lengths: torch.Tensor
    """(B,) valid frames of `logits`."""
    frame_logits: torch.Tensor | None
    frame_lengths: torch.Tensor
    stretch: float
    """How many times as slow as they were the clips have become."""


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
        self.network, self.optimiser = accelerator.prepare(network, optimiser)
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
        alignment: Alignment | None = None,
        guidance: float = 0.0,
    ) -> StepResult:
        """One optimiser step over `batches`, computed one after the other.

        The loss is the sum over all clips of all batches (of all processes) divided by their labels, so that
        one batch of 32 clips and four of 8 give the same gradient. `seed` sets all of the step's randomness.
        With `guidance` > 0 that is the share in the loss of the frame head's labels, which `alignment` holds,
        in nats per frame.
        """
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        totals = self._total(sum(b.label_count for b in batches), sum(b.samples for b in batches))
        label_total, sample_total = (max(1.0, float(value)) for value in totals)
        loss_sum, blanks, frames, right, spoken = 0.0, 0, 0, 0, 0
        for number, batch in enumerate(batches):
            is_last = number == len(batches) - 1
            with nullcontext() if is_last else self.accelerator.no_sync(self.network):
                heard = self._forward(batch, augment, generator, is_guided=guidance > 0)
                logits, lengths = heard.logits, heard.lengths
                loss = torch.zeros((), device=logits.device)
                if guidance < 1:
                    ctc = ctc_sum(logits, lengths, batch.labels, self.vocabulary.blank_id).sum() / label_total
                    loss = (1.0 - guidance) * ctc.to(loss.device)
                if heard.frame_logits is not None and alignment is not None:
                    targets = self._frame_targets(batch, alignment, heard).to(logits.device)
                    per_sample = frame_sum(heard.frame_logits, targets).sum() / sample_total
                    loss = loss + guidance * per_sample * self.log_mel.frame_shift_s * SAMPLE_RATE
                    is_spoken = (targets >= 0) & (targets != self.vocabulary.blank_id)
                    right += int((heard.frame_logits.detach().argmax(-1) == targets)[is_spoken].sum())
                    spoken += int(is_spoken.sum())
                # DDP averages gradients over processes; the totals above are sums over them
                self.accelerator.backward(loss * self.accelerator.num_processes)
            loss_sum += float(loss.detach())
            valid = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
            blanks += int(((logits.detach().argmax(-1) == self.vocabulary.blank_id) & valid).sum())
            frames += int(valid.sum())
        norm = float(self.accelerator.clip_grad_norm_(self.network.parameters(), clip))
        skipped = not (torch.isfinite(torch.tensor([norm, loss_sum])).all())
        if not skipped or self.accelerator.scaler is not None:  # the fp16 scaler skips by itself, and must be told
            self.optimiser.step()
        self.optimiser.zero_grad()
        return StepResult(
            loss=float(self._total(loss_sum)[0]),
            gradient_norm=norm,
            blank_share=blanks / max(1, frames),
            frames_right=right / spoken if spoken else None,
            audio_s=sample_total / SAMPLE_RATE,
            padded_s=float(self._total(sum(b.padded_samples for b in batches))[0]) / SAMPLE_RATE,
            skipped=skipped,
        )

    def _forward(
        self, batch: Batch, augment: AugmentSection | None, generator: torch.Generator, *, is_guided: bool
    ) -> _Heard:
        waveforms = batch.waveforms
        if augment is not None and augment.reverb:
            waveforms = reverberate(waveforms, generator, augment.reverb)
        features, mask = self.log_mel(waveforms)
        frames = features.shape[1]
        if augment is not None:
            features, mask = self._augmented(features, mask, batch, augment, generator)
        output = self.network(features, attention_mask=mask.long(), output_hidden_states=is_guided)
        return _Heard(
            logits=output.logits,
            lengths=output_frames(self.config, mask.sum(1)),
            frame_logits=frame_logits(self.bare_network, output.hidden_states) if is_guided else None,
            frame_lengths=mask.sum(1),
            stretch=features.shape[1] / frames,
        )

    def _frame_targets(self, batch: Batch, alignment: Alignment, heard: _Heard) -> torch.Tensor:
        return frame_targets(
            [alignment.starts[clip] for clip in batch.ids],
            batch.labels,
            heard.frame_lengths.tolist(),
            stride=self.log_mel.stride,
            stretch=heard.stretch,
            blank_id=self.vocabulary.blank_id,
        )

    def _augmented(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        batch: Batch,
        augment: AugmentSection,
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if augment.tempo:
            needed = self._frames_needed(batch, features.shape[1])
            features, mask = change_tempo(features, mask, generator, augment.tempo, needed)
        if augment.vocal_tract:
            features = warp_bands(features, generator, augment.vocal_tract)
        if augment.band_limit:
            features = limit_band(features, mask, generator, augment.band_limit)
        features = spec_augment(
            features,
            mask,
            generator,
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

    def _total(self, *values: float) -> torch.Tensor:
        """Sums over all processes."""
        here = torch.tensor(values, dtype=torch.float64)
        if self.accelerator.num_processes == 1:
            return here
        return self.accelerator.reduce(here.to(self.accelerator.device), "sum").cpu()


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
        self.guide = guide
        self.page = RunPage(run, monitor.say, writes=learner.accelerator.is_main_process)
        self._pace = ""

    def run(self) -> Outcome:
        """Train until steps or minutes are used up, or the first Ctrl-C (or SIGTERM), which saves."""
        started = time.monotonic() - self.state.elapsed_s
        stream = self.batches.starting_at(self.state.place)
        recent: list[StepResult] = []
        recent_s = 0.0
        with stop_requests(self.monitor.say, _STOPPING) as stop_requested:
            while self._progress() < 1.0 and not stop_requested():
                self._maybe_align_again()
                before, step_started = self._progress(), time.monotonic()
                place, parts = self._next(stream)
                result = self._step(parts, before)
                recent_s += time.monotonic() - step_started
                self.state = replace(
                    self.state,
                    step=self.state.step + 1,
                    place=place,
                    elapsed_s=time.monotonic() - started,
                    skipped_steps=self.state.skipped_steps + result.skipped,
                )
                recent.append(result)
                if self.state.step % _LOG_EVERY == 0 or self._progress() >= 1.0:
                    self._log(recent, recent_s)
                    recent, recent_s = [], 0.0
                if stop_requested() and self._progress() < 1.0:
                    break
                is_best = self._maybe_evaluate(before, self._progress())
                self.state = replace(self.state, elapsed_s=time.monotonic() - started)
                self._maybe_save(before, self._progress(), is_best)
                self._show(result)
            interrupted = self._progress() < 1.0
        self.state = replace(self.state, finished=not interrupted)
        self._save()
        if self.state.step:
            self.save_model("last", self.state)
        self.page.write(going=False)
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
            self.guide.align_again(network, self.learner.log_mel, progress, realigned + 1)
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
        clips = self._evaluate()
        result = error_rates(clips)
        self.state = replace(self.state, evaluation_s=max(self.state.evaluation_s, time.monotonic() - started))
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
            self.page.keep(self.state.step, clips)
        self.page.write()
        return is_best

    def _evaluate(self) -> list[ClipScore]:
        network = self.learner.bare_network
        network.eval()
        try:
            return list(score_batches(network, self.learner.log_mel, self.learner.vocabulary, self.dev_cuts))
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
        if not self.learner.accelerator.is_main_process:
            return
        scaler = self.learner.accelerator.scaler
        self.state = replace(self.state, scaler=scaler.state_dict() if scaler is not None else {})
        save_checkpoint(
            self.run_folder,
            self.state,
            self.learner.bare_network,
            self.learner.bare_optimiser,
            self.train.keep,
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
                **_guided(recent, self._guidance(self._progress())),
                "padding_share": 1 - audio / padded,
                "audio_s_per_s": audio / seconds,
                "epoch": self.state.place.epoch,
                "elapsed_s": round(self.state.elapsed_s, 2),
                "skipped_steps": self.state.skipped_steps,
            },
        )
        self.page.keep_fresh()

    def _show(self, result: StepResult) -> None:
        progress = min(1.0, self._progress())
        left = self.state.elapsed_s * (1 - progress) / progress if progress > 0.01 else None
        line = f"step {self.state.step}  loss {result.loss:.3f}  blank {100 * result.blank_share:.0f} %"
        if result.frames_right is not None:
            line += f"  frames right {100 * result.frames_right:.0f} %"
        self.monitor.show(progress, left, line)


def _guided(recent: Sequence[StepResult], guidance: float) -> dict[str, float]:
    right = [r.frames_right for r in recent if r.frames_right is not None]
    return {"frames_right": sum(right) / len(right), "guidance": guidance} if right else {}
