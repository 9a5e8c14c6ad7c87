"""What each setting of the recipe is worth: runs with and without it, on the same speech with the same steps.

    python benchmarks/recipe.py [-o FOLDER] [--seeds 3] [--speech 10 60] [--steps 150 400] [--pieces NAME ...]
                                [--voices fillets-nl fillets-cs] [--encoder starter] [-s KEY=VALUE]

Every change is compared with the plain recipe on the dev splits; test splits are not used, because the defaults are
chosen by these results. FOLDER holds results.json: a benchmark that is started again continues where it stopped, which
requires the same version of goama. It ends with a Markdown table of the relative change in CER; the 95 % interval is a
bootstrap over seeds and clips, the same ones with and without the change.
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
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line sets it
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
"""Per run; the best one counts."""

AUGMENTATION = ("augment.tempo=0.1", "augment.vocal_tract=0.1", "augment.reverb=0.3")

PIECES: dict[str, tuple[str, ...]] = {
    PLAIN: (),
    "no masks": ("augment.time_masks_per_s=0", "augment.frequency_masks=0"),
    "2.5 times the masks": ("augment.time_masks_per_s=0.5", "augment.frequency_masks=2"),
    "tempo": ("augment.tempo=0.1",),
    "vocal tract": ("augment.vocal_tract=0.1",),
    "reverb": ("augment.reverb=0.3",),
    "tempo, vocal tract, reverb": AUGMENTATION,
    "CR-CTC 0.2": ("train.consistency=0.2",),
    "12 s batches": ("data.batch_seconds=12",),
    "48 s batches": ("data.batch_seconds=48",),
    "half the learning rate": ("train.learning_rate=1e-4",),
    "twice the learning rate": ("train.learning_rate=4e-4",),
    "head rate 2e-3": ("train.head_learning_rate=2e-3",),
    "layer decay 0.8": ("train.layer_decay=0.8",),
    "convolutions trained": ("model.freeze_feature_encoder=false",),
    "encoder frozen": ("model.freeze_encoder=true",),
    "head-only phase of a tenth": ("train.head_only=0.1",),
    "weight decay 0.1": ("train.weight_decay=0.1",),
}
"""Changes to the plain recipe: light masks, 24 s batches, learning rate 2e-4."""

COSTS = {
    "CR-CTC 0.2": 1.7,
    "12 s batches": 0.5,
    "48 s batches": 2.0,
    "encoder frozen": 0.4,
}
"""CPU time of a step relative to the plain recipe, on one core; changes that are not listed cost less than a tenth."""

PLAIN_SETTINGS = (
    "augment.time_masks_per_s=0.2",
    "augment.frequency_masks=1",
    "augment.tempo=0",
    "augment.vocal_tract=0",
    "augment.reverb=0",
    "data.batch_seconds=24",
)
"""Fixed, because the plan chooses by hours of speech; encoders of raw waveforms need augment.frequency_masks=0."""


def main() -> None:
    options = parse()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    for seed in range(options.seeds):  # a table is complete after each seed
        for voice in options.voices:
            whole = corpus_of(voice, folder, options.corpus if len(options.voices) == 1 else None)
            for minutes, steps in zip(options.speech, options.steps, strict=True):
                corpus = portion(whole, folder, minutes)
                length = (f"train.steps={steps}", f"train.eval_every={math.ceil(steps / EVALUATIONS)}")
                for piece in dict.fromkeys([PLAIN, *options.pieces]):
                    settings = [*length, *PLAIN_SETTINGS, *options.set, *PIECES[piece], f"train.seed={seed}"]
                    recipe = read_recipe(None, settings)
                    name = run_name(options.encoder, voice, minutes, recipe)
                    if name not in results:
                        results[name] = {
                            "piece": piece,
                            "seed": seed,
                            "voice": voice,
                            "speech_min": minutes,
                            **train_and_score(corpus, folder / "runs" / name, options.encoder, recipe),
                        }
                        write_beside(kept, json.dumps(results) + "\n")
                    label = f"{voice}, {minutes} min, {piece}, seed {seed}"
                    cer = results[name]["dev_cer"]
                    print(f"{label}: " + (STOPPED if cer is None else f"dev CER {100 * cer:.1f} %"), flush=True)
        write_beside(folder / "results.md", markdown(list(results.values())))
    print("\n" + markdown(list(results.values())))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("recipe-benchmark"))
    parser.add_argument("--voices", nargs="+", default=["fillets-nl", "fillets-cs"])
    parser.add_argument("--corpus", type=Path, help="an existing corpus of a single voice")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speech", type=int, nargs="+", default=[10, 60], help="minutes to train on")
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[150, 400], help="training steps, one number for each of --speech"
    )
    parser.add_argument("--pieces", nargs="+", default=list(PIECES), choices=list(PIECES), metavar="NAME")
    parser.add_argument("--encoder", default="starter")
    parser.add_argument("-s", "--set", action="append", default=[], help="setting of every run")
    return parser.parse_args()


def run_name(encoder: str, voice: str, minutes: int, recipe: Recipe) -> str:
    """A name that differs for each encoder, voice, length and recipe, so that results are never mixed."""
    recipe_hash = hashlib.sha256(recipe.to_toml().encode()).hexdigest()[:10]
    return f"{Path(encoder).name}-{voice}-{minutes}min-{recipe_hash}"


def train_and_score(corpus: Corpus, run: Path, encoder: str, recipe: Recipe) -> dict[str, Any]:
    """Trains from the beginning and scores the best model on dev."""
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
    """A Markdown table with a row for each change and a column for each voice and length.

    Only seeds that the plain recipe has too are used. Runs that the guard stopped are counted.
    """
    columns = list(dict.fromkeys((r["voice"], r["speech_min"]) for r in results))
    heads = " | ".join(f"{voice}, {minutes} min" for voice, minutes in columns)
    lines = [f"| change | cost of a step | {heads} |", "|---" * (len(columns) + 2) + "|"]
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
    stopped_runs = f"{stopped} of {len(common)} {STOPPED}" if stopped else ""
    if not seeds:
        return stopped_runs
    clips, base = (np.array([run[seed] for seed in seeds])[..., :2] for run in (with_it, without))
    result = f"{rate(clips)}, {len(seeds)} seeds" if piece == PLAIN else change(clips, base)
    return f"{result}; {stopped_runs}" if stopped_runs else result


if __name__ == "__main__":
    main()
