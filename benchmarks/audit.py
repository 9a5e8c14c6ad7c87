"""How many planted defects `goama check` finds, and how fast it is.

    python benchmarks/audit.py SPEECH [--hours 10] [--manifest-hours 100] [--clips 200] [--json FILE]

SPEECH is an audiofolder of real speech, such as `goama voices get fillets-nl` writes. Prints precision and recall of
each finding on a corpus and on tapes with planted defects (planted_defects.py, planted_annotations.py), time and
memory for `--hours` of 16 kHz FLAC, and time for the checks that read no audio on `--manifest-hours`. `--hours 0` skips
the measurement of speed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from planted_annotations import plant_annotations
from planted_defects import ALSO_TRUE, plant

from goama.audit.audit import audit
from goama.audit.findings import Audit
from goama.sound.audio import SAMPLE_RATE, read_audio
from goama.sound.flac import write_flac
from goama.sources.source import read_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--clips", type=int, default=200, help="clean clips besides the planted defects")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--manifest-hours", type=float, default=100.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.hours:
            results["speed"] = speed(options.speech, Path(folder), options.hours)
        if options.manifest_hours:
            results["manifest"] = manifest_speed(options.speech, Path(folder), options.manifest_hours)
        results["findings"] = accuracy(options.speech, Path(folder), options.clips)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def timed(source: Path, *, read_sound: bool = True) -> tuple[Audit, float]:
    started = time.perf_counter()
    found = audit(read_source(str(source)), source=str(source), language="nl", read_sound=read_sound)
    return found, time.perf_counter() - started


def speed(speech: Path, folder: Path, hours: float) -> dict:
    """Time and peak memory of an audit of hours of FLAC, made from the clips with random shifts and gains."""
    speech_folder = folder / "hours"
    speech_folder.mkdir()
    rows = _rows(speech)
    generator = np.random.default_rng(0)
    made = 0.0
    with (speech_folder / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for number, row in enumerate(itertools.cycle(rows)):
            if made >= hours * 3600:
                break
            samples = read_audio(speech / row["file_name"]).samples
            samples = np.roll(samples, int(generator.integers(len(samples)))) * generator.uniform(0.5, 1.0)
            write_flac(speech_folder / f"{number}.flac", samples)
            made += len(samples) / SAMPLE_RATE
            file.write(json.dumps({"file_name": f"{number}.flac", "text": f"{row['text']} {_word(number)}"}) + "\n")
    processor = time.process_time()
    found, seconds = timed(speech_folder)
    processor = time.process_time() - processor
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{made / 3600:.1f} h of FLAC, {len(found.clips)} clips: {seconds:.1f} s, {processor:.1f} s of CPU time "
        f"({made / processor:.0f} times real time on one core), peak memory {megabytes:.0f} MB",
        flush=True,
    )
    return {"hours": made / 3600, "seconds": seconds, "processor_s": processor, "megabytes": megabytes}


def manifest_speed(speech: Path, folder: Path, hours: float) -> dict:
    """Time of an audit of manifest rows; no audio file is opened."""
    manifest = folder / "rows.jsonl"
    texts = [row["text"] for row in _rows(speech)]
    clips = int(hours * 3600 / 5)
    with manifest.open("w", encoding="utf-8") as file:
        for number in range(clips):
            text = f"{texts[number % len(texts)]} {texts[(7 * number + 3) % len(texts)]} {_word(number)}"
            row = {"audio": f"{number}.flac", "text": text, "duration": 5.0, "speaker": f"s{number % 50}"}
            file.write(json.dumps(row) + "\n")
    processor = time.process_time()
    _, seconds = timed(manifest, read_sound=False)
    processor = time.process_time() - processor
    print(
        f"{hours:.0f} h of rows, {clips} clips, audio not read: {seconds:.1f} s, {processor:.1f} s of CPU time",
        flush=True,
    )
    return {"hours": hours, "clips": clips, "seconds": seconds, "processor_s": processor}


def accuracy(speech: Path, folder: Path, clips: int) -> dict:
    """Precision and recall of each finding; other findings that are true of a defect count as neither."""
    all_planted = [plant(speech, folder / "planted", clean=clips), *plant_annotations(speech, folder)]
    audits = [timed(planted.folder) for planted in all_planted]
    found_clips, expected_clips, clean = defaultdict(set), defaultdict(set), defaultdict(int)
    for planted, (found, _) in zip(all_planted, audits, strict=True):
        for name, ids in planted.expected.items():
            expected_clips[name] |= ids
        for finding in found.findings:
            found_clips[finding.name] |= set(finding.clips)
            clean[finding.severity] += len(planted.clean & set(finding.clips))
    results = {}
    print(
        f"\n{sum(len(planted.clean) for planted in all_planted)} clean clips, "
        f"{sum(map(len, expected_clips.values()))} defects, {sum(seconds for _, seconds in audits):.1f} s"
    )
    print(f"{'finding':28}{'planted':>8}{'found':>7}{'false':>7}{'recall':>9}{'precision':>11}")
    for name in sorted({*expected_clips, *(name for name, ids in found_clips.items() if ids)}):
        expected, named = expected_clips[name], found_clips[name]
        true_too = {clip for clip, names in ALSO_TRUE.items() if name in names}
        right, false = len(expected & named), len(named - expected - true_too)
        recall = right / len(expected) if expected else None
        precision = right / (right + false) if right + false else None
        results[name] = {"planted": len(expected), "found": right, "false": false}
        print(f"{name:28}{len(expected):8}{right:7}{false:7}{_percent(recall):>9}{_percent(precision):>11}")
    print(f"errors on clean clips: {clean['error']}; warnings: {clean['warning']}; infos: {clean['info']}")
    return results


def _rows(speech: Path) -> list[dict]:
    lines = (speech / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _word(number: int) -> str:
    """A different word for every clip, so that no text is a duplicate."""
    return "".join("abdegklmno"[int(digit)] for digit in str(number))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


if __name__ == "__main__":
    sys.exit(main())
