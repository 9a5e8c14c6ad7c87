"""Peak memory of `goama prepare` and `goama transcribe` on one long recording.

    python benchmarks/memory.py SPEECH [--hours 3] [--model FOLDER] [--json FILE]

SPEECH is an audiofolder of real speech, such as tests/fixtures/nl. Its clips, one after the other, again and again,
become one MP3 of so many hours, 44.1 kHz and stereo; ffmpeg encodes it. It is prepared by a table of its clips, and
transcribed if a model is named. Prints what each command takes over the same command on a recording of one minute: the
libraries and the model are not counted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import soundfile

from goama.sound.audio import SAMPLE_RATE, read_audio, stream_audio

LIMIT_MB = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--model", type=Path, help="transcribe with this model folder too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = make_recording(options.speech, folder / "short", hours=1 / 60)
        long = make_recording(options.speech, folder / "long", hours=options.hours)
        commands = {"prepare": ["prepare", "{}/clips.jsonl", "-o", "{}/corpus", "--language", "nl"]}
        if options.model:
            commands["transcribe"] = ["transcribe", str(options.model), "{}/tape.mp3"]
        for verb, command in commands.items():
            base, _ = peak_mb([word.format(short) for word in command])
            most, seconds = peak_mb([word.format(long) for word in command])
            results[verb] = {
                "megabytes": round(most),
                "over_baseline": round(most - base),
                "seconds": round(seconds, 1),
            }
            print(
                f"{verb:11} {options.hours:g} h of MP3: {most:.0f} MB, {most - base:.0f} MB more than for a "
                f"minute (limit {LIMIT_MB} MB), {seconds:.0f} s",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if any(result["over_baseline"] > LIMIT_MB for result in results.values()):
        raise SystemExit(1)


def make_recording(speech: Path, folder: Path, *, hours: float) -> Path:
    """A folder with tape.mp3 and clips.jsonl, a row for each clip on the tape.

    The clips are encoded once, at a constant bit rate and without a header; MP3 files of that kind can be joined.
    """
    folder.mkdir()
    lines = (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    places = []
    with soundfile.SoundFile(folder / "once.wav", "w", SAMPLE_RATE, 1) as tape:
        for row in map(json.loads, lines):
            start = tape.tell() / SAMPLE_RATE
            for block in stream_audio(speech / row["file_name"]):
                tape.write(block)
            places.append((start, tape.tell() / SAMPLE_RATE, row["text"]))
    command = ["ffmpeg", "-loglevel", "error", "-i", folder / "once.wav", "-ar", "44100", "-ac", "2", "-b:a", "128k"]
    subprocess.run([*command, "-write_xing", "0", "-id3v2_version", "0", folder / "once.mp3"], check=True)
    once_s = read_audio(folder / "once.mp3").seconds  # with the encoder's padding
    with (folder / "clips.jsonl").open("w", encoding="utf-8") as file:
        for start, end, text in _repeated(places, once_s, 3600 * hours):
            row = {"audio": "tape.mp3", "text": text, "start": round(start, 3), "end": round(end, 3)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    encoded = (folder / "once.mp3").read_bytes()
    with (folder / "tape.mp3").open("wb") as file:
        for _ in range(max(1, math.ceil(3600 * hours / once_s))):
            file.write(encoded)
    return folder


def _repeated(
    places: list[tuple[float, float, str]], once_s: float, seconds: float
) -> Iterator[tuple[float, float, str]]:
    times = 0
    while True:
        for start, end, text in places:
            if times * once_s + end > seconds:
                return
            yield times * once_s + start, times * once_s + end, text
        times += 1


def peak_mb(command: list[str]) -> tuple[float, float]:
    """The peak of a command's memory, and its seconds."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "goama", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"goama {' '.join(command)} failed")
    return usage.ru_maxrss / 1024, time.perf_counter() - started


if __name__ == "__main__":
    main()
