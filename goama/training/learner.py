"""One optimiser step: batches in, the gradient of the loss over all of them, new weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from goama.data.batches import Batch
from goama.model.ctc import logits_and_states
from goama.model.fsdp import ShardedNetwork, full_tensor
from goama.model.precision import Precision, autocast
from goama.run.processes import Processes
from goama.run.recipe import AugmentSection
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import FrontEnd
from goama.text.vocabulary import Vocabulary
from goama.training.distillation import Distillation
from goama.training.inputs import InputMaker, NetworkInput
from goama.training.objective import ctc_sum, disagreement_sum


@dataclass(frozen=True)
class StepResult:
    """One optimiser step: loss in nats per label (of distillation, in nats per frame); gradient norm before clipping;
    share of frames that are blank."""

    loss: float
    gradient_norm: float
    blank_share: float
    disagreement: float | None
    """Of two views of a clip, in the unit of `loss`, which does not include it."""
    audio_s: float
    padded_s: float
    skipped: bool


class Learner:
    """A network, its front end and its optimiser: computes steps, keeps no history.

    What changes is the network, the optimiser and, in fp16, the gradient scaler.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        optimiser: torch.optim.Optimizer,
        front_end: FrontEnd,
        vocabulary: Vocabulary,
        *,
        precision: Precision = "no",
        sharded: ShardedNetwork | None = None,
        distillation: Distillation | None = None,
    ):
        """`sharded`: the network as FSDP sharded it before its optimiser was made; None without FSDP. `distillation`:
        the part of the loss that comes from a teacher, if there is one."""
        self.processes = Processes()
        self.device = self.processes.device
        self.network, self.optimiser, self.vocabulary = network, optimiser, vocabulary
        self.front_end = front_end.on(self.device)
        self.config = network.config
        self.precision: Precision = precision
        self.scaler = torch.amp.GradScaler(self.device.type) if precision == "fp16" else None
        self._inputs = InputMaker(self.front_end, network.config, vocabulary)
        self._sharded, self._distillation = sharded, distillation
        if sharded is None:
            self.network.to(self.device)  # type: ignore[arg-type]
            self.processes.same_weights(self.network)

    def whole_network(self) -> PreTrainedModel:
        """The network to recognise with; if it is sharded, a plain copy with all weights. Every process must call."""
        return self.network if self._sharded is None else self._sharded.full_network()

    def autocast(self) -> AbstractContextManager[None]:
        """A context in which networks compute in the precision of training."""
        return autocast(self.device, self.precision)

    def step(
        self,
        batches: Sequence[Batch],
        *,
        seed: int,
        clip: float,
        augment: AugmentSection | None = None,
        consistency: float = 0.0,
        head_only: bool = False,
    ) -> StepResult:
        """The result of one optimiser step over `batches`, which are computed one after the other.

        The loss is the sum over all clips of all batches (of all processes) divided by their labels, or in distillation
        by their frames, so that one batch of 32 clips and four of 8 give the same gradient. `seed` sets all of the
        step's randomness. With `consistency` > 0 the network sees each clip in two views, augmented independently, and
        `consistency` is the weight of their disagreement beside CTC. With `head_only` the pretrained parameters are
        frozen: they get no gradient, and no graph is kept for them. A step whose loss or gradients are not finite, or
        that has no clip, is skipped.
        """
        torch.manual_seed(seed)
        label_total, sample_total = self.processes.sums(
            sum(b.label_count for b in batches), sum(b.samples for b in batches)
        )
        if not sample_total:
            return StepResult(nan, nan, 0.0, None, 0.0, 0.0, skipped=True)
        views = 2 if consistency else 1
        divisor = max(1.0, label_total) if self._distillation is None else self._distillation.frames(sample_total)
        totals = np.zeros(4)  # loss, disagreement, blank frames, frames
        with self._frozen(head_only):
            for batch in batches:
                if batch.ids:
                    inputs = self._inputs(batch, augment, seed=seed, views=views)
                    totals += self._backward(batch, inputs, views, divisor, consistency)
                elif self._sharded is not None:  # fewer clips than processes
                    self._backward_without_clips(views)
            norm = self._clip_gradients(clip)
        loss, disagreement, blanks, frames, padded = self.processes.sums(
            *totals, sum(b.padded_samples for b in batches)
        )
        skipped = not (isfinite(norm) and isfinite(loss))
        self._update(skipped)
        return StepResult(
            loss=loss,
            gradient_norm=norm,
            blank_share=blanks / max(1, frames),
            disagreement=disagreement if views == 2 else None,
            audio_s=sample_total / SAMPLE_RATE,
            padded_s=padded / SAMPLE_RATE,
            skipped=skipped,
        )

    def load_scaler(self, saved: dict[str, Any]) -> None:
        """Restore the fp16 gradient scaler of a checkpoint; in other precisions there is none."""
        if self.scaler is not None and saved:
            self.scaler.load_state_dict(saved)

    def compute_without_update(self, batch: Batch, *, views: int = 1) -> None:
        """Compute a batch's gradient and discard it: needs as much memory as a step, and changes nothing."""
        try:
            inputs = self._inputs(batch, None, seed=0, views=views)
            logits, states = self._outputs(inputs)
            self._add_gradients(self._loss_sum(batch, inputs, logits, states))
        finally:
            self.optimiser.zero_grad()

    def _outputs(self, inputs: NetworkInput) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, T, V), and the hidden states (B, T, hidden) under the head."""
        masked = {} if inputs.time_masks is None else {"mask_time_indices": inputs.time_masks}
        with self.autocast():
            return logits_and_states(self.network, inputs.values, attention_mask=inputs.mask.long(), **masked)

    def _loss_sum(self, batch: Batch, inputs: NetworkInput, logits: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """The loss of all clips in all views, a scalar in nats."""
        distillation, views = self._distillation, len(logits) // len(batch.ids)
        loss = logits.new_zeros(())
        if distillation is None or distillation.ctc_weight:
            loss = ctc_sum(logits, inputs.lengths, [*batch.labels] * views, self.vocabulary.blank_id).sum()
        if distillation is None:
            return loss
        return distillation.ctc_weight * loss + distillation(batch, inputs, logits, states).sum().to(loss.device)

    def _backward(
        self, batch: Batch, inputs: NetworkInput, views: int, divisor: float, consistency: float
    ) -> tuple[float, float, int, int]:
        """Add a batch's gradients; returns its shares of loss and disagreement, its blank frames, and its frames."""
        lengths, blank_id = inputs.lengths, self.vocabulary.blank_id
        logits, states = self._outputs(inputs)
        loss = self._loss_sum(batch, inputs, logits, states) / (views * divisor)
        loss_share, disagreement_share = float(loss.detach()), 0.0
        if views == 2:
            disagreement = disagreement_sum(logits, lengths).sum() / (views * divisor)
            loss = loss + consistency * disagreement.to(loss.device)
            disagreement_share = float(disagreement.detach())
        self._add_gradients(loss)
        valid = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
        blanks = (logits.detach().argmax(-1) == blank_id) & valid
        return loss_share, disagreement_share, int(blanks.sum()), int(valid.sum())

    def _backward_without_clips(self, views: int) -> None:
        """Compute a gradient of zero, since FSDP gathers each layer's parameters from all processes."""
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
        inputs = self._inputs(Batch(("",), (noise,), ((),), ("",), (None,)), None, seed=0, views=views)
        self._add_gradients(0.0 * self._outputs(inputs)[0].float().sum())

    def _add_gradients(self, loss: torch.Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    @contextmanager
    def _frozen(self, head_only: bool) -> Iterator[None]:
        """Within, with `head_only`, pretrained parameters need no gradient; checkpoints see them trained as before."""
        pretrained = [
            parameter
            for group in self.optimiser.param_groups
            if head_only and not group["is_new"]
            for parameter in group["params"]
        ]
        for parameter in pretrained:
            parameter.requires_grad = False
        try:
            yield
        finally:
            for parameter in pretrained:
                parameter.requires_grad = True

    def _clip_gradients(self, clip: float) -> float:
        """The norm of the gradients, summed over all processes, before it is clipped to `clip`."""
        if self._sharded is None:
            self.processes.sum_gradients(self.network.parameters())
        if self.scaler is not None:
            self.scaler.scale(torch.zeros((), device=self.device))  # a process without clips has not used it yet
            self.scaler.unscale_(self.optimiser)
        return float(full_tensor(torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip)))

    def _update(self, skipped: bool) -> None:
        """New weights, unless the step is skipped; the fp16 scaler decides that by itself, and adapts."""
        if self.scaler is not None:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        elif not skipped:
            self.optimiser.step()
        self.optimiser.zero_grad()
