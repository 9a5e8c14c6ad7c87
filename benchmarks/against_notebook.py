"""goama's training compared with the notebook's recipe: same clips, same architecture, one epoch.

    python benchmarks/against_notebook.py [--clips 320] [--rounds 3] [--json FILE|-]
    python benchmarks/against_notebook.py --accuracy [--minutes 9] [--rounds 3] [--sides NAME ...] [-o FILE]
                                          [--json FILE|-]

Both sides run in turn, each in its own process, on the first clips of the demo's Dutch training split, with a 7.8 M
Wav2Vec2-BERT (hidden size 192, 8 layers, adapter). Only training is timed, not imports, loading, or the notebook's
feature extraction, which is shown separately. A third side is goama in float32, because goama uses bfloat16 on CPUs
that support it and the notebook does not. The last line is JSON: `throughput_ratio` (audio seconds trained per second,
goama divided by the notebook) and `memory_ratio` (peak memory of the processes).

`--accuracy`: both fine-tune the starter on the whole Dutch training split for the same time on the same machine, one
seed per round, and decode the test split greedily. The notebook's time starts after its feature extraction; goama's
time includes its evaluations, except the one before the first step. The notebook's warm-up of 500 steps may take longer
than the run, so that it never reaches its learning rate of 5e-5. For this reason the table shows the steps and the peak
learning rate, and a third side is the notebook with a warm-up of a tenth of its steps. FILE stores the result of each
run; a benchmark that is started again continues from there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line sets it; both sides profit
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

HERE = Path(__file__).parent
ARCHITECTURE = {
    "hidden_size": 192,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    "output_hidden_size": 192,
}
CHARACTERS, WORDS = slice(0, 2), slice(2, 4)
"""Slices of `portions.counts`: errors and totals."""
SIDES = ("notebook", "goama", "goama float32")
SHORT_WARM_UP = "notebook, warm-up of a tenth"
ACCURACY_SIDES = ("notebook", SHORT_WARM_UP, "goama")


def main() -> None:
    options = parse()
    if options.side:
        goama_side(options.corpus, options.out, options.clips, options.side)
        return
    corpus = demo_corpus(options.corpus)
    if options.accuracy:
        summary = accuracy(corpus, options.minutes, options.rounds, options.sides, options.output)
        finish(summary, options.json)
        return
    with tempfile.TemporaryDirectory(prefix="goama-benchmark-") as folder:
        manifests = write_manifests(corpus, Path(folder), options.clips)
        rounds = []
        for number in range(options.rounds):
            results = {
                side: run_side(side, corpus, manifests, Path(folder) / f"{number}", options.clips) for side in SIDES
            }
            rounds.append(results)
            for side, result in results.items():
                print(f"round {number + 1}  {side:14} {describe(result)}", flush=True)
    summary = summarise(rounds, options.clips)
    print_table(summary)
    finish(summary, options.json)


def finish(summary: dict[str, Any], file: str | None) -> None:
    line = json.dumps(summary)
    if file and file != "-":
        Path(file).write_text(line + "\n", encoding="utf-8")
    print(line)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus", type=Path, default=Path("demo/corpus"), help="created from fillets-nl if it does not exist"
    )
    parser.add_argument("--clips", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="also write the last line to this file; - only prints it")
    parser.add_argument("--accuracy", action="store_true", help="error rates after the same time, not speed")
    parser.add_argument("--minutes", type=float, default=9.0, help="training time, with --accuracy")
    parser.add_argument(
        "--sides",
        nargs="+",
        default=ACCURACY_SIDES,
        choices=ACCURACY_SIDES,
        metavar="NAME",
        help=f"with --accuracy, one or more of: {', '.join(ACCURACY_SIDES)}",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("accuracy.json"), help="results of --accuracy, saved after each run"
    )
    parser.add_argument("--side", choices=SIDES[1:], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def demo_corpus(folder: Path) -> Path:
    if not (folder / "corpus.json").is_file():
        from goama.corpus.prepare import prepare
        from goama.sources.source import read_source
        from goama.voices import get_voice

        speech = folder.with_name("fillets-nl")
        if not speech.is_dir():
            get_voice("fillets-nl", speech)
        prepare(read_source(str(speech)), folder, source="fillets-nl", overwrite=True)
    return folder


def write_manifests(corpus: Path, folder: Path, clips: int) -> dict[str, Path]:
    return write_splits(corpus, folder, {"train": clips, "dev": 8})


def write_splits(corpus: Path, folder: Path, counts: dict[str, int | None]) -> dict[str, Path]:
    """Paths of manifests with the first clips of each split, as many as `counts` says; None: all."""
    from goama.corpus.corpus import Corpus

    paths = {}
    for split, count in counts.items():
        paths[split] = folder / f"{split}.jsonl"
        rows = [
            json.dumps({"id": cut.id, "audio": cut.recording.sources[0].source, "text": cut.supervisions[0].text})
            for cut in islice(Corpus.open(corpus).cuts(split), count)
        ]
        paths[split].write_text("\n".join(rows) + "\n", encoding="utf-8")
    return paths


def run_side(side: str, corpus: Path, manifests: dict[str, Path], out: Path, clips: int) -> dict[str, Any]:
    out = out / side.replace(" ", "-")
    if side == "notebook":
        command = [sys.executable, str(HERE / "notebook_recipe.py"), "--epochs", "1", "--out", str(out)]
        command += ["--train", str(manifests["train"]), "--dev", str(manifests["dev"])]
        command += ["--config", json.dumps(ARCHITECTURE)]
    else:
        command = [sys.executable, str(HERE / "against_notebook.py"), "--side", side, "--out", str(out)]
        command += ["--corpus", str(corpus), "--clips", str(clips)]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"{side} failed:\n{finished.stderr[-4000:]}")
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


def goama_side(corpus_folder: Path, out: Path, clips: int, side: str) -> None:
    """Trains one epoch with goama's learner, batches and plan, and writes result.json."""
    import torch
    from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

    from goama.corpus.corpus import Corpus
    from goama.data.batches import DataPlace, TrainingBatches
    from goama.data.mixture import Mixture
    from goama.model.encoder import read_config
    from goama.model.loading import load_for_training
    from goama.run.recipe import read_recipe
    from goama.sound.log_mel import LogMel
    from goama.text import Vocabulary
    from goama.training.learner import Learner
    from goama.training.optimiser import make_optimiser
    from goama.training.plan import make_plan

    out.mkdir(parents=True)
    torch.manual_seed(42)
    Wav2Vec2BertModel(Wav2Vec2BertConfig(**ARCHITECTURE)).save_pretrained(out / "encoder")
    corpus = Corpus.open(corpus_folder)
    cuts = corpus.cuts("train").subset(first=clips).to_eager()
    vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in cuts)
    wanted = ["model.adapter=true", "data.batch_seconds=60"]
    wanted += ["augment.time_masks_per_s=0.5", "augment.frequency_masks=2"]
    wanted += ["augment.tempo=0", "augment.vocal_tract=0", "augment.reverb=0"]
    recipe = read_recipe(None, [*wanted, *(["train.precision=no"] if "float32" in side else [])])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = str(out / "encoder")
    recipe = make_plan(recipe, Mixture((corpus,)), vocabulary, encoder, read_config(encoder), device).recipe
    loaded = load_for_training(encoder, vocabulary, adapter=True)
    optimiser = make_optimiser(
        loaded.network,
        learning_rate=5e-5,
        head_learning_rate=5e-5,
        new_parameters=loaded.new_parameters,
        betas=recipe.train.betas,
        weight_decay=recipe.train.weight_decay,
    )
    learner = Learner(loaded.network.train(), optimiser, LogMel(2), vocabulary, precision=recipe.train.precision)
    batches = TrainingBatches(
        cuts, vocabulary, batch_s=recipe.data.batch_seconds, seed=42, workers=int(recipe.data.workers)
    )
    audio_s, losses, steps = 0.0, [], 0
    started = time.perf_counter()
    for place, batch in batches.starting_at(DataPlace()):
        if place.epoch:
            break
        result = learner.step([batch], seed=steps, clip=recipe.train.clip, augment=recipe.augment)
        audio_s, steps = audio_s + result.audio_s, steps + 1
        losses.append(result.loss)
    facts = {
        "audio_s": audio_s,
        "train_s": time.perf_counter() - started,
        "map_s": 0.0,
        "loss": losses[-1],
        "steps": steps,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,  # including the processes that read audio
        "peak_gpu_mb": torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None,
    }
    (out / "result.json").write_text(json.dumps(facts))


