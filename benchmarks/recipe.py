"""What each piece of the recipe is worth: a run with it and a run without it, on the same speech and in the same time.

    python benchmarks/recipe.py [-o FOLDER] [--seeds 3] [--speech 10 60] [--voices fillets-nl festvox-ru]
                                [--steps 600 1500] [--pieces NAME ...] [--encoder starter] [-s KEY=VALUE]

Every piece is measured alone against the plain recipe, on the dev splits: they choose the recipe, and test splits stay
unseen. All have the same number of steps, whatever a step costs (`COSTS`). FOLDER keeps results.json:
started again, the benchmark goes on where it was stopped. Ends with a Markdown table of the relative change in CER;
its 95 % interval comes from a bootstrap that draws seeds and clips, the same with and without the piece.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line does
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
from portions import change, corpus_of, counts, portion, rate

from goama.corpus.corpus import Corpus
from goama.corpus.mixture import Mixture
from goama.evaluation.evaluate import evaluate
from goama.files import write_beside
from goama.recognition.recogniser import Recogniser
from goama.training.recipe import Recipe, read_recipe
from goama.training.train import train

PLAIN = "plain"

EVALUATIONS = 4
"""Of which the best counts."""

PIECES: dict[str, tuple[str, ...]] = {
    PLAIN: (),
    "CR light": ("train.consistency=0.2", "augment.time_masks_per_s=0.2", "augment.frequency_masks=1"),
    "codecs": ("augment.codecs=0.3",),
    "word masks 0.15": ("augment.time_masks_per_s=0", "augment.word_masks=0.15"),
    "light": ("augment.time_masks_per_s=0.2", "augment.frequency_masks=1"),
    "no SpecAugment": ("augment.time_masks_per_s=0", "augment.frequency_masks=0"),
    "twice the time masks": ("augment.time_masks_per_s=1.0",),
    "hidden masks": ("augment.hidden_masks_per_s=0.5",),
    "CR-CTC 0.2": ("train.consistency=0.2",),
    "CR-CTC 0.2, twice the time masks": ("train.consistency=0.2", "augment.time_masks_per_s=1.0"),
    "intermediate CTC 0.3": ("train.intermediate=0.3",),
    "tempo": ("augment.tempo=0.1",),
    "vocal tract": ("augment.vocal_tract=0.1",),
    "band limit": ("augment.band_limit=0.25",),
    "rooms": ("augment.reverb=0.3",),
    "noise": ("augment.noise=0.3",),
    "tempo, vocal tract, rooms": ("augment.tempo=0.1", "augment.vocal_tract=0.1", "augment.reverb=0.3"),
    "CR-CTC 0.2, tempo, vocal tract, rooms": (
        "train.consistency=0.2",
        "augment.tempo=0.1",
        "augment.vocal_tract=0.1",
        "augment.reverb=0.3",
    ),
    "60 s batches": ("data.batch_seconds=60",),
    "twice the rate": ("train.learning_rate=2e-3",),
    "half the rate": ("train.learning_rate=5e-4",),
    "short warm-up": ("train.warmup=0.02",),
    "CR-CTC 0.2, all disguises, twice the time masks": (
        "train.consistency=0.2",
        "augment.time_masks_per_s=1.0",
        "augment.tempo=0.1",
        "augment.vocal_tract=0.1",
        "augment.reverb=0.3",
    ),
    "thaw 0.1": ("train.thaw=0.1",),
    "layer decay 0.9": ("train.layer_decay=0.9",),
    "weight decay 0.1": ("train.weight_decay=0.1",),
    "average": ("train.average=0.02",),
    "dropout 0.1": ("train.dropout=0.1",),
    "tri-stage": ("train.schedule=tri-stage",),
}
"""What is set beside the plain recipe."""

COSTS = {
    "CR-CTC 0.2": 1.7,
    "CR-CTC 0.2, twice the time masks": 1.7,
    "CR-CTC 0.2, tempo, vocal tract, rooms": 1.8,
    "CR-CTC 0.2, all disguises, twice the time masks": 1.8,
    "dropout 0.1": 1.35,
    "60 s batches": 2.5,
}
"""Processor time of a step, against the plain recipe's: one core, a 7 M encoder; what is not here is within a tenth."""


