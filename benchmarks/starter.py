"""What the starter is worth: Dutch recognisers from 5, 10, 20 and 64 minutes of speech, with it and from scratch.

    python benchmarks/starter.py [-o FOLDER] [--minutes 9] [--seeds 1] [--quick] [--encoders scratch starter]

Every run has the same training budget (`--minutes`, wall clock) and is chosen by its dev split; the smaller
training splits are parts of the larger ones. FOLDER keeps the corpora, the runs and results.json, so that a stopped
benchmark goes on where it stopped. Ends with a Markdown table, also in FOLDER/results.md. `--quick`: 5 minutes of
speech, a minute of training, to see that it works.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.corpus.source import SourceClip, read_source
from goama.corpus.voices import get_voice
from goama.evaluation.evaluate import evaluate
from goama.recognition.recogniser import Recogniser
from goama.training.recipe import read_recipe
from goama.training.train import train

VOICE, LANGUAGE = "fillets-nl", "nl"
WHOLE = 64
"""Minutes of the voice's whole training split."""


def main() -> None:
    options = parse()
    folder: Path = options.output
    whole = dutch(folder, options.corpus)
    kept = folder / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
    for seed in range(options.seeds):
        for speech_min in options.speech:
            for encoder in options.encoders:
                name = f"{encoder}-{speech_min}-{options.minutes:g}-{seed}"
                if name in results:
                    continue
                corpus = part(whole, folder / f"nl-{speech_min}", speech_min)
                results[name] = one(corpus, folder / name, encoder, speech_min, options.minutes, seed)
                print(f"{name}: test CER {100 * results[name]['test']['cer']:.1f} %", flush=True)
                beside = kept.with_suffix(".partial")
                beside.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                beside.replace(kept)
    table = markdown(list(results.values()))
    (folder / "results.md").write_text(table, encoding="utf-8")
    print("\n" + table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("starter-benchmark"))
    parser.add_argument("--corpus", type=Path, help="the Dutch corpus, if `goama prepare` has made it already")
    parser.add_argument("--minutes", type=float, default=9.0, help="of training, each run")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--speech", type=int, nargs="+", default=[5, 10, 20, WHOLE], help="minutes of speech")
    parser.add_argument("--encoders", nargs="+", default=["scratch", "starter"])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.minutes, options.speech, options.seeds = 1.0, [5], 1
    return options


def dutch(folder: Path, corpus: Path | None) -> Corpus:
    if corpus is None:
        speech, corpus = folder / VOICE, folder / "nl"
        if not (speech / "metadata.jsonl").is_file():
            get_voice(VOICE, speech)
        if not (corpus / "corpus.json").is_file():
            prepare(read_source(str(speech)), corpus, source=VOICE, language=LANGUAGE, overwrite=True)
    return Corpus.open(corpus)


def part(whole: Corpus, folder: Path, minutes: int) -> Corpus:
    """A corpus with that many minutes of the training split, and the same dev and test."""
    if minutes >= WHOLE:
        return whole
    if (folder / "corpus.json").is_file():
        return Corpus.open(folder)
    clips, seconds = [], 0.0
    for split in ("train", "dev", "test"):
        cuts = sorted(whole.cuts(split), key=lambda cut: hashlib.sha256(cut.id.encode()).hexdigest())
        for cut in cuts:
            if split == "train" and seconds >= 60 * minutes:
                break
            seconds += cut.duration if split == "train" else 0.0
            supervision, source = cut.supervisions[0], cut.recording.sources[0].source
            clips.append(
                SourceClip(cut.id, Path(source), supervision.text, cut.id, speaker=supervision.speaker, split=split)
            )
    return prepare(clips, folder, source=VOICE, language=LANGUAGE).corpus


def one(corpus: Corpus, run: Path, encoder: str, speech_min: int, minutes: float, seed: int) -> dict[str, Any]:
    """Train, score on dev and test."""
    recipe = read_recipe(None, [f"train.minutes={minutes:g}", f"train.seed={seed}"])
    resume = (run / "run.json").is_file()
    if run.exists() and not resume:
        shutil.rmtree(run)
    cpu = time.process_time()
    trained = train(corpus, run, encoder=encoder, recipe=recipe, resume=resume)
    if trained.outcome.interrupted:
        raise SystemExit(130)
    cpu_min = (time.process_time() - cpu) / 60
    recogniser = Recogniser.load(trained.best)
    scores = {}
    for split in ("dev", "test"):
        score = evaluate(recogniser, corpus, split).score
        scores[split] = {key: getattr(score, key) for key in ("cer", "cer_interval", "wer", "wer_interval")}
    return {
        "encoder": encoder,
        "speech_min": round(corpus.seconds("train") / 60, 1),
        "seed": seed,
        "train_min": round(trained.outcome.state.elapsed_s / 60, 2),
        "cpu_min": round(cpu_min, 2),
        "steps": trained.outcome.state.step,
        **scores,
    }


def markdown(results: list[dict[str, Any]]) -> str:
    lines = [
        "| speech, min | encoder | seed | steps | wall min | CPU min | dev CER | test CER (95 %) | test WER (95 %) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(results, key=lambda row: (row["speech_min"], row["encoder"], row["seed"])):
        lines.append(
            f"| {row['speech_min']:.0f} | {row['encoder']} | {row['seed']} | {row['steps']} | {row['train_min']:.1f} "
            f"| {row['cpu_min']:.1f} | {percent(row['dev']['cer'])} | {interval(row['test'], 'cer')} "
            f"| {interval(row['test'], 'wer')} |"
        )
    return "\n".join(lines) + "\n"


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def interval(scores: dict[str, Any], rate: str) -> str:
    low, high = scores[f"{rate}_interval"]
    return f"{percent(scores[rate])} ({100 * low:.1f}–{100 * high:.1f})"


if __name__ == "__main__":
    main()
