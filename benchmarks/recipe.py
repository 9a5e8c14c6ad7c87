"""What each piece of the recipe is worth: a run with it and a run without it, on the same speech in as many steps.

    python benchmarks/recipe.py [-o FOLDER] [--seeds 3] [--speech 10 60] [--steps 400 800] [--pieces NAME ...]
                                [--voices fillets-nl festvox-ru] [--encoder starter] [-s KEY=VALUE]

Every piece is measured against the plain recipe, on the dev splits: they choose the recipe, and test splits stay
unseen. `COSTS` says what a step costs with it. FOLDER keeps results.json: started again, the benchmark goes on where it
was stopped; goama itself should be the same then. Ends with a Markdown table of the relative change in CER;
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
from portions import STOPPED, change, corpus_of, counts, portion, rate, score_best

from goama.corpus.corpus import Corpus
from goama.data.mixture import Mixture
from goama.files import write_beside
from goama.run.recipe import Recipe, read_recipe
from goama.training.train import train

PLAIN = "plain"

EVALUATIONS = 4
"""In each run, of which the best counts."""

LIGHT_MASKS = ("augment.time_masks_per_s=0.2", "augment.frequency_masks=1")

DISGUISES = ("augment.tempo=0.1", "augment.vocal_tract=0.1", "augment.reverb=0.3")

PIECES: dict[str, tuple[str, ...]] = {
    PLAIN: (),
    "light masks": LIGHT_MASKS,
    "no SpecAugment": ("augment.time_masks_per_s=0", "augment.frequency_masks=0"),
    "twice the time masks": ("augment.time_masks_per_s=1.0",),
    "tempo": ("augment.tempo=0.1",),
    "vocal tract": ("augment.vocal_tract=0.1",),
    "band limit": ("augment.band_limit=0.25",),
    "rooms": ("augment.reverb=0.3",),
    "tempo, vocal tract, rooms": DISGUISES,
    "CR-CTC 0.2": ("train.consistency=0.2",),
    "CR-CTC 0.2, tempo, vocal tract, rooms": ("train.consistency=0.2", *DISGUISES),
    "light masks, tempo, vocal tract, rooms": (*LIGHT_MASKS, *DISGUISES),
    "60 s batches": ("data.batch_seconds=60",),
    "half the rate": ("train.learning_rate=5e-4",),
    "twice the rate": ("train.learning_rate=2e-3",),
    "short warm-up": ("train.warmup=0.02",),
    "head alone at first": ("train.thaw=0.1",),
    "encoder frozen": ("model.freeze_encoder=true",),
    "layer decay 0.9": ("train.layer_decay=0.9",),
    "weight decay 0.1": ("train.weight_decay=0.1",),
}
"""What is set beside the plain recipe, which masks and does not disguise; its rate is that of a small encoder."""

COSTS = {
    "CR-CTC 0.2": 1.7,
    "CR-CTC 0.2, tempo, vocal tract, rooms": 1.8,
    "60 s batches": 2.5,
}
"""Processor time of a step against the plain recipe's, on one core; what is not here is within a tenth."""

AS_PLAIN = (
    "augment.time_masks_per_s=0.5",
    "augment.frequency_masks=2",
    "augment.tempo=0",
    "augment.vocal_tract=0",
    "augment.reverb=0",
)
"""What the plan would otherwise choose by the hours of speech; encoders of waveforms need frequency_masks=0 (-s)."""


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
                length = (f"train.steps={steps}", f"train.eval_every={math.ceil(steps / EVALUATIONS)}")
                for piece in dict.fromkeys([PLAIN, *options.pieces]):
                    settings = [*length, *AS_PLAIN, *options.set, *PIECES[piece], f"train.seed={seed}"]
                    recipe = read_recipe(None, settings)
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
                    cer = results[name]["dev_cer"]
                    print(f"{said}: " + (STOPPED if cer is None else f"dev CER {100 * cer:.1f} %"), flush=True)
        write_beside(folder / "results.md", markdown(list(results.values())))
    print("\n" + markdown(list(results.values())))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("recipe-benchmark"))
    parser.add_argument("--voices", nargs="+", default=["fillets-nl", "festvox-ru"])
    parser.add_argument("--corpus", type=Path, help="of a single voice, if `goama prepare` has made it already")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speech", type=int, nargs="+", default=[10, 60], help="minutes to train on")
    parser.add_argument("--steps", type=int, nargs="+", default=[400, 800], help="training steps, for each of these")
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
    clips = score_best(trained, corpus, "dev")
    shutil.rmtree(run)
    state = trained.outcome.state
    return {
        "steps": state.step,
        "dev_cer": state.best_cer,
        "stopped": state.guard.reason,
        "clips": None if clips is None else [counts(clip) for clip in clips],
    }


def markdown(results: list[dict[str, Any]]) -> str:
    """A row for each piece, a column for each voice and its minutes; only seeds that the plain recipe has too.

    Runs that the guard stopped are counted beside the rates of the others.
    """
    columns = list(dict.fromkeys((r["voice"], r["speech_min"]) for r in results))
    heads = " | ".join(f"{voice}, {minutes} min" for voice, minutes in columns)
    lines = [f"| piece | work of a step | {heads} |", "|---" * (len(columns) + 2) + "|"]
    for piece in dict.fromkeys(r["piece"] for r in results):
        cells = [cell(results, piece, *column) for column in columns]
        lines.append(f"| {piece} | {COSTS.get(piece, 1):g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(results: list[dict[str, Any]], piece: str, voice: str, minutes: int) -> str:
    def runs(of: str) -> dict[int, list[list[int]] | None]:
        return {
            r["seed"]: r["clips"] for r in results if (r["piece"], r["voice"], r["speech_min"]) == (of, voice, minutes)
        }

    with_it, without = runs(piece), runs(PLAIN)
    common = sorted(with_it.keys() & without.keys())
    seeds = [seed for seed in common if with_it[seed] is not None and without[seed] is not None]
    stopped = sum(with_it[seed] is None for seed in common)
    told = f"{stopped} of {len(common)} {STOPPED}" if stopped else ""
    if not seeds:
        return told
    clips, base = (np.array([run[seed] for seed in seeds])[..., :2] for run in (with_it, without))
    found = f"{rate(clips)}, {len(seeds)} seeds" if piece == PLAIN else change(clips, base)
    return f"{found}; {told}" if told else found


if __name__ == "__main__":
    main()