def accuracy(corpus: Path, minutes: float, rounds: int, wanted: Sequence[str], kept: Path) -> dict[str, Any]:
    """Error rates of each wanted side over all seeds; runs whose results are in the file `kept` are not repeated."""
    from goama.corpus.corpus import Corpus
    from goama.files import write_beside

    run_side_of: dict[str, Callable[..., dict[str, Any]]] = {
        "notebook": notebook_accuracy,
        SHORT_WARM_UP: partial(notebook_accuracy, warm_up=0.1),
        "goama": goama_accuracy,
    }
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    trained_on = Corpus.open(corpus).fingerprint()[:8]
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in wanted}
    for seed in range(rounds):
        for side in wanted:
            name = f"{side}, {minutes:g} min of {trained_on}, seed {seed}"
            if name not in results:
                with tempfile.TemporaryDirectory(prefix="goama-benchmark-") as folder:
                    results[name] = run_side_of[side](corpus, Path(folder) / "run", minutes, seed)
                write_beside(kept, json.dumps(results) + "\n")
            runs[side].append(results[name])
            print(f"seed {seed}  {side:{len(SHORT_WARM_UP)}}  {describe_accuracy(results[name])}", flush=True)
    print(f"\n{minutes:g} minutes of training, {rounds} seeds")
    summary = compare(runs)
    print(accuracy_table(summary) + "\n")
    return {"minutes": minutes, "seeds": rounds, **summary}


