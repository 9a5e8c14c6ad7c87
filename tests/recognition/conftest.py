"""What a real network says about the 24 Dutch sentences of tests/fixtures/nl, and n-grams of their texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from goama.recognition.beam import NgramFile
from goama.text import Vocabulary
from goama.text.ngram import ORDERS, UNITS, Units, estimate, tokens_of


@dataclass(frozen=True)
class Recognised:
    """Emissions (T, 32) at 20 ms of the starter, fine-tuned on an hour of Dutch, and the normalised texts."""

    vocabulary: Vocabulary
    emissions: tuple[torch.Tensor, ...]
    references: tuple[str, ...]
    frame_shift_s: float = 0.02


@pytest.fixture(scope="session")
def recognised() -> Recognised:
    """The 24 sentences as a network hears them; it has learnt the first 16, and errs in the others."""
    with np.load(Path(__file__).parents[1] / "fixtures" / "emissions-nl.npz") as arrays:
        vocabulary = Vocabulary(tuple(arrays["tokens"].tolist()))
        emissions = tuple(torch.from_numpy(arrays[id].astype(np.float32)) for id in arrays["ids"])
        return Recognised(vocabulary, emissions, tuple(arrays["references"].tolist()))


@pytest.fixture(scope="session")
def dutch_ngrams(recognised: Recognised, tmp_path_factory: pytest.TempPathFactory) -> dict[Units, NgramFile]:
    """n-grams of words and of characters, of the 24 sentences."""
    folder = tmp_path_factory.mktemp("ngrams")
    made = {}
    for units in UNITS:
        made[units] = NgramFile(folder / f"{units}.arpa.gz", units)
        lines = (tokens_of(line, units, recognised.vocabulary) for line in recognised.references)
        estimate(lines, units, ORDERS[units], made[units].path)
    return made
