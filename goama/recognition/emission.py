"""Waveforms through a network: log-probabilities of each clip, however many clips share the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from goama.acoustics.audio import SAMPLE_RATE
from goama.acoustics.front_end import FrontEnd
from goama.model.encoder import longest_s, output_frames
from goama.recognition.windows import windows


@torch.inference_mode()
def emissions(network: nn.Module, front_end: FrontEnd, waveforms: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """Log-probabilities (T, V) float32 on the CPU for each waveform (N,) at 16 kHz, all at once.

    Padding never reaches a clip: the result is that of each clip alone. Clips too short for a frame are
    padded with silence to one frame; those longer than the network hears at once are recognised in windows.
    """
    longest = longest_s(network.config)
    if longest is not None and any(len(waveform) > longest * SAMPLE_RATE for waveform in waveforms):
        return [long_emission(network, front_end, waveform) for waveform in waveforms]
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
    pieces = []
    for window in windows(len(waveform), network.config):
        emission = emissions(network, front_end, [waveform[window.first : window.last]])[0]
        pieces.append(emission[window.skipped :][: window.kept])
    return torch.cat(pieces)
