"""A Whisper encoder out of CTranslate2's `model.bin`: its sizes and its weights, under transformers' names.

The file is untrusted input: names, shapes and lengths of all variables are read and checked before any weight is.
Layout (version 6): version, name of the specification, its revision, number of variables; of each variable its name,
rank, dimensions, data type, number of bytes and bytes; number of aliases; of each alias its name and the variable's.
Numbers are little-endian, names end with a zero byte.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from goama.errors import GoamaError

FILE = "model.bin"
_VERSION = 6
_LARGEST_RANK = 4
_MOST_VARIABLES, _MOST_LAYERS = 10_000, 200
_FLOATS = {0: torch.float32, 4: torch.float16, 5: torch.bfloat16}
_INT16 = 2
_QUANTISED = {1: "int8", _INT16: "int16"}
_PREFIX = "encoder/"
_POSITIONS = "position_encodings/encodings"
_SHAPES = {"conv1/weight": 3, "layer_0/ffn/linear_0/weight": 2, _POSITIONS: 2, "num_heads": 0}
"""Variables whose shapes, or value, give the sizes of the encoder, and their ranks."""


@dataclass(frozen=True)
class Ct2Weights:
    """Weights of an encoder in float32."""

    by_name: dict[str, torch.Tensor]
    """Under the names of `WhisperForCTC`; it has no parameters but these and its head's."""
    positions: torch.Tensor
    """(positions, hidden): the position embeddings in the file."""


@dataclass(frozen=True)
class _Variable:
    """Where a variable is in the file."""

    shape: tuple[int, ...]
    kind: int
    place: int
    size: int


@dataclass(frozen=True)
class _Place:
    """What one parameter of ours is in the file: a variable, or a third of one."""

    variable: str
    shape: tuple[int, ...]
    """Of the whole variable."""
    third: int | None = None


def find_file(encoder: str) -> Path | None:
    """CTranslate2's file at a path, or in a folder that is not transformers'; None where there is none."""
    path = Path(encoder)
    if path.is_file():
        return path
    if (path / FILE).is_file() and not any(path.glob("*.safetensors*")):
        return path / FILE
    return None


def read_sizes(path: Path) -> dict[str, int]:
    """The sizes of the file's encoder as `WhisperCTCConfig` has them; no weight is read.

    Raises `GoamaError` if the file holds no Whisper encoder, is damaged or quantised, or its shapes contradict each
    other.
    """
    with _opened(path) as file:
        return file.sizes()


def read_weights(path: Path) -> Ct2Weights:
    """The weights of the file's encoder; raises `GoamaError` as `read_sizes` does."""
    with _opened(path) as file:
        places = _places(file.sizes())
        weights = {}
        for name, place in places.items():
            value = file.tensor(place.variable)
            weights[name] = value if place.third is None else value.chunk(3)[place.third].clone()
        return Ct2Weights(weights, file.tensor(_POSITIONS))


def _places(sizes: dict[str, int]) -> dict[str, _Place]:
    """Our parameters' names to their places in a file of an encoder of these sizes."""
    width, inner, bins = sizes["hidden_size"], sizes["intermediate_size"], sizes["num_mel_bins"]
    places = {
        "conv1.weight": _Place("conv1/weight", (width, bins, 3)),
        "conv1.bias": _Place("conv1/bias", (width,)),
        "conv2.weight": _Place("conv2/weight", (width, width, 3)),
        "conv2.bias": _Place("conv2/bias", (width,)),
        **_norm("layer_norm", "layer_norm", width),
    }
    for number in range(sizes["num_hidden_layers"]):
        ours, theirs = f"layers.{number}.", f"layer_{number}/"
        joined = theirs + "self_attention/linear_0/"  # query, key and value lie one below the other
        for third, name in enumerate("qkv"):
            places[f"{ours}self_attn.{name}_proj.weight"] = _Place(f"{joined}weight", (3 * width, width), third)
            if name != "k":  # Whisper's keys have no bias; CTranslate2 writes zeros
                places[f"{ours}self_attn.{name}_proj.bias"] = _Place(f"{joined}bias", (3 * width,), third)
        for name, place, rows, columns in (
            ("self_attn.out_proj", "self_attention/linear_1", width, width),
            ("fc1", "ffn/linear_0", inner, width),
            ("fc2", "ffn/linear_1", width, inner),
        ):
            places[f"{ours}{name}.weight"] = _Place(f"{theirs}{place}/weight", (rows, columns))
            places[f"{ours}{name}.bias"] = _Place(f"{theirs}{place}/bias", (rows,))
        places |= _norm(ours + "self_attn_layer_norm", theirs + "self_attention/layer_norm", width)
        places |= _norm(ours + "final_layer_norm", theirs + "ffn/layer_norm", width)
    return {f"model.encoder.{name}": place for name, place in places.items()}


def _norm(ours: str, theirs: str, width: int) -> dict[str, _Place]:
    return {
        f"{ours}.weight": _Place(f"{theirs}/gamma", (width,)),
        f"{ours}.bias": _Place(f"{theirs}/beta", (width,)),
    }


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield _File(path, content)
    except (OSError, ValueError) as error:
        raise GoamaError(
            f"{path}: this file cannot be read ({error}); copy it again from the model's source"
        ) from error


