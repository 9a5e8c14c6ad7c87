"""Sound in: every format that is read comes out as 16 kHz mono; every damaged file gets one sentence."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goama.errors import GoamaError
from goama.sound.audio import MAX_SECONDS, SAMPLE_RATE, read_audio, stream_audio
from goama.sound.flac import write_flac
from goama.sound.piece import OutsideRecordingError
from goama.sound.sequential_decoder import SequentialDecoder


@pytest.fixture(scope="module")
def ogg(speech: Path) -> Path:
    """A sentence of 2.95 s, 22.05 kHz stereo Ogg Vorbis."""
    return speech / "audio" / "barrel__bar-v-kdyby0.ogg"


@pytest.fixture(scope="module")
def voice(ogg: Path) -> np.ndarray:
    """The same, (47149,) float32 at 16 kHz, a little below full scale."""
    return 0.9 * read_audio(ogg).samples


def encoded(samples: np.ndarray, container: str, encoding: str | None = None, rate: int = SAMPLE_RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=encoding)
    return file.getvalue()


def with_ffmpeg(ogg: Path, target: Path, *options: str) -> Path:
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed: it makes the formats that soundfile cannot write")
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", ogg, *options, target], check=True)
    return target


def as_stored(source: Path, **piece: float) -> tuple[np.ndarray, int]:
    """(N, channels) float32 and its rate."""
    audio = read_audio(source, keep_native=True, **piece)
    assert audio.native is not None and audio.native.shape[1] == audio.native_channels
    return audio.native, audio.native_rate


# --- what comes out


def test_real_speech_comes_out_as_16_khz_mono_float32(ogg: Path) -> None:
    audio = read_audio(ogg)
    assert (audio.native_rate, audio.native_channels) == (22_050, 2)
    assert audio.samples.dtype == np.float32 and audio.samples.ndim == 1
    assert audio.seconds == pytest.approx(soundfile.info(ogg).duration, abs=1e-3)
    assert 0.05 < np.abs(audio.samples).max() < 1.1  # lossy formats overshoot full scale a little


def test_a_file_and_its_bytes_sound_the_same(ogg: Path) -> None:
    np.testing.assert_array_equal(read_audio(ogg).samples, read_audio(ogg.read_bytes()).samples)


def test_channels_are_averaged(voice: np.ndarray) -> None:
    left_only = np.stack([voice, np.zeros_like(voice)], axis=1)
    audio = read_audio(encoded(left_only, "WAV", "FLOAT"))
    assert audio.native_channels == 2
    np.testing.assert_allclose(audio.samples, voice / 2, atol=1e-6)


def test_resampling_keeps_what_is_below_the_new_limit_and_removes_what_is_above() -> None:
    seconds = np.arange(44_100) / 44_100
    low, high = np.sin(2 * np.pi * 1_000 * seconds), np.sin(2 * np.pi * 12_000 * seconds)
    audio = read_audio(encoded(0.4 * (low + high), "WAV", "FLOAT", rate=44_100))
    spectrum = np.abs(np.fft.rfft(audio.samples)) / len(audio.samples) * 2
    assert spectrum[1_000] == pytest.approx(0.4, abs=0.01)
    assert spectrum[2_000:].max() < 0.01  # 12 kHz would fold to 4 kHz


def test_what_is_16_khz_mono_already_is_not_touched(voice: np.ndarray) -> None:
    np.testing.assert_array_equal(read_audio(encoded(voice, "WAV", "FLOAT")).samples, voice)


def test_not_a_number_becomes_silence(voice: np.ndarray) -> None:
    broken = voice.copy()
    broken[100:200] = np.nan
    broken[300] = np.inf
    assert np.isfinite(read_audio(encoded(broken, "WAV", "FLOAT", rate=8_000)).samples).all()


@pytest.mark.parametrize(
    ("container", "encoding"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "ULAW"),
        ("WAV", "IMA_ADPCM"),
        ("WAV", "GSM610"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("CAF", "PCM_16"),
        ("W64", "PCM_16"),
    ],
)
def test_formats_of_soundfile_are_read(voice: np.ndarray, container: str, encoding: str | None) -> None:
    audio = read_audio(encoded(voice, container, encoding))
    assert audio.seconds == pytest.approx(len(voice) / SAMPLE_RATE, abs=0.05)


@pytest.mark.parametrize("suffix", ["m4a", "webm", "wma", "ac3", "mp4", "mkv", "3gp", "avi"])
def test_formats_that_only_pyav_reads_are_read(ogg: Path, tmp_path: Path, suffix: str) -> None:
    coder = ["-c:a", "aac"] if suffix in {"3gp", "mp4"} else []
    audio = read_audio(with_ffmpeg(ogg, tmp_path / f"clip.{suffix}", *coder))
    assert audio.seconds == pytest.approx(soundfile.info(ogg).duration, abs=0.15)


def test_a_telephone_recording_without_a_header_is_read_by_its_suffix(ogg: Path, tmp_path: Path) -> None:
    audio = read_audio(with_ffmpeg(ogg, tmp_path / "clip.g722", "-ac", "1", "-ar", "16000"))
    assert audio.seconds == pytest.approx(soundfile.info(ogg).duration, abs=0.05)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_a_file_made_by_a_pipe_that_does_not_know_its_own_length_is_read(
    ogg: Path, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"clip.{suffix}"
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    piped = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", ogg, "-f", suffix, "-"], check=True, capture_output=True
    )
    target.write_bytes(piped.stdout)
    assert read_audio(target).seconds == pytest.approx(soundfile.info(ogg).duration, abs=0.01)


def test_a_suffix_that_lies_does_no_harm(ogg: Path, tmp_path: Path) -> None:
    for name in ("clip.wav", "clip.mp3", "clip.raw", "clip"):
        shutil.copyfile(ogg, tmp_path / name)
        assert read_audio(tmp_path / name).seconds == pytest.approx(read_audio(ogg).seconds)


def test_tags_in_an_old_encoding_do_no_harm(ogg: Path, tmp_path: Path) -> None:
    clip = with_ffmpeg(ogg, tmp_path / "clip.avi", "-metadata", "title=AAAA")
    clip.write_bytes(clip.read_bytes().replace(b"AAAA", b"\xe9\xe8\xff\xfe"))
    assert read_audio(clip).seconds > 2


# --- long recordings


def long_recording(ogg: Path, tmp_path: Path, minutes: float, suffix: str) -> Path:
    """48 kHz stereo, the sentence again and again."""
    loop = ["-stream_loop", "-1"]
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    target = tmp_path / f"long.{suffix}"
    command = ["ffmpeg", "-loglevel", "error", *loop, "-i", ogg, "-t", str(60 * minutes), "-ar", "48000", "-ac", "2"]
    subprocess.run([*command, target], check=True)
    return target


@pytest.mark.parametrize("suffix", ["mp3", "flac", "webm"])
def test_a_long_recording_never_lies_in_memory_as_it_is_stored(ogg: Path, tmp_path: Path, suffix: str) -> None:
    recording = long_recording(ogg, tmp_path, 2, suffix)
    result = 2 * 60 * SAMPLE_RATE * 4
    read_audio(ogg)  # libraries are loaded

    tracemalloc.start()
    assert read_audio(recording).seconds == pytest.approx(120, abs=1)
    _, whole = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert sum(map(len, stream_audio(recording))) == pytest.approx(120 * SAMPLE_RATE, abs=SAMPLE_RATE)
    _, streamed = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert whole < 1.5 * result + 10_000_000  # as stored it is 6 times as large
    assert streamed < 10_000_000


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_streamed_samples_are_those_of_the_whole_resampled_at_once(voice: np.ndarray, rate: int) -> None:
    stereo = np.stack([np.tile(voice, 25), np.tile(voice, 25) * 0.5], axis=1)
    recording = encoded(stereo, "WAV", "FLOAT", rate=rate)
    mono = stereo.mean(axis=1)
    expected = mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    np.testing.assert_array_equal(read_audio(recording).samples, expected)
    np.testing.assert_array_equal(np.concatenate(list(stream_audio(recording))), expected)


def test_a_stream_says_what_is_wrong_with_its_recording(ogg: Path, tmp_path: Path) -> None:
    with pytest.raises(GoamaError, match="no such file"):
        next(stream_audio(tmp_path / "no.wav"))
    wav = encoded(np.ones(16_000, np.float32) / 2, "WAV")
    with pytest.raises(GoamaError, match=r"^clip: truncated, 60 % of the sound"):
        list(stream_audio(wav[: int(0.4 * len(wav))], name="clip"))
    with pytest.raises(GoamaError, match="holds no samples"):
        list(stream_audio(encoded(np.zeros(0), "WAV")))


# --- pieces of a long recording


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_piece_is_what_the_whole_has_at_that_place(voice: np.ndarray, container: str) -> None:
    recording = encoded(voice, container)
    whole = read_audio(recording).samples
    piece = read_audio(recording, offset=1.25, duration=0.5).samples
    np.testing.assert_allclose(piece, whole[20_000:28_000], atol=1e-6)
    np.testing.assert_allclose(read_audio(recording, offset=2.0).samples, whole[32_000:], atol=1e-6)


@pytest.mark.parametrize("name", ["clip.m4a", "clip.mp3", "clip.opus", "clip.ogg", "clip.webm", "clip.g722"])
def test_pieces_of_what_cannot_be_sought_in_are_at_their_places(ogg: Path, tmp_path: Path, name: str) -> None:
    recording = with_ffmpeg(ogg, tmp_path / name, "-ac", "1", "-ar", "16000")
    whole, rate = as_stored(recording)
    for offset in (0.25, 0.25, 1.0, 1.2, 2.25, 0.5):  # in order, overlapping, and back again
        piece, _ = as_stored(recording, offset=offset, duration=0.5)
        begin = round(offset * rate)
        np.testing.assert_array_equal(piece, whole[begin : begin + round(0.5 * rate)])
    with pytest.raises(OutsideRecordingError, match=r"the clip from 2\.75 s to 3\.75 s does not lie within"):
        read_audio(recording, offset=2.75, duration=1.0)


def test_pieces_are_those_of_the_file_as_it_is_now(ogg: Path, tmp_path: Path) -> None:
    recording = with_ffmpeg(ogg, tmp_path / "clip.mp3")
    read_audio(recording, offset=1.0, duration=0.5)
    with_ffmpeg(ogg, tmp_path / "softer.mp3", "-af", "volume=0.5").replace(recording)
    piece, rate = as_stored(recording, offset=1.5, duration=0.5)
    np.testing.assert_array_equal(piece, as_stored(recording)[0][round(1.5 * rate) : round(2 * rate)])


def test_pieces_in_order_are_decoded_once_and_what_lies_behind_is_forgotten() -> None:
    seconds = np.arange(100)
    decoded = []

    def blocks() -> Iterator[np.ndarray]:
        for second in seconds:
            decoded.append(second)
            yield np.full((100, 1), second, dtype=np.float32)

    decoder = SequentialDecoder(blocks(), rate=100, channels=1)
    for second in seconds[:-1]:
        assert decoder.reaches(100 * second)
        piece = np.concatenate(list(decoder.read(100 * second + 50, 100 * second + 150)))
        assert (piece == second + (np.arange(100)[:, None] >= 50)).all()
        assert not decoder.reaches(100 * second - 1)
    assert decoded == list(seconds)
    assert decoder.total is None
    assert [len(block) for block in decoder.read(9_950, 10_050)] == [50]
    assert decoder.total == 10_000
    assert list(decoder.read(20_000, 20_100)) == []


def test_an_opus_file_that_libsndfile_gives_up_is_read(ogg: Path, tmp_path: Path) -> None:
    jump = "asetpts=PTS-if(gte(T\\,1)\\,100\\,0)"  # as FFmpeg itself makes them when it converts some Ogg files
    recording = with_ffmpeg(ogg, tmp_path / "clip.opus", "-af", jump)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(recording)
    assert read_audio(recording).seconds == pytest.approx(2.95, abs=0.02)


@pytest.mark.parametrize(("offset", "duration"), [(0.0, 9.0), (2.5, 1.0), (5.0, None), (5.0, 1.0)])
def test_a_piece_beyond_the_end_is_refused(ogg: Path, offset: float, duration: float | None) -> None:
    with pytest.raises(GoamaError, match=r"kdyby0.ogg: the clip from .* does not lie within the recording's 2.95 s"):
        read_audio(ogg, offset=offset, duration=duration)


@pytest.mark.parametrize(("offset", "duration"), [(-1.0, None), (float("nan"), None), (0.0, 0.0), (0.0, float("inf"))])
def test_an_impossible_piece_is_refused(ogg: Path, offset: float, duration: float | None) -> None:
    with pytest.raises(GoamaError, match="is not possible"):
        read_audio(ogg, offset=offset, duration=duration)


def test_a_piece_from_the_good_part_of_a_truncated_recording_is_good(voice: np.ndarray) -> None:
    recording = encoded(voice, "WAV")
    piece = read_audio(recording[: len(recording) // 2], offset=0.5, duration=0.5).samples
    np.testing.assert_allclose(piece, voice[8_000:16_000], atol=1e-4)


# --- what is refused, with one sentence


def test_a_missing_file_a_folder_and_an_empty_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for name, reason in (("no.wav", "no such file"), (".", "this is a folder"), ("empty.wav", "empty")):
        with pytest.raises(GoamaError, match=reason) as refused:
            read_audio(tmp_path / name)
        assert str(tmp_path / name) in str(refused.value)


def test_a_device_is_refused_instead_of_read_for_ever() -> None:
    with pytest.raises(GoamaError, match="device or a pipe"):
        read_audio("/dev/zero")


def test_a_name_that_no_file_system_takes_is_refused() -> None:
    with pytest.raises(GoamaError):
        read_audio("a" * 5_000 + ".wav")
    with pytest.raises(GoamaError):
        read_audio("a\0b.wav")


@pytest.mark.parametrize(
    "content",
    [b"This is a text.\n" * 100, b"<html></html>", b"RIFF", b"OggS", b"fLaC", b"\x89PNG\r\n\x1a\n" + bytes(99), b"\0"],
)
def test_what_is_not_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.wav").write_bytes(content)
    with pytest.raises(GoamaError, match=r"clip\.wav: "):
        read_audio(tmp_path / "clip.wav")


@pytest.mark.parametrize("share", [0.98, 0.7, 0.3, 0.05])
@pytest.mark.parametrize(
    ("container", "encoding"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "ULAW"),
        ("WAV", "IMA_ADPCM"),
        ("AIFF", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
    ],
)
def test_a_truncated_file_is_refused(voice: np.ndarray, container: str, encoding: str | None, share: float) -> None:
    whole = encoded(voice, container, encoding)
    with pytest.raises(GoamaError, match=r"^clip: .*(truncated|not a sound file)"):
        read_audio(whole[: int(share * len(whole))], name="clip")


@pytest.mark.parametrize("share", [0.8, 0.4])
@pytest.mark.parametrize("flags", [[], ["-movflags", "faststart"]], ids=["index last", "index first"])
def test_a_truncated_m4a_is_refused(ogg: Path, tmp_path: Path, flags: list[str], share: float) -> None:
    whole = with_ffmpeg(ogg, tmp_path / "clip.m4a", *flags).read_bytes()
    with pytest.raises(GoamaError, match=r"truncated|not a sound file"):
        read_audio(whole[: int(share * len(whole))])


def test_the_header_of_a_large_wav_may_come_after_other_chunks(voice: np.ndarray) -> None:
    whole = encoded(voice, "WAV")
    notes = b"LIST" + struct.pack("<I", 9_000) + bytes(9_000)
    described = whole[:12] + notes + whole[12:]
    np.testing.assert_allclose(read_audio(described).samples, voice, atol=1e-4)
    with pytest.raises(GoamaError, match="truncated, 30 % of the sound"):
        read_audio(described[: len(described) - int(0.3 * len(whole))])


@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF"])
def test_a_clip_of_no_length_is_refused(container: str) -> None:
    with pytest.raises(GoamaError, match=r"holds no samples|not a sound file that can be read"):
        read_audio(encoded(np.zeros(0), container))


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    video = tmp_path / "clip.avi"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "color=size=16x16:duration=0.2", video], check=True
    )
    with pytest.raises(GoamaError, match="no sound track"):
        read_audio(video)


def test_what_is_too_long_is_refused_before_it_is_decoded(voice: np.ndarray) -> None:
    with pytest.raises(GoamaError, match="3 s in one piece; cut it into pieces of at most 2 s"):
        read_audio(encoded(voice, "FLAC"), longest_s=2.0)
    bomb = bytearray(encoded(voice, "FLAC"))
    bomb[21] |= 0x0F  # the upper bits of the number of samples: 68,000,000,000 of them
    with pytest.raises(GoamaError, match=f"cut it into pieces of at most {MAX_SECONDS // 3600} h"):
        read_audio(bytes(bomb))


def test_a_sample_rate_that_no_recorder_has_is_refused(voice: np.ndarray) -> None:
    for rate in (1, 2_000_000_000):
        with pytest.raises(GoamaError, match=f"sample rate of {rate} Hz"):
            read_audio(encoded(voice, "WAV", rate=rate))


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile clip.ogg\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nclip.ogg\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
    ids=["concat", "hls", "sdp"],
)
def test_a_playlist_cannot_make_the_reader_open_other_files(
    ogg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, playlist: str
) -> None:
    shutil.copyfile(ogg, tmp_path / "clip.ogg")
    (tmp_path / "clip.wav").write_text(playlist)
    monkeypatch.chdir(tmp_path)
    for source in (Path("clip.wav"), playlist.encode()):
        with pytest.raises(GoamaError, match="not a sound file"):
            read_audio(source)


@pytest.fixture(scope="module")
def short_files(voice: np.ndarray, ogg: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    piece = voice[:8_000]
    files = {c: encoded(piece, c) for c in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "W64", "AU")}
    files["OPUS"] = encoded(piece, "OGG", "OPUS")
    if shutil.which("ffmpeg"):
        for suffix in ("m4a", "webm"):
            target = tmp_path_factory.mktemp("short") / f"clip.{suffix}"
            files[suffix] = with_ffmpeg(ogg, target, "-t", "0.5").read_bytes()
    return files


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_never_crashes(
    data: st.DataObject, short_files: dict[str, bytes]
) -> None:
    damaged = bytearray(short_files[data.draw(st.sampled_from(sorted(short_files)))])
    for _ in range(data.draw(st.integers(1, 6))):
        # headers are where damage hurts
        place = data.draw(st.integers(0, min(120, len(damaged) - 1)) | st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(damaged)) | st.integers(1, len(damaged)))
    try:
        audio = read_audio(bytes(damaged[:end]))
    except GoamaError as refused:
        assert "\n" not in str(refused)
    else:
        assert len(audio.samples) and np.isfinite(audio.samples).all()


@pytest.mark.parametrize(
    ("there", "asked", "meant"),
    [
        ("clip 01.flac", "clip_01.wav", True),  # another ending, another joint
        ("Résumé-3.wav", "resume 3.wav", True),
        ("interview_awa_2.wav", "interview_awo_2.wav", True),
        ("clip 01.flac", "clip 02.flac", False),  # another number is another clip
        ("clip 01.txt", "clip 01.wav", False),
    ],
)
def test_a_file_of_nearly_that_name_is_asked_for(tmp_path: Path, there: str, asked: str, meant: bool) -> None:
    (tmp_path / there).write_bytes(b"x")
    with pytest.raises(GoamaError) as refused:
        read_audio(tmp_path / asked)
    hint = f"did you mean {there!r}?" if meant else "check the path"
    assert str(refused.value) == f"{tmp_path / asked}: no such file; {hint}"


# --- and out again


def test_flac_keeps_16_bits(voice: np.ndarray, tmp_path: Path) -> None:
    write_flac(tmp_path / "clip.flac", voice)
    once = read_audio(tmp_path / "clip.flac").samples
    np.testing.assert_allclose(once, voice, atol=1 / 32_768)
    write_flac(tmp_path / "again.flac", once)
    assert (tmp_path / "again.flac").read_bytes() == (tmp_path / "clip.flac").read_bytes()


def test_loud_samples_are_limited_instead_of_wrapped_around(tmp_path: Path) -> None:
    write_flac(tmp_path / "clip.flac", np.array([2.0, -2.0] * 800, np.float32))
    np.testing.assert_allclose(np.abs(read_audio(tmp_path / "clip.flac").samples), 1.0, atol=1e-4)


def test_a_full_disk_is_an_error_that_names_the_file(voice: np.ndarray) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(OSError, match="No space left") as full:
        write_flac(Path("/dev/full"), voice)
    assert full.value.filename == "/dev/full"
