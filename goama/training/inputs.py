"""A batch becomes the network's input: front end and augmentation, drawn by the step's seed and the clip id alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedConfig

from goama.data.batches import Batch
from goama.model.encoder import frame_shift_s, longest_s, output_frames
from goama.run.recipe import AugmentSection
from goama.sound.augmentation import (
    change_tempo,
    generators,
    limit_band,
    reverberate,
    spec_augment,
    time_masks,
    warp_bands,
)
from goama.sound.front_end import FrontEnd, RawWaveforms
from goama.sound.whisper_mel import WhisperMel, centre
from goama.text.vocabulary import Vocabulary

_LENGTH_STEP_S = 0.32
"""Training of the starter on two cores takes three quarters of the time with it, though about 5 % more is padding."""


@dataclass(frozen=True)
class NetworkInput:
    """One or two views of a batch, the second after the first along the first dimension."""

    values: torch.Tensor
    """(B, T, features) log-mel frames, or (B, T) samples."""
    mask: torch.Tensor
    """(B, T) bool, False where padded."""
    lengths: torch.Tensor
    """(B,) logits of each clip."""
    time_masks: torch.Tensor | None
    """(B, frames) bool: what a waveform encoder hides from its transformer; None for log-mel encoders."""


class InputMaker:
    """Turns batches into the input of one network."""

    def __init__(self, front_end: FrontEnd, config: PreTrainedConfig, vocabulary: Vocabulary):
        self.front_end, self._config, self._vocabulary = front_end, config, vocabulary
        limit_s = longest_s(config)
        self._most_frames = None if limit_s is None else round(limit_s / front_end.frame_shift_s)

    def __call__(self, batch: Batch, augment: AugmentSection | None, *, seed: int, views: int = 1) -> NetworkInput:
        """The input for `views` copies of the batch; reverberation and tempo are shared, masks are drawn for each."""
        waveforms, by_clip = batch.waveforms, generators(seed, batch.ids)
        if augment is not None and augment.reverb:
            waveforms = reverberate(waveforms, by_clip, float(augment.reverb))
        values, mask = self.front_end(waveforms)
        by_view = [by_clip, *(generators(seed, [f"{clip} again" for clip in batch.ids]) for _ in range(views - 1))]
        if isinstance(self.front_end, RawWaveforms):
            masks = torch.cat([self._time_masks(mask, augment, by_clip) for by_clip in by_view])
            values = values.repeat(views, 1)
        else:
            masks = None
            if augment is not None and augment.tempo:
                needed = self.frames_needed(batch, values.shape[1])
                widest, bins = float(augment.tempo), self.front_end.bins
                values, mask = change_tempo(values, mask, by_clip, widest, needed, bins, self._most_frames)
            values = torch.cat([self._masked(values, mask, augment, by_clip) for by_clip in by_view])
            values, mask = self._of_few_lengths(values, mask)
        mask = mask.repeat(views, 1)
        return NetworkInput(values, mask, output_frames(self._config, mask.sum(1)), masks)

    def _of_few_lengths(self, values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """On a CPU, padding to a multiple of `_LENGTH_STEP_S`: oneDNN compiles each product anew for every length."""
        if values.device.type != "cpu":
            return values, mask
        frames, step = values.shape[1], round(_LENGTH_STEP_S / self.front_end.frame_shift_s)
        wanted = -(-frames // step) * step
        more = max(0, min(wanted, self._most_frames or wanted) - frames)
        return nn.functional.pad(values, (0, 0, 0, more)), nn.functional.pad(mask, (0, more))

    def frames_needed(self, batch: Batch, frames: int) -> torch.Tensor:
        """(B,) the fewest input frames, at most `frames`, that give CTC as many logits as each clip's labels need."""
        logits = output_frames(self._config, torch.arange(frames + 1))
        required = torch.tensor([self._vocabulary.required_frames(labels) for labels in batch.labels])
        return torch.searchsorted(logits, required)

    def _time_masks(
        self, mask: torch.Tensor, augment: AugmentSection | None, by_clip: Sequence[torch.Generator]
    ) -> torch.Tensor:
        """(B, frames) bool; always given, or the network would draw its own."""
        return time_masks(
            output_frames(self._config, mask.sum(1)).cpu(),
            by_clip,
            time_masks_per_s=float(augment.time_masks_per_s) if augment is not None else 0.0,
            longest_time_mask_s=augment.longest_time_mask_s if augment is not None else 1.0,
            frame_shift_s=frame_shift_s(self._config),
        ).to(mask.device)

    def _masked(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        augment: AugmentSection | None,
        by_clip: Sequence[torch.Generator],
    ) -> torch.Tensor:
        """(B, T, features) with frequencies warped, bands limited and masked (SpecAugment)."""
        if augment is None:
            return features
        front_end, middle, silence = self.front_end, None, None
        assert not isinstance(front_end, RawWaveforms)
        if isinstance(front_end, WhisperMel):  # its features are not normalised by bin; masks stand for a mean of 0
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
