"""Files with bytes changed at random are read or refused: in ten seconds, in a gigabyte, and nothing else is touched.

GOAMA_FUZZ_SECONDS (default 60) bounds each format's time; GOAMA_FUZZ_SEED (default 0) picks its files.
"""

from __future__ import annotations

import faulthandler
import io
import os
import random
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE, read_audio, stream_audio
from goama.sources.clip import SourceClip
from goama.sources.source import Choices, read_source

SECONDS = float(os.environ.get("GOAMA_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("GOAMA_FUZZ_SEED", "0"))
LONGEST_S = 10.0
MOST_MEMORY = 1 << 30  # bytes more than before
INTERESTING = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\n", b'"', b"<", b"-->", b"\\", b"1e9", b"-1", b"\0\0\0\0")

pytestmark = pytest.mark.slow

SRT = b"1\n00:00:01,000 --> 00:00:02,000\n<i>JOHN: dag</i>\n\nen\n\n2\n00:00:02,000 --> 00:00:03,000\ndag\nhallo\n"
VTT = b"WEBVTT\n\nNOTE x\n\nid\n00:01.000 --> 00:02.000 align:start\n<v Awa>dag <00:01.5><c>ja</c>\n\n" + SRT
GRID = (
    b'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 3\ntiers? <exists>\nsize = 2\nitem []:\n'
    b'item [1]:\nclass = "IntervalTier"\nname = "tx"\nxmin = 0\nxmax = 3\nintervals: size = 2\n'
    b'xmin = 0\nxmax = 1.5\ntext = "si\\ng ""ja"""\nxmin = 1.5\nxmax = 3\ntext = "k\\ef"\n'
    b'class = "TextTier"\nname = "p"\nxmin = 0\nxmax = 3\npoints: size = 1\nnumber = 1\nmark = "x"\n'
)
EAF = (
    b'<?xml version="1.0"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="x.wav"/>'
    b'</HEADER><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2"/>'
    b'<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2000"/></TIME_ORDER><TIER TIER_ID="tx@A"><ANNOTATION>'
    b'<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>dag'
    b"</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION><ANNOTATION>"
    b'<ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3"><ANNOTATION_VALUE>ja'
    b'</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER><TIER TIER_ID="ft" PARENT_REF="tx@A"><ANNOTATION>'
    b'<REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1"><ANNOTATION_VALUE>day</ANNOTATION_VALUE></REF_ANNOTATION>'
    b"</ANNOTATION></TIER></ANNOTATION_DOCUMENT>"
)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with one to eight changes: bytes replaced, removed, repeated, inserted; sometimes cut off."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        head = chance.random() < 0.5  # headers are where damage hurts
        place = chance.randrange(min(200, len(damaged)) if head else len(damaged)) if damaged else 0
        length = min(chance.choice((1, 1, 2, 4, 16, 200)), len(damaged) - place)
        change = chance.randrange(6)
        if change == 0:
            damaged[place : place + 1] = bytes([chance.randrange(256)])
        elif change == 1:
            damaged[place : place + length] = chance.randbytes(length)
        elif change == 2:
            del damaged[place : place + length]
        elif change == 3:
            damaged[place:place] = damaged[place : place + length] * chance.choice((1, 2, 50))
        elif change == 4:
            damaged[place : place + 4] = chance.choice(INTERESTING)
        elif chance.random() < 0.3:
            del damaged[chance.randrange(len(damaged) + 1) :]
    return bytes(damaged)


def encoded(samples: np.ndarray, container: str, encoding: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format=container, subtype=encoding)
    return file.getvalue()


def film(samples: np.ndarray, container: str, codec: str) -> bytes:
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        for at in range(0, len(samples), 960):
            block = (samples[at : at + 960][None] * 32_000).astype(np.int16)
            kind = stream.codec_context.format.name
            values = samples[at : at + 960][None].astype(np.float32) if "flt" in kind else block
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=kind, layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, at + (8_000 if at > 10_000 else 0)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file.getvalue()


@pytest.fixture(scope="module")
def voice(speech: Path) -> np.ndarray:
    return 0.8 * read_audio(sorted((speech / "audio").iterdir())[0]).samples[:40_000]


def sounds(voice: np.ndarray) -> dict[str, list[bytes]]:
    mp3 = encoded(voice, "MP3")
    return {
        "wav": [
            encoded(voice, "WAV"),
            encoded(voice, "WAV", "FLOAT"),
            encoded(voice, "RF64"),
            encoded(voice, "WAV", "ULAW"),
        ],
        "mp3": [mp3, mp3 + mp3, b"ID3\x03\0\0\0\0\x10\0" + bytes(2048) + mp3],
        "ogg": [encoded(voice, "OGG", "VORBIS"), encoded(voice, "OGG", "OPUS")],
        "flac": [encoded(voice, "FLAC")],
        "mkv": [film(voice, "matroska", "libopus"), film(voice, "matroska", "pcm_s16le")],
        "mp4": [film(voice, "mp4", "aac")],
    }


TEXTS = {"eaf": [EAF], "TextGrid": [GRID, GRID.decode().encode("utf-16")], "srt": [SRT], "vtt": [VTT]}


def read_clips_of(path: Path, chance: random.Random) -> None:
    """Everything that a command reads of an annotation file, with a choice of overlaps drawn by chance."""
    overlaps = chance.choice((None, "trim", "keep"))
    source = read_source(str(path), choices=Choices(overlaps=overlaps))
    for clip in source:
        assert isinstance(clip, SourceClip)
        if clip.fault is None and clip.offset is not None:
            assert np.isfinite(clip.offset) and clip.duration is not None and clip.duration > 0


def read_sound_of(path: Path, chance: random.Random) -> None:
    """The whole, a piece, and the stream; what comes out is finite."""
    how = chance.randrange(3)
    if how == 0:
        assert np.isfinite(read_audio(path, longest_s=60).samples).all()
    elif how == 1:
        read_audio(path, offset=chance.choice((0.0, 0.5)), duration=0.5, longest_s=60)
    else:
        for block in stream_audio(path, longest_s=60):
            assert np.isfinite(block).all()


def fuzz(
    suffix: str, originals: list[bytes], read: Callable[[Path, random.Random], None], folder: Path
) -> tuple[int, int]:
    """Read files made of the originals until the time is over; (files, those refused)."""
    chance = random.Random(f"{SEED} {suffix}")
    path = folder / f"x.{suffix}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + SECONDS
    files = refused = 0
    while time.monotonic() < end:
        content = mutated(chance.choice(originals), chance)
        path.write_bytes(content)
        faulthandler.dump_traceback_later(60, exit=True, file=sys.__stderr__)
        started = time.process_time()
        try:
            read(path, chance)
        except GoamaError as error:
            refused += 1
            assert "\n" not in re.sub(r"'[^']*'", "", str(error))
        except BaseException:
            (Path(os.environ.get("GOAMA_FUZZ_KEEP", str(folder))) / f"failed.{suffix}").write_bytes(content)
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
        assert time.process_time() - started < LONGEST_S, "hangs"
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY, "memory"
        files += 1
    return files, refused


@pytest.mark.timeout(SECONDS * 2 + 240)
@pytest.mark.parametrize("suffix", [*TEXTS, "wav", "mp3", "ogg", "flac", "mkv", "mp4"])
def test_a_mutated_file_is_read_or_refused(
    suffix: str, voice: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write(tmp_path / "x.wav", voice, SAMPLE_RATE)
    (tmp_path / "inside").mkdir()
    there = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    if suffix in TEXTS:
        soundfile.write(tmp_path / "x.flac", voice, SAMPLE_RATE)
        there = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        files, refused = fuzz(suffix, TEXTS[suffix], read_clips_of, tmp_path)
    else:
        files, refused = fuzz(suffix, sounds(voice)[suffix], read_sound_of, tmp_path)
    mine = tmp_path / f"x.{suffix}"
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path != mine}
    assert after == {path: at for path, at in there.items() if path != mine}
    with capsys.disabled():
        print(f"\n{suffix}: seed {SEED}, {files} files, {refused} refused")
