"""One optimiser step: batches in, sound changed at random, a network's answer, the gradient, new weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel

from goama.data.batches import Batch
from goama.model.encoder import frame_shift_s, output_frames
from goama.model.fsdp import Shards, whole
from goama.run.recipe import AugmentSection
from goama.sound.audio import SAMPLE_RATE
from goama.sound.augmentation import (
    change_tempo,
    generators,
    limit_band,
    reverberate,
    spec_augment,
    time_masks,
    warp_bands,
)
from goama.sound.front_end import FrontEnd
from goama.sound.log_mel import LogMel
from goama.text.vocabulary import Vocabulary
from goama.training.objective import ctc_sum, disagreement_sum
from goama.training.processes import Processes


@dataclass(frozen=True)
class StepResult:
    """One optimiser step: loss in nats per label; gradient norm before clipping; share of frames that are blank."""

    loss: float
    gradient_norm: float
    blank_share: float
    disagreement: float | None
    """Of two views of a clip, in nats per label; `loss` does not include it."""
    audio_s: float
    padded_s: float
    skipped: bool


@dataclass(frozen=True)
class _Output:
    """The network's output for a batch; with two views, the second follows the first along the first dimension."""

    logits: torch.Tensor
    """(B, T, V)"""
    lengths: torch.Tensor
    """(B,) valid frames of `logits`."""


