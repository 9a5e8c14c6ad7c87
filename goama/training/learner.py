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

from goama.acoustics.audio import SAMPLE_RATE
from goama.acoustics.augment import (
    change_tempo,
    generators,
    limit_band,
    reverberate,
    spec_augment,
    time_masks,
    warp_bands,
)
from goama.acoustics.batches import Batch
from goama.acoustics.front_end import FrontEnd, RawWaveforms
from goama.acoustics.whisper_mel import WhisperMel, centre
from goama.model.encoder import feature_stride, frame_shift_s, longest_s, output_frames
from goama.model.frame_head import frame_logits
from goama.model.shards import Shards, whole
from goama.text.vocabulary import Vocabulary
from goama.training.alignment import Alignment, frame_targets
from goama.training.objective import ctc_sum, disagreement_sum, frame_sum
from goama.training.processes import Processes
from goama.training.recipe import AugmentSection


@dataclass(frozen=True)
class StepResult:
    """One optimiser step: loss in nats per label, or per frame while frame labels guide; gradient norm before
    clipping; frames that are blank; of the frames of letters those whose frame label is right."""

    loss: float
    gradient_norm: float
    blank_share: float
    guidance: float
    """The share in the loss of the frame labels."""
    disagreement: float | None
    """Of two views of a clip, in nats per label; `loss` does not hold it."""
    frames_right: float | None
    audio_s: float
    padded_s: float
    skipped: bool


