"""Evaluation of a model on a split: each clip is recognised and scored once; logits are not kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from goama.corpus.corpus import Corpus
from goama.data.batches import ordered_batches
from goama.evaluation.scores import ClipScore, Score, most_errors_first, score, score_clip
from goama.html import facts_html
from goama.model.ctc import ctc_loss
from goama.model.precision import Precision
from goama.recognition.emission import emissions
from goama.recognition.greedy import greedy_text
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import SAMPLE_RATE
from goama.sound.front_end import FrontEnd
from goama.text.vocabulary import Vocabulary

EVALUATION_BATCH_S = 60.0


@dataclass(frozen=True)
class Evaluation:
    """The score of a model on a split, and the scores of its clips."""

    model: str
    corpus: str
    split: str
    score: Score
    clips: tuple[ClipScore, ...]
    decoding: str = "greedy"
    """greedy or beam"""

    def __repr__(self) -> str:
        score = self.score
        return (
            f"Evaluation({self.model} on {self.split} of {self.corpus}: WER {100 * score.wer:.1f} %, "
            f"CER {100 * score.cer:.1f} %, {score.clips} clips)"
        )

    def _repr_html_(self) -> str:
        rows = [("clips", self.score.clips), ("length", f"{self.score.seconds / 60:.1f} min")]
        return facts_html(f"{self.model} on {self.split} of {self.corpus}", rows, self.score.lines())

    def worst(self, count: int = 10) -> list[ClipScore]:
        """The clips with the most character errors, worst first."""
        return most_errors_first(self.clips)[:count]

    def to_dict(self) -> dict[str, Any]:
        """The content of `evaluate --json`: the score, and every clip with its texts, worst first."""
        return {
            "model": self.model,
            "corpus": self.corpus,
            "split": self.split,
            "decoding": self.decoding,
            **asdict(self.score),
            "clip_scores": [_json(clip) for clip in self.worst(len(self.clips))],
        }


def _json(clip: ClipScore) -> dict[str, Any]:
    """The clip's fields; an infinite loss becomes None, as JSON has no infinity."""
    return asdict(clip) | {"loss": clip.loss if clip.loss is not None and math.isfinite(clip.loss) else None}


def evaluate(
    recogniser: Recogniser,
    corpus: Corpus,
    split: str,
    *,
    model: Path | str = "",
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """The evaluation of a recogniser on a split, with its decoder.

    `progress` is called with the number of clips done. Raises `GoamaError` if the split is empty or audio is missing.
    """
    corpus.require_sound(split)
    cuts = corpus.cuts(split)
    clips = []
    scored = score_batches(
        recogniser.network,
        recogniser.front_end,
        recogniser.vocabulary,
        cuts,
        recogniser.normaliser,
        precision=recogniser.precision,
        to_text=recogniser.decoder.text,
    )
    for clip in scored:
        clips.append(clip)
        if progress:
            progress(len(clips))
    return Evaluation(str(model), str(corpus.folder), split, score(clips), tuple(clips), recogniser.decoder.method)


def score_batches(
    network: nn.Module,
    front_end: FrontEnd,
    vocabulary: Vocabulary,
    cuts: Any,
    normalise: Callable[[str], str] = str,
    *,
    precision: Precision = "no",
    to_text: Callable[[torch.Tensor], str] | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[ClipScore]:
    """Yields the score of each clip, recognised in batches of 60 s; with several processes, of this rank's batches.

    The reference, and the labels of the loss, are the clip's text after `normalise`; `to_text` decodes an emission
    (T, V), None: greedily. Raises `GoamaError` if a clip
    cannot be read.
    """
    for batch in ordered_batches(cuts, vocabulary, batch_s=EVALUATION_BATCH_S, rank=rank, world_size=world_size):
        recognised = emissions(network, front_end, batch.waveforms, precision=precision)
        for index, emission in enumerate(recognised):
            reference = normalise(batch.texts[index])
            labels = vocabulary.encode(reference)
            yield score_clip(
                batch.ids[index],
                reference,
                to_text(emission) if to_text else greedy_text(emission, vocabulary),
                seconds=len(batch.waveforms[index]) / SAMPLE_RATE,
                speaker=batch.speakers[index],
                loss=ctc_loss(emission, labels, vocabulary.blank_id),
                labels=len(labels),
            )
