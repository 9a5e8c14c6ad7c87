"""Every format holds the whole transcript, as an independent reader of the format finds it."""

import csv
import html
import io
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pysubs2
import pytest
import soundfile
import webvtt
from hypothesis import given, settings
from praatio import textgrid

from goama.errors import GoamaError
from goama.sources.source import read_source
from goama.sources.textgrid import read_textgrid
from goama.transcript import Segment, Transcript, Word
from goama.transcript.json_format import SCHEMA_FILE
from goama.transcript.layout import Layout
from goama.transcript.writers import WRITERS, ending, save
from tests.transcript.examples import EMPTY, TRANSCRIPT, transcripts


def written(format: str, transcript: Transcript = TRANSCRIPT, layout: Layout = Layout()) -> str:
    return WRITERS[format](transcript, layout)


def test_text_has_a_line_a_segment():
    assert written("txt") == 'yaa sõma\nba"r<ka&\n'
    assert written("txt", EMPTY) == ""


@pytest.mark.parametrize("transcript", [TRANSCRIPT, EMPTY])
def test_json_follows_its_schema(transcript):
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    content = json.loads(written("json", transcript))
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"version": 2}, schema)


def test_json_holds_times_confidences_and_characters():
    content = json.loads(written("json"))
    assert (content["text"], content["calibrated"]) == ('yaa sõma ba"r<ka&', True)
    first, second = content["segments"][0]["words"]
    assert second == {"text": "sõma", "start": 0.5, "end": 0.9, "confidence": 0.8, "characters": []}
    assert first["characters"][1] == {"text": "aa", "start": 0.2, "end": 0.4, "confidence": 0.99}
    assert (content["segments"][1]["start"], content["segments"][1]["end"]) == (2.0, 2.6)


def test_pysubs2_reads_the_srt():
    cues = pysubs2.SSAFile.from_string(written("srt"), format_="srt", keep_unknown_html_tags=True)
    assert [cue.plaintext for cue in cues] == ["yaa sõma", 'ba"r<ka&']
    assert [(cue.start, cue.end) for cue in cues] == [(100, 1100), (2000, 3000)]
    assert written("srt", EMPTY) == ""


def test_webvtt_reads_the_vtt():
    cues = webvtt.from_string(written("vtt")).captions
    assert [html.unescape(cue.text) for cue in cues] == ["yaa sõma", 'ba"r<ka&']
    assert [(cue.start, cue.end) for cue in cues] == [
        ("00:00:00.100", "00:00:01.100"),
        ("00:00:02.000", "00:00:03.000"),
    ]
    assert webvtt.from_string(written("vtt", EMPTY)).captions == []


def test_csv_reads_the_table_and_prepare_finds_its_columns(tmp_path):
    rows = list(csv.DictReader(io.StringIO(written("tsv")), delimiter="\t"))
    assert rows[0] == {
        "audio": "tapes/a b.wav",
        "start": "0.100",
        "end": "0.900",
        "text": "yaa sõma",
        "confidence": "0.8750",
    }

    save(TRANSCRIPT, tmp_path / "a.tsv")
    clips = list(read_source(str(tmp_path / "a.tsv")))
    assert [(clip.offset, clip.text) for clip in clips] == [(0.1, "yaa sõma"), (2.0, 'ba"r<ka&')]


def test_lhotse_reads_the_ctm(tmp_path):
    (tmp_path / "a.ctm").write_text(written("ctm"), "utf-8")
    assert written("ctm").splitlines()[2] == 'a_b 1 2.000 0.600 ba"r<ka& 0.4321'
    from lhotse import SupervisionSegment, SupervisionSet

    supervision = SupervisionSegment("s", "a_b", 0.0, 3.0, channel=1)
    (read,) = SupervisionSet.from_segments([supervision]).with_alignment_from_ctm(tmp_path / "a.ctm")
    words = [(item.symbol, item.start, item.duration, item.score) for item in read.alignment["word"]]
    assert words == [("yaa", 0.1, 0.3, 0.95), ("sõma", 0.5, 0.4, 0.8), ('ba"r<ka&', 2.0, 0.6, 0.4321)]


