"""Waveforms become emissions: the log-probabilities of each clip's frames, the same in every batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedConfig

from goama.model.encoder import frame_shift_s, longest_s, output_frames
from goama.model.precision import Precision, autocast
from goama.recognition.windows import WINDOW_S, Window, cut_windows
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import FrontEnd

BATCH_S, GPU_BATCH_S = 30.0, 120.0
"""Seconds of audio in one forward pass, padding included: this bounds memory. Larger batches are no faster on CPUs."""

_CERTAINTY = 0.99  # that silence is silence


def emissions(
    network: nn.Module,
    front_end: FrontEnd,
    waveforms: Sequence[np.ndarray],
    *,
    precision: Precision = "no",
    delimiter_id: int | None = None,
) -> list[torch.Tensor]:
    """Log-probabilities (T, V) float32 on the CPU for each waveform (N,) at 16 kHz, of any length, in their order.

    In float32 the emission of a clip does not depend on the other clips. A clip too short for one frame is padded with
    silence to one frame; one longer than 30 s is recognised in windows, and the pauses between them hold the delimiter
    if its id is given.
    """
    by_index = dict(emissions_by_length(network, front_end, waveforms, precision=precision, delimiter_id=delimiter_id))
    return [by_index[index] for index in range(len(waveforms))]


def emissions_by_length(
    network: nn.Module,
    front_end: FrontEnd,
    waveforms: Sequence[np.ndarray],
    *,
    precision: Precision = "no",
    delimiter_id: int | None = None,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Index and emission (T, V) of each waveform, shortest first, as soon as it has been computed; else as `emissions`.

    Clips of similar length share a batch of limited length, so that little is padding.
    """
    pieces: dict[int, list[torch.Tensor]] = {}
    order = sorted(range(len(waveforms)), key=lambda index: len(waveforms[index]))
    windows = ((index, window) for index in order for window in _windows(network, [waveforms[index]]))
    for batch in _batches(windows, _batch_s(network)):
        emitted = _frames(network, front_end, [window for _, window in batch], precision, delimiter_id)
        for (index, window), emission in zip(batch, emitted, strict=True):
            pieces.setdefault(index, []).append(emission)
            if window.frames is None:
                yield index, torch.cat(pieces.pop(index))


def emission_stream(
    network: nn.Module,
    front_end: FrontEnd,
    blocks: Iterable[np.ndarray],
    *,
    precision: Precision = "no",
    delimiter_id: int | None = None,
) -> Iterator[torch.Tensor]:
    """The emission of one recording in consecutive pieces (T_i, V), in memory that does not grow with its length.

    `blocks` (N,) float32 at 16 kHz are the recording's sound, read as needed. The frame at time t is frame
    t / frame shift of all pieces joined. In a recording longer than 30 s, silence is not given to the network, and each
    pause between two windows has one frame of the delimiter if its id is given: networks write none at a clip's end.
    """
    for batch in _batches(((0, window) for window in _windows(network, blocks)), _batch_s(network)):
        yield from _frames(network, front_end, [window for _, window in batch], precision, delimiter_id)


def _windows(network: nn.Module, blocks: Iterable[np.ndarray]) -> Iterator[Window]:
    """The windows of a recording; Whisper's encoders have positions for so many seconds only."""
    limit_s = longest_s(network.config)
    window_s = WINDOW_S if limit_s is None else min(WINDOW_S, limit_s)
    return cut_windows(blocks, round(frame_shift_s(network.config) * SAMPLE_RATE), window_s)


def _batch_s(network: nn.Module) -> float:
    return GPU_BATCH_S if next(network.parameters()).device.type == "cuda" else BATCH_S


def _batches(windows: Iterable[tuple[int, Window]], batch_s: float) -> Iterator[list[tuple[int, Window]]]:
    """Consecutive windows, at most `batch_s` together once padded to the longest."""
    batch: list[tuple[int, Window]] = []
    longest = 0
    for index, window in windows:
        longest = max(longest, len(window.samples))
        if batch and (len(batch) + 1) * longest > batch_s * SAMPLE_RATE:
            yield batch
            batch, longest = [], len(window.samples)
        batch.append((index, window))
    if batch:
        yield batch


def _frames(
    network: nn.Module,
    front_end: FrontEnd,
    windows: Sequence[Window],
    precision: Precision,
    delimiter_id: int | None,
) -> Iterator[torch.Tensor]:
    """The log-probabilities (T, V) of each window's used frames and of the silence after them."""
    recognised = [window for window in windows if window.frames != 0]
    used = iter(_used_frames(network, front_end, recognised, precision) if recognised else [])
    for window in windows:
        emission = [next(used)] if window.frames != 0 else []
        yield torch.cat([*emission, _silence(network.config, window.silence, delimiter_id)])


def _silence(config: PreTrainedConfig, frames: int, delimiter_id: int | None) -> torch.Tensor:
    """Log-probabilities (T, V): blanks, and in the middle the delimiter."""
    ids = torch.full((frames,), config.pad_token_id)
    if delimiter_id is not None:
        ids[frames // 2 : frames // 2 + 1] = delimiter_id
    others = math.log((1 - _CERTAINTY) / (config.vocab_size - 1))
    emission = torch.full((frames, config.vocab_size), others)
    return emission.scatter_(1, ids[:, None], math.log(_CERTAINTY))


@torch.inference_mode()
def _used_frames(
    network: nn.Module, front_end: FrontEnd, windows: Sequence[Window], precision: Precision
) -> list[torch.Tensor]:
    """One forward pass: the log-probabilities (T, V) of each window's used frames."""
    shortest = front_end.shortest_samples
    clips = [np.pad(window.samples, (0, max(0, shortest - len(window.samples)))) for window in windows]
    inputs, mask = front_end(clips)
    with autocast(inputs.device, precision):
        logits = network(inputs, attention_mask=mask.long()).logits.float()
    lengths = output_frames(network.config, mask.sum(1)).tolist()
    used = []
    for row, length, window in zip(logits, lengths, windows, strict=True):
        last = length if window.frames is None else window.first_frame + window.frames
        used.append(row[window.first_frame : last].log_softmax(-1).cpu())
    return used
