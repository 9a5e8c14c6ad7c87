"""Recordings that are whole for people and odd for programs: pipes, clocks, damage, other scales, NaN."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from goama.errors import GoamaError
from goama.sound.audio import SAMPLE_RATE, Audio, read_audio, stream_audio
from goama.sound.length import seconds_of
from goama.sound.repairs import DAMAGED, GAP, NOT_FINITE, SCALED, Repair


@pytest.fixture(scope="module")
def voice(speech: Path) -> np.ndarray:
    """Three sentences, about 9 s, at 16 kHz."""
    files = sorted((speech / "audio").iterdir())[:3]
    return np.concatenate([0.8 * read_audio(file).samples for file in files])


def encoded(samples: np.ndarray, container: str, encoding: str | None = None, rate: int = SAMPLE_RATE) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=encoding)
    return bytearray(file.getvalue())


def streamed(source: Path | bytes) -> tuple[np.ndarray, list[Repair]]:
    repairs: list[Repair] = []
    return np.concatenate(list(stream_audio(source, name="x", repairs=repairs))), repairs


def begins_at(samples: np.ndarray, piece: np.ndarray) -> float:
    """Where in `samples` the piece is (s)."""
    size = 1 << (len(samples) + len(piece)).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(piece, size))
    return int(np.fft.irfft(spectrum, size)[: len(samples)].argmax()) / SAMPLE_RATE


# --- written to a pipe


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (0x7FFFF024, 0x7FFFF000),
        (0, 0),
        (36, 0),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x7FFFFFFF, 0x7FFFFFFF),
        (0x80000024, 0x80000000),
        (0xFFFFFFFF, 0),
    ],
)
@pytest.mark.parametrize("encoding", ["PCM_16", "FLOAT"])
def test_a_wav_from_a_pipe_is_read_to_its_end(
    voice: np.ndarray, tmp_path: Path, riff: int, data: int, encoding: str
) -> None:
    wav = encoded(voice, "WAV", encoding)
    place = wav.find(b"data")
    wav[4:8], wav[place + 4 : place + 8] = struct.pack("<I", riff), struct.pack("<I", data)
    (tmp_path / "x.wav").write_bytes(wav)
    for source in (tmp_path / "x.wav", bytes(wav)):
        np.testing.assert_allclose(read_audio(source).samples, voice, atol=1e-4)
        piece = read_audio(source, offset=1.0, duration=0.5).samples
        np.testing.assert_allclose(piece, voice[16_000:24_000], atol=1e-4)
    assert seconds_of(tmp_path / "x.wav") == pytest.approx(len(voice) / SAMPLE_RATE)


@pytest.mark.parametrize(
    ("container", "place", "size"),
    [
        ("AU", 8, b"\0\0\0\0"),
        ("AU", 8, b"\x7f\xff\xff\xff"),
        ("RF64", 20, bytes(24)),
        ("RF64", 20, b"\xff" * 24),
        ("AIFF", 4, b"\x7f\0\0\0"),
    ],
)
def test_other_formats_from_a_pipe_are_read_to_their_end(
    voice: np.ndarray, container: str, place: int, size: bytes
) -> None:
    file = encoded(voice, container, "PCM_16")
    file[place : place + len(size)] = size
    np.testing.assert_allclose(read_audio(bytes(file)).samples, voice, atol=1e-4)


def test_a_caf_from_a_pipe_is_read_to_its_end(voice: np.ndarray) -> None:
    file = encoded(voice, "CAF", "PCM_16")
    place = file.find(b"data")
    file[place + 4 : place + 12] = struct.pack(">q", -1)
    np.testing.assert_allclose(read_audio(bytes(file)).samples, voice, atol=1e-4)


# --- other scales


@pytest.mark.parametrize(
    ("container", "encoding", "bits"),
    [("WAV", "DOUBLE", 16), ("WAV", "FLOAT", 16), ("AIFF", "FLOAT", 16), ("CAF", "DOUBLE", 24), ("AU", "FLOAT", 32)],
)
def test_floating_point_files_of_integers_are_divided_and_it_is_said(
    voice: np.ndarray, tmp_path: Path, container: str, encoding: str, bits: int
) -> None:
    scale = 2.0 ** (bits - 1)
    (tmp_path / "x.wav").write_bytes(encoded(np.round(voice.astype(np.float64) * (scale - 1)), container, encoding))
    for audio in (read_audio(tmp_path / "x.wav"), read_audio(tmp_path / "x.wav", offset=2.0, duration=1.0)):
        assert [repair.kind for repair in audio.repairs] == [SCALED]
        assert f"{bits}-bit values" in audio.repairs[0].sentence
    np.testing.assert_allclose(read_audio(tmp_path / "x.wav").samples, voice, atol=1e-3)


def test_floating_point_beyond_full_scale_is_loud_and_no_other_scale(voice: np.ndarray) -> None:
    loud = 4.0 * voice
    audio = read_audio(bytes(encoded(loud, "WAV", "FLOAT")))
    np.testing.assert_array_equal(audio.samples, loud)
    assert not audio.repairs


@pytest.mark.parametrize("peak", [100.0, 100_000.0, 1e12])
def test_a_scale_that_cannot_be_told_is_an_error(voice: np.ndarray, peak: float) -> None:
    samples = voice.astype(np.float64) / np.abs(voice).max() * peak
    with pytest.raises(GoamaError, match="their scale cannot be told"):
        read_audio(bytes(encoded(samples, "WAV", "DOUBLE")))


# --- not finite


def test_samples_that_are_not_finite_are_silence_and_are_counted_with_their_place(voice: np.ndarray) -> None:
    broken = voice.copy()
    broken[32_000], broken[48_000:48_160] = np.nan, np.inf
    audio = read_audio(bytes(encoded(broken, "WAV", "FLOAT")))
    assert np.isfinite(audio.samples).all() and audio.samples[32_000] == 0
    (repair,) = audio.repairs
    assert repair.kind == NOT_FINITE and "0:00:02.000, 0:00:03.000" in repair.sentence
    assert not read_audio(bytes(encoded(broken, "WAV", "FLOAT")), offset=4.0, duration=1.0).repairs


# --- the clock of a container


def film(
    samples: np.ndarray, container: str, codec: str, *, starts: float = 0.0, gap: float = 0.0, pictures: bool = False
) -> bytes:
    """A container whose sound begins at `starts`, and which has a gap in its clock after the first second."""
    av = pytest.importorskip("av")
    rate = 48_000 if codec == "libopus" else SAMPLE_RATE
    sound = soxr.resample(samples, SAMPLE_RATE, rate) if rate != SAMPLE_RATE else samples
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        video = out.add_stream("mpeg4", rate=10) if pictures else None
        stream = out.add_stream(codec, rate=rate, layout="mono")
        if video:
            video.width = video.height = 32
            video.pix_fmt = "yuv420p"
            for number in range(int(10 * (starts + gap + len(samples) / SAMPLE_RATE))):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                picture.pts = number
                out.mux(video.encode(picture))
            out.mux(video.encode())
        sample_format = stream.codec_context.format.name
        step = stream.codec_context.frame_size or 1024
        for at in range(0, len(sound), step):
            block = sound[at : at + step][None]
            values = block.astype(np.float32) if "flt" in sample_format else (block * 32_000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=sample_format, layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = at + round(rate * (starts + (gap if at >= rate else 0.0)))
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file.getvalue()


CONTAINERS = [
    ("matroska", "libopus"),
    ("webm", "libopus"),
    ("mp4", "aac"),
    ("ogg", "libopus"),
    ("matroska", "pcm_s16le"),
    ("flv", "aac"),
    ("3gp", "aac"),
]


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_sound_that_begins_late_or_has_a_gap_lies_where_the_clock_of_its_container_says(
    voice: np.ndarray, tmp_path: Path, container: str, codec: str
) -> None:
    first, last = voice[:12_000], voice[-24_000:-8_000]
    plain, no_repairs = streamed(film(voice, container, codec))
    assert not no_repairs
    late, repairs = streamed(film(voice, container, codec, starts=1.5))
    assert begins_at(late, first) == pytest.approx(1.5, abs=0.03)
    assert [repair.kind for repair in repairs] == [GAP]
    broken, repairs = streamed(film(voice, container, codec, gap=1.5))
    assert begins_at(broken, first) == pytest.approx(begins_at(plain, first), abs=0.03)
    assert begins_at(broken, last) == pytest.approx(begins_at(plain, last) + 1.5, abs=0.03)
    assert repairs[0].kind == GAP and repairs[0].seconds == pytest.approx(1.5, abs=0.05)
    (tmp_path / "film").write_bytes(film(voice, container, codec, starts=1.5))
    piece = read_audio(tmp_path / "film", offset=1.0, duration=1.25)
    assert begins_at(piece.samples, first) == pytest.approx(0.5, abs=0.03)
    assert [repair.kind for repair in piece.repairs] == [GAP]
    assert not read_audio(tmp_path / "film", offset=3.0, duration=1.0).repairs


@pytest.mark.parametrize(("container", "codec"), [("mpegts", "aac"), ("mpeg", "mp2"), ("mp4", "aac")])
def test_sound_that_begins_after_the_pictures_lies_where_players_have_it(
    voice: np.ndarray, container: str, codec: str
) -> None:
    samples, _ = streamed(film(voice, container, codec, starts=1.5, pictures=True))
    assert begins_at(samples, voice[:12_000]) == pytest.approx(1.5, abs=0.1)


# --- damage


@pytest.fixture(scope="module")
def mp3(voice: np.ndarray) -> bytes:
    return bytes(encoded(voice, "MP3"))


def damaged(whole: bytes, at: float, length: int, mark: bytes = b"") -> bytes:
    """Zeros in place of some bytes, from the first `mark` behind that share of the file on."""
    place = whole.index(mark, int(at * len(whole)))
    return whole[:place] + bytes(length) + whole[place + length :]


FRAME = b"\xff\xf3"
"""How a frame of MP3 at 16 kHz begins."""


def test_a_damaged_frame_is_silence_and_its_time_is_said(voice: np.ndarray, mp3: bytes, tmp_path: Path) -> None:
    samples, (repair,) = streamed(damaged(mp3, 0.5, 40, FRAME))
    assert repair.kind == DAMAGED and 0.02 < repair.seconds < 0.2
    assert "s could not be decoded, at 0:00:0" in repair.sentence
    assert begins_at(samples, voice[-24_000:-8_000]) == pytest.approx(len(voice) / SAMPLE_RATE - 1.5, abs=0.1)
    (tmp_path / "x.mp3").write_bytes(damaged(mp3, 0.5, 40, FRAME))
    assert read_audio(tmp_path / "x.mp3", offset=3.0, duration=4.0).repairs
    assert not read_audio(tmp_path / "x.mp3", offset=0.5, duration=2.0).repairs


def test_rubbish_after_the_end_is_not_lost_sound(voice: np.ndarray, mp3: bytes) -> None:
    for rubbish in (b"<html>" + b"x" * 5000, bytes(20_000), b"TAG" + bytes(125)):
        samples, repairs = streamed(mp3 + rubbish)
        assert len(samples) == pytest.approx(len(voice), abs=1600)
        assert not any(repair.seconds for repair in repairs)


def test_rubbish_before_the_first_frame_is_passed_over(voice: np.ndarray, mp3: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.mp3").write_bytes(b"junk" * 800 + mp3)
    assert len(read_audio(tmp_path / "x.mp3").samples) == pytest.approx(len(voice), abs=3200)


@pytest.mark.parametrize("between", [b"", b"ID3\x03\0\0\0\0\x10\0" + bytes(2048), b"TAG" + bytes(125)])
@pytest.mark.parametrize("second", ["same", "stereo", "other rate"])
def test_of_joined_files_both_are_read(voice: np.ndarray, mp3: bytes, between: bytes, second: str) -> None:
    if second == "same":
        other = mp3
    elif second == "stereo":
        other = bytes(encoded(np.stack([voice, voice], axis=1), "MP3"))
    else:
        other = bytes(encoded(soxr.resample(voice, SAMPLE_RATE, 32_000), "MP3", rate=32_000))
    samples, _ = streamed(mp3 + between + other)
    assert len(samples) == pytest.approx(2 * len(voice), abs=0.4 * SAMPLE_RATE)
    assert begins_at(samples[len(voice) :], voice[16_000:48_000]) == pytest.approx(1.0, abs=0.4)


def test_of_a_recording_that_is_cut_off_the_rest_is_read_and_most_of_one_is_refused(mp3: bytes) -> None:
    samples, repairs = streamed(mp3[: int(0.7 * len(mp3))])
    assert len(samples) > 0 and "cut off: 30 % of the sound" in repairs[0].sentence
    assert not any(repair.kind == DAMAGED for repair in streamed(mp3[:-100])[1])
    with pytest.raises(GoamaError, match="truncated, 70 %"):
        streamed(mp3[: int(0.3 * len(mp3))])
    with pytest.raises(GoamaError, match="truncated, 30 %"):
        read_audio(mp3[: int(0.7 * len(mp3))])


def test_a_damaged_film_is_read_on(voice: np.ndarray) -> None:
    whole = film(voice, "matroska", "libopus")
    samples, _ = streamed(damaged(whole, 0.5, 600))
    assert len(samples) == pytest.approx(len(voice), abs=SAMPLE_RATE)


def test_audio_without_repairs_says_nothing(speech: Path) -> None:
    audio: Audio = read_audio(sorted((speech / "audio").iterdir())[0])
    assert audio.repairs == ()


@pytest.mark.parametrize("container", ["WAV", "AIFF", "FLAC"])
@pytest.mark.parametrize("in_memory", [False, True])
def test_of_files_joined_end_to_end_the_first_is_not_taken_for_all(
    voice: np.ndarray, tmp_path: Path, container: str, in_memory: bool
) -> None:
    half = len(voice) // 2
    joined = bytes(encoded(voice[:half], container) + encoded(voice[half:], container))
    path = tmp_path / "joined"
    path.write_bytes(joined)
    with pytest.raises(GoamaError, match="several files were joined in it"):
        read_audio(joined if in_memory else path)
    assert read_audio(path, offset=0.5, duration=1.0).seconds == 1.0  # a piece of the first


def test_transcribe_reads_the_first_of_joined_files_where_it_is_most_of_them(voice: np.ndarray) -> None:
    samples, repairs = streamed(bytes(encoded(voice, "WAV") + encoded(voice[:SAMPLE_RATE], "WAV")))
    assert len(samples) == len(voice)
    assert "several files were joined in it" in repairs[0].sentence