def describe_accuracy(run: dict[str, Any]) -> str:
    import numpy as np
    from portions import STOPPED, rate

    result = STOPPED if run["clips"] is None else f"CER {rate(np.array([run['clips']])[..., CHARACTERS])}"
    return f"{result}  {run['steps']} steps, peak learning rate {run['peak_learning_rate']:.1e}"


def compare(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Error rates of each side, and goama's relative to the others; 95 % intervals over seeds and clips.

    Runs that the guard stopped are counted but have no error rate; a comparison uses the seeds that both sides
    completed.
    """
    import numpy as np
    from portions import change, rate

    parts = {"cer": CHARACTERS, "wer": WORDS}
    summary: dict[str, Any] = {}
    for side, found in runs.items():
        ended = np.array([run["clips"] for run in found if run["clips"] is not None])
        summary[side] = {
            **{name: rate(ended[..., part]) if len(ended) else None for name, part in parts.items()},
            "steps": statistics.median(run["steps"] for run in found),
            "peak_learning_rate": statistics.median(run["peak_learning_rate"] for run in found),
            "stopped": len(found) - len(ended),
        }
    for other in (side for side in runs if "goama" in runs and side != "goama"):
        pairs = [
            (ours["clips"], theirs["clips"])
            for ours, theirs in zip(runs["goama"], runs[other], strict=True)
            if ours["clips"] is not None and theirs["clips"] is not None
        ]
        if pairs:
            ours, theirs = (np.array(clips) for clips in zip(*pairs, strict=True))
            against = {name: change(ours[..., part], theirs[..., part]) for name, part in parts.items()}
            summary[f"goama against: {other}"] = against
    return summary


def accuracy_table(summary: dict[str, Any]) -> str:
    from portions import STOPPED

    lines = ["| | steps | peak learning rate | test CER | test WER |", "|---|---|---|---|---|"]
    for name, row in summary.items():
        stopped = f"{name}; {row['stopped']} {STOPPED}" if row.get("stopped") else name
        pace = f"{row['steps']:.0f} | {row['peak_learning_rate']:.1e}" if "steps" in row else " | "
        lines.append(f"| {stopped} | {pace} | {row['cer'] or ''} | {row['wer'] or ''} |")
    return "\n".join(lines)


def notebook_accuracy(corpus: Path, out: Path, minutes: float, seed: int, warm_up: float = 500) -> dict[str, Any]:
    """Steps, peak learning rate and error counts per test clip of one run of the notebook's recipe."""
    from portions import counts

    from goama.evaluation.scores import score_clip
    from goama.model.shipped import STARTER_FOLDER

    out.mkdir(parents=True)
    manifests = write_splits(corpus, out, {"train": None, "dev": None, "test": None})
    command = [sys.executable, str(HERE / "notebook_recipe.py"), "--out", str(out / "run"), "--seed", str(seed)]
    command += ["--minutes", str(minutes), "--model", str(STARTER_FOLDER), "--warm-up", str(warm_up)]
    command += [word for split, path in manifests.items() for word in (f"--{split}", str(path))]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"the notebook's recipe failed:\n{finished.stderr[-4000:]}")
    references = [json.loads(line) for line in manifests["test"].read_text(encoding="utf-8").splitlines()]
    hypotheses = json.loads((out / "run" / "hypotheses.json").read_text(encoding="utf-8"))
    scored = [
        score_clip(row["id"], row["text"], hypothesis) for row, hypothesis in zip(references, hypotheses, strict=True)
    ]
    facts = json.loads((out / "run" / "result.json").read_text(encoding="utf-8"))
    return {
        "steps": facts["steps"],
        "peak_learning_rate": facts["peak_learning_rate"],
        "clips": [counts(clip) for clip in sorted(scored, key=lambda clip: clip.id)],
    }


