"""Peak memory of transcribing a long recording, and of preparing a corpus of clips cut out of it.

    python benchmarks/memory.py SPEECH [--minutes 180] [--model MODEL] [--work FOLDER] [--json FILE]

SPEECH is a folder of sound files, which are repeated until they fill an MP3 of that length, stereo at 44.1 kHz. Each
job runs in a process of its own. "over the start" is the peak less what the process held before the job began: for
transcribing with the model loaded, for preparing with the libraries imported.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np

RATE = 44_100
CLIP_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--minutes", type=float, default=180.0)
    parser.add_argument("--model", default="starter", help="a model folder; default: the starter that is shipped")
    parser.add_argument("--work", type=Path, default=Path("memory-benchmark"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    recording = options.work / f"{options.minutes:g}-minutes.mp3"
    if options.job:
        print(json.dumps(JOBS[options.job](recording, options)))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    if not recording.is_file():
        write_mp3(recording, options.speech, 60 * options.minutes)
    results = {}
    for job in JOBS:
        started = time.monotonic()
        command = [sys.executable, __file__, *sys.argv[1:], "--job", job]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results[job] = json.loads(answer.stdout.strip().splitlines()[-1]) | {"seconds": time.monotonic() - started}
        print(
            f"{job} {options.minutes:g} minutes: peak {results[job]['peak_mb']:.0f} MB, "
            f"{results[job]['over_the_start_mb']:.0f} MB over the start; {results[job]['seconds']:.0f} s",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def write_mp3(target: Path, speech: Path, seconds: float) -> None:
    """The speech, repeated, as a stereo MP3; written beside its place and renamed."""
    import av

    from goama.sound.audio import SAMPLE_RATE
    from goama.sound.paths import SOUND_SUFFIXES

    files = sorted(path for path in speech.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES)
    beside = target.with_name(f"partial-{target.name}")
    with av.open(str(beside), "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=RATE, layout="stereo")
        resampler = av.AudioResampler(format="s16p", layout="stereo", rate=RATE)
        for samples in speech_for(files, seconds):
            frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    beside.replace(target)


def speech_for(files: list[Path], seconds: float) -> Iterator[np.ndarray]:
    """The sound (N,) float32 of file after file, from the beginning again at the end, until the seconds are over."""
    from goama.sound.audio import read_audio

    for path in cycle(files):
        audio = read_audio(path)
        yield audio.samples
        seconds -= audio.seconds
        if seconds <= 0:
            return


def transcribe(recording: Path, options: argparse.Namespace) -> dict[str, float]:
    from goama.model.shipped import STARTER, starter_folder
    from goama.recognition.recogniser import Recogniser

    folder = starter_folder() if options.model == STARTER else Path(options.model)
    recogniser = Recogniser.load(folder)
    recogniser.transcribe_waveforms([np.zeros(16_000, np.float32)])  # what libraries allocate once
    return measured(lambda: recogniser.transcribe(recording))


def prepare(recording: Path, options: argparse.Namespace) -> dict[str, float]:
    from goama.corpus.prepare import prepare
    from goama.sources.source import read_source

    rows = [
        json.dumps({"file_name": str(recording.resolve()), "text": "een twee", "start": start, "end": start + CLIP_S})
        for start in np.arange(0, 60 * options.minutes - CLIP_S, CLIP_S).tolist()
    ]
    source = options.work / "metadata.jsonl"
    source.write_text("\n".join(rows), encoding="utf-8")
    return measured(lambda: prepare(read_source(str(source)), options.work / "corpus", source="mp3", language="nl"))


def measured(job: Callable[[], object]) -> dict[str, float]:
    """Peak memory of this process in MB, and that less what it held before the job."""
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    job()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"peak_mb": peak, "over_the_start_mb": peak - before}


JOBS: dict[str, Callable[[Path, argparse.Namespace], dict[str, float]]] = {
    "transcribe": transcribe,
    "prepare": prepare,
}

if __name__ == "__main__":
    main()
