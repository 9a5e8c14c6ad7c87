"""Writes a Whisper model as CTranslate2's converter does: `model.bin`, version 6."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import WhisperForConditionalGeneration

TYPES = {torch.float32: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.float16: 4, torch.bfloat16: 5}


def variables_of(whisper: WhisperForConditionalGeneration, dtype: torch.dtype = torch.float16) -> dict:
    """The variables of a file, by name; of the decoder one stands for all."""
    encoder = whisper.get_encoder()
    state = encoder.state_dict()
    made = {
        "encoder/num_heads": torch.tensor(encoder.config.encoder_attention_heads, dtype=torch.int16),
        "encoder/position_encodings/encodings": state["embed_positions.weight"],
        "decoder/embeddings/weight": whisper.get_decoder().embed_tokens.weight.detach(),
    }
    for convolution in ("conv1", "conv2"):
        made |= {f"encoder/{convolution}/{kind}": state[f"{convolution}.{kind}"] for kind in ("weight", "bias")}
    made |= norm("encoder/layer_norm", state, "layer_norm")
    for number in range(encoder.config.encoder_layers):
        theirs, ours = f"encoder/layer_{number}/", f"layers.{number}."
        query = f"{ours}self_attn."
        no_bias = torch.zeros_like(state[f"{query}q_proj.bias"])
        biases = [state[f"{query}q_proj.bias"], no_bias, state[f"{query}v_proj.bias"]]
        made[f"{theirs}self_attention/linear_0/weight"] = torch.cat([state[f"{query}{p}_proj.weight"] for p in "qkv"])
        made[f"{theirs}self_attention/linear_0/bias"] = torch.cat(biases)
        for place, name in (
            ("self_attention/linear_1", "self_attn.out_proj"),
            ("ffn/linear_0", "fc1"),
            ("ffn/linear_1", "fc2"),
        ):
            made |= {f"{theirs}{place}/{kind}": state[f"{ours}{name}.{kind}"] for kind in ("weight", "bias")}
        made |= norm(f"{theirs}self_attention/layer_norm", state, f"{ours}self_attn_layer_norm")
        made |= norm(f"{theirs}ffn/layer_norm", state, f"{ours}final_layer_norm")
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in made.items()}


def norm(theirs: str, state: Mapping[str, torch.Tensor], ours: str) -> dict[str, torch.Tensor]:
    return {f"{theirs}/gamma": state[f"{ours}.weight"], f"{theirs}/beta": state[f"{ours}.bias"]}


def write_ct2(
    path: Path, variables: Mapping[str, torch.Tensor], *, name: str = "WhisperSpec", version: int = 6, aliases=()
) -> Path:
    """The file; `aliases`: pairs of a name and the variable that it stands for."""
    parts = [struct.pack("<I", version), text(name), struct.pack("<II", 3, len(variables))]
    for key, value in variables.items():
        raw = value.contiguous().flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b""
        shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        parts += [text(key), shape, struct.pack("<BI", TYPES[value.dtype], len(raw)), raw]
    parts.append(struct.pack("<I", len(aliases)))
    parts += [text(word) for alias in aliases for word in alias]
    path.write_bytes(b"".join(parts))
    return path


def text(word: str) -> bytes:
    return struct.pack("<H", len(word) + 1) + word.encode() + b"\0"
