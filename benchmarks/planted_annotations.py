"""Annotated tapes of real speech with planted defects: overlaps, slots without a time, a recording of another length.

ELAN and Praat files over recordings that are made of clips with half a second of silence between them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import soundfile
from planted_defects import Planted

from goama.sound.audio import SAMPLE_RATE, read_audio

_CLIPS = 12
_PAUSE_S = 0.5
_OVERLAPPING, _UNTIMED = (3, 4), (7, 8)
"""Neighbours: two whose times overlap, and two whose common border has no time."""


@dataclass(frozen=True)
class _Piece:
    start: float
    end: float
    text: str


def plant_annotations(speech: Path, folder: Path) -> list[Planted]:
    """An ELAN folder and a Praat folder of clips of an audiofolder, with what is planted in them."""
    rows = [json.loads(line) for line in (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    return [_elan(speech, rows[:_CLIPS], folder / "elan"), _textgrids(speech, rows[:_CLIPS], folder / "praat")]


def _tape(speech: Path, rows: Sequence[dict], path: Path) -> list[_Piece]:
    """Writes a recording of the clips; where each of them lies on it, in whole milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    silence = np.zeros(round(_PAUSE_S * SAMPLE_RATE), np.float32)
    sound, pieces, at = [silence], [], len(silence)
    for row in rows:
        samples = read_audio(speech / row["file_name"]).samples
        samples = samples[: len(samples) // 16 * 16]
        pieces.append(_Piece(at / SAMPLE_RATE, (at + len(samples)) / SAMPLE_RATE, row["text"]))
        sound += [samples, silence]
        at += len(samples) + len(silence)
    soundfile.write(path, np.concatenate(sound), SAMPLE_RATE)
    return pieces


def _elan(speech: Path, rows: Sequence[dict], folder: Path) -> Planted:
    pieces = _tape(speech, rows, folder / "tape.wav")
    first, second = _OVERLAPPING
    pieces[first] = _Piece(pieces[first].start, pieces[second].start + 0.4, pieces[first].text)
    slots: list[float | None] = []
    for number, piece in enumerate(pieces):
        slots += [None if number == _UNTIMED[1] else piece.start, None if number == _UNTIMED[0] else piece.end]
    tiers = "".join(
        f'<TIER TIER_ID="tx@{speaker}" LINGUISTIC_TYPE_REF="utterance">'
        + "".join(
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{n}" TIME_SLOT_REF1="ts{2 * n}" '
            f'TIME_SLOT_REF2="ts{2 * n + 1}"><ANNOTATION_VALUE>{escape(piece.text)}</ANNOTATION_VALUE>'
            "</ALIGNABLE_ANNOTATION></ANNOTATION>"
            for n, piece in enumerate(pieces)
            if (n == second) == (speaker == "B")
        )
        + "</TIER>"
        for speaker in "AB"
    )
    order = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="ts{n}"' + ("/>" if at is None else f' TIME_VALUE="{round(1000 * at)}"/>')
        for n, at in enumerate(slots)
    )
    (folder / "tape.eaf").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">'
        f'<MEDIA_DESCRIPTOR MEDIA_URL="tape.wav"/></HEADER><TIME_ORDER>{order}</TIME_ORDER>{tiers}'
        "</ANNOTATION_DOCUMENT>",
        encoding="utf-8",
    )

    def id_of(number: int) -> str:
        start = pieces[number].start
        if number == _UNTIMED[1]:  # spread evenly between the times around it
            start = pieces[number - 1].start + (pieces[number].end - pieces[number - 1].start) * 2 / 3
        return f"tape__tx@{'B' if number == second else 'A'}__{start:.2f}"

    expected = {"overlapping": set(map(id_of, _OVERLAPPING)), "times-interpolated": set(map(id_of, _UNTIMED))}
    clean = {id_of(number) for number in range(len(pieces))} - set().union(*expected.values())
    return Planted(folder, expected, clean)


def _textgrids(speech: Path, rows: Sequence[dict], folder: Path) -> Planted:
    """Two tapes; the TextGrid of the second is 3 s longer than its recording."""
    half = len(rows) // 2
    ids = {}
    for name, of_tape, longer_s in (("good", rows[:half], 0.0), ("other", rows[half:], 3.0)):
        pieces = _tape(speech, of_tape, folder / f"{name}.wav")
        end = pieces[-1].end + _PAUSE_S + longer_s
        borders = [0.0, *(at for piece in pieces for at in (piece.start, piece.end)), end]
        texts = ["", *(text for piece in pieces for text in (piece.text, ""))]
        intervals = "".join(
            f"{start}\n{stop}\n" + '"' + text.replace('"', '""') + '"\n'
            for (start, stop), text in zip(pairwise(borders), texts, strict=True)
        )
        (folder / f"{name}.TextGrid").write_text(
            'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n'
            f'{end}\n<exists>\n1\n"IntervalTier"\n"utterance"\n0\n{end}\n{len(texts)}\n{intervals}',
            encoding="utf-8",
        )
        ids[name] = {f"{name}__{piece.start:.2f}" for piece in pieces}
    return Planted(folder, {"annotation-length-mismatch": ids["other"]}, ids["good"])