def main() -> None:
    options = parse()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    for seed in range(options.seeds):  # every seed's table is whole before the next begins
        for voice in options.voices:
            whole = corpus_of(voice, folder, options.corpus if len(options.voices) == 1 else None)
            for minutes, steps in zip(options.speech, options.steps, strict=True):
                corpus = portion(whole, folder, minutes)
                for piece in dict.fromkeys([PLAIN, *options.pieces]):
                    length = [f"train.steps={steps}", f"train.eval_every={math.ceil(steps / EVALUATIONS)}"]
                    recipe = read_recipe(None, [*length, *options.set, *PIECES[piece], f"train.seed={seed}"])
                    name = run_name(options.encoder, voice, minutes, recipe)
                    if name not in results:
                        results[name] = {
                            "piece": piece,
                            "seed": seed,
                            "voice": voice,
                            "speech_min": minutes,
                            **one(corpus, folder / "runs" / name, options.encoder, recipe),
                        }
                        write_beside(kept, json.dumps(results) + "\n")
                    said = f"{voice}, {minutes} min, {piece}, seed {seed}"
                    print(f"{said}: dev CER {100 * results[name]['dev_cer']:.1f} %", flush=True)
        write_beside(folder / "results.md", markdown(list(results.values())))
    print("\n" + markdown(list(results.values())))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("recipe-benchmark"))
    parser.add_argument("--voices", nargs="+", default=["fillets-nl", "festvox-ru"])
    parser.add_argument("--corpus", type=Path, help="of a single voice, if `goama prepare` has made it already")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speech", type=int, nargs="+", default=[10, 60], help="minutes to train on")
    parser.add_argument("--steps", type=int, nargs="+", default=[600, 1500], help="training steps, for each of these")
    parser.add_argument("--pieces", nargs="+", default=list(PIECES), choices=list(PIECES), metavar="NAME")
    parser.add_argument("--encoder", default="starter")
    parser.add_argument("-s", "--set", action="append", default=[], help="recipe of every run")
    return parser.parse_args()


def run_name(encoder: str, voice: str, minutes: int, recipe: Recipe) -> str:
    """Of what is trained on what and how, so that results.json never mixes two."""
    recipe_hash = hashlib.sha256(recipe.to_toml().encode()).hexdigest()[:10]
    return f"{Path(encoder).name}-{voice}-{minutes}min-{recipe_hash}"


def one(corpus: Corpus, run: Path, encoder: str, recipe: Recipe) -> dict[str, Any]:
    """Train from the beginning, and score the best model on dev."""
    shutil.rmtree(run, ignore_errors=True)
    trained = train(Mixture((corpus,)), run, encoder=encoder, recipe=recipe)
    if trained.outcome.interrupted:
        raise SystemExit(130)
    clips = sorted(evaluate(Recogniser.load(trained.best), corpus, "dev").clips, key=lambda clip: clip.id)
    shutil.rmtree(run)
    state = trained.outcome.state
    return {"steps": state.step, "dev_cer": state.best_cer, "clips": [counts(clip) for clip in clips]}


def markdown(results: list[dict[str, Any]]) -> str:
    """A row for each piece, a column for each voice and its minutes; only seeds that the plain recipe has too."""
    columns = list(dict.fromkeys((r["voice"], r["speech_min"]) for r in results))
    heads = " | ".join(f"{voice}, {minutes} min" for voice, minutes in columns)
    lines = [f"| piece | work of a step | {heads} |", "|---" * (len(columns) + 2) + "|"]
    for piece in dict.fromkeys(r["piece"] for r in results):
        cells = [cell(results, piece, *column) for column in columns]
        lines.append(f"| {piece} | {COSTS.get(piece, 1):g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(results: list[dict[str, Any]], piece: str, voice: str, minutes: int) -> str:
    def runs(of: str) -> dict[int, list[list[int]]]:
        return {
            r["seed"]: r["clips"] for r in results if (r["piece"], r["voice"], r["speech_min"]) == (of, voice, minutes)
        }

    with_it, without = runs(piece), runs(PLAIN)
    seeds = sorted(with_it.keys() & without.keys())
    if not seeds:
        return ""
    clips, base = (np.array([run[seed] for seed in seeds])[..., :2] for run in (with_it, without))
    if piece == PLAIN:
        return f"{rate(clips)}, {len(seeds)} seeds"
    return f"{change(clips, base)}"


if __name__ == "__main__":
    main()
