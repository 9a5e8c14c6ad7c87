"""ELAN files as pympi writes them and as strangers may make them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pympi
import pytest
import soundfile

from goama.corpus.prepare import prepare
from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE
from goama.sources.source import Choices, Source, SourceClip, read_source

from .conftest import Tape, assert_refused_cheaply, is_piece


def ms(seconds: float) -> int:
    return round(1000 * seconds)


def eaf(tape: Tape, path: Path, *, media: str = "/gone/tapes/tape.wav", relative: str | None = "./tape.wav") -> Path:
    """An interview as fieldworkers annotate it: a tier for each speaker, translations and words beneath."""
    document = pympi.Elan.Eaf(author="A fieldworker")
    document.remove_tier("default")
    document.add_linked_file(media, relpath=relative, mimetype="audio/x-wav")
    document.add_linguistic_type("utterance")
    document.add_linguistic_type("translation", constraints="Symbolic_Association", timealignable=False)
    document.add_linguistic_type("word", constraints="Symbolic_Subdivision", timealignable=False)
    for speaker, code in (("small fish", "SF"), ("big fish", "BF")):
        document.add_tier(f"tx@{code}", ling="utterance", part=speaker)
        document.add_tier(f"ft@{code}", ling="translation", parent=f"tx@{code}", part=speaker)
        document.add_tier(f"word@{code}", ling="word", parent=f"tx@{code}", part=speaker)
        for piece in tape.of(speaker):
            document.add_annotation(f"tx@{code}", ms(piece.start), ms(piece.end), piece.text)
            middle = ms(piece.start + piece.end) // 2
            document.add_ref_annotation(f"ft@{code}", f"tx@{code}", middle, f"translation of {piece.text}")
            previous = None
            for word in piece.text.split():
                document.add_ref_annotation(f"word@{code}", f"tx@{code}", middle, word, prev=previous)
                previous = f"a{document.maxaid}"
    document.add_annotation("tx@SF", 0, 400, "")
    document.add_annotation("tx@SF", ms(tape.seconds) - 400, ms(tape.seconds) - 100, "  ")
    path.parent.mkdir(parents=True, exist_ok=True)
    pympi.Elan.to_eaf(str(path), document)
    return path


def read(path: Path, *tiers: str, audio_folder: Path | None = None) -> Source:
    return read_source(str(path), choices=Choices(tiers=tiers, audio_folder=audio_folder))


def faults(source: Source) -> list[str]:
    return [clip.fault or "" for clip in source]


@pytest.fixture
def interview(tape: Tape, tmp_path: Path) -> Path:
    tape.copy_to(tmp_path)
    return eaf(tape, tmp_path / "tape.eaf")


# --- what is read


def test_each_annotation_of_the_transcription_is_a_clip_with_its_speaker_and_its_sound(
    interview: Path, tape: Tape
) -> None:
    source = read(interview)
    clips = sorted(source, key=lambda clip: clip.offset or 0)
    assert len(clips) == len(tape.pieces)
    assert all(is_piece(clip, piece) for clip, piece in zip(clips, tape.pieces, strict=True))
    assert [clip.speaker for clip in clips] == [piece.speaker for piece in tape.pieces]
    assert clips[0].id == f"tape__tx@SF__{tape.pieces[0].start:.2f}"
    assert clips[0].where == f"{interview}, tier 'tx@SF', 0:00:00.500"


def test_what_was_taken_what_not_and_how_to_choose_is_said(interview: Path) -> None:
    source = read(interview)
    assert source.taken == (
        "ELAN: 1 file; tiers 'tx@SF', 'tx@BF' (type utterance): 12 annotations, 2 without text (silence) are no clips"
    )
    (note,) = source.notes
    assert note.startswith("tiers not taken: 'ft@SF' (6), 'word@SF' (6), 'ft@BF' (6)")
    assert note.endswith("--tier NAME, once for each, takes those you name")


@pytest.mark.parametrize("tiers", [("ft@SF", "ft@BF"), ("ft",), ("translation",), ("FT@*",)])
def test_a_tier_is_named_by_its_name_the_part_before_the_speaker_its_type_or_a_pattern(
    interview: Path, tape: Tape, tiers: tuple[str, ...]
) -> None:
    clips = sorted(read(interview, *tiers), key=lambda clip: clip.offset or 0)
    assert [clip.text for clip in clips] == [f"translation of {piece.text}" for piece in tape.pieces]
    assert [clip.offset for clip in clips] == [pytest.approx(piece.start) for piece in tape.pieces]


def test_words_that_share_the_time_of_a_sentence_are_joined_in_their_order(interview: Path, tape: Tape) -> None:
    clips = list(read(interview, "word@SF"))
    pieces = tape.of("small fish")
    assert [clip.text for clip in clips] == [" ".join(piece.text.split()) for piece in pieces]
    assert [clip.duration for clip in clips] == [pytest.approx(piece.end - piece.start) for piece in pieces]


def test_an_unknown_tier_is_answered_with_those_there_are(interview: Path) -> None:
    with pytest.raises(GoamaError, match=r"no tier 'tx@SX' \(did you mean 'tx@SF'\?\); the tiers are: 'tx@SF' \(6\)"):
        read(interview, "tx@SX")


def test_a_tier_that_holds_no_text_is_answered_with_those_that_do(interview: Path) -> None:
    document = pympi.Elan.Eaf(str(interview))
    document.add_tier("default")
    document.to_file(str(interview))
    with pytest.raises(
        GoamaError, match=r"no text in 'default'; the tiers with text are: 'tx@SF' \(6\), 'ft@SF' \(6\)"
    ):
        read(interview, "default")


def test_tiers_of_unusual_names_are_told_apart_by_what_is_in_them(tape: Tape, tmp_path: Path) -> None:
    """Two people who speak in turn are both taken, the Dutch gloss at the same times is not."""
    document = pympi.Elan.Eaf()
    document.add_linked_file(str(tape.wav))
    for name in ("Awa", "Kofi", "Nederlands"):
        document.add_tier(name)
    for piece, name in zip(tape.pieces, ("Awa", "Kofi") * 6, strict=True):
        document.add_annotation(name, ms(piece.start), ms(piece.end), piece.text)
        document.add_annotation("Nederlands", ms(piece.start), ms(piece.end), f"dus {piece.text}"[: len(piece.text)])
    pympi.Elan.to_eaf(str(tmp_path / "a.eaf"), document)
    source = read(tmp_path / "a.eaf")
    assert {clip.speaker for clip in source} == {"Awa", "Kofi"}
    assert len(list(source)) == 12
    assert "not taken: 'Nederlands' (12)" in source.notes[0]


def test_of_several_linked_recordings_the_one_taken_is_named(interview: Path) -> None:
    assert not any("linked" in note for note in read(interview).notes)
    document = pympi.Elan.Eaf(str(interview))
    document.add_linked_file("film.mp4")
    document.add_linked_file("lapel.wav", relpath="./lapel.wav")
    document.to_file(str(interview))
    (note,) = (note for note in read(interview).notes if "linked" in note)
    assert note.startswith(
        "several recordings are linked; the first that is here is taken for all tiers: tape.wav for tape.eaf "
        "(not lapel.wav, film.mp4); --recording NAME takes another"
    )


@pytest.fixture
def microphones(tape: Tape, tmp_path: Path) -> Path:
    """Two speakers, each with a microphone that hears nobody else, and a film of both."""
    path = eaf(tape, tmp_path / "talk.eaf", media="film.mp4", relative="./film.mp4")
    document = pympi.Elan.Eaf(str(path))
    for name, speaker in (("micS.wav", "small fish"), ("micB.wav", "big fish")):
        samples = np.zeros(round(tape.seconds * SAMPLE_RATE), np.float32)
        for piece in tape.of(speaker):
            at = round(piece.start * SAMPLE_RATE)
            samples[at : at + len(piece.samples)] = piece.samples
        soundfile.write(tmp_path / name, samples, SAMPLE_RATE)
        document.add_linked_file(f"D:/{name}", relpath=f"./{name}")
    document.to_file(str(path))
    return path


@pytest.mark.parametrize("name", ["micB.wav", "micb", "*B.WAV"])
def test_each_speaker_s_own_microphone_is_taken_where_it_is_named(microphones: Path, tape: Tape, name: str) -> None:
    source = read_source(str(microphones), choices=Choices(tiers=("tx@BF",), recording=name))
    pieces = tape.of("big fish")
    assert all(is_piece(clip, piece) for clip, piece in zip(source, pieces, strict=True))
    assert not any("recordings" in note for note in source.notes)


def test_a_microphone_that_is_not_there_is_not_replaced_by_another(microphones: Path, tape: Tape) -> None:
    (microphones.parent / "micB.wav").unlink()
    tape.copy_to(microphones.parent, "talk.wav")
    source = read_source(str(microphones), choices=Choices(recording="micB"))
    assert all("micB.wav is not beside talk.eaf" in fault for fault in faults(source))
    with pytest.raises(GoamaError, match=r"no recording 'mic' is linked \(did you mean 'micS.wav'\?\); linked are: "):
        read_source(str(microphones), choices=Choices(recording="mic"))


def test_of_a_folder_those_files_that_do_not_link_it_keep_their_own(microphones: Path, tape: Tape) -> None:
    tape.copy_to(microphones.parent)
    eaf(tape, microphones.parent / "other.eaf")
    source = read_source(str(microphones.parent), choices=Choices(recording="micB"))
    assert {clip.audio.name for clip in source if isinstance(clip.audio, Path)} == {"micB.wav", "tape.wav"}
    assert "no recording 'micB' is linked in 1 file, whose own is taken: other.eaf" in source.notes


def test_what_another_s_microphone_did_not_hear_is_no_clip_of_a_corpus(microphones: Path, tmp_path: Path) -> None:
    made = prepare(read(microphones), tmp_path / "corpus", source="talk.eaf")
    unheard = [clip.id for clip in read(microphones) if clip.speaker == "big fish"]
    assert [entry.id for entry in made.left_out] == unheard
    assert {entry.reason for entry in made.left_out} == {"silent: there is nothing to hear; is it the right recording?"}


def test_no_translation_stands_in_where_one_file_has_no_transcription(tape: Tape, tmp_path: Path) -> None:
    for name in ("one", "two"):
        tape.copy_to(tmp_path, f"{name}.wav")
        document = pympi.Elan.Eaf()
        document.add_tier("transcription")
        document.add_tier("dutch")
        for piece in tape.pieces[:3]:
            document.add_annotation("dutch", ms(piece.start), ms(piece.end), piece.text)
            document.add_annotation(
                "transcription", ms(piece.start), ms(piece.end), piece.text if name == "one" else ""
            )
        pympi.Elan.to_eaf(str(tmp_path / f"{name}.eaf"), document)
    source = read(tmp_path)
    assert [clip.id.split("__")[0] for clip in source] == ["one"] * 3
    assert "3 without text" in source.taken


def test_a_folder_of_elan_files_is_a_source_and_one_that_is_damaged_is_named(tape: Tape, tmp_path: Path) -> None:
    for session in ("monday", "tuesday"):
        tape.copy_to(tmp_path / session)
        eaf(tape, tmp_path / session / "tape.eaf")
    (tmp_path / "tuesday" / "broken.eaf").write_bytes((tmp_path / "tuesday" / "tape.eaf").read_bytes()[:3000])
    clips = list(read(tmp_path))
    assert len({clip.id for clip in clips}) == len(clips) == 25
    (broken,) = [clip for clip in clips if clip.fault]
    assert broken.id == "tuesday__broken"
    assert "broken.eaf:" in broken.fault and "not XML that can be read" in broken.fault


# --- the recording


@pytest.mark.parametrize(
    "stored", ["file:///C:/Users/Awa/My%20tapes/tape.wav", "/gone/tape.wav", r"C:\tapes\tape.wav", "tape.mp4"]
)
@pytest.mark.parametrize("relative", ["./tape.wav", "../../elsewhere/tape.wav", None])
def test_the_recording_is_found_beside_the_file_when_the_stored_path_is_gone(
    tape: Tape, tmp_path: Path, stored: str, relative: str | None
) -> None:
    wav = tape.copy_to(tmp_path)
    clips = list(read(eaf(tape, tmp_path / "interview.eaf", media=stored, relative=relative)))
    assert {(clip.audio, clip.fault) for clip in clips} == {(wav, None)}


def test_a_recording_whose_name_a_mac_wrote_otherwise_is_the_one_that_is_linked(tape: Tape, tmp_path: Path) -> None:
    """Two are linked: the second, whose name is written the same, must not stand in for the first."""
    wav = tape.copy_to(tmp_path, "Pru\u0308fung e\u0301.WAV")
    tape.copy_to(tmp_path, "other.wav")
    path = eaf(tape, tmp_path / "interview.eaf", media="D:/Prüfung é.wav", relative="./Prüfung é.wav")
    document = pympi.Elan.Eaf(str(path))
    document.add_linked_file("D:/other.wav", relpath="./other.wav")
    document.to_file(str(path))
    assert {(clip.audio, clip.fault) for clip in read(path)} == {(wav, None)}


def test_the_stored_path_counts_for_a_file_that_was_named(tape: Tape, tmp_path: Path) -> None:
    path = eaf(tape, tmp_path / "x.eaf", media=f"file://{tape.wav}", relative=None)
    assert {clip.audio for clip in read(path)} == {tape.wav}


def test_a_folder_from_others_does_not_reach_recordings_outside_unless_their_folder_is_named(
    tape: Tape, tmp_path: Path
) -> None:
    eaf(tape, tmp_path / "x.eaf", media=f"file://{tape.wav}", relative=f"../../../../../..{tape.wav}")
    assert all(f"--audio-folder {tape.wav.parent}" in fault for fault in faults(read(tmp_path)))
    assert {clip.audio for clip in read(tmp_path, audio_folder=tape.wav.parent)} == {tape.wav}


def test_without_its_recording_every_annotation_says_what_was_looked_for(tape: Tape, tmp_path: Path) -> None:
    source = read(eaf(tape, tmp_path / "x.eaf"))
    assert len(faults(source)) == 12
    assert all("its recording" in fault and "tape.wav is not beside x.eaf" in fault for fault in faults(source))


def test_a_recording_of_nearly_that_name_is_asked_for(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path, "my_tape-1.wav")
    path = eaf(tape, tmp_path / "x.eaf", media="D:/My Tape 1.wav", relative="./My Tape 1.wav")
    assert all("is not beside x.eaf (did you mean 'my_tape-1.wav'?); put" in fault for fault in faults(read(path)))


def test_a_recording_that_starts_before_the_annotation_s_clock_is_cut_at_its_place(tape: Tape, tmp_path: Path) -> None:
    """TIME_ORIGIN: ELAN plays a recording from there when it says 0."""
    tape.copy_to(tmp_path)
    document = pympi.Elan.Eaf()
    document.add_linked_file("tape.wav", time_origin=ms(tape.pieces[0].start))
    length = tape.pieces[0].end - tape.pieces[0].start
    document.add_annotation("default", 0, ms(length), tape.pieces[0].text)
    pympi.Elan.to_eaf(str(tmp_path / "x.eaf"), document)
    (clip,) = read(tmp_path / "x.eaf")
    assert is_piece(clip, tape.pieces[0])


# --- faults of one annotation


DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>{before}
<ANNOTATION_DOCUMENT VERSION="3.0"><HEADER TIME_UNITS="milliseconds"></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="1500"/>
<TIME_SLOT TIME_SLOT_ID="c" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="d" TIME_VALUE="2500"/>
<TIME_SLOT TIME_SLOT_ID="late" TIME_VALUE="99000000"/><TIME_SLOT TIME_SLOT_ID="later" TIME_VALUE="99001000"/>
<TIME_SLOT TIME_SLOT_ID="none"/></TIME_ORDER>
<TIER TIER_ID="default" LINGUISTIC_TYPE_REF="x">{annotations}</TIER>{after}</ANNOTATION_DOCUMENT>"""


