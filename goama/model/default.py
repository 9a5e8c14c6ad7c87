"""The encoder that `goama train` takes when none is named: by the GPU's memory and what can be downloaded."""

from __future__ import annotations

import torch

from goama.errors import GoamaError
from goama.model import hub, shipped
from goama.model.shipped import STARTER

LARGE_ENCODER = "facebook/w2v-bert-2.0"

LARGE_ENCODER_NEEDS_GB = 14.0
"""Memory of a GPU, 10^9 bytes. Weights, gradients and AdamW's state of 580 M parameters take 9.3 GB in float32
(docs/encoders.md); the rest is for the activations of a clip. Cards of 16 GB report a little less."""

_FROM_STARTER = f"training from the {STARTER}, Whisper-base's encoder"


def default_encoder() -> tuple[str, str]:
    """The encoder to train from on this machine, and one sentence that says why; errors as of `encoder_for`."""
    return encoder_for(gpu_memory_gb())


def encoder_for(memory_gb: float) -> tuple[str, str]:
    """The encoder to train from on a GPU of so many 10^9 bytes, 0 where there is none, and one sentence that says why.

    The large encoder if the GPU has room for it, else the starter. Raises `GoamaError` when the GPU has room and the
    checkpoint is neither on this machine nor within reach: a fault of the network must not decide on the encoder.
    """
    if not shipped.has_starter():
        return LARGE_ENCODER, f"training from {LARGE_ENCODER}: this copy of goama comes without a starter"
    if not memory_gb:
        return STARTER, f"no CUDA GPU here for {LARGE_ENCODER}; {_FROM_STARTER}"
    if memory_gb < LARGE_ENCODER_NEEDS_GB:
        return STARTER, (
            f"{LARGE_ENCODER} needs a GPU of {LARGE_ENCODER_NEEDS_GB:.0f} GB, this one has {memory_gb:.1f}; "
            f"{_FROM_STARTER}"
        )
    if not hub.is_within_reach(LARGE_ENCODER):
        raise GoamaError(
            f"this GPU has room for {LARGE_ENCODER}, which cannot be reached and is not on this machine; check the "
            "network, or choose the small encoder: --encoder starter"
        )
    return LARGE_ENCODER, f"training from {LARGE_ENCODER}: this GPU has {memory_gb:.0f} GB"


def gpu_memory_gb() -> float:
    """The memory of the CUDA GPU that would be used, in 10^9 bytes; 0 where there is none."""
    if not torch.cuda.is_available():
        return 0.0
    return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory / 1e9