class _File:
    """An open file and the index of its encoder's variables."""

    def __init__(self, path: Path, content: mmap.mmap):
        self._path, self._content, self._place = path, content, 0
        self._index = self._read_index()

    def sizes(self) -> dict[str, int]:
        """The encoder's sizes, which all of its variables have been compared with."""
        for name, rank in _SHAPES.items():
            if len(self._variable(name).shape) != rank:
                raise self._refusal(f"damaged ({_PREFIX}{name} has {len(self._variable(name).shape)} dimensions)")
        width, bins, _ = self._variable("conv1/weight").shape
        heads = self._variable("num_heads")
        if heads.kind != _INT16 or heads.size != 2:
            raise self._refusal(f"damaged ({_PREFIX}num_heads is no number)")
        numbers = [int(found[1]) for name in self._index if (found := re.match(r"layer_(\d{1,9})/", name))]
        layers = 1 + max(numbers, default=-1)
        if layers > _MOST_LAYERS:
            raise self._refusal("damaged (more layers than any Whisper model has)")
        sizes = {
            "num_mel_bins": bins,
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": int(struct.unpack_from("<h", self._content, heads.place)[0]),
            "intermediate_size": self._variable("layer_0/ffn/linear_0/weight").shape[0],
            "max_source_positions": self._variable(_POSITIONS).shape[0],
        }
        expected = {place.variable: place.shape for place in _places(sizes).values()}
        expected[_POSITIONS] = (sizes["max_source_positions"], width)
        for name, shape in expected.items():
            self._check(name, shape)
        return sizes

    def tensor(self, name: str) -> torch.Tensor:
        """A variable in float32."""
        variable = self._variable(name)
        raw = bytearray(self._content[variable.place : variable.place + variable.size])
        return torch.frombuffer(raw, dtype=_FLOATS[variable.kind]).reshape(variable.shape).float()

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        variable = self._variable(name)
        if variable.shape != shape:
            raise self._refusal(f"damaged ({_PREFIX}{name} has shape {list(variable.shape)} instead of {list(shape)})")
        if variable.kind in _QUANTISED:
            raise self._refusal(f"quantised to {_QUANTISED[variable.kind]}, which cannot be trained")
        if variable.kind not in _FLOATS:
            raise self._refusal(f"damaged ({_PREFIX}{name} has the unknown data type {variable.kind})")
        if not variable.size or variable.size != math.prod(shape) * _FLOATS[variable.kind].itemsize:
            raise self._refusal(f"damaged ({_PREFIX}{name} has {variable.size} bytes for shape {list(shape)})")

    def _variable(self, name: str) -> _Variable:
        if name not in self._index:
            raise self._refusal(f"not a whole Whisper model ({_PREFIX}{name} is missing)")
        return self._index[name]

    def _read_index(self) -> dict[str, _Variable]:
        """The encoder's variables by their names without the prefix."""
        version = self._number("I")
        if version != _VERSION:
            raise self._refusal(f"not CTranslate2's format of version {_VERSION}")
        name = self._name()
        if name != "WhisperSpec":
            raise self._refusal(f"a {name[:40]!r}, not a Whisper model (WhisperSpec)")
        self._number("I")  # the specification's revision: names of the encoder's variables are the same in all
        index = {}
        for _ in range(self._count()):
            name = self._name()
            rank = self._number("B")
            if rank > _LARGEST_RANK:
                raise self._refusal(f"damaged ({name[:40]!r} has {rank} dimensions)")
            shape = tuple(self._number("I") for _ in range(rank))
            kind, size = self._number("B"), self._number("I")
            index[name] = _Variable(shape, kind, self._skip(size), size)
        for _ in range(self._count()):  # of variables with equal content the file has one
            alias, name = self._name(), self._name()
            if name in index:
                index[alias] = index[name]
        return {name.removeprefix(_PREFIX): found for name, found in index.items() if name.startswith(_PREFIX)}

    def _count(self) -> int:
        count = self._number("I")
        if count > _MOST_VARIABLES:
            raise self._refusal("damaged (more variables than any Whisper model has)")
        return count

    def _number(self, kind: str) -> int:
        place = self._skip(struct.calcsize("<" + kind))
        return int(struct.unpack_from("<" + kind, self._content, place)[0])

    def _name(self) -> str:
        size = self._number("H")
        place = self._skip(size)
        return self._content[place : place + size].rstrip(b"\0").decode("utf-8", errors="replace")

    def _skip(self, size: int) -> int:
        """Go on by so many bytes; the place before them."""
        if size > len(self._content) - self._place:
            raise self._refusal("cut off, or not CTranslate2's format")
        self._place += size
        return self._place - size

    def _refusal(self, why: str) -> GoamaError:
        return GoamaError(f"{self._path}: {why}; --encoder takes the {FILE} of a Whisper model in float16 or float32")
