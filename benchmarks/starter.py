"""What the starter is worth: training on 5, 10, 20 and 64 minutes of Dutch, from the starter and from scratch.

    python benchmarks/starter.py [-o FOLDER] [--seeds 3] [--speech 5 10 20 64] [--encoders scratch starter]
                                 [-s KEY=VALUE] [--corpus CORPUS]

Every run uses the default recipe, except for `-s`, and its best model by dev CER; smaller training splits are parts of
larger ones. FOLDER holds the corpora, the runs and results.json: a benchmark that is started again repeats the run in
which it was stopped and continues. It ends with a Markdown table, also in FOLDER/results.md. Error rates are over all
seeds; the 95 % interval is a bootstrap over seeds and clips, the same clips for all seeds.
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
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line sets it
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
from portions import STOPPED, corpus_of, counts, portion, rate, score_best

from goama.corpus.corpus import Corpus
from goama.data.mixture import Mixture
from goama.evaluation.scores import error_rates
from goama.files import write_beside
from goama.run.recipe import Recipe, read_recipe
from goama.training.train import train


def main() -> None:
    options = parse()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    whole = corpus_of("fillets-nl", folder, options.corpus)
    kept = folder / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    for seed in range(options.seeds):  # a table is complete after each seed
        recipe = read_recipe(None, [*options.set, f"train.seed={seed}"])
        for minutes in options.speech:
            corpus = portion(whole, folder, minutes)
            for encoder in options.encoders:
                name = run_name(encoder, minutes, seed, recipe)
                if name not in results:
                    results[name] = train_and_score(corpus, folder / "runs" / name, encoder, recipe)
                    write_beside(kept, json.dumps(results) + "\n")
                cer = results[name]["test_cer"]
                print(f"{name}: " + (STOPPED if cer is None else f"test CER {100 * cer:.1f} %"), flush=True)
    write_beside(folder / "results.md", markdown(list(results.values())))
    print("\n" + markdown(list(results.values())))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("starter-benchmark"))
    parser.add_argument("--corpus", type=Path, help="an existing Dutch corpus")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speech", type=int, nargs="+", default=[5, 10, 20, 64], help="minutes to train on")
    parser.add_argument("--encoders", nargs="+", default=["scratch", "starter"])
    parser.add_argument("-s", "--set", action="append", default=[], help="setting of every run")
    return parser.parse_args()


def run_name(encoder: str, minutes: int, seed: int, recipe: Recipe) -> str:
    """A name that differs for each recipe, so that results are never mixed."""
    recipe_hash = hashlib.sha256(recipe.with_values("train", seed=0).to_toml().encode()).hexdigest()[:6]
    return f"{Path(encoder).name}-{minutes}min-{recipe_hash}-seed{seed}"


def train_and_score(corpus: Corpus, run: Path, encoder: str, recipe: Recipe) -> dict[str, Any]:
    """Trains from the beginning and scores the best model on test."""
    shutil.rmtree(run, ignore_errors=True)
    cpu_s = time.process_time()
    trained = train(Mixture((corpus,)), run, encoder=encoder, recipe=recipe)
    cpu_s = time.process_time() - cpu_s
    state = trained.outcome.state
    clips = score_best(trained, corpus, "test")
    for checkpoint in run.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    rates = error_rates(clips) if clips is not None else None
    return {
        "encoder": encoder,
        "speech_min": round(corpus.seconds("train") / 60, 1),
        "seed": recipe.train.seed,
        "steps": state.step,
        "train_min": round(state.elapsed_s / 60, 2),
        "cpu_min": round(cpu_s / 60, 2),
        "dev_cer": state.best_cer,
        "stopped": state.guard.reason,
        "test_cer": rates.cer if rates else None,
        "test_wer": rates.wer if rates else None,
        "clips": None if clips is None else [counts(clip) for clip in clips],
    }


def markdown(results: list[dict[str, Any]]) -> str:
    """A Markdown table with a row for each encoder and length; runs that the guard stopped are counted only."""
    lines = [
        "| Dutch speech, min | encoder | seeds | steps | CPU min | test CER (95 %) | test WER (95 %) |",
        "|---|---|---|---|---|---|---|",
    ]
    rows: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for result in results:
        rows.setdefault((result["speech_min"], result["encoder"]), []).append(result)
    for (speech_min, encoder), runs in sorted(rows.items()):
        ended = [run["clips"] for run in runs if run["clips"] is not None]
        clips = np.array(ended)  # (seeds, clips, 4)
        seeds = str(len(runs)) if len(ended) == len(runs) else f"{len(runs)}, {len(runs) - len(ended)} {STOPPED}"
        cer, wer = (rate(clips[..., :2]), rate(clips[..., 2:])) if ended else ("", "")
        steps, cpu_min = (sum(run[key] for run in runs) / len(runs) for key in ("steps", "cpu_min"))
        lines.append(
            f"| {speech_min:.0f} | {Path(encoder).name} | {seeds} | {steps:.0f} | {cpu_min:.1f} | {cer} | {wer} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
