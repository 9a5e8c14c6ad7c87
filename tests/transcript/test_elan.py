"""An .eaf is what ELAN's format asks for; in a user's file everything stays but what is added."""

import io
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pympi
import pytest
import xmlschema
from hypothesis import given, settings

from goama.errors import GoamaError
from goama.sources.elan import read_elan
from goama.transcript import Segment, Transcript, Word
from goama.transcript.elan import to_eaf
from goama.transcript.layout import Layout
from goama.transcript.writers import save
from tests.transcript.examples import EMPTY, TRANSCRIPT, transcripts

SAYMORE = """<?xml version="1.0" encoding="UTF-8"?>\r
<!-- written by hand: entities, odd spaces and line ends that an XML library would change -->\r
<ANNOTATION_DOCUMENT DATE='2024-05-01T10:00:00+02:00' AUTHOR="n&#233;" FORMAT="3.0"  VERSION="3.0">\r
 <HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///c:/t.wav" MIME_TYPE="audio/x-wav"/>\r
  <PROPERTY NAME="lastUsedAnnotationId">41</PROPERTY></HEADER>\r
 <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>\r
  <TIME_SLOT TIME_SLOT_ID="ts9" TIME_VALUE="900" /></TIME_ORDER>\r
 <TIER TIER_ID="Transcription" LINGUISTIC_TYPE_REF="Transcription"><ANNOTATION>\r
  <ALIGNABLE_ANNOTATION ANNOTATION_ID="a7" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts9">\r
   <ANNOTATION_VALUE>y&#xe0;&amp;\u0303 &gt; </ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>\r
 <TIER TIER_ID="Phrase Free Translation" LINGUISTIC_TYPE_REF="Translation" PARENT_REF="Transcription"/>\r
 <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="Transcription" TIME_ALIGNABLE="true" GRAPHIC_REFERENCES="false"/>\r
 <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="Translation" CONSTRAINTS="Symbolic_Association" TIME_ALIGNABLE="false"/>\r
 <LOCALE LANGUAGE_CODE="en"/>\r
 <CONSTRAINT STEREOTYPE="Symbolic_Association" DESCRIPTION="1-1 association with a parent annotation"/>\r
</ANNOTATION_DOCUMENT>\r
"""

TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00Z" FORMAT="3.0" VERSION="3.0"\
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER TIME_UNITS="milliseconds"/><TIME_ORDER/><TIER TIER_ID="tx" LINGUISTIC_TYPE_REF="utt" PARTICIPANT="Awa"/>\
<TIER TIER_ID="ft" LINGUISTIC_TYPE_REF="free" PARENT_REF="tx"/><LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="utt"/>\
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="free" CONSTRAINTS="Symbolic_Association" TIME_ALIGNABLE="false"/>\
<CONSTRAINT STEREOTYPE="Symbolic_Association" DESCRIPTION=""/></ANNOTATION_DOCUMENT>
"""


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).parent / "eaf-3.0.xsd")


def file(folder: Path, content: str | bytes) -> Path:
    path = folder / "a.eaf"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tiers(path: Path) -> dict[str, list[tuple[float | None, float | None, str]]]:
    return {tier.name: [(a.start, a.end, a.text) for a in tier.annotations] for tier in read_elan(path).tiers}


@pytest.mark.parametrize("transcript", [TRANSCRIPT, EMPTY])
@pytest.mark.parametrize("layout", [Layout(), Layout(words_tier=None), Layout(tier="a<&\"'b", confidence_tier=None)])
def test_a_new_file_follows_the_schema(transcript, layout):
    schema().validate(to_eaf(transcript, layout))


@pytest.mark.parametrize(
    "change",
    [
        ('TIME_SLOT_ID="ts1"', 'TIME_SLOT_ID="ts2"'),
        ('ANNOTATION_REF="a3"', 'ANNOTATION_REF="a99"'),
        ('PARENT_REF="Words"', 'PARENT_REF="words"'),
        ('STEREOTYPE="Included_In"', 'STEREOTYPE="Inside"'),
        ("<TIME_ORDER>", "<TIME_ORDER/><TIME_ORDER>"),
    ],
)
def test_the_schema_sees_mistakes(change):
    damaged = to_eaf(TRANSCRIPT, Layout()).replace(*change, 1)
    with pytest.raises(xmlschema.XMLSchemaException):
        schema().validate(damaged)


def test_pympi_reads_a_new_file(tmp_path):
    recording = tmp_path / "täpe 1.mp3"
    recording.write_bytes(b"ID3")
    (tmp_path / "out").mkdir()
    save(Transcript(str(recording), 3.0, TRANSCRIPT.segments), tmp_path / "out" / "a.eaf")
    eaf = pympi.Eaf(str(tmp_path / "out" / "a.eaf"))
    assert eaf.get_annotation_data_for_tier("Transcription") == [(100, 900, "yaa sõma"), (2000, 2600, 'ba"r<ka&')]
    assert eaf.get_annotation_data_for_tier("Words") == [
        (100, 400, "yaa"),
        (500, 900, "sõma"),
        (2000, 2600, 'ba"r<ka&'),
    ]
    words = {word: eaf.timeslots[start] for word, (start, *_) in eaf.tiers["Words"][0].items()}
    confidences = [(words[word], value) for word, value, *_ in eaf.tiers["Confidence"][1].values()]
    assert confidences == [(100, "0.95"), (500, "0.80"), (2000, "0.43")]
    (media,) = eaf.media_descriptors
    assert (media["MIME_TYPE"], media["RELATIVE_MEDIA_URL"]) == ("audio/mpeg", "../t%C3%A4pe%201.mp3")
    assert Path(read_elan(tmp_path / "out" / "a.eaf").recordings[0].path).resolve() == recording


def test_tiers_are_added_to_a_users_file_and_every_byte_of_it_stays(tmp_path):
    path = file(tmp_path, SAYMORE)
    saved = save(TRANSCRIPT, path)
    assert saved.tiers == ("Transcription 2", "Words", "Confidence")
    assert (tmp_path / "a.eaf.bak").read_bytes() == SAYMORE.encode()
    new = path.read_bytes().decode()
    schema().validate(new)
    kept = io.StringIO(new.replace(">49<", ">41<"), newline="")  # ELAN's note of the last annotation's number
    assert all(any(char == other for other in iter(lambda: kept.read(1), "")) for char in SAYMORE)
    assert new.replace(">49<", ">41<").startswith(SAYMORE[: SAYMORE.index("</TIME_ORDER>")])
    assert list(tiers(path)) == ["Transcription", "Phrase Free Translation", *saved.tiers]
    assert tiers(path)["Transcription"] == [(0.0, 0.9, "yà&\u0303 > ")]
    assert tiers(path)["Transcription 2"] == [(0.1, 0.9, "yaa sõma"), (2.0, 2.6, 'ba"r<ka&')]
    assert re.findall(r'ANNOTATION_ID="(\w+)"', new) == ["a7", *(f"a{number}" for number in range(42, 50))]


def test_a_second_transcript_keeps_the_first_and_its_own_copy_of_the_file(tmp_path):
    path = file(tmp_path, SAYMORE)
    save(TRANSCRIPT, path)
    once = path.read_bytes()
    saved = save(TRANSCRIPT, path)
    assert saved.tiers == ("Transcription 3", "Words 2", "Confidence 2")
    assert (saved.backup.name, saved.backup.read_bytes()) == ("a.eaf.bak2", once)
    assert (tmp_path / "a.eaf.bak").read_bytes() == SAYMORE.encode()
    schema().validate(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_a_file_keeps_its_encoding(tmp_path, encoding):
    text = SAYMORE.replace('encoding="UTF-8"', f'encoding="{encoding[:10].replace("-sig", "")}"').replace("\u0303", "é")
    path = file(tmp_path, text.encode(encoding))
    save(Transcript("a.wav", 1.0, (Segment((Word("ɛ̃yé", 0.1, 0.5, 1.0),)),)), path)
    assert tiers(path)["Words"] == [(0.1, 0.5, "ɛ̃yé")]
    assert path.read_bytes()[:40] == text.encode(encoding)[:40]


def test_a_template_gives_the_tiers_and_its_empty_tier_is_filled(tmp_path):
    template = tmp_path / "project.etf"
    template.write_text(TEMPLATE, "utf-8")
    save(TRANSCRIPT, tmp_path / "b.eaf", Layout(tier="tx", words_tier=None, template=template))
    schema().validate(tmp_path / "b.eaf")
    eaf = pympi.Eaf(str(tmp_path / "b.eaf"))
    assert list(eaf.get_tier_names()) == ["tx", "ft", "Confidence"]
    assert eaf.get_annotation_data_for_tier("tx") == [(100, 900, "yaa sõma"), (2000, 2600, 'ba"r<ka&')]
    assert eaf.get_parameters_for_tier("tx")["PARTICIPANT"] == "Awa"
    assert eaf.get_parameters_for_tier("Confidence")["PARENT_REF"] == "tx"


def test_a_tier_of_the_template_that_depends_on_another_is_left_alone(tmp_path):
    template = tmp_path / "project.etf"
    template.write_text(TEMPLATE, "utf-8")
    save(TRANSCRIPT, tmp_path / "b.eaf", Layout(tier="ft", template=template))
    assert tiers(tmp_path / "b.eaf")["ft"] == []
    assert len(tiers(tmp_path / "b.eaf")["ft 2"]) == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<html/>", "not an ELAN file"),
        (SAYMORE[:600], "not XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + SAYMORE[40:], "document type"),
    ],
)
def test_a_file_that_is_no_elan_file_is_refused_and_stays(tmp_path, content, sentence):
    path = file(tmp_path, content)
    with pytest.raises(GoamaError, match=sentence):
        save(TRANSCRIPT, path)
    assert path.read_bytes() == content.encode()
    assert list(tmp_path.iterdir()) == [path]


@given(transcripts())
@settings(max_examples=25, deadline=None)
def test_words_lie_inside_their_segments_and_do_not_overlap(transcript):
    content = to_eaf(transcript, Layout())
    times = {slot: int(time) for slot, time in re.findall(r'TIME_SLOT_ID="(\w+)" TIME_VALUE="(\d+)"', content)}
    spans = [
        [(times[start], times[end]) for start, end in re.findall(r'_REF1="(\w+)" TIME_SLOT_REF2="(\w+)"', tier)]
        for tier in content.split("<TIER ")[1:3]
    ]
    for tier in spans:
        assert all(start < end for start, end in tier)
        assert all(before[1] <= after[0] for before, after in pairwise(tier))
    words = iter(spans[1])
    for (start, end), segment in zip(spans[0], transcript.segments, strict=True):
        assert all(start <= first and last <= end for _, (first, last) in zip(segment.words, words, strict=False))


def test_an_annotated_file_as_template_gives_its_tiers_and_nothing_that_was_said(tmp_path):
    template = file(tmp_path, SAYMORE)
    recording = tmp_path / "b.wav"
    recording.write_bytes(b"RIFF")
    save(Transcript(str(recording), 3.0, TRANSCRIPT.segments), tmp_path / "b.eaf", Layout(template=template))
    schema().validate(tmp_path / "b.eaf")
    assert list(tiers(tmp_path / "b.eaf")) == ["Transcription", "Phrase Free Translation", "Words", "Confidence"]
    assert [text for *_, text in tiers(tmp_path / "b.eaf")["Transcription"]] == ["yaa sõma", 'ba"r<ka&']
    assert {Path(link.path).resolve() for link in read_elan(tmp_path / "b.eaf").recordings} == {recording}
    assert template.read_bytes() == SAYMORE.encode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<ANNOTATION_DOCUMENT/>", "no HEADER"),
        ("<ANNOTATION_DOCUMENT><HEADER/></ANNOTATION_DOCUMENT>", "no TIME_ORDER"),
        ("<ANNOTATION_DOCUMENT><HEADER/><TIME_ORDER/><TIER TIER_ID='a'/></ANNOTATION_DOCUMENT>", "TIER has no LINGU"),
        (SAYMORE.replace("LINGUISTIC_TYPE_ID", "ID"), "LINGUISTIC_TYPE has no"),
        (SAYMORE.replace("STEREOTYPE", "KIND"), "CONSTRAINT has no"),
    ],
)
def test_a_file_that_lacks_what_elan_needs_is_refused_also_as_a_template(tmp_path, content, sentence):
    path = file(tmp_path, content)
    with pytest.raises(GoamaError, match=f"a.eaf: damaged: .*{sentence}"):
        save(TRANSCRIPT, path)
    with pytest.raises(GoamaError, match=f"a.eaf: damaged: .*{sentence}"):
        save(TRANSCRIPT, tmp_path / "b.eaf", Layout(template=path))
    assert [kept.name for kept in tmp_path.iterdir()] == ["a.eaf"] and path.read_bytes() == content.encode()


def test_a_write_protected_file_stays(tmp_path):
    path = file(tmp_path, SAYMORE)
    path.chmod(0o444)
    with pytest.raises(GoamaError, match="write-protected"):
        save(TRANSCRIPT, path)
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == SAYMORE.encode()


def test_a_file_keeps_its_permissions_and_its_place_behind_a_link(tmp_path):
    path = file(tmp_path, SAYMORE)
    path.chmod(0o660)
    (tmp_path / "link.eaf").symlink_to(path)
    save(TRANSCRIPT, tmp_path / "link.eaf")
    assert (tmp_path / "link.eaf").is_symlink() and path.stat().st_mode & 0o777 == 0o660
    assert "Words" in tiers(path)


def test_characters_that_xml_cannot_hold_are_replaced(tmp_path):
    save(Transcript("a.wav", 1.0, (Segment((Word("ja\x08\x1b", 0.1, 0.5, 1.0),)),)), tmp_path / "a.eaf")
    assert tiers(tmp_path / "a.eaf")["Words"] == [(0.1, 0.5, "ja\ufffd\ufffd")]