def written(folder: Path, annotations: str, before: str = "", after: str = "") -> Path:
    path = folder / "tape.eaf"
    path.write_text(DOCUMENT.format(annotations=annotations, before=before, after=after), encoding="utf-8")
    return path


def annotation(number: int, start: str, end: str, text: str = "ja") -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="n{number}" TIME_SLOT_REF1="{start}" TIME_SLOT_REF2="{end}">'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


@pytest.mark.parametrize(
    ("places", "fault"),
    [
        (["ab", "cd"], "overlaps the annotation from 0:00:01.000 to 0:00:02.500 in the same tier"),
        (["aa"], "this annotation lasts 0 s"),
        (["ba"], "this annotation ends (0.50 s) before it starts (1.50 s)"),
        (["a none", "bd"], "this annotation has no time of its own"),
    ],
)
def test_an_annotation_that_is_wrong_is_a_fault_of_that_clip(
    tape: Tape, tmp_path: Path, places: list[str], fault: str
) -> None:
    tape.copy_to(tmp_path)
    slots = [place.split() if " " in place else list(place) for place in places]
    path = written(tmp_path, "".join(annotation(n, *pair) for n, pair in enumerate(slots)))
    first, *others = faults(read(path))
    assert fault in first
    assert all(("overlaps" in other) == ("overlaps" in fault) for other in others)


