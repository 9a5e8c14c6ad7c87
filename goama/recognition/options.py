"""What a user can choose about decoding; None and `auto` mean what the model folder says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from goama.errors import GoamaError

Method = Literal["auto", "greedy", "beam"]
METHODS: tuple[Method, ...] = get_args(Method)

_NGRAMS = ("auto", "none", "words", "characters")
_NUMBERS = ("ngram_weight", "word_bonus", "blank_penalty", "hot_word_weight")


@dataclass(frozen=True)
class DecodingOptions:
    """How emissions become text. A value that makes no sense raises `GoamaError`.

    method:           `auto`: what `decoding.json` in the model folder says, greedy where there is none
    ngram:            beam search with this n-gram of the model folder, or with none; `auto`: the one tuned for
    beam_width:       hypotheses that beam search keeps in each frame
    ngram_weight:     weight of the n-gram's log-probability against the network's
    word_bonus:       added to the score for each word (each character with an n-gram of characters), against the
                      n-gram's liking for few words
    blank_penalty:    subtracted from the blank's log-probability in each frame
    hot_words:        words and phrases that become likelier, such as names
    hot_word_weight:  added to the score once for each word or phrase that is found
    """

    method: Method = "auto"
    ngram: Literal["auto", "none", "words", "characters"] = "auto"
    beam_width: int | None = None
    ngram_weight: float | None = None
    word_bonus: float | None = None
    blank_penalty: float | None = None
    hot_words: tuple[str, ...] = ()
    hot_word_weight: float | None = None

    def __post_init__(self) -> None:
        for name, possible in (("method", METHODS), ("ngram", _NGRAMS)):
            if getattr(self, name) not in possible:
                raise GoamaError(f"{name} {getattr(self, name)!r}: possible are {', '.join(possible)}")
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and not is_number(value):
                raise GoamaError(f"{name} {value!r}: a number is needed, or None")
        width = self.beam_width
        if width is not None and not is_beam_width(width):
            raise GoamaError(f"beam_width {width!r}: a whole number from 1 on is needed, or None")
        is_list = isinstance(self.hot_words, (tuple, list))
        if not is_list or not all(isinstance(phrase, str) for phrase in self.hot_words):
            raise GoamaError(f"hot_words {self.hot_words!r}: a tuple of words and phrases is needed")
        object.__setattr__(self, "hot_words", tuple(self.hot_words))


def is_number(value: Any) -> bool:
    """Whether it is a finite number, as a weight must be."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_beam_width(value: Any) -> bool:
    """Whether it is a whole number from 1 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
