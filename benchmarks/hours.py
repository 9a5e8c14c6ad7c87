"""An hour of speech in one file: word error rate against its clips, speed, peak memory, and keyword search.

    python benchmarks/hours.py CORPUS --model MODEL [--split dev] [--minutes 60] [--search-only] [--json FILE]

The clips of the split, shuffled, again and again, with 0.3 to 2 s of weak noise between them, become one FLAC. `goama
transcribe` transcribes it in a process of its own, as the model folder says: greedy or by beam search. Its words are
compared with the words of all clips; so are the texts of the clips, each recognised alone. Keyword search is measured
on each clip once, joined in the same way.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from rapidfuzz.distance import Levenshtein

sys.path.insert(0, str(Path(__file__).parent))
from memory import peak_mb

from goama.corpus.corpus import Corpus
from goama.recognition.recogniser import Recogniser
from goama.recognition.search import Hit
from goama.sound.audio import SAMPLE_RATE

GAP_S = (0.3, 2.0)
NOISE = 1e-4  # of full scale: 80 dB below it
SEARCHED, FEWEST_LETTERS, FEWEST_TIMES = 10, 5, 3
"""Hits that are looked at of each keyword; a keyword has so many letters, and is said so many times at least."""


@dataclass(frozen=True)
class Placed:
    """A clip on the tape: its number, and start and end in seconds."""

    clip: int
    start: float
    end: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--search-only", action="store_true", help="measure keyword search only")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cuts = list(Corpus.open(options.corpus).cuts(options.split))
    waveforms, texts = [cut.load_audio()[0] for cut in cuts], [cut.supervisions[0].text for cut in cuts]
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        if not options.search_only:
            places = write_tape(Path(name, "tape.flac"), waveforms, 60 * options.minutes)
            results |= transcription(options.model, Path(name), places, texts)
        recogniser = Recogniser.load(options.model)  # not before: a command's peak is at least that of its parent
        if not options.search_only:
            results |= of_clips(recogniser.texts(waveforms), places, texts)
        once = write_tape(Path(name, "once.flac"), waveforms)
        hits = recogniser.search(Path(name, "once.flac"), searched_words(texts))
        results |= search_precision(hits, once, texts)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def write_tape(path: Path, waveforms: Sequence[np.ndarray], seconds: float | None = None) -> list[Placed]:
    """Where each clip lies on a tape of at least so many seconds; None: with each clip once."""
    generator = np.random.default_rng(0)
    places: list[Placed] = []
    samples = 0
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as tape:
        for clip in _shuffled(generator, len(waveforms), repeated=seconds is not None):
            if seconds is not None and samples >= seconds * SAMPLE_RATE:
                break
            gap = NOISE * generator.standard_normal(round(generator.uniform(*GAP_S) * SAMPLE_RATE))
            start = samples + len(gap)
            samples = start + len(waveforms[clip])
            tape.write(gap)
            tape.write(waveforms[clip])
            places.append(Placed(clip, start / SAMPLE_RATE, samples / SAMPLE_RATE))
    return places


def _shuffled(generator: np.random.Generator, clips: int, *, repeated: bool) -> Iterator[int]:
    yield from generator.permutation(clips).tolist()
    while repeated:
        yield from generator.permutation(clips).tolist()


def transcription(model: Path, folder: Path, places: Sequence[Placed], texts: Sequence[str]) -> dict[str, float]:
    """WER of the tape, times real time, and peak memory of the command."""
    command = ["transcribe", str(model), str(folder / "tape.flac"), "--to", "json", "-o", str(folder)]
    used = cpu_seconds()
    megabytes, seconds = peak_mb(command)
    used = cpu_seconds() - used
    transcript = json.loads((folder / "tape.json").read_text(encoding="utf-8"))
    words = [word for place in places for word in texts[place.clip].split()]
    results = {
        "minutes": transcript["duration"] / 60,
        "tape_wer": Levenshtein.distance(words, transcript["text"].split()) / len(words),
        "times_real_time": transcript["duration"] / seconds,
        "seconds_per_cpu_second": transcript["duration"] / used,
        "peak_mb": megabytes,
    }
    print(
        f"{results['minutes']:.0f} min in one file: WER {100 * results['tape_wer']:.1f} %; "
        f"{results['times_real_time']:.0f} times real time, and {results['seconds_per_cpu_second']:.0f} s a second of "
        f"processor time, loading included; {megabytes:.0f} MB",
        flush=True,
    )
    return results


def of_clips(hypotheses: Sequence[str], places: Sequence[Placed], texts: Sequence[str]) -> dict[str, float]:
    """WER of the clips of a tape, each recognised alone."""
    pairs = [(texts[place.clip].split(), hypotheses[place.clip].split()) for place in places]
    wer = sum(Levenshtein.distance(*pair) for pair in pairs) / sum(len(reference) for reference, _ in pairs)
    print(f"its clips alone: WER {100 * wer:.1f} %", flush=True)
    return {"clips_wer": wer}


def cpu_seconds() -> float:
    """The processor time of the commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def searched_words(texts: Sequence[str]) -> list[str]:
    """The words of the references that are long and frequent enough to be keywords."""
    counts = Counter(word for text in texts for word in text.split())
    return sorted(word for word, count in counts.items() if len(word) >= FEWEST_LETTERS and count >= FEWEST_TIMES)


def search_precision(hits: Sequence[Hit], places: Sequence[Placed], texts: Sequence[str]) -> dict[str, float]:
    """Precision at 10 of keywords that are said ten times, and, of all, at as many hits as they are said, up to 10."""
    said = Counter(word for place in places for word in texts[place.clip].split())
    of_keyword: dict[str, list[Hit]] = {keyword: [] for keyword in searched_words(texts)}
    for hit in hits:
        of_keyword[hit.keyword].append(hit)
    frequent = [keyword for keyword in of_keyword if said[keyword] >= SEARCHED]
    at_ten = [_right(of_keyword[keyword][:SEARCHED], places, texts) / SEARCHED for keyword in frequent]
    depths = {keyword: min(SEARCHED, said[keyword]) for keyword in of_keyword}
    at_said = [_right(of_keyword[keyword][:depth], places, texts) / depth for keyword, depth in depths.items()]
    results = {
        "keywords": len(of_keyword),
        "precision_at_as_many_as_said": float(np.mean(at_said)),
        "keywords_said_ten_times": len(frequent),
        "precision_at_10": float(np.mean(at_ten)) if at_ten else float("nan"),
    }
    print(
        f"search: precision at 10 is {100 * results['precision_at_10']:.0f} % over {len(frequent)} keywords that are "
        f"said ten times or more; over all {len(of_keyword)}, at as many hits as the word is said, up to 10: "
        f"{100 * results['precision_at_as_many_as_said']:.0f} %"
    )
    return results


def _right(hits: Sequence[Hit], places: Sequence[Placed], texts: Sequence[str]) -> int:
    """Hits whose middle lies in a clip that says the word; as often as it says it."""
    left = [Counter(texts[place.clip].split()) for place in places]
    right = 0
    for hit in hits:
        middle = (hit.start + hit.end) / 2
        for place, words in zip(places, left, strict=True):
            if place.start <= middle <= place.end and words[hit.keyword]:
                words[hit.keyword] -= 1
                right += 1
                break
    return right


if __name__ == "__main__":
    main()
