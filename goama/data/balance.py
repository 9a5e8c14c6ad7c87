"""An epoch of several languages: the small ones are heard more often than their hours, the large ones less."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lhotse import MonoCut

UNNAMED = "unnamed"
"""What clips without a language are counted under."""


def language_of(cut: MonoCut) -> str:
    """The language of a clip; `UNNAMED` if it has none."""
    return cut.supervisions[0].language or UNNAMED


def repeats(hours: Mapping[str, float], balance: float) -> dict[str, float]:
    """How often an epoch holds each clip of a language: shares go as hours ** balance, the epoch's length stays.

    balance 1 leaves the hours as they are, 0 makes all languages equal (Arivazhagan et al. 2019, section 4.1,
    with balance for their 1/T).
    """
    wanted = {language: value**balance for language, value in hours.items()}
    scale = sum(hours.values()) / sum(wanted.values())
    return {language: scale * wanted[language] / hours[language] for language in hours}


def draw(cuts: Iterable[MonoCut], rates: Mapping[str, float], *, seed: int, epoch: int) -> list[MonoCut]:
    """An epoch's clips, shuffled: each as often as its language's rate says, the broken part left to chance.

    The same cuts in the same order, seed and epoch give the same; over many epochs every clip gets its share.
    """
    chance = random.Random(f"{seed} {epoch}")
    drawn = [cut for cut in cuts for _ in range(int(rates[language_of(cut)] + chance.random()))]
    chance.shuffle(drawn)
    return drawn
