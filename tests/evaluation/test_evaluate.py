"""An evaluation scores each clip of a split against its normalised text."""

import dataclasses
import json

import pytest

from goama.errors import GoamaError
from goama.evaluation.evaluate import evaluate, read_evaluation, score_batches
from goama.evaluation.seen import seen_in_training, words_by_novelty
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


def test_an_evaluation_is_read_as_it_was_written(recogniser, corpus, tmp_path):
    evaluation = evaluate(recogniser, corpus, "dev", model="model")
    (tmp_path / "dev.json").write_text(json.dumps(evaluation.to_dict()))
    again = read_evaluation(tmp_path / "dev.json")
    assert again.score == evaluation.score
    assert {clip.id: clip for clip in again.clips} == {clip.id: clip for clip in evaluation.clips}


@pytest.mark.parametrize("content", ["", "[]", '{"model": 1}', '{"clip_scores": [{"id": 3}]}'])
def test_another_file_is_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(GoamaError, match="not a result of `goama evaluate --json`"):
        read_evaluation(tmp_path / "other.json")


def test_speakers_sentences_and_words_of_the_training_split_are_known(recogniser, corpus):
    evaluation = evaluate(recogniser, corpus, "dev")
    seen = seen_in_training(corpus, evaluation.clips, "dev", corpus.normaliser)
    assert seen.speakers == seen.speakers_trained == {"small fish", "big fish"}
    assert seen.clips_trained == 4 and seen.is_speaker_disjoint is False
    new = tuple(dataclasses.replace(clip, speaker="nobody before") for clip in evaluation.clips)
    assert seen_in_training(corpus, new, "dev", corpus.normaliser).is_speaker_disjoint is True
    unnamed = tuple(dataclasses.replace(clip, speaker=None) for clip in evaluation.clips)
    assert seen_in_training(corpus, unnamed, "dev", corpus.normaliser).is_speaker_disjoint is None
    words = words_by_novelty(evaluation.clips, seen.words)
    assert words.known + words.new == evaluation.score.words and words.new > 0


def test_the_sentences_of_training_clips_are_all_in_training(recogniser, corpus):
    evaluation = evaluate(recogniser, corpus, "train")
    seen = seen_in_training(corpus, evaluation.clips, "train", corpus.normaliser)
    assert seen.sentences == {clip.id for clip in evaluation.clips}
    assert seen.is_speaker_disjoint is False
