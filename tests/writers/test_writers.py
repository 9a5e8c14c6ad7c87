"""Every format says the whole transcript."""

import json

from goama.recognition.transcript import Segment, Transcript, Word
from goama.writers import WRITERS

TRANSCRIPT = Transcript(
    "a.wav",
    3.0,
    (
        Segment((Word("yaa", 0.1, 0.4, 0.9), Word("sõma", 0.5, 0.9, 0.8))),
        Segment((Word("barka", 2.0, 2.6, 1.0),)),
    ),
)


def test_the_command_line_offers_every_format():
    from goama.cli.recordings import FORMATS

    assert tuple(WRITERS) == FORMATS


def test_text_has_a_line_a_segment():
    assert WRITERS["txt"](TRANSCRIPT) == "yaa sõma\nbarka\n"


def test_json_holds_times_and_confidences():
    content = json.loads(WRITERS["json"](TRANSCRIPT))
    assert content["text"] == "yaa sõma barka"
    assert content["segments"][0]["words"][1] == {"text": "sõma", "start": 0.5, "end": 0.9, "confidence": 0.8}
    assert (content["segments"][1]["start"], content["segments"][1]["end"]) == (2.0, 2.6)


def test_an_empty_transcript_is_an_empty_file():
    assert WRITERS["txt"](Transcript("a.wav", 1.0, ())) == ""
