"""Every format says the whole transcript."""

import json

import pytest

from goama.errors import GoamaError
from goama.transcript import Segment, Transcript, Word
from goama.transcript.writers import WRITERS, Layout

TRANSCRIPT = Transcript(
    "a.wav",
    3.0,
    (
        Segment((Word("yaa", 0.1, 0.4, 0.9), Word("sõma", 0.5, 0.9, 0.8))),
        Segment((Word("barka", 2.0, 2.6, 1.0),)),
    ),
)


def test_text_has_a_line_a_segment():
    assert WRITERS["txt"](TRANSCRIPT, Layout()) == "yaa sõma\nbarka\n"


def test_json_holds_times_and_confidences():
    content = json.loads(WRITERS["json"](TRANSCRIPT, Layout()))
    assert content["text"] == "yaa sõma barka"
    assert content["segments"][0]["words"][1] == {"text": "sõma", "start": 0.5, "end": 0.9, "confidence": 0.8}
    assert (content["segments"][1]["start"], content["segments"][1]["end"]) == (2.0, 2.6)


def test_an_empty_transcript_is_an_empty_file():
    assert WRITERS["txt"](Transcript("a.wav", 1.0, ()), Layout()) == ""


def test_a_transcript_is_saved_in_the_format_of_the_ending(tmp_path):
    TRANSCRIPT.save(tmp_path / "a.TXT")
    assert (tmp_path / "a.TXT").read_text("utf-8") == "yaa sõma\nbarka\n"


def test_an_ending_without_a_format_is_refused_with_those_that_exist(tmp_path):
    with pytest.raises(GoamaError, match=r"a\.doc: its ending names no format; possible are \.txt"):
        TRANSCRIPT.save(tmp_path / "a.doc")
