"""Overlaps, ELAN's slots without a time, TextGrids that begin late or do not fit, Praat's codes, lost sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from goama.audit.audit import audit
from goama.corpus.prepare import prepare
from goama.sound.audio import SAMPLE_RATE, read_audio
from goama.sources.praat_symbols import SYMBOLS, decoded
from goama.sources.source import Choices, SourceClip, read_source

from .conftest import Tape

Interval = tuple[float, float, str]


def textgrid(path: Path, tiers: dict[str, Sequence[Interval]], start: float, end: float) -> Path:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"{start}", f"{end}", "<exists>"]
    lines.append(str(len(tiers)))
    for name, intervals in tiers.items():
        lines += ['"IntervalTier"', f'"{name}"', f"{start}", f"{end}", str(len(intervals))]
        for from_s, to_s, text in intervals:
            lines += [f"{from_s}", f"{to_s}", '"' + text.replace('"', '""') + '"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def eaf(path: Path, slots: dict[str, int | None], tiers: dict[str, Sequence[tuple[str, str, str]]]) -> Path:
    """Tier -> annotations (slot, slot, text); slots in milliseconds, None without a time."""
    order = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{slot}"' + ("/>" if at is None else f' TIME_VALUE="{at}"/>')
        for slot, at in slots.items()
    )
    layers = ""
    for name, found in tiers.items():
        inside = "".join(
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}{n}" TIME_SLOT_REF1="{a}" TIME_SLOT_REF2="{b}">'
            f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
            for n, (a, b, text) in enumerate(found)
        )
        layers += f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="utterance">{inside}</TIER>'
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"/>'
        f"<TIME_ORDER>{order}</TIME_ORDER>{layers}</ANNOTATION_DOCUMENT>",
        encoding="utf-8",
    )
    return path


def spans(clips: Sequence[SourceClip]) -> list[tuple[float, float] | None]:
    return [
        (round(clip.offset, 3), round(clip.offset + clip.duration, 3))
        if clip.offset is not None and clip.duration is not None
        else None
        for clip in clips
    ]


# --- overlaps

TALK = {
    "tx@A": [(0.5, 3.0, "een"), (4.0, 6.0, "twee"), (9.0, 12.0, "drie")],
    "tx@B": [(2.6, 4.0, "vier"), (10, 11, "vijf")],
}
"""A and B overlap by 0.4 s once; B speaks inside A's third annotation."""


def read_talk(tape: Tape, folder: Path, kind: str, overlaps: str | None) -> list[SourceClip]:
    tape.copy_to(folder)
    if kind == "praat":
        path = textgrid(folder / "tape.TextGrid", TALK, 0, tape.seconds)
    else:
        places = sorted({at for found in TALK.values() for a, b, _ in found for at in (a, b)})
        slot = {at: f"ts{number}" for number, at in enumerate(places)}
        tiers = {name: [(slot[a], slot[b], text) for a, b, text in found] for name, found in TALK.items()}
        path = eaf(folder / "tape.eaf", {slot[at]: round(1000 * at) for at in places}, tiers)
    return list(read_source(str(path), choices=Choices(tiers=("tx",), overlaps=overlaps)))


@pytest.mark.parametrize("kind", ["praat", "elan"])
def test_annotations_of_two_speakers_that_overlap_are_left_out_with_clock_times(
    tape: Tape, tmp_path: Path, kind: str
) -> None:
    clips = {clip.text: clip for clip in read_talk(tape, tmp_path, kind, None)}
    assert [text for text, clip in clips.items() if clip.fault is None] == ["twee"]
    assert clips["een"].fault == (
        "overlaps the annotation from 0:00:02.600 to 0:00:04.000 in the tier 'tx@B'; --overlaps trim cuts both at the "
        "middle where that can be, --overlaps keep takes both as they are"
    )
    found = audit(clips.values(), source="x", read_sound=False)
    (finding,) = [finding for finding in found.findings if finding.name == "overlapping"]
    assert len(finding.clips) == 4 and finding.severity == "warning" and "--overlaps" in finding.remedy


