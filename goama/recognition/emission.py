"""Waveforms through a network: log-probabilities of each clip, however many clips share the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from goama.model.encoder import frame_shift_s, output_frames
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import FrontEnd

WINDOW_S, CONTEXT_S = 30.0, 3.0
"""Longer recordings are recognised in windows of 30 s that overlap by 3 s on either side."""


@torch.inference_mode()
def emissions(network: nn.Module, front_end: FrontEnd, waveforms: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """Log-probabilities (T, V) float32 on the CPU for each waveform (N,) at 16 kHz, all at once.

    Padding never reaches a clip: the result is that of each clip alone. Clips too short for a frame are
    padded with silence to one frame.
    """
    shortest = front_end.shortest_samples
    clips = [w if len(w) >= shortest else np.pad(w, (0, shortest - len(w))) for w in waveforms]
    inputs, mask = front_end(clips)
    logits = network(inputs, attention_mask=mask.long()).logits.float()
    lengths = output_frames(network.config, mask.sum(1)).tolist()
    return [row[:length].log_softmax(-1).cpu() for row, length in zip(logits, lengths, strict=True)]


def long_emission(network: nn.Module, front_end: FrontEnd, waveform: np.ndarray) -> torch.Tensor:
    """Log-probabilities (T, V) of a recording of any length, in memory that does not grow with it.

    Each window's context is cut off at whole frames and the middles are joined, so that the frame at time
    t is frame t / frame shift of the result.
    """
    if len(waveform) <= (WINDOW_S + 2 * CONTEXT_S) * SAMPLE_RATE:
        return emissions(network, front_end, [waveform])[0]
    shift = round(frame_shift_s(network.config) * SAMPLE_RATE)
    window, context = (int(seconds * SAMPLE_RATE) // shift * shift for seconds in (WINDOW_S, CONTEXT_S))
    pieces = []
    for start in range(0, len(waveform), window):
        first, last = max(0, start - context), min(len(waveform), start + window + context)
        emission = emissions(network, front_end, [waveform[first:last]])[0]
        skipped = (start - first) // shift
        is_final = start + window >= len(waveform)
        pieces.append(emission[skipped:] if is_final else emission[skipped : skipped + window // shift])
    return torch.cat(pieces)