@dataclass(frozen=True)
class _Heard:
    """What the network made of a batch: of each of its views, one after the other along the first dimension."""

    logits: torch.Tensor
    lengths: torch.Tensor
    """(B,) valid frames of `logits`."""
    frame_logits: torch.Tensor | None
    frame_lengths: torch.Tensor
    stretches: torch.Tensor
    """(B,) how many times as slow as it was each clip has become."""


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
        limit_s = longest_s(network.config)
        self._most = None if limit_s is None else round(limit_s / self.front_end.frame_shift_s)

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
        alignment: Alignment | None = None,
        guidance: float = 0.0,
        consistency: float = 0.0,
    ) -> StepResult:
        """One optimiser step over `batches`, computed one after the other.

        The loss is the sum over all clips of all batches (of all processes) divided by their labels, so that
        one batch of 32 clips and four of 8 give the same gradient. `seed` sets all of the step's randomness.
        With `guidance` > 0 that is the share in the loss of the frame head's labels, which `alignment` holds,
        in nats per frame. With `consistency` > 0 the network hears each clip in two views, disguised independently,
        and that is the weight of their disagreement beside CTC. A step whose loss or gradients are not finite, or
        that has no clip, is skipped.
        """
        torch.manual_seed(seed)
        label_total, sample_total = self.processes.sums(
            sum(b.label_count for b in batches), sum(b.samples for b in batches)
        )
        if not sample_total:
            return StepResult(nan, nan, 0.0, guidance, None, None, 0.0, 0.0, skipped=True)
        label_total = max(1.0, label_total)
        views = 2 if consistency and guidance < 1 else 1
        loss_sum, disagreement_total, blanks, frames, right, spoken = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for batch in batches:
            if not batch.ids:  # fewer clips than processes
                if self._shards is not None:
                    self._accompany(views, guidance)
                continue
            heard = self._forward(batch, augment, seed, views, is_guided=guidance > 0)
            logits, lengths = heard.logits, heard.lengths
            loss = torch.zeros((), device=logits.device)
            if guidance < 1:
                labels = [*batch.labels] * views
                ctc = ctc_sum(logits, lengths, labels, self.vocabulary.blank_id).sum() / (views * label_total)
                loss = (1.0 - guidance) * ctc.to(loss.device)
            if heard.frame_logits is not None and alignment is not None:
                targets = self._frame_targets(batch, alignment, heard).to(logits.device)
                per_sample = frame_sum(heard.frame_logits, targets).sum() / (views * sample_total)
                loss = loss + guidance * per_sample * self.front_end.frame_shift_s * SAMPLE_RATE
                is_spoken = (targets >= 0) & (targets != self.vocabulary.blank_id)
                right += int((heard.frame_logits.detach().argmax(-1) == targets)[is_spoken].sum())
                spoken += int(is_spoken.sum())
            loss_sum += float(loss.detach())
            if views == 2:
                disagreement = disagreement_sum(logits, lengths).sum() / (views * label_total)
                loss = loss + (1.0 - guidance) * consistency * disagreement.to(loss.device)
                disagreement_total += float(disagreement.detach())
            self.accelerator.backward(loss)
            valid = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
            blanks += int(((logits.detach().argmax(-1) == self.vocabulary.blank_id) & valid).sum())
            frames += int(valid.sum())
        if self._shards is None:
            self.processes.sum_gradients(self.network.parameters())
        norm = float(whole(self.accelerator.clip_grad_norm_(self.network.parameters(), clip)))
        loss_sum, disagreement_total, blanks, frames, right, spoken, padded = self.processes.sums(
            loss_sum, disagreement_total, blanks, frames, right, spoken, sum(b.padded_samples for b in batches)
        )
        skipped = not (isfinite(norm) and isfinite(loss_sum))
        if not skipped or self.accelerator.scaler is not None:  # the fp16 scaler skips by itself, and must be told
            self.optimiser.step()
        self.optimiser.zero_grad()
        return StepResult(
            loss=loss_sum,
            gradient_norm=norm,
            blank_share=blanks / max(1, frames),
            guidance=guidance,
            disagreement=disagreement_total if views == 2 else None,
            frames_right=right / spoken if spoken else None,
            audio_s=sample_total / SAMPLE_RATE,
            padded_s=padded / SAMPLE_RATE,
            skipped=skipped,
        )

    def _accompany(self, views: int, guidance: float) -> None:
        """Compute a gradient of zero, without a clip: layers that are spread are gathered from all processes."""
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
        heard = self._forward(Batch(("",), (noise,), ((),), ("",), (None,)), None, 0, views, is_guided=guidance > 0)
        loss = 0.0 * heard.logits.sum() if guidance < 1 else torch.zeros((), device=heard.logits.device)
        if heard.frame_logits is not None:
            loss = loss + 0.0 * heard.frame_logits.sum()
        self.accelerator.backward(loss)

    def load_scaler(self, saved: dict[str, Any]) -> None:
        """Go on with the fp16 gradient scaler of a checkpoint; other precisions have none, and nothing is `saved`."""
        if self.accelerator.scaler is not None and saved:
            self.accelerator.scaler.load_state_dict(saved)

    def rehearse(self, batch: Batch, *, views: int = 1, is_guided: bool = False) -> None:
        """Compute a batch's gradient and forget it: needs the memory that a step needs, and changes nothing."""
        try:
            heard = self._forward(batch, None, 0, views, is_guided=is_guided)
            labels = [*batch.labels] * views
            loss = ctc_sum(heard.logits, heard.lengths, labels, self.vocabulary.blank_id).sum()
            if heard.frame_logits is not None:
                loss = loss + heard.frame_logits.sum()
            self.accelerator.backward(loss)
        finally:
            self.optimiser.zero_grad()

    def _forward(
        self, batch: Batch, augment: AugmentSection | None, seed: int, views: int, *, is_guided: bool
    ) -> _Heard:
        waveforms, by_clip = batch.waveforms, generators(seed, batch.ids)
        if augment is not None and augment.reverb:
            waveforms = reverberate(waveforms, by_clip, float(augment.reverb))
        inputs, mask = self.front_end(waveforms)
        unchanged = mask.sum(1)
        is_mel = not isinstance(self.front_end, RawWaveforms)
        if augment is not None and augment.tempo and is_mel:  # the same in all views
            needed = self._frames_needed(batch, inputs.shape[1])
            inputs, mask = change_tempo(
                inputs, mask, by_clip, float(augment.tempo), needed, self.front_end.bins, self._most
            )
        seen_by = [by_clip, *(generators(seed, [f"{clip} again" for clip in batch.ids]) for _ in range(views - 1))]
        masked = {}
        if is_mel:
            inputs = torch.cat([self._disguised(inputs, mask, augment, by_view) for by_view in seen_by])
        else:
            inputs = inputs.repeat(views, 1)
            masked["mask_time_indices"] = torch.cat([self._time_masks(mask, augment, by_view) for by_view in seen_by])
        mask = mask.repeat(views, 1)
        output = self.network(inputs, attention_mask=mask.long(), output_hidden_states=is_guided, **masked)
        return _Heard(
            logits=output.logits,
            lengths=output_frames(self.config, mask.sum(1)),
            frame_logits=frame_logits(self.bare_network, output.hidden_states) if is_guided else None,
            frame_lengths=mask.sum(1),
            stretches=mask.sum(1) / unchanged.repeat(views),
        )

    def _frame_targets(self, batch: Batch, alignment: Alignment, heard: _Heard) -> torch.Tensor:
        views = len(heard.logits) // len(batch.ids)
        return frame_targets(
            [alignment.starts[clip] for clip in batch.ids] * views,
            [*batch.labels] * views,
            heard.frame_lengths.tolist(),
            stride=feature_stride(self.config),
            stretches=heard.stretches.tolist(),
            blank_id=self.vocabulary.blank_id,
        )

    def _time_masks(
        self, mask: torch.Tensor, augment: AugmentSection | None, by_clip: Sequence[torch.Generator]
    ) -> torch.Tensor:
        """(B, T) bool, frames that the network hides from its transformer; never None, or it would draw its own."""
        return time_masks(
            output_frames(self.config, mask.sum(1)).cpu(),
            by_clip,
            time_masks_per_s=float(augment.time_masks_per_s) if augment is not None else 0.0,
            longest_time_mask_s=augment.longest_time_mask_s if augment is not None else 1.0,
            frame_shift_s=frame_shift_s(self.config),
        ).to(mask.device)

    def _disguised(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        augment: AugmentSection | None,
        by_clip: Sequence[torch.Generator],
    ) -> torch.Tensor:
        if augment is None:
            return features
        front_end, middle, silence = self.front_end, None, None
        assert not isinstance(front_end, RawWaveforms)
        if isinstance(front_end, WhisperMel):  # not normalised by bin: brought to a mean of 0, which masks stand for
            middle, silence = centre(features, mask)
            features = features - middle
        if augment.vocal_tract:
            features = warp_bands(features, by_clip, float(augment.vocal_tract), front_end.hertz())
        if augment.band_limit:
            features = limit_band(features, mask, by_clip, augment.band_limit, front_end.hertz(), silence)
        features = spec_augment(
            features,
            mask,
            by_clip,
            time_masks_per_s=float(augment.time_masks_per_s),
            longest_time_mask_s=augment.longest_time_mask_s,
            frequency_masks=int(augment.frequency_masks),
            widest_frequency_mask=augment.widest_frequency_mask,
            frame_shift_s=front_end.frame_shift_s,
            bins=front_end.bins,
        )
        return features if middle is None else features + middle

    def _frames_needed(self, batch: Batch, frames: int) -> torch.Tensor:
        """(B,) input frames, of at most `frames`, that leave CTC as many logits as each clip's labels need."""
        logits = output_frames(self.config, torch.arange(frames + 1))
        required = torch.tensor([self.vocabulary.required_frames(labels) for labels in batch.labels])
        return torch.searchsorted(logits, required)