def test_overlaps_are_trimmed_at_their_middle_where_most_of_both_is_left(tape: Tape, tmp_path: Path) -> None:
    clips = {clip.text: clip for clip in read_talk(tape, tmp_path, "praat", "trim")}
    assert spans([clips["een"], clips["vier"]]) == [(0.5, 2.8), (2.8, 4.0)]
    assert clips["drie"].fault and clips["vijf"].fault  # one lies inside the other
    found = audit(clips.values(), source="x", read_sound=False)
    assert {f.name: len(f.clips) for f in found.findings}["overlap-trimmed"] == 2


def test_overlaps_can_be_kept_and_are_then_a_finding_and_a_note(tape: Tape, tmp_path: Path) -> None:
    clips = read_talk(tape, tmp_path, "praat", "keep")
    assert not any(clip.fault for clip in clips)
    found = audit(clips, source="x")
    assert {f.name: len(f.clips) for f in found.findings}["overlapping"] == 4
    made = prepare(clips, tmp_path / "corpus", source="x")
    assert any(note.startswith("4 clips: overlap another clip") for note in made.notes)


def test_a_choice_that_does_not_exist_is_answered_with_those_that_do(tape: Tape, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="possible are leave-out, trim, keep"):
        read_talk(tape, tmp_path, "praat", "all")


# --- slots without a time


def test_slots_without_a_time_lie_evenly_between_their_neighbours_as_elan_shows_them(
    tape: Tape, tmp_path: Path
) -> None:
    tape.copy_to(tmp_path)
    slots = {"ts1": 500, "ts2": None, "ts3": None, "ts4": 3500, "ts5": 4000, "ts6": None, "ts7": 6000, "ts8": None}
    pieces = [
        ("ts1", "ts2", "een"),
        ("ts2", "ts3", "twee"),
        ("ts3", "ts4", "drie"),
        ("ts5", "ts6", "vier"),
        ("ts6", "ts7", "vijf"),
        ("ts7", "ts8", "zes"),
    ]
    source = read_source(str(eaf(tmp_path / "tape.eaf", slots, {"tx": pieces})))
    clips = list(source)
    assert spans(clips) == [(0.5, 1.5), (1.5, 2.5), (2.5, 3.5), (4.0, 5.0), (5.0, 6.0), None]
    assert "no time of its own" in (clips[5].fault or "")  # nothing follows it
    assert any("lie evenly between their neighbours: 5" in note for note in source.notes)
    (finding,) = [f for f in audit(clips, source="x", read_sound=False).findings if f.name == "times-interpolated"]
    assert len(finding.clips) == 5 and finding.severity == "info"


def test_slots_that_no_neighbour_on_their_tier_bounds_lie_between_those_of_the_whole_file(
    tape: Tape, tmp_path: Path
) -> None:
    tape.copy_to(tmp_path)
    slots = {"ts1": 1000, "ts2": None, "ts3": None, "ts4": 4000}
    tiers = {"tx@A": [("ts1", "ts4", "een")], "tx@B": [("ts2", "ts3", "twee")]}
    path = eaf(tmp_path / "tape.eaf", slots, tiers)
    clips = list(read_source(str(path), choices=Choices(tiers=("tx@B",))))
    assert spans(clips) == [(2.0, 3.0)]


# --- TextGrids and their recordings


