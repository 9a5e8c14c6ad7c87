"""A Whisper encoder out of CTranslate2's `model.bin`: its sizes and its weights, under transformers' names.

The file is untrusted input: every count and length is checked against the file before memory is taken for it.
Layout (version 6): version, name of the specification, its revision, number of variables; then of each variable its
name, rank, dimensions, data type, bytes; then aliases. Numbers are little-endian, names end with a zero byte.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import torch

from goama.errors import GoamaError

FILE = "model.bin"
_VERSION = 6
_LARGEST_RANK = 4
_MOST_VARIABLES = 10_000
_TYPES = {0: torch.float32, 2: torch.int16, 4: torch.float16, 5: torch.bfloat16}
_QUANTISED = {1: "int8", 2: "int16"}


@dataclass(frozen=True)
class Ct2Encoder:
    """Sizes of the encoder as `WhisperCTCConfig` has them, and float32 weights as Whisper checkpoints name them."""

    sizes: dict[str, int]
    weights: dict[str, torch.Tensor]


def find_file(encoder: str) -> Path | None:
    """CTranslate2's file at a path, or in a folder that is not transformers'; None where there is none."""
    path = Path(encoder)
    if path.is_file():
        return path
    if (path / FILE).is_file() and not any(path.glob("*.safetensors*")):
        return path / FILE
    return None


def read_encoder(path: Path) -> Ct2Encoder:
    """The Whisper encoder in the file; `GoamaError` if it is none, damaged, or quantised."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            variables = _Reader(path, content).variables("encoder/")
    except (OSError, ValueError) as error:
        raise GoamaError(f"{path}: this file cannot be read ({error})") from error
    try:
        return _encoder(variables)
    except KeyError as error:
        raise GoamaError(f"{path}: {error.args[0]} is missing; this is not a whole Whisper model") from error


class _Reader:
    def __init__(self, path: Path, content: mmap.mmap):
        self._path, self._content, self._place = path, content, 0

    def variables(self, prefix: str) -> dict[str, torch.Tensor]:
        """Tensors whose names begin with `prefix`, without it, as float32."""
        version = self._number("I")
        if version != _VERSION:
            raise self._refusal(f"not CTranslate2's format of version {_VERSION}")
        name = self._name()
        if name != "WhisperSpec":
            raise self._refusal(f"a {name[:40]!r}, not a Whisper model (WhisperSpec)")
        self._number("I")  # the specification's revision: names of the encoder's variables are the same in all
        count = self._number("I")
        if count > _MOST_VARIABLES:
            raise self._refusal("damaged (more variables than any Whisper model has)")
        found = {}
        for _ in range(count):
            name = self._name()
            rank = self._number("B")
            if rank > _LARGEST_RANK:
                raise self._refusal(f"damaged ({name[:40]!r} has {rank} dimensions)")
            shape = [self._number("I") for _ in range(rank)]
            kind, size = self._number("B"), self._number("I")
            raw = self._bytes(size)
            if not name.startswith(prefix):
                continue
            if kind in _QUANTISED and rank > 1:
                raise self._refusal(f"quantised to {_QUANTISED[kind]}; goama trains from float16 or float32 files")
            if kind not in _TYPES:
                continue
            if size != math.prod(shape) * _TYPES[kind].itemsize:
                raise self._refusal(f"damaged ({name[:40]!r} has {size} bytes for shape {shape})")
            tensor = torch.frombuffer(bytearray(raw), dtype=_TYPES[kind]) if size else torch.empty(0)
            found[name.removeprefix(prefix)] = tensor.reshape(shape).float()
        return found

    def _number(self, kind: str) -> int:
        return int(struct.unpack("<" + kind, self._bytes(struct.calcsize("<" + kind)))[0])

    def _name(self) -> str:
        return self._bytes(self._number("H")).rstrip(b"\0").decode("utf-8", errors="replace")

    def _bytes(self, size: int) -> bytes:
        if size > len(self._content) - self._place:
            raise self._refusal("cut off, or not CTranslate2's format")
        self._place += size
        return self._content[self._place - size : self._place]

    def _refusal(self, why: str) -> GoamaError:
        return GoamaError(f"{self._path}: {why}; --encoder takes the {FILE} of a Whisper model in float16 or float32")


def _encoder(variables: dict[str, torch.Tensor]) -> Ct2Encoder:
    """Raises `KeyError` for a variable that is missing."""
    width, bins, _ = _shape(variables, "conv1/weight", 3)
    layers = 0
    while f"layer_{layers}/self_attention/linear_0/weight" in variables:
        layers += 1
    inner, _ = _shape(variables, "layer_0/ffn/linear_0/weight", 2)
    positions, _ = _shape(variables, "position_encodings/encodings", 2)
    weights = {f"{c}.{p}": variables[f"{c}/{p}"] for c in ("conv1", "conv2") for p in ("weight", "bias")}
    weights |= _norm(variables, "layer_norm", "layer_norm")
    for number in range(layers):
        ours, theirs = f"layers.{number}.", f"layer_{number}/"
        attention = theirs + "self_attention/"
        joined = [_parts(variables[f"{attention}linear_0/{p}"], width) for p in ("weight", "bias")]
        for name, weight, bias in zip("qkv", *joined, strict=True):
            weights[f"{ours}self_attn.{name}_proj.weight"] = weight
            if name != "k":  # Whisper's keys have none; CTranslate2 writes zeros
                weights[f"{ours}self_attn.{name}_proj.bias"] = bias
        for name, place in (
            ("self_attn.out_proj", attention + "linear_1"),
            ("fc1", theirs + "ffn/linear_0"),
            ("fc2", theirs + "ffn/linear_1"),
        ):
            weights |= {f"{ours}{name}.{p}": variables[f"{place}/{p}"] for p in ("weight", "bias")}
        weights |= _norm(variables, ours + "self_attn_layer_norm", attention + "layer_norm")
        weights |= _norm(variables, ours + "final_layer_norm", theirs + "ffn/layer_norm")
    sizes = {
        "num_mel_bins": bins,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": int(variables["num_heads"]),
        "intermediate_size": inner,
        "max_source_positions": positions,
    }
    return Ct2Encoder(sizes, {f"model.encoder.{name}": value for name, value in weights.items()})


def _shape(variables: dict[str, torch.Tensor], name: str, rank: int) -> tuple[int, ...]:
    if name not in variables or variables[name].ndim != rank:
        raise KeyError(f"encoder/{name}")
    return tuple(variables[name].shape)


def _parts(joined: torch.Tensor, width: int) -> tuple[torch.Tensor, ...]:
    """Query, key and value lie one below the other."""
    if len(joined) != 3 * width:
        raise KeyError("a self_attention/linear_0 of the right size")
    return tuple(part.clone() for part in joined.split(width))


def _norm(variables: dict[str, torch.Tensor], ours: str, theirs: str) -> dict[str, torch.Tensor]:
    return {f"{ours}.weight": variables[f"{theirs}/gamma"], f"{ours}.bias": variables[f"{theirs}/beta"]}
