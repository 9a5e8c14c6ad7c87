"""Real speech with planted defects, to test whether an audit finds these and nothing else.

Every defect is made from a clean clip and listed with the finding that is expected for it.
"""

from __future__ import annotations

import io
import json
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from goama.sound.audio import SAMPLE_RATE, read_audio


@dataclass
class Planted:
    """A folder with planted defects. `expected`: clip ids for each finding. `clean`: ids of clips without defect."""

    folder: Path
    expected: dict[str, set[str]]
    clean: set[str]


@dataclass(frozen=True)
class _Clip:
    """A clean clip: samples (N,) float32 at 16 kHz, its text, and its row in the manifest."""

    samples: np.ndarray
    text: str
    row: dict[str, Any]


@dataclass(frozen=True)
class _Defect:
    """A defective clip: bytes of its sound file (None: no file), the suffix, and changed columns of its row.

    `line`: written in place of the row; the id of such a clip is the number of the line.
    """

    sound: bytes | None
    suffix: str = "wav"
    columns: dict[str, Any] = field(default_factory=dict)
    line: str | None = None


_Make = Callable[[_Clip, _Clip], _Defect]
"""Makes a defective clip from a clip and another one."""


def encoded(
    samples: np.ndarray, rate: int = SAMPLE_RATE, container: str = "WAV", encoding: str | None = None, **options: Any
) -> bytes:
    """The bytes of a sound file; `samples` (N,) or (N, channels) at `rate`."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=encoding, **options)
    return file.getvalue()


def _at(samples: np.ndarray, rate: int) -> np.ndarray:
    return soxr.resample(samples, SAMPLE_RATE, rate)


def _narrowed(samples: np.ndarray, rate: int) -> np.ndarray:
    """The samples after conversion to a lower rate and back: nothing above half of that rate is left."""
    narrow = soxr.resample(_at(samples, rate), rate, SAMPLE_RATE)
    return np.pad(narrow, (0, max(0, len(samples) - len(narrow))))[: len(samples)]


def _narrow_as_wide(samples: np.ndarray) -> bytes:
    return encoded(_narrowed(samples, 10_000))


def _over(samples: np.ndarray) -> np.ndarray:
    """The samples with a peak of twice full scale, not clipped, as a lossy decoder may return them."""
    return (2.0 * samples / np.abs(samples).max()).astype(np.float32)


def _noise(seconds: float, level: float) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE)) * level).astype(np.float32)


def _two_voices(clip: _Clip, other: _Clip) -> bytes:
    pause = np.zeros(SAMPLE_RATE // 4, np.float32)
    left = np.concatenate([clip.samples, pause, np.zeros_like(other.samples)])
    right = np.concatenate([np.zeros_like(clip.samples), pause, other.samples])
    return encoded(np.stack([left, right], axis=1))


def _header_of(seconds: float, samples: np.ndarray) -> bytes:
    """A WAV file whose header claims `seconds` of audio but which contains only `samples`."""
    whole = bytearray(encoded(samples, encoding="PCM_16"))
    at = whole.index(b"data") + 4
    whole[at : at + 4] = struct.pack("<I", min(int(seconds * SAMPLE_RATE) * 2, 0xFFFFF000))
    return bytes(whole)


def _text(make: Callable[[str], str]) -> _Make:
    return lambda clip, _: _Defect(encoded(clip.samples), columns={"text": make(clip.text)})


def _sound(make: Callable[[np.ndarray], bytes], suffix: str = "wav") -> _Make:
    return lambda clip, _: _Defect(make(clip.samples), suffix)


def _cyrillic(text: str) -> str:
    return text.translate(str.maketrans("oaecp", "оаеср"))


_WITH_A_COLON = ("ki:ken", "o:nen", "wa:ko")


def _copy(**columns: Any) -> _Make:
    return lambda clip, _: _Defect(encoded(clip.samples), columns=columns)


def _other_text(clip: _Clip, other: _Clip) -> _Defect:
    return _Defect(encoded(clip.samples), columns={"text": other.text})


def _same_sentence_in_test(clip: _Clip, other: _Clip) -> _Defect:
    return _Defect(encoded(_another(other.samples, 23)), columns={"text": clip.text, "split": "test"})


def _other_accents(clip: _Clip, other: _Clip) -> _Defect:
    return _Defect(encoded(_another(other.samples, 25)), columns={"text": clip.text.replace("e", "é")})


def _late_start(samples: np.ndarray, start_s: float = 1.5) -> bytes:
    """Opus in Matroska that begins at `start_s` of the container's clock."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as film:
        stream = film.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        for at in range(0, len(samples), 960):
            block = np.ascontiguousarray(samples[None, at : at + 960], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, at + round(start_s * SAMPLE_RATE)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return file.getvalue()


def _overlapping(name: str, offset: float) -> _Make:
    """A second of a recording that both clips of this kind are cut out of."""
    columns = {"file_name": f"audio/{name}.wav", "offset": offset, "duration": 1.0}
    return lambda clip, _: _Defect(encoded(np.tile(clip.samples, 3)), columns=columns)


def _impossible_text(clip: _Clip, _: _Clip) -> _Defect:
    """A text with sixty characters per second of audio."""
    letters = int(60 * len(clip.samples) / SAMPLE_RATE) + 20
    return _Defect(encoded(clip.samples), columns={"text": ((clip.text.rstrip(".?!") + " ") * 50)[:letters]})


# name of the defect, expected finding, how it is made
DEFECTS: tuple[tuple[str, str, _Make], ...] = (
    ("missing-file", "audio-unreadable", lambda clip, _: _Defect(None)),
    ("not-sound", "audio-unreadable", _sound(lambda _: b"<html>404</html>" * 99)),
    ("empty-file", "audio-unreadable", _sound(lambda _: b"")),
    ("cut-wav", "audio-truncated", _sound(lambda x: encoded(x)[: len(x)])),
    ("cut-flac", "audio-truncated", _sound(lambda x: (f := encoded(x, container="FLAC"))[: len(f) // 2], "flac")),
    ("cut-ogg", "audio-truncated", _sound(lambda x: (f := encoded(x, container="OGG"))[: int(len(f) * 0.6)], "ogg")),
    ("giant-header", "audio-truncated", _sound(lambda x: _header_of(60_000.0, x))),
    ("hours-of-silence", "audio-too-long", _sound(lambda _: _hours_of_silence(), "flac")),
    ("two-minutes", "audio-too-long", _sound(lambda x: encoded(np.tile(x, 1 + 120 * SAMPLE_RATE // len(x))))),
    ("a-click", "audio-too-short", _sound(lambda x: encoded(x[8000:8800]))),
    ("digital-silence", "audio-silent", _sound(lambda x: encoded(np.zeros_like(x)))),
    ("faint-hiss", "audio-silent", _sound(lambda x: encoded(_noise(len(x) / SAMPLE_RATE, 1e-4)))),
    ("hum", "audio-no-speech", _sound(lambda x: encoded(0.2 * np.sin(np.arange(len(x)) * 0.02)))),
    ("loud-hiss", "audio-no-speech", _sound(lambda x: encoded(_noise(len(x) / SAMPLE_RATE, 0.05)))),
    ("stopped-at-once", "audio-nearly-empty", _sound(lambda x: encoded(np.pad(x[6000:9000], (8000, 40_000))))),
    ("overloaded", "audio-clipped", _sound(lambda x: encoded(np.clip(6 * x, -0.9, 0.9)))),
    ("overloaded-then-quiet", "audio-clipped", _sound(lambda x: encoded(0.3 * np.clip(6 * x, -0.9, 0.9)))),
    ("telephone", "audio-low-rate", _sound(lambda x: encoded(_at(x, 8000), 8000))),
    ("telephone-mu-law", "audio-low-rate", _sound(lambda x: encoded(_at(x, 8000), 8000, encoding="ULAW"))),
    ("telephone-made-wide", "audio-band-limited", _sound(lambda x: encoded(_narrowed(x, 8000)))),
    ("other-rate", "audio-mixed-rates", _sound(lambda x: encoded(_at(x, 44_100), 44_100))),
    ("two-voices", "audio-two-speakers", lambda clip, other: _Defect(_two_voices(clip, other))),
    ("one-channel", "audio-one-channel-silent", _sound(lambda x: encoded(np.stack([x, 0 * x], axis=1)))),
    ("mirror-images", "audio-channels-cancel", _sound(lambda x: encoded(np.stack([x, -x], axis=1)))),
    ("far-away", "audio-loudness", _sound(lambda x: encoded(0.02 * x))),
    ("in-noise", "audio-noisy", _sound(lambda x: encoded(0.3 * x + _noise(len(x) / SAMPLE_RATE, 0.02)))),
    ("long-pause-first", "audio-long-silence", _sound(lambda x: encoded(np.pad(x, (3 * SAMPLE_RATE, 0))))),
    ("copy", "duplicate-exact", _sound(lambda x: encoded(x, container="FLAC"), "flac")),
    ("copy-as-mp3", "duplicate-encoded-again", _sound(lambda x: encoded(x, container="MP3"), "mp3")),
    ("copy-as-telephone", "duplicate-encoded-again", _sound(lambda x: encoded(_at(0.5 * x, 8000), 8000))),
    ("copy-with-other-text", "duplicate-with-other-text", _other_text),
    ("copy-in-test", "duplicate-in-two-splits", _copy(split="test")),
    ("same-sentence-in-test", "split-same-text", _same_sentence_in_test),
    ("no-text", "text-empty", _text(lambda _: "  ")),
    ("signs-only", "text-nothing-left", _text(lambda _: "...?!")),
    ("digits", "text-digits", _text(lambda t: t + " 12")),
    ("laughter", "text-annotations", _text(lambda t: "[rires] " + t)),
    ("laughter-in-parentheses", "text-annotations", _text(lambda t: t + " (lacht)")),
    ("cough", "text-annotations", _text(lambda t: "*cough* " + t)),
    ("unknown-word", "text-annotations", _text(lambda t: "<unk> " + t)),
    ("event-of-chat", "text-conventions", _text(lambda t: "&=laughs " + t)),
    ("words-between-tags", "text-conventions", _text(lambda t: f"<eng>{t}</eng>")),
    ("long-sound", "text-conventions", _text(lambda t: t + " zo::o")),
    ("clitic", "text-conventions", _text(lambda t: t + " we=ll")),
    ("noise-of-kaldi", "text-conventions", _text(lambda t: "SPOKEN_NOISE " + t)),
    ("song", "text-conventions", _text(lambda t: f"♪ {t} ♪")),
    ("between-slashes", "text-conventions", _text(lambda t: "/lacht/ " + t)),
    *((f"colon-in-words-{n}", "text-letter-signs", _text(lambda t, n=n: f"{t} {_WITH_A_COLON[n]}")) for n in range(3)),
    ("ligature", "text-presentation-forms", _text(lambda t: t + " ﬁets")),
    ("other-code-points", "text-code-points", _text(lambda t: t + " ĳs")),
    ("lost-bracket", "text-annotations", _text(lambda t: t + " (of")),
    ("address", "text-url", _text(lambda t: t + " www.goama.org")),
    ("mail", "text-url", _text(lambda t: t + " info@goama.org")),
    ("web-code", "text-markup", _text(lambda t: t.replace(" ", "&nbsp;", 1))),
    ("mojibake", "text-damaged", _text(lambda t: t + " één".encode().decode("cp1252"))),
    ("lost-letter", "text-damaged", _text(lambda t: t + " w\ufffdrd")),
    ("percent", "text-symbols", _text(lambda t: t + " %")),
    ("cyrillic-letters", "text-look-alikes", _text(_cyrillic)),
    ("two-alphabets", "text-mixed-scripts", _text(lambda t: t + " жde")),
    ("russian-word", "text-other-script", _text(lambda t: t + " привет")),
    ("two-letters-alike", "text-twin-letters", _text(lambda t: t + " đa ɖe")),
    ("decomposed", "text-unicode-forms", _text(lambda t: unicodedata.normalize("NFD", t + " één"))),
    ("zero-width", "text-invisible", _text(lambda t: t.replace(" ", " \u200b", 1))),
    ("shouting", "text-capitals", _text(str.upper)),
    ("abbreviation", "text-acronyms", _text(lambda t: "De KLM. " + t)),
    ("other-accents", "text-marks-differ", _other_accents),
    ("false-text", "pair-too-much-text", _text(lambda t: (t.rstrip(".") + " ") * 3)),
    ("half-the-text", "pair-too-little-text", _sound(lambda x: encoded(np.tile(x, 3)))),
    ("impossible-text", "pair-no-room", _impossible_text),
    ("cut-line", "row-faulty", lambda clip, _: _Defect(None, line='{"id": "cut-line", "text": "' + clip.text[:9])),
    ("no-object", "row-faulty", lambda *_: _Defect(None, line='["no-object.wav", "dit is geen clip"]')),
    ("overlap-first", "overlapping", _overlapping("overlap-first", 0.2)),
    ("overlap-second", "overlapping", _overlapping("overlap-first", 0.7)),
    ("tagged", "source-quality-tags", _copy(quality_tags="background-noise")),
    ("no-split", "split-missing", _copy(split="")),
    ("outside", "audio-outside-recording", _copy(offset=99.0, duration=1.0)),
    ("no-number", "row-faulty", _copy(offset="soon")),
    *((f"narrow-made-wide-{n}", "audio-band-limited", _sound(_narrow_as_wide)) for n in range(6)),
    ("narrow-alone", "audio-band-limited", _sound(lambda x: encoded(_narrowed(x, 6000)))),
    ("narrow-two-seconds", "audio-band-limited", _sound(lambda x: encoded(_narrowed(_two_seconds(x), 6000)))),
    ("late-start", "audio-clock-gap", _sound(_late_start, "mkv")),
    ("joined-ogg", "audio-clock-jump", _sound(lambda x: 2 * encoded(x, container="OGG"), "ogg")),
    ("joined-wav", "audio-truncated", _sound(lambda x: 2 * encoded(x))),
    ("joined-flac", "audio-truncated", _sound(lambda x: 2 * encoded(x, container="FLAC"), "flac")),
    ("cut-mp3", "audio-truncated", _sound(lambda x: (f := encoded(x, container="MP3"))[: int(len(f) * 0.6)], "mp3")),
    ("infinite", "audio-not-finite", _sound(lambda x: _floats(_with_nan(x, np.inf), "AIFF"), "aiff")),
    ("integers-of-24-bits", "audio-scaled", _sound(lambda x: _floats(np.round(8388607 * x), "W64"), "w64")),
    ("integers-of-no-scale", "audio-unreadable", _sound(lambda x: encoded(np.round(127 * x), encoding="FLOAT"))),
    ("not-a-number", "audio-not-finite", _sound(lambda x: encoded(_with_nan(x), encoding="FLOAT"))),
    ("damaged-mp3", "audio-damaged", _sound(lambda x: _damaged_mp3(x), "mp3")),
    ("integers-as-float", "audio-scaled", _sound(lambda x: encoded(np.round(32767 * x), encoding="FLOAT"))),
    ("louder-than-full-scale", "audio-over-full-scale", _sound(lambda x: encoded(_over(x), encoding="FLOAT"))),
)  # fmt: skip


def _with_nan(samples: np.ndarray, value: float = np.nan) -> np.ndarray:
    broken = samples.copy()
    broken[len(broken) // 2] = value
    return broken


def _floats(samples: np.ndarray, container: str) -> bytes:
    return encoded(samples, container=container, encoding="FLOAT")


def _two_seconds(samples: np.ndarray) -> np.ndarray:
    return np.tile(samples, 1 + 2 * SAMPLE_RATE // len(samples))[: 2 * SAMPLE_RATE]


def _damaged_mp3(samples: np.ndarray) -> bytes:
    """Zeros over the header of one frame in the middle."""
    whole = encoded(samples, container="MP3")
    frame = whole.index(b"\xff\xf3", len(whole) // 2)
    return whole[:frame] + bytes(40) + whole[frame + 40 :]


def _hours_of_silence() -> bytes:
    """Three hours of silence in 30 kB; never decoded."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 1000, 1, format="FLAC") as flac:
        for _ in range(18):
            flac.write(np.zeros(600 * 1000, np.int16))
    return file.getvalue()


ALSO_TRUE = {
    "louder-than-full-scale": {"audio-loudness"},
    "copy-as-telephone": {"audio-low-rate", "audio-mixed-rates"},
    "telephone": {"audio-mixed-rates"},
    "telephone-mu-law": {"audio-mixed-rates"},
    "overloaded": {"audio-loudness"},
    "two-voices": {"pair-too-little-text"},
    "joined-ogg": {"pair-too-little-text"},
    "late-start": {"audio-long-silence", "audio-mixed-rates"},
    "narrow-two-seconds": {"pair-too-much-text"},
    "words-between-tags": {"text-annotations"},
    "false-text": {"pair-no-room-at-40-ms", "pair-no-room"},
}
"""Other findings that are true of a defect."""

_NEEDS_ITS_ORIGINAL = {"copy", "copy-as-mp3", "copy-as-telephone", "copy-with-other-text", "copy-in-test"}


def plant(speech: Path, folder: Path, *, clean: int = 24) -> Planted:
    """Copies `clean` clips of an audiofolder as 16 kHz WAV, adds one clip for each defect, and returns what is where.

    The copies get faint noise (-70 dB), as in every room, because compressed speech lacks high frequencies. A defect is
    made from a clip that is reversed in time, so that it is not a duplicate, unless the defect is a duplicate.
    """
    rows = [json.loads(line) for line in (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()][:clean]
    (folder / "audio").mkdir(parents=True)
    originals = []
    written: list[str] = []
    for row in rows:
        samples = read_audio(speech / row["file_name"]).samples
        samples = 0.5 * samples / max(0.05, float(np.abs(samples).max())) + _noise(len(samples) / SAMPLE_RATE, 3e-4)
        row = {"id": row["id"], "file_name": f"audio/{row['id']}.wav", "text": row["text"], "split": "train"}
        (folder / row["file_name"]).write_bytes(encoded(samples))
        originals.append(_Clip(read_audio(folder / row["file_name"]).samples, row["text"], row))
        written.append(json.dumps(row, ensure_ascii=False))
    expected: dict[str, set[str]] = {}
    for number, (name, finding, make) in enumerate(DEFECTS):
        clip, other = (originals[(number + shift) % len(originals)] for shift in (0, 7))
        if name not in _NEEDS_ITS_ORIGINAL:
            clip = _Clip(_another(clip.samples, number), clip.text, clip.row)
        made = make(clip, other)
        row = {"id": name, "file_name": f"audio/{name}.{made.suffix}", "text": clip.text, "split": "train"}
        if made.sound is not None:
            (folder / row["file_name"]).write_bytes(made.sound)
        written.append(made.line or json.dumps(row | made.columns, ensure_ascii=False))
        expected.setdefault(finding, set()).add(f"row-{len(written)}" if made.line else name)
    (folder / "metadata.jsonl").write_text("\n".join(written) + "\n", encoding="utf-8")
    return Planted(folder, expected, {row["id"] for row in rows})


def _another(samples: np.ndarray, number: int) -> np.ndarray:
    """Different samples with the levels, pauses and spectrum of speech: reversed in time and slightly slower."""
    slower = soxr.resample(samples[::-1], SAMPLE_RATE, SAMPLE_RATE * (1.0 + 0.005 * (2 + number % 29)))
    return np.ascontiguousarray(slower, dtype=np.float32)
