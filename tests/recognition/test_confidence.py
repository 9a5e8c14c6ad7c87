"""Calibrated confidences are the shares of right words; a calibration that does not help is not made."""

import json

import numpy as np
import pytest

from goama.errors import GoamaError
from goama.recognition.confidence import (
    CALIBRATION_FILE,
    expected_calibration_error,
    fit_calibration,
    load_calibrations,
    right_words,
    save_calibrations,
)
from goama.transcript import Segment, Transcript, Word


def spoken(words: list[tuple[str, float]]) -> Transcript:
    members = tuple(Word(text, number, number + 0.5, sure) for number, (text, sure) in enumerate(words))
    return Transcript("a.wav", float(len(words)), (Segment(members),) if members else ())


def clips(share_right_at: dict[float, float], clips: int = 60, seed: int = 0) -> tuple[list[Transcript], list[str]]:
    """Clips of ten words; of those with a confidence, this share is right."""
    generator = np.random.default_rng(seed)
    transcripts, references = [], []
    for _ in range(clips):
        confidences = generator.choice(list(share_right_at), 10)
        right = generator.random(10) < [share_right_at[confidence] for confidence in confidences]
        references.append(" ".join(f"w{number}" for number in range(10)))
        words = [f"w{number}" if good else "xx" for number, good in enumerate(right)]
        transcripts.append(spoken(list(zip(words, confidences, strict=True))))
    return transcripts, references


def test_a_word_is_right_where_the_alignment_finds_it():
    transcript = spoken([("de", 0.9), ("vis", 0.9), ("zwemd", 0.4), ("weg", 0.8), ("hoor", 0.2)])
    assert right_words(transcript, "de grote vis zwemt weg") == [True, True, False, True, False]
    assert right_words(spoken([]), "niets") == []


def test_the_expected_calibration_error_is_the_mean_distance_of_confidence_and_share():
    confidences = np.array([0.95, 0.95, 0.95, 0.95, 0.15, 0.15])
    right = np.array([True, True, False, False, False, False])
    assert expected_calibration_error(confidences, right) == pytest.approx((4 * 0.45 + 2 * 0.15) / 6)


def test_an_overconfident_model_is_calibrated_and_keeps_the_order_of_its_words():
    calibration = fit_calibration(*clips({0.99: 0.79, 0.9: 0.7, 0.6: 0.23}))
    assert calibration is not None
    assert calibration.error_before > 0.2 > 0.1 > calibration.error_after
    sure, likely, doubtful = (calibration(Word("wx", 0.0, 1.0, confidence)) for confidence in (0.99, 0.9, 0.6))
    assert sure == pytest.approx(0.8, abs=0.1)
    assert doubtful == pytest.approx(0.2, abs=0.1)
    assert doubtful < likely < sure
    transcripts, references = clips({0.99: 0.79, 0.9: 0.7, 0.6: 0.23}, seed=1)  # other clips of the same model
    words = [word for transcript in transcripts for word in calibration.applied(transcript.segments)[0].words]
    right = [good for pair in zip(transcripts, references, strict=True) for good in right_words(*pair)]
    after = expected_calibration_error(np.array([word.confidence for word in words]), np.array(right))
    assert after < 0.1


@pytest.mark.parametrize(
    "given",
    [
        clips({0.9: 0.5}, clips=9),  # too few words
        clips({0.9: 1.0}),
        clips({0.9: 0.0}),
        clips({0.9: 0.9, 0.5: 0.5, 0.2: 0.2}, clips=400),  # calibrated already
        clips({0.9: 0.3, 0.5: 0.8}),  # the surer, the worse
        ([spoken([])], ["een"]),
    ],
)
def test_where_nothing_can_be_learnt_there_is_no_calibration(given):
    calibration = fit_calibration(*given)
    assert calibration is None or calibration.error_after < calibration.error_before < 0.03


def test_certain_words_have_finite_confidences():
    calibration = fit_calibration(*clips({1.0: 0.7, 0.0: 0.1}))
    assert calibration is not None
    assert 0 <= calibration(Word("w1", 0.0, 1.0, 0.0)) < calibration(Word("w1", 0.0, 1.0, 1.0)) < 1


def test_a_long_word_is_likelier_to_be_wrong_where_dev_shows_it():
    share_right = {"ja": 0.9, "vissen": 0.5, "onderzeeboot": 0.1}
    generator = np.random.default_rng(0)
    transcripts, references = [], []
    for _ in range(200):
        references.append(" ".join(share_right))
        words = []
        for word, share in share_right.items():
            sure = generator.choice([0.8, 0.95])
            right = generator.random() < share + (0.1 if sure > 0.9 else -0.1)
            words.append((word if right else word[::-1], sure))
        transcripts.append(spoken(words))
    calibration = fit_calibration(transcripts, references)
    probabilities = [calibration(Word(text, 0.0, 1.0, 0.9)) for text in share_right]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] > 0.7 > 0.3 > probabilities[2]


def test_calibrations_travel_in_the_model_folder(tmp_path):
    calibration = fit_calibration(*clips({0.99: 0.8, 0.6: 0.2}))
    assert load_calibrations(tmp_path) == {}
    save_calibrations(tmp_path, {"greedy": calibration})
    assert load_calibrations(tmp_path) == {"greedy": calibration}


NUMBERS = {"confidence_weight": 1.0, "length_weight": 0.0, "intercept": 0.0, "words": 100, "right": 0.5}
NUMBERS |= {"error_before": 0.2, "error_after": 0.1}
NOT_A_NUMBER = json.dumps({"greedy": NUMBERS | {"intercept": "0"}})
NOT_FINITE = json.dumps({"greedy": NUMBERS | {"intercept": float("nan")}})


@pytest.mark.parametrize("content", ["{", "[1]", '{"greedy": {"slop": 1}}', '{"greedy": 3}', NOT_A_NUMBER, NOT_FINITE])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / CALIBRATION_FILE).write_text(content)
    with pytest.raises(GoamaError, match=r"confidence\.json: not the calibration"):
        load_calibrations(tmp_path)


def test_a_recogniser_calibrates_what_its_model_folder_says(tiny_model, speech, tmp_path):
    import shutil

    from goama.recognition.recogniser import Recogniser

    recording = sorted((speech / "audio").iterdir())[0]
    before = Recogniser.load(tiny_model).transcribe(recording)
    shutil.copytree(tiny_model, tmp_path / "model")
    calibration = fit_calibration(*clips({0.99: 0.8, 0.6: 0.2}))
    save_calibrations(tmp_path / "model", {"greedy": calibration})
    after = Recogniser.load(tmp_path / "model").transcribe(recording)
    assert (before.calibrated, after.calibrated) == (False, True)
    assert [word.confidence for word in after.words] == [calibration(word) for word in before.words]