class Learner:
    """A network, its front end and its optimiser: computes steps, keeps no history."""

    def __init__(
        self,
        accelerator: Accelerator,
        network: PreTrainedModel,
        optimiser: torch.optim.Optimizer,
        front_end: FrontEnd,
        vocabulary: Vocabulary,
        shards: Shards | None = None,
    ):
        """`shards`: what the network was spread into before its optimiser was made, if it was."""
        self.accelerator, self.vocabulary = accelerator, vocabulary
        self.bare_optimiser = optimiser
        self.front_end = front_end.on(accelerator.device)
        self.network = accelerator.prepare_model(network, evaluation_mode=True)  # not in DDP: see sum_gradients
        self.optimiser = accelerator.prepare_optimizer(optimiser)
        self.processes = Processes()
        self._shards = shards
        if shards is None:
            self.processes.same_weights(self.network)
        self.config = network.config

    @property
    def bare_network(self) -> nn.Module:
        return self.accelerator.unwrap_model(self.network)

    def whole_network(self) -> PreTrainedModel:
        """The network to recognise with, or a plain one with its weights where it is spread over the processes.

        Every process must ask for it.
        """
        return self.bare_network if self._shards is None else self._shards.whole()

    def step(
        self,
        batches: Sequence[Batch],
        *,
        seed: int,
        clip: float,
        augment: AugmentSection | None = None,
        consistency: float = 0.0,
    ) -> StepResult:
        """The outcome of one optimiser step over `batches`, which are computed one after the other.

        The loss is the sum over all clips of all batches (of all processes) divided by their labels, so that
        one batch of 32 clips and four of 8 give the same gradient. `seed` sets all of the step's randomness.
        With `consistency` > 0 the network sees each clip in two views, augmented independently, and `consistency` is
        the weight of their disagreement beside CTC. A step whose loss or gradients are not finite, or that has no
        clip, is skipped.
        """
        torch.manual_seed(seed)
        label_total, sample_total = self.processes.sums(
            sum(b.label_count for b in batches), sum(b.samples for b in batches)
        )
        if not sample_total:
            return StepResult(nan, nan, 0.0, None, 0.0, 0.0, skipped=True)
        views = 2 if consistency else 1
        totals = np.zeros(4)  # loss, disagreement, blank frames, frames
        for batch in batches:
            if batch.ids:
                output = self._forward(batch, augment, seed, views)
                totals += self._backward(batch, output, views, max(1.0, label_total), consistency)
            elif self._shards is not None:  # fewer clips than processes
                self._backward_without_clips(views)
        norm = self._clipped_norm(clip)
        loss, disagreement, blanks, frames, padded = self.processes.sums(
            *totals, sum(b.padded_samples for b in batches)
        )
        skipped = not (isfinite(norm) and isfinite(loss))
        if not skipped or self.accelerator.scaler is not None:  # the fp16 scaler skips by itself, and must be told
            self.optimiser.step()
        self.optimiser.zero_grad()
        return StepResult(
            loss=loss,
            gradient_norm=norm,
            blank_share=blanks / max(1, frames),
            disagreement=disagreement if views == 2 else None,
            audio_s=sample_total / SAMPLE_RATE,
            padded_s=padded / SAMPLE_RATE,
            skipped=skipped,
        )

    def _backward(
        self, batch: Batch, output: _Output, views: int, label_total: float, consistency: float
    ) -> tuple[float, float, int, int]:
        """Add a batch's gradients; returns its shares of loss and disagreement, its blank frames, and its frames."""
        logits, lengths, blank_id = output.logits, output.lengths, self.vocabulary.blank_id
        loss = ctc_sum(logits, lengths, [*batch.labels] * views, blank_id).sum() / (views * label_total)
        loss_share, disagreement_share = float(loss.detach()), 0.0
        if views == 2:
            disagreement = disagreement_sum(logits, lengths).sum() / (views * label_total)
            loss = loss + consistency * disagreement.to(loss.device)
            disagreement_share = float(disagreement.detach())
        self.accelerator.backward(loss)
        valid = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
        blanks = (logits.detach().argmax(-1) == blank_id) & valid
        return loss_share, disagreement_share, int(blanks.sum()), int(valid.sum())

    def _backward_without_clips(self, views: int) -> None:
        """Compute a gradient of zero, since FSDP gathers each layer's parameters from all processes."""
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
        output = self._forward(Batch(("",), (noise,), ((),), ("",), (None,)), None, 0, views)
        self.accelerator.backward(0.0 * output.logits.sum())

    def _clipped_norm(self, clip: float) -> float:
        """The norm of the gradients, summed over all processes, before it is clipped to `clip`."""
        if self._shards is None:
            self.processes.sum_gradients(self.network.parameters())
        return float(whole(self.accelerator.clip_grad_norm_(self.network.parameters(), clip)))

    def load_scaler(self, saved: dict[str, Any]) -> None:
        """Go on with the fp16 gradient scaler of a checkpoint; other precisions have none, and nothing is `saved`."""
        if self.accelerator.scaler is not None and saved:
            self.accelerator.scaler.load_state_dict(saved)

    def rehearse(self, batch: Batch, *, views: int = 1) -> None:
        """Compute a batch's gradient and discard it: needs the memory that a step needs, and changes nothing."""
        try:
            output = self._forward(batch, None, 0, views)
            labels = [*batch.labels] * views
            self.accelerator.backward(ctc_sum(output.logits, output.lengths, labels, self.vocabulary.blank_id).sum())
        finally:
            self.optimiser.zero_grad()

    def _forward(self, batch: Batch, augment: AugmentSection | None, seed: int, views: int) -> _Output:
        """Logits of `views` copies of the batch. All have the same reverberation and tempo, each its own masks."""
        waveforms, by_clip = batch.waveforms, generators(seed, batch.ids)
        if augment is not None and augment.reverb:
            waveforms = reverberate(waveforms, by_clip, float(augment.reverb))
        inputs, mask = self.front_end(waveforms)
        if augment is not None and augment.tempo and isinstance(self.front_end, LogMel):
            needed = self._frames_needed(batch, inputs.shape[1])
            inputs, mask = change_tempo(inputs, mask, by_clip, float(augment.tempo), needed)
        by_view = [by_clip, *(generators(seed, [f"{clip} again" for clip in batch.ids]) for _ in range(views - 1))]
        masked = {}
        if isinstance(self.front_end, LogMel):
            inputs = torch.cat([self._augmented(inputs, mask, augment, by_clip) for by_clip in by_view])
        else:
            inputs = inputs.repeat(views, 1)
            masked["mask_time_indices"] = torch.cat([self._time_masks(mask, augment, by_clip) for by_clip in by_view])
        mask = mask.repeat(views, 1)
        logits = self.network(inputs, attention_mask=mask.long(), **masked).logits
        return _Output(logits, output_frames(self.config, mask.sum(1)))

    def _time_masks(
        self, mask: torch.Tensor, augment: AugmentSection | None, by_clip: Sequence[torch.Generator]
    ) -> torch.Tensor:
        """(B, T) bool, frames that are masked before the transformer; never None, or the network would draw its own."""
        return time_masks(
            output_frames(self.config, mask.sum(1)).cpu(),
            by_clip,
            time_masks_per_s=float(augment.time_masks_per_s) if augment is not None else 0.0,
            longest_time_mask_s=augment.longest_time_mask_s if augment is not None else 1.0,
            frame_shift_s=frame_shift_s(self.config),
        ).to(mask.device)

    def _augmented(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        augment: AugmentSection | None,
        by_clip: Sequence[torch.Generator],
    ) -> torch.Tensor:
        if augment is None:
            return features
        if augment.vocal_tract:
            features = warp_bands(features, by_clip, float(augment.vocal_tract))
        if augment.band_limit:
            features = limit_band(features, mask, by_clip, augment.band_limit)
        return spec_augment(
            features,
            mask,
            by_clip,
            time_masks_per_s=float(augment.time_masks_per_s),
            longest_time_mask_s=augment.longest_time_mask_s,
            frequency_masks=int(augment.frequency_masks),
            widest_frequency_mask=augment.widest_frequency_mask,
            frame_shift_s=self.front_end.frame_shift_s,
        )

    def _frames_needed(self, batch: Batch, frames: int) -> torch.Tensor:
        """(B,) input frames, of at most `frames`, that leave CTC as many logits as each clip's labels need."""
        logits = output_frames(self.config, torch.arange(frames + 1))
        required = torch.tensor([self.vocabulary.required_frames(labels) for labels in batch.labels])
        return torch.searchsorted(logits, required)
