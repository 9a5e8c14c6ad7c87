"""The number format that a network computes in: chosen by device, and applied to a forward pass."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["no", "bf16", "fp16"]
"""accelerate's names of mixed precision; "no" is float32."""

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(device: torch.device) -> tuple[Precision, str]:
    """The fastest precision for training on a device, and the reason: bf16 where the hardware has it, fp16 on older
    GPUs, else float32."""
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU computes in bfloat16"
        return "fp16", "this GPU has no bfloat16"
    if device.type == "cpu" and _cpu_computes_in_bf16():
        return "bf16", "this CPU computes in bfloat16, about twice as fast as float32"
    return "no", f"float32 on this {device.type.upper()}"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """A context in which matrix products and convolutions on the device run in that precision."""
    dtype = _DTYPES.get(precision)
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def _cpu_computes_in_bf16() -> bool:
    """AVX-512 BF16 or AMX; without them torch emulates bfloat16, which is slower than float32."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)
