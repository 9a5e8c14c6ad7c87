"""Sampling of clips in several languages: small languages are sampled more often than their hours, large ones less."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lhotse import MonoCut

UNNAMED = "unnamed"
"""Name of the language of clips without one."""


def language_of(cut: MonoCut) -> str:
    """The language of a clip, `UNNAMED` if it has none."""
    return cut.supervisions[0].language or UNNAMED


def repeats(hours: Mapping[str, float], balance: float) -> dict[str, float]:
    """For each language, how often an epoch contains each of its clips, on average.

    The share of a language is proportional to hours ** balance; the length of the epoch does not change. With
    balance 1 the shares are those of the hours, with 0 they are equal (Arivazhagan et al. 2019, section 4.1; their
    1/T is balance).
    """
    weights = {language: value**balance for language, value in hours.items()}
    scale = sum(hours.values()) / sum(weights.values())
    return {language: scale * weights[language] / hours[language] for language in hours}


def draw(cuts: Iterable[MonoCut], rates: Mapping[str, float], *, seed: int, epoch: int) -> list[MonoCut]:
    """The clips of an epoch, shuffled; a clip occurs as often as the rate of its language, rounded at random.

    The result depends only on the cuts and their order, `rates`, `seed` and `epoch`.
    """
    generator = random.Random(f"{seed} {epoch}")
    drawn = [cut for cut in cuts for _ in range(int(rates[language_of(cut)] + generator.random()))]
    generator.shuffle(drawn)
    return drawn
