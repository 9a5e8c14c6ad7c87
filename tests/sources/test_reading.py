"""Clips are read in order, ahead but within a bound, and what was read is let go."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goama.errors import GoamaError
from goama.sound.audio import Audio, read_audio
from goama.sources.clip import SourceClip
from goama.sources.judge import OUTSIDE_RECORDING, ROW_FAULTY, UNREADABLE, Fault
from goama.sources.reading import examine_clips, read_clips


class Encoded(bytes):
    """Bytes that say when they are gone."""

    gone = 0

    def __del__(self) -> None:
        Encoded.gone += 1


@pytest.fixture
def good(sentences: list[dict[str, Any]]) -> list[SourceClip]:
    return [SourceClip(row["id"], Path(row["file_name"]), row["text"], "here") for row in sentences]


def test_every_clip_comes_with_its_sound_or_its_fault_in_the_order_of_the_source(
    good: list[SourceClip], tmp_path: Path
) -> None:
    bad = [
        replace(good[0], id="gone", audio=tmp_path / "gone.wav"),
        replace(good[0], id="row", fault="the column 'audio' is empty"),
        replace(good[0], id="beyond", offset=100.0, duration=1.0),
    ]
    clips = [*good[:3], *bad, *good[3:]]
    done: list[int] = []
    read = list(read_clips(clips, done.append))
    assert [clip for clip, _ in read] == clips
    assert done == list(range(1, len(clips) + 1))
    kinds = {clip.id: sound.kind for clip, sound in read if isinstance(sound, Fault)}
    assert kinds == {"gone": UNREADABLE, "row": ROW_FAULTY, "beyond": OUTSIDE_RECORDING}
    for clip, sound in read:
        if isinstance(sound, Audio):
            np.testing.assert_array_equal(sound.samples, read_audio(clip.audio).samples)


def test_only_a_bounded_number_of_clips_and_seconds_is_read_ahead(good: list[SourceClip]) -> None:
    def counted(duration: float | None) -> Iterator[SourceClip]:
        for number in range(120):
            taken.append(number)
            yield replace(good[number % 24], id=str(number), offset=None, duration=duration)

    for duration, most in ((None, 32), (60.0, 12)):
        taken: list[int] = []
        for number, _ in enumerate(read_clips(counted(duration))):
            assert len(taken) - number <= most + 1
        assert len(taken) == 120


def test_the_encoded_bytes_of_a_clip_are_let_go_once_it_was_read(sentences: list[dict[str, Any]]) -> None:
    made = 0

    def clips() -> Iterator[SourceClip]:
        nonlocal made
        for number in range(96):
            made += 1
            yield SourceClip(str(number), Encoded(Path(sentences[number % 24]["file_name"]).read_bytes()), "ja", "here")

    Encoded.gone = 0
    read = []
    for clip, sound in read_clips(clips()):
        assert isinstance(sound, Audio)
        read.append(clip)
        assert made - Encoded.gone <= 40
    assert len(read) == 96 and Encoded.gone == 96


def test_a_recording_that_cannot_be_sought_in_is_decoded_once_for_all_its_clips(
    sentences: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import av

    tape = np.concatenate([read_audio(row["file_name"]).samples for row in sentences])
    soundfile.write(tmp_path / "tape.mp3", tape, 16_000, format="MP3")
    clips = [
        SourceClip(str(n), tmp_path / "tape.mp3", "ja", "here", offset=0.5 * n, duration=0.5)
        for n in range(len(tape) // 8_000)
    ]
    opened: list[object] = []
    really = av.open
    monkeypatch.setattr(av, "open", lambda *given, **named: opened.append(given) or really(*given, **named))
    sounds = [sound for _, sound in read_clips(clips)]
    assert len(opened) == 1
    assert all(isinstance(sound, Audio) and len(sound.samples) == 8_000 for sound in sounds)


def test_what_examine_makes_of_the_sound_takes_its_place(good: list[SourceClip]) -> None:
    examined = examine_clips(good, lambda clip, audio: (clip.id, audio.native.shape), keep_native=True)
    for clip, result in examined:
        assert result == (clip.id, read_audio(clip.audio, keep_native=True).native.shape)


def test_ctrl_c_stops_between_two_clips_and_is_given_back_to_its_owner(good: list[SourceClip]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        for number, _ in enumerate(read_clips(good)):
            if number == 5:
                os.kill(os.getpid(), signal.SIGINT)
            assert number <= 5
    assert signal.getsignal(signal.SIGINT) is before


def test_a_source_that_cannot_be_read_on_says_so(good: list[SourceClip]) -> None:
    def broken() -> Iterator[SourceClip]:
        yield from good[:2]
        raise GoamaError("row 2: the network is gone")

    with pytest.raises(GoamaError, match="network is gone"):
        list(read_clips(broken()))