def test_times_count_from_xmin_where_the_recording_begins_there(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    piece = tape.pieces[1]
    intervals = [(100 + piece.start, 100 + piece.end, piece.text)]
    source = read_source(str(textgrid(tmp_path / "tape.TextGrid", {"tx": intervals}, 100, 100 + tape.seconds)))
    (clip,) = source
    sound = read_audio(clip.audio, offset=clip.offset or 0.0, duration=clip.duration).samples
    np.testing.assert_allclose(sound[:1000], piece.samples[:1000], atol=1e-3)
    assert any("its times are taken from 0:01:40.000 on" in note for note in source.notes)
    assert not clip.remarks


def test_a_piece_of_a_long_recording_has_the_times_of_the_recording(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    source = read_source(str(textgrid(tmp_path / "tape.TextGrid", {"tx": [(5, 6, "ja")]}, 4, 8)))
    assert spans(list(source)) == [(5.0, 6.0)]
    assert any("a part of its recording tape.wav" in note for note in source.notes)


@pytest.mark.parametrize("longer", [3.0, -10.0])
def test_a_textgrid_of_another_length_than_its_recording_is_a_finding(
    tape: Tape, tmp_path: Path, longer: float
) -> None:
    tape.copy_to(tmp_path)
    grid = textgrid(tmp_path / "tape.TextGrid", {"tx": [(1, 2, "ja"), (3, 4, "nee")]}, 0, tape.seconds + longer)
    source = read_source(str(grid))
    assert any("but its recording tape.wav lasts" in note for note in source.notes)
    found = audit(source, source="x")
    (finding,) = [finding for finding in found.findings if finding.name == "annotation-length-mismatch"]
    assert len(finding.clips) == 2 and finding.severity == "warning"


# --- Praat's codes


def test_the_codes_of_praat_are_read_as_it_shows_them_and_unknown_ones_are_named(tape: Tape, tmp_path: Path) -> None:
    tape.copy_to(tmp_path)
    intervals = [(1, 2, r"si\nga da\ng"), (3, 4, 'k\\efl\\ef m\\a"\\~^'), (5, 6, r"\zz ja")]
    source = read_source(str(textgrid(tmp_path / "tape.TextGrid", {"tx": intervals}, 0, tape.seconds)))
    assert [clip.text for clip in source] == ["siŋa daŋ", "kɛlɛ mä\u0303", r"\zz ja"]
    assert any(r"backslash codes that Praat does not know stay as they are (\zz 1)" in note for note in source.notes)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ('\\a"', "ä"),
        (r"\sw\^^", "ə̂"),
        (r"\o\^", r"\o\^"),
        (r"\ct\:f", "ɔː"),
        (r"\'1ma", "ˈma"),
        (r"\bs", "\\"),
        (r"\T(", "\u0318"),
        (r"e\'^", "e\u0301"),
        (r"\^h", "ʰ"),
    ],
)
def test_a_code_is_a_backslash_and_two_characters(typed: str, shown: str) -> None:
    assert decoded(typed, Counter())[0] == shown


def test_each_code_stands_for_one_character() -> None:
    assert len(SYMBOLS) > 490
    assert all(len(code) == 2 and len(character) == 1 for code, character in SYMBOLS.items())


# --- lost sound


def tape_with_nan(folder: Path, tape: Tape) -> Path:
    samples = read_audio(tape.wav).samples.copy()
    samples[round((tape.pieces[0].start + 0.5) * SAMPLE_RATE)] = np.nan
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "tape.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    intervals = [(piece.start, piece.end, piece.text) for piece in tape.pieces]
    return textgrid(folder / "tape.TextGrid", {"tx": intervals}, 0, tape.seconds)


def test_a_clip_with_samples_that_are_not_finite_is_left_out_by_name_or_mended_by_choice(
    tape: Tape, tmp_path: Path
) -> None:
    grid = tape_with_nan(tmp_path / "source", tape)
    found = audit(read_source(str(grid)), source="x")
    (finding,) = [finding for finding in found.findings if finding.name == "audio-not-finite"]
    assert len(finding.clips) == 1 and "--damaged mend" in finding.remedy
    made = prepare(read_source(str(grid)), tmp_path / "out", source="x")
    (left_out,) = made.left_out
    assert "not finite numbers at 0:00:00.500" in left_out.reason and "--damaged mend" in left_out.reason
    mended = prepare(read_source(str(grid), choices=Choices(damaged="mend")), tmp_path / "mended", source="x")
    assert not mended.left_out
    assert any("samples that are not finite" in note for note in mended.notes)
