"""What a student learns from a teacher: its frame posteriors, and its hidden states where frames are equally long.

The teacher hears the clean clip, the student the augmented one. The loss of a step, in nats for each frame of the
student, is

    ( sum of  t² KL(q' || p')  +  hidden_weight · distance of hidden states  +  ctc_weight · CTC ) / frames

with q' and p' the posteriors of teacher and student at the temperature t (Hinton et al. 2015).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from goama.data.batches import Batch
from goama.model.encoder import frame_shift_s
from goama.model.precision import Precision
from goama.model.trainable import TRAINING_ONLY
from goama.run.recipe import DistilSection
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import FrontEnd
from goama.training.inputs import NetworkInput
from goama.training.teacher import Lessons, Teacher

PROJECTION = f"{TRAINING_ONLY}projection"
"""The submodule of a student that maps its hidden states to the teacher's."""

_LEAST = 1e-8  # of a probability whose logarithm is taken


def add_projection(network: PreTrainedModel, width: int) -> None:
    """Give a student a projection of its hidden states to so many dimensions; the identity if it has as many."""
    projection = nn.Linear(network.lm_head.in_features, width)
    if projection.in_features == width:
        nn.init.eye_(projection.weight)
    nn.init.zeros_(projection.bias)
    network.add_module(PROJECTION, projection)


class Distillation:
    """The part of a student's loss that comes from its teacher."""

    def __init__(
        self,
        teacher: Teacher,
        network: PreTrainedModel,
        front_end: FrontEnd,
        section: DistilSection,
        *,
        device: torch.device,
        precision: Precision,
    ):
        """`network`: the student; it has a projection if `section.hidden_weight` is not 0."""
        self.ctc_weight, self._hidden_weight = float(section.ctc_weight), float(section.hidden_weight)
        self._temperature = section.temperature
        self._network, self._front_end = network, front_end
        self._blank_id = teacher.model.vocabulary.blank_id
        self._lessons = Lessons(teacher, device, precision, needs_states=bool(self._hidden_weight))
        self._ratio = frame_shift_s(network.config) / self._lessons.frame_shift_s

    def frames(self, samples: float) -> float:
        """About how many frames the student has in that many samples: what its losses are divided by."""
        return samples / (SAMPLE_RATE * frame_shift_s(self._network.config))

    def __call__(self, batch: Batch, inputs: NetworkInput, logits: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """How far the student is from its teacher, (B,) float32 nats summed over the frames of each clip.

        logits (B, T, V) and states (B, T, hidden) are the student's for `inputs`: one view of the batch or two, whose
        teacher is the same.
        """
        clips, frames = len(batch.ids), logits.shape[1]
        taught = self._lessons(batch)
        heard = torch.tensor([self._front_end.frames(len(waveform)) for waveform in batch.waveforms])
        tempo = heard.to(inputs.mask.device) / inputs.mask[:clips].sum(1)  # above 1 where the clip has become shorter
        ratio = self._ratio * tempo
        overlaps = frame_overlaps(ratio, frames, taught.lengths, taught.log_probabilities.shape[1])
        target = resample_posteriors(taught.log_probabilities, overlaps, ratio, self._blank_id)
        views = len(logits) // clips
        distances = divergences(logits, target.repeat(views, 1, 1), self._temperature)
        if self._hidden_weight:
            assert taught.states is not None
            wanted = averaged(taught.states, overlaps).repeat(views, 1, 1)
            projected = self._network.get_submodule(PROJECTION)(states.float())
            distances = distances + self._hidden_weight * state_distances(projected, wanted)
        valid = torch.arange(frames, device=logits.device) < inputs.lengths.to(logits.device)[:, None]
        return distances.masked_fill(~valid, 0.0).sum(1)


def frame_overlaps(ratio: torch.Tensor, frames: int, lengths: torch.Tensor, taught_frames: int) -> torch.Tensor:
    """By how much the student's frames overlap the teacher's in time, (B, frames, taught_frames) float32.

    ratio (B,): the length of a student's frame in teacher's frames; lengths (B,): the teacher's valid frames. Frame j
    of the student lasts from j · ratio to (j + 1) · ratio, frame i of the teacher from i to i + 1, and its last one
    without end, since the two may round a clip's length differently.
    """
    lengths = lengths.to(ratio.device)
    ours = torch.arange(frames + 1, device=ratio.device) * ratio[:, None]
    theirs = torch.arange(taught_frames, dtype=ratio.dtype, device=ratio.device).expand(len(lengths), -1)
    ends = (theirs + 1).masked_fill(theirs + 1 >= lengths[:, None], torch.inf)
    starts = theirs.masked_fill(theirs >= lengths[:, None], torch.inf)
    common = torch.minimum(ours[:, 1:, None], ends[:, None]) - torch.maximum(ours[:, :-1, None], starts[:, None])
    return common.clamp_min(0.0)


def resample_posteriors(
    log_probabilities: torch.Tensor, overlaps: torch.Tensor, ratio: torch.Tensor, blank_id: int
) -> torch.Tensor:
    """The teacher's posteriors at the student's frames, (B, T, V) float32 probabilities.

    log_probabilities (B, T', V) float32, overlaps o (B, T, T'), ratio (B,) as for `frame_overlaps`. A frame is blank if
    all frames that it covers are:

        q_j(blank) = product over i of p_i(blank)^(o_ji / min(1, ratio))
        q_j(k)     = (1 − q_j(blank)) · sum_i o_ji p_i(k) / sum_i o_ji (1 − p_i(blank))

    With equal frames q = p. Plain averages would halve the peak that CTC gives a label in one frame, so that the blank
    wins (docs/distil.md has figures).
    """
    overlaps = overlaps.to(log_probabilities.device)
    log_blank = log_probabilities[..., blank_id : blank_id + 1].clamp_min(-1e4)
    shorter = ratio.to(overlaps).clamp_max(1.0)[:, None, None]
    blank = torch.bmm((overlaps / shorter).clamp_max(1.0), log_blank).exp()
    labels = log_probabilities.exp()
    labels[..., blank_id] = 0.0
    labels = torch.bmm(overlaps, labels)
    labels = labels / labels.sum(-1, keepdim=True).clamp_min(_LEAST) * (1.0 - blank)
    labels[..., blank_id] = blank[..., 0]
    return labels


def averaged(states: torch.Tensor, overlaps: torch.Tensor) -> torch.Tensor:
    """Hidden states (B, T', hidden) averaged over the frames that overlap, (B, T, hidden); overlaps (B, T, T')."""
    weights = overlaps.to(states.device)
    return torch.bmm(weights / weights.sum(-1, keepdim=True).clamp_min(_LEAST), states)


def divergences(logits: torch.Tensor, target: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler divergence of the student from the target in each frame, (B, T) float32 nats.

    logits (B, T, V) of the student, target (B, T, V) probabilities. Both are softened by `temperature`, and the result
    is multiplied by its square, so that gradients keep their size (Hinton et al. 2015, section 2.1).
    """
    wanted = (target.clamp_min(_LEAST).log() / temperature).log_softmax(-1)
    said = (logits.float() / temperature).log_softmax(-1)
    return functional.kl_div(said, wanted, reduction="none", log_target=True).sum(-1) * temperature**2


def state_distances(projected: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference minus log-sigmoid of the cosine, (B, T), of states (B, T, hidden) (DistilHuBERT)."""
    cosine = functional.cosine_similarity(projected, wanted, dim=-1)
    return (projected - wanted).abs().mean(-1) - functional.logsigmoid(cosine)
