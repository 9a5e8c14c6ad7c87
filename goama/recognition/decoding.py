"""How a model folder is to be decoded: `decoding.json`, which `goama tune` writes beside the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from goama.errors import GoamaError
from goama.files import write_beside
from goama.recognition.options import is_beam_width, is_number

DECODING_FILE = "decoding.json"
FORMAT_VERSION = 1

Scorer = Literal["none", "words", "characters"]
"""What beam search asks besides the network: nothing, the n-gram of words or that of characters."""

SCORERS: tuple[Scorer, ...] = get_args(Scorer)


@dataclass(frozen=True)
class Weights:
    """Beam search adds up log-probability of the network + ngram_weight · log-probability of the n-gram + word_bonus.

    word_bonus:     for each word; with an n-gram of characters, for each character
    blank_penalty:  subtracted from the blank's log-probability in each frame
    beam_width:     hypotheses that are kept in each frame
    """

    ngram_weight: float = 0.0
    word_bonus: float = 0.0
    blank_penalty: float = 0.0
    beam_width: int = 50


DEFAULT_WEIGHTS: dict[Scorer, Weights] = {
    "none": Weights(),
    "words": Weights(ngram_weight=0.8, word_bonus=1.0),
    "characters": Weights(ngram_weight=0.8, word_bonus=1.0),
}
"""Where a model was not tuned: near what tuning found for Dutch and Czech."""


@dataclass(frozen=True)
class ModelDecoding:
    """The content of `decoding.json`.

    method:          greedy or beam: what was better on dev
    scorer:          which n-gram beam search uses
    reason:          why, in a sentence with the figures
    blank_penalty:   of greedy decoding
    weights:         of beam search with each scorer that was tuned
    measured:        the figures on dev
    """

    method: Literal["greedy", "beam"] = "greedy"
    scorer: Scorer = "none"
    reason: str = ""
    blank_penalty: float = 0.0
    weights: Mapping[Scorer, Weights] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)

    def weights_of(self, scorer: Scorer) -> Weights:
        """The tuned weights of a scorer, or the default ones."""
        return self.weights.get(scorer, DEFAULT_WEIGHTS[scorer])

    def save(self, folder: Path) -> None:
        """Writes the model folder's `decoding.json`."""
        content = {"format": "goama-decoding", "version": FORMAT_VERSION, **asdict(self)}
        write_beside(folder / DECODING_FILE, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path | None) -> ModelDecoding:
        """What a model folder says; greedy where it says nothing.

        Raises `GoamaError` when `decoding.json` is damaged or from a newer goama.
        """
        file = folder / DECODING_FILE if folder else None
        if file is None or not file.is_file():
            return cls()
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content.pop("format") != "goama-decoding" or content.pop("version") > FORMAT_VERSION:
                raise GoamaError(f"{file}: written by a newer goama; update goama, or delete it to decode greedily")
            content["weights"] = {scorer: Weights(**fields) for scorer, fields in content["weights"].items()}
            decoding = cls(**content)
            _require_usable(decoding)
            if decoding.method not in ("greedy", "beam") or not {decoding.scorer, *decoding.weights} <= set(SCORERS):
                raise ValueError(f"method {decoding.method!r} with {decoding.scorer!r}")
            return decoding
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise GoamaError(f"{file}: damaged ({error}); delete it, and run `goama tune` again") from error


def _require_usable(decoding: ModelDecoding) -> None:
    """Raises `ValueError` for weights that are no finite numbers."""
    if not is_number(decoding.blank_penalty):
        raise ValueError(f"blank_penalty {decoding.blank_penalty!r}")
    for weights in decoding.weights.values():
        for name, value in vars(weights).items():
            if not (is_beam_width(value) if name == "beam_width" else is_number(value)):
                raise ValueError(f"{name} {value!r}")
