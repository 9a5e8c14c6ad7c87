"""Alignment of real Dutch speech: word times against those set by hand, and texts that are not what was said."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from goama.errors import GoamaError
from goama.model.shipped import STARTER_FOLDER, has_starter
from goama.recognition.align import Alignment, align, align_emission
from goama.recognition.alignment_quality import WITHOUT_SOUND, WITHOUT_TEXT, as_table, findings
from goama.recognition.listening import Levels, ModelUnits
from goama.recognition.recogniser import Recogniser
from goama.sound.audio import read_audio
from goama.text.normaliser import Normaliser
from goama.text.vocabulary import Vocabulary

FOLDER = Path(__file__).parents[1] / "fixtures" / "word-times"
BY_HAND = json.loads((FOLDER / "linux__v-forkovat.json").read_text(encoding="utf-8"))
TOLERANCE_S = 0.06
SENTENCE, FRAME_SHIFT_S = BY_HAND["text"], 0.02


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return read_audio(FOLDER / BY_HAND["audio"]).samples


@pytest.fixture(scope="module")
def emission() -> tuple[np.ndarray, Vocabulary]:
    """The sentence's emission (T, V) by the starter fine-tuned to Dutch, and its vocabulary."""
    with np.load(FOLDER / "linux__v-forkovat.npz") as saved:
        return saved["emission"].astype(np.float32), Vocabulary(tuple(saved["tokens"].tolist()))


def aligned(text: str, samples: np.ndarray, emission: tuple[np.ndarray, Vocabulary], times: int = 1) -> Alignment:
    """The alignment of the sentence, said several times over."""
    scores, vocabulary = emission
    frame = round(FRAME_SHIFT_S * 16000)
    sound = np.resize(samples, len(scores) * frame)  # whole frames
    levels = Levels()
    pieces = (torch.from_numpy(scores) for _ in levels.of([sound] * times))
    return align_emission(
        pieces, levels, text, ModelUnits(vocabulary, Normaliser.for_language("nl"), FRAME_SHIFT_S), "fork"
    )


def errors(alignment: Alignment) -> list[float]:
    """For each word, the larger of the errors of its start and its end, in seconds."""
    pairs = zip(alignment.words, BY_HAND["words"], strict=True)
    return [max(abs(word.start - by_hand["start"]), abs(word.end - by_hand["end"])) for word, by_hand in pairs]


def test_ten_words_lie_within_60_ms_of_the_times_set_by_hand(samples, emission):
    alignment = aligned(SENTENCE, samples, emission)
    assert max(errors(alignment)) <= TOLERANCE_S + 1e-6
    assert alignment.transcript.text == SENTENCE
    assert alignment.unspoken == alignment.untold == ()


@pytest.mark.skipif(not has_starter(), reason="this copy of goama holds no starter")
def test_a_model_that_never_learned_dutch_places_nine_of_ten_dutch_words(samples):
    alignment = align(Recogniser.load(STARTER_FOLDER), [samples[:30000], samples[30000:]], SENTENCE)
    assert sorted(errors(alignment))[8] <= TOLERANCE_S


def test_characters_fill_their_words(samples, emission):
    for word in aligned(SENTENCE, samples, emission).transcript.words:
        assert word.characters[0].start == word.start
        assert word.characters[-1].end == word.end
        for left, right in zip(word.characters, word.characters[1:], strict=False):
            assert left.end == right.start
        assert all(character.end > character.start for character in word.characters)


def test_a_passage_that_is_not_in_the_sound_is_named_with_its_line(samples, emission):
    text = "Nee, dat denk ik niet.\nHet schip lag jarenlang onder het zand.\nDe andere kan zichzelf forken."
    alignment = aligned(text, samples, emission)
    [passage] = alignment.unspoken
    assert (passage.text, passage.words, passage.line) == ("Het schip lag jarenlang onder het zand.", 7, 2)
    assert 0.8 < passage.time < 1.4
    assert alignment.lines == (1, 3)
    assert WITHOUT_SOUND in as_table(findings(alignment))


def test_sound_that_is_not_in_the_text_is_named_with_what_was_recognised(samples, emission):
    alignment = aligned("De andere kan zichzelf forken.", samples, emission)
    [stretch] = alignment.untold
    assert stretch.start < 0.1 and 0.7 < stretch.end < 1.0
    assert "ik niet" in stretch.heard
    assert [finding.kind for finding in findings(alignment)] == [WITHOUT_TEXT]


def test_a_text_that_was_read_once_is_found_among_other_readings(samples, emission):
    """Three readings, and a text of two: one reading is sound without text."""
    alignment = aligned(f"{SENTENCE}\n{SENTENCE}", samples, emission, times=3)
    assert len(alignment.transcript.words) == 20
    assert len(alignment.untold) == 1


def test_notes_and_lone_signs_are_no_words_and_unknown_letters_still_take_their_time(samples, emission):
    alignment = aligned("Nee, dat [lacht] denk ik — niet. De andere kan zichzelf жforken.", samples, emission)
    assert [word.text for word in alignment.transcript.words][:5] == ["Nee,", "dat", "denk", "ik", "niet."]
    assert alignment.unspoken == ()
    assert alignment.unwritten == ("жforken.",)


def test_a_text_in_another_script_is_refused(samples, emission):
    with pytest.raises(GoamaError, match="cannot write most of the text, such as 'Другой'; is it in the model's"):
        aligned("Другой текст. ja", samples, emission)


@pytest.mark.parametrize("text", ["", "\n — \n", "[muziek]"])
def test_a_text_without_words_is_refused(samples, emission, text):
    with pytest.raises(GoamaError, match="no words"):
        aligned(text, samples, emission)


def test_silence_has_none_of_the_words():
    silence = np.full((100, 5), -30, np.float32)
    silence[:, 0] = 0
    with pytest.raises(GoamaError, match="none of the text's words"):
        aligned("aaa bbb", np.zeros(32000, np.float32), (silence, Vocabulary(("[PAD]", "|", "[UNK]", "a", "b"))))