def test_an_annotation_beyond_the_recording_is_named_when_its_sound_is_read(goama, tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    path = written(tmp_path, annotation(1, "a", "b") + annotation(2, "late", "later"))
    outcome = goama("prepare", path, "-o", tmp_path / "corpus")
    assert outcome.status == 0
    assert "tape__99000.00" in outcome.err and "does not lie within the recording's" in outcome.err


# --- files that are damaged or made to do harm

LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {letter} "{f"&{before};" * 50}">' for before, letter in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("annotations", "before", "sentence"),
    [
        (annotation(1, "a", "b", "&i;"), LAUGHS + "]>", "entities have no place in this file"),
        (annotation(1, "a", "b", "&x;"), '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "can do harm"),
        ("", '<!DOCTYPE x SYSTEM "http://localhost/x.dtd">', "can do harm"),
        ("<x>" * 200_000, "", "tags nested more than 100 deep"),
        (annotation(1, "a", "b").replace("n1", "n" * 9_000_000), "", "a tag longer than"),
        (annotation(1, "a", "b", "&undefined;"), "", "not XML that can be read"),
        ('<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="n" ANNOTATION_REF="n"/></ANNOTATION>', "", "refers to itself"),
        ('<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="n" ANNOTATION_REF="m"/></ANNOTATION>', "", "refers to 'm', which"),
        ('<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="n"/></ANNOTATION>', "", "an element has no ANNOTATION_REF"),
        ('<TIME_SLOT TIME_SLOT_ID="x" TIME_VALUE="soon"/>', "", "'soon' is not a number of milliseconds"),
    ],
    ids=range(10),
)
def test_a_file_that_is_damaged_or_hostile_is_one_sentence_in_little_time_and_memory(
    tmp_path: Path, annotations: str, before: str, sentence: str
) -> None:
    path = written(tmp_path, annotations, before)
    assert_refused_cheaply(read, path, sentence)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"<html></html>", b"Just words", b"PK\3\4"])
def test_what_is_no_elan_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.eaf").write_bytes(content)
    with pytest.raises(GoamaError, match=r"x\.eaf.*not (an ELAN file|XML that can be read)"):
        read(tmp_path / "x.eaf")


def test_long_recordings_cost_little_memory(tmp_path: Path) -> None:
    document = pympi.Elan.Eaf()
    for n in range(1_000):
        document.add_annotation("default", 3600 * n, 3600 * n + 3000, "een zin met een gewone lengte van woorden")
    pympi.Elan.to_eaf(str(tmp_path / "0.eaf"), document)
    for hour in range(1, 5):
        (tmp_path / f"{hour}.eaf").write_bytes((tmp_path / "0.eaf").read_bytes())
    tracemalloc.start()
    count = sum(1 for _ in read(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5_000
    assert peak < 6e6


def test_one_clip_knows_all_that_its_tier_says(interview: Path) -> None:
    clip = next(iter(read(interview, "tx@SF")))
    assert isinstance(clip, SourceClip) and clip.speaker == "small fish" and not clip.id_given
