"""An evaluation scores each clip of a split against its normalised text."""

import dataclasses

import pytest

from goama.evaluation.evaluate import evaluate, score_batches
from goama.model.ctc import ctc_loss
from goama.recognition.recogniser import Recogniser


@pytest.fixture(scope="module")
def recogniser(tiny_model):
    return Recogniser.load(tiny_model, "cpu")


def test_the_loss_is_that_of_the_normalised_reference(recogniser, corpus):
    """Labels used to be those of the text as the corpus has it, while references were normalised."""
    cuts = corpus.cuts("dev")

    def without_e(text: str) -> str:
        return text.replace("e", "")

    scored = score_batches(recogniser.network, recogniser.front_end, recogniser.vocabulary, cuts, without_e)
    by_id = {clip.id: clip for clip in scored}
    for cut in cuts:
        reference = without_e(cut.supervisions[0].text)
        labels = recogniser.vocabulary.encode(reference)
        (emission,) = recogniser.emissions([cut.load_audio()[0]])
        clip = by_id[cut.id]
        assert (clip.reference, clip.labels) == (reference, len(labels))
        assert clip.loss == pytest.approx(ctc_loss(emission, labels, recogniser.vocabulary.blank_id), rel=1e-3)


def test_every_clip_is_scored_once_and_the_worst_come_first(recogniser, corpus):
    done = []
    evaluation = evaluate(recogniser, corpus, "dev", progress=done.append)
    assert done == [1, 2, 3, 4]
    assert {clip.id for clip in evaluation.clips} == {cut.id for cut in corpus.cuts("dev")}
    errors = [clip["character_errors"] for clip in evaluation.to_dict()["clip_scores"]]
    assert errors == sorted(errors, reverse=True)


def test_an_infinite_loss_is_null_in_json(recogniser, corpus):
    evaluation = evaluate(recogniser, corpus, "dev")
    clips = tuple(dataclasses.replace(clip, loss=float("inf")) for clip in evaluation.clips)
    assert {clip["loss"] for clip in dataclasses.replace(evaluation, clips=clips).to_dict()["clip_scores"]} == {None}