def goama_accuracy(corpus: Path, out: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Steps, peak learning rate and error counts per test clip of one run of goama; None if the guard stopped it."""
    from portions import counts, score_best

    from goama.corpus.corpus import Corpus
    from goama.data.mixture import Mixture
    from goama.run.metrics import read_metrics
    from goama.run.recipe import read_recipe
    from goama.training.train import train

    opened = Corpus.open(corpus)
    recipe = read_recipe(None, [f"train.minutes={minutes}", f"train.seed={seed}"])
    trained = train(Mixture((opened,)), out, encoder="starter", recipe=recipe)
    clips = score_best(trained, opened, "test")
    return {
        "steps": trained.outcome.state.step,
        "peak_learning_rate": max(line.get("learning_rate") or 0.0 for line in read_metrics(out).lines),
        "clips": None if clips is None else [counts(clip) for clip in clips],
    }


def describe(result: dict[str, Any]) -> str:
    return (
        f"{result['audio_s'] / result['train_s']:6.1f} audio-s/s  {result['peak_memory_mb']:6.0f} MB  "
        f"loss {result['loss']:.2f} after {result['steps']} steps  feature extraction {result['map_s']:.0f} s"
    )


def summarise(rounds: list[dict[str, dict[str, Any]]], clips: int) -> dict[str, Any]:
    def rates(side: str) -> list[float]:
        return [results[side]["audio_s"] / results[side]["train_s"] for results in rounds]

    def ratios(side: str) -> list[float]:
        return [ours / theirs for ours, theirs in zip(rates(side), rates("notebook"), strict=True)]

    memory = "peak_gpu_mb" if rounds[0]["goama"]["peak_gpu_mb"] else "peak_memory_mb"
    return {
        "throughput_ratio": statistics.median(ratios("goama")),
        "throughput_ratio_spread": [min(ratios("goama")), max(ratios("goama"))],
        "throughput_ratio_float32": statistics.median(ratios("goama float32")),
        "memory_ratio": statistics.median(r["goama"][memory] / r["notebook"][memory] for r in rounds),
        "audio_s_per_s": {side: statistics.median(rates(side)) for side in SIDES},
        "peak_memory_mb": {side: statistics.median(r[side][memory] for r in rounds) for side in SIDES},
        "loss": {side: statistics.median(r[side]["loss"] for r in rounds) for side in SIDES},
        "features_before_training_s": statistics.median(r["notebook"]["map_s"] for r in rounds),
        "clips": clips,
        "rounds": len(rounds),
    }


def print_table(summary: dict[str, Any]) -> None:
    print("\n| | audio-s trained per s | peak memory, MB | loss at the end |\n|---|---|---|---|")
    for side in SIDES:
        print(
            f"| {side} | {summary['audio_s_per_s'][side]:.1f} | {summary['peak_memory_mb'][side]:.0f} "
            f"| {summary['loss'][side]:.2f} |"
        )
    low, high = summary["throughput_ratio_spread"]
    print(
        f"\ngoama trains {summary['throughput_ratio']:.1f} times as fast ({low:.1f} to {high:.1f} over "
        f"{summary['rounds']} rounds; {summary['throughput_ratio_float32']:.1f} in float32) with "
        f"{summary['memory_ratio']:.2f} times the memory\n"
    )


if __name__ == "__main__":
    main()
