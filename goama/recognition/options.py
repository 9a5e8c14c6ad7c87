"""What a user can choose about decoding; None and `auto` mean what the model folder says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Method = Literal["auto", "greedy", "beam"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class DecodingOptions:
    """How emissions become text.

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
