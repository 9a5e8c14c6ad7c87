"""Tuning finds weights that help, and leaves a model greedy where an n-gram does not help."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from goama.errors import GoamaError
from goama.evaluation.scores import bootstrap_difference
from goama.evaluation.tune import RecognisedClip, Tunable, Tuned, recognise_split, tune
from goama.recognition.options import DecodingOptions
from goama.recognition.recogniser import Recogniser
from goama.text import Vocabulary
from goama.text.ngram import NGRAM_FOLDER, estimate, ngram_file, tokens_of


@pytest.fixture(scope="module")
def clips() -> tuple[Vocabulary, list[RecognisedClip]]:
    """Real emissions of 16 Dutch sentences, 8 of which the network has learnt; then of each with the next one."""
    with np.load(Path(__file__).parents[1] / "fixtures" / "emissions-nl.npz") as arrays:
        vocabulary = Vocabulary(tuple(arrays["tokens"].tolist()))
        emissions = [torch.from_numpy(arrays[id].astype(np.float32)) for id in arrays["ids"]]
        texts = arrays["references"].tolist()
    found = [
        RecognisedClip(str(n), emission, text) for n, (emission, text) in enumerate(zip(emissions, texts, strict=True))
    ][8:]
    found += [
        RecognisedClip(
            f"{one.id}+{other.id}",
            torch.cat([one.emission, other.emission]),
            f"{one.reference} {other.reference}",
        )
        for one, other in pairwise(found)
    ]
    return vocabulary, found


def tuned_with(clips: tuple[Vocabulary, list[RecognisedClip]], lines: list[str], folder: Path) -> Tuned:
    """What tuning finds with an n-gram of words that was made of these lines."""
    vocabulary, found = clips
    (folder / NGRAM_FOLDER).mkdir()
    sentences = [tokens_of(line, "words", vocabulary) for line in lines]
    estimate(sentences, "words", 2, ngram_file(folder, "words"))
    steps: list[tuple[str, int, int]] = []
    tuned = tune(Tunable(folder, vocabulary, 0.02), found, lambda *step: steps.append(step))
    assert all(1 <= done <= total for _, done, total in steps)
    return tuned


def test_an_n_gram_of_what_is_said_makes_the_model_use_beam_search(clips, tmp_path):
    decoding = tuned_with(clips, [clip.reference for clip in clips[1][:16]], tmp_path).decoding
    assert (decoding.method, decoding.scorer) == ("beam", "words")
    assert decoding.measured["words"]["held_out_wer"] < decoding.measured["greedy"]["wer"]
    assert decoding.reason.startswith("beam search, because it is better on dev: WER ")


def test_where_beam_search_is_not_better_the_model_stays_greedy_and_says_why(clips, tmp_path):
    vocabulary, found = clips
    heard_well = vocabulary, [clip for clip in found[:8] for _ in range(4)]  # sentences that the network has learnt
    decoding = tuned_with(heard_well, [clip.reference for clip in found[8:16]], tmp_path).decoding
    assert (decoding.method, decoding.scorer) == ("greedy", "none")
    assert decoding.reason.startswith("greedy, because beam search is not better: WER ")


def test_the_same_clips_give_the_same_weights(clips, tmp_path):
    lines = [clip.reference for clip in clips[1][:16]]
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    first, second = (tuned_with(clips, lines, folder) for folder in folders)
    assert first == second


def test_clips_without_words_cannot_be_tuned_on(clips, tmp_path):
    vocabulary, found = clips
    with pytest.raises(GoamaError, match="no words"):
        tune(Tunable(tmp_path, vocabulary, 0.02), [RecognisedClip("a", found[0].emission, "")], lambda *_: None)


def test_every_clip_of_dev_is_recognised_with_its_normalised_text(corpus, tiny_model):
    recogniser = Recogniser.load(tiny_model, options=DecodingOptions(method="greedy"))
    steps: list[tuple[str, int, int]] = []
    found = recognise_split(recogniser, corpus, "dev", lambda *step: steps.append(step))
    assert {clip.id for clip in found} == {cut.id for cut in corpus.cuts("dev")} and steps[-1][1:] == (4, 4)
    assert all(clip.reference == recogniser.normaliser(clip.reference) for clip in found)


def test_the_interval_of_a_difference_holds_it_and_is_narrow_where_clips_agree():
    generator = np.random.default_rng(0)
    words = generator.integers(5, 15, 200)
    errors = generator.binomial(words, 0.3)
    fewer = np.stack([errors - (errors > 2), words], axis=1)
    low, high = bootstrap_difference(fewer, np.stack([errors, words], axis=1))
    difference = -(errors > 2).sum() / words.sum()
    assert low < difference < high < 0
    assert bootstrap_difference(fewer, fewer) == (0.0, 0.0)