def test_praatio_reads_the_textgrid(tmp_path):
    save(TRANSCRIPT, tmp_path / "a.TextGrid")
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
    assert grid.tierNames == ("Transcription", "Words", "Confidence")
    assert [tuple(entry) for entry in grid.getTier("Transcription").entries] == [
        (0.1, 0.9, "yaa sõma"),
        (2.0, 2.6, 'ba"r<ka&'),
    ]
    assert [entry.label for entry in grid.getTier("Confidence").entries] == ["0.95", "0.80", "0.43"]
    assert (grid.minTimestamp, grid.maxTimestamp) == (0.0, 3.0)


def test_tiers_get_the_names_that_are_asked_for_and_can_be_left_out(tmp_path):
    save(TRANSCRIPT, tmp_path / "a.TextGrid", Layout(tier="tx", words_tier=None))
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
    assert grid.tierNames == ("tx", "Confidence")
    assert [entry.label for entry in grid.getTier("Confidence").entries] == ["0.88", "0.43"]


def test_a_backslash_is_a_backslash_in_praat(tmp_path):
    save(Transcript("a.wav", 1.0, (Segment((Word("a\\e:b", 0.0, 0.5, 1.0),)),)), tmp_path / "a.textgrid")
    texts = [annotation.text for annotation in read_textgrid(tmp_path / "a.textgrid").tiers[1].annotations]
    assert texts == ["a\\e:b", ""]


@given(transcripts())
@settings(max_examples=40, deadline=None)
def test_every_textgrid_covers_its_recording_without_gaps(transcript):
    content = written("textgrid", transcript, Layout(words_tier=None))
    for tier in content.split("item [")[2:]:
        times = [float(time) for time in re.findall(r"^ {12}xm(?:in|ax) = ([\d.]+)$", tier, re.MULTILINE)]
        assert all(start < end for start, end in zip(times[::2], times[1::2], strict=True))
        assert (times[0], times[1:-1:2]) == (0.0, times[2::2])


def test_html_colours_words_by_confidence_and_links_the_recording(tmp_path):
    (tmp_path / "a b.wav").write_bytes(b"RIFF")
    transcript = Transcript(str(tmp_path / "a b.wav"), 3.0, TRANSCRIPT.segments)
    save(transcript, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text("utf-8")
    assert '<span class="word unlikely" data-start="2.0" title="43 %">ba&#34;r&lt;ka&amp;</span>' in page
    assert '<span class="word sure" data-start="0.1" title="95 %">yaa</span> <span class="word likely"' in page
    assert '<audio controls preload="none" src="a%20b.wav">' in page
    assert "goama tune" in page  # these confidences are not calibrated
    assert "goama tune" not in written("html")
    assert "<audio" not in written("html")  # the recording is not there


def test_a_transcript_is_saved_in_the_format_of_the_ending(tmp_path):
    TRANSCRIPT.save(tmp_path / "a.TXT")
    assert (tmp_path / "a.TXT").read_text("utf-8") == 'yaa sõma\nba"r<ka&\n'
    for format in WRITERS:
        TRANSCRIPT.save(str(tmp_path / f"b{ending(format)}"))
    assert len(list(tmp_path.iterdir())) == 1 + len(WRITERS)


def test_an_ending_without_a_format_is_refused_with_those_that_exist(tmp_path):
    with pytest.raises(GoamaError, match=r"a\.doc: its ending names no format; possible are \.txt"):
        TRANSCRIPT.save(tmp_path / "a.doc")


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(GoamaError, match=r"nowhere/a\.srt: cannot be written \(No such file"):
        TRANSCRIPT.save(Path("nowhere/a.srt"))


def test_a_table_with_quotation_marks_is_read_back_row_by_row(tmp_path):
    words = [Word('"Ja,', 0.1, 0.5, 0.9), Word('zei"', 1.5, 1.9, 0.9), Word("=1+1", 3.0, 3.5, 0.9)]
    soundfile.write(tmp_path / "a.wav", np.zeros(64000, np.float32), 16000)
    save(Transcript(str(tmp_path / "a.wav"), 4.0, tuple(Segment((word,)) for word in words)), tmp_path / "a.tsv")
    assert [(clip.text, clip.offset) for clip in read_source(str(tmp_path / "a.tsv"))] == [
        (word.text, word.start) for word in words
    ]
