"""The whole way from Debian packages to the starter: `make starter` runs this. Stopped anywhere, it goes on there.

    python recipes/make_starter.py -o starter                        fetch, prepare, train, pack
    python recipes/make_starter.py -o starter --pack-only            write the model folder again from finished runs
    python recipes/make_starter.py -o try --to try/packed \
        --voices tuxpaint-da tuxpaint-el -s train.steps=20           a small one, to see that it works

Each step is a goama command, printed before it runs. Dutch is not among the voices, so that the demonstration
language stays unheard.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.evaluation.evaluate import evaluate
from goama.evaluation.scores import ClipScore, error_rates
from goama.files import empty_partial, replace_folder
from goama.model.shipped import SCRATCH, STARTER_FOLDER
from goama.recognition.recogniser import Recogniser
from goama.run.recipe import read_recipe
from goama.voices import VOICES, Voice, find_voice

HERE = Path(__file__).parent
HELD_OUT = "nl"


@dataclass(frozen=True)
class Stage:
    """One `goama train`: its run folder, its recipe, and what it begins with: `scratch` or an earlier stage's best."""

    run: str
    recipe: str
    begins_with: str


STAGES = (
    Stage("listen", "starter.toml", SCRATCH),
    Stage("learn", "starter-learn.toml", "listen"),
    Stage("learn-on", "starter-learn.toml", "learn"),
)
"""Trained in this order on all corpora; the last one's best model is packed."""


def main() -> None:
    options = parse()
    work: Path = options.output
    try:
        voices = [find_voice(name) for name in options.voices]
        if any(voice.language == HELD_OUT for voice in voices):
            raise GoamaError(f"{HELD_OUT} is the demonstration language: the starter must never hear it")
        if not options.pack_only:
            corpora = [corpus_of(voice, work) for voice in voices]
            for stage in STAGES:
                train(stage, corpora, work, options.set)
        pack(work, options.to, options.results)
    except GoamaError as error:
        sys.exit(f"make_starter: {error}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("starter"), help="folder to work in")
    parser.add_argument("--to", type=Path, default=STARTER_FOLDER, help="model folder to write")
    parser.add_argument("--voices", nargs="+", default=[v.name for v in VOICES if v.language != HELD_OUT])
    parser.add_argument("-s", "--set", action="append", default=[], help="section.key=value for every training")
    parser.add_argument("--results", type=Path, help="table of benchmarks/starter.py (results.md) for the card")
    parser.add_argument("--pack-only", action="store_true", help="the runs are finished already")
    return parser.parse_args()


def corpus_of(voice: Voice, work: Path) -> Path:
    """Fetch and prepare a voice, as far as that is still to be done."""
    speech, corpus = work / "voices" / voice.name, work / "corpora" / voice.name
    if not (speech / "metadata.jsonl").is_file():
        goama("voices", "get", voice.name, "-o", speech)
    if not (corpus / "corpus.json").is_file():
        goama("prepare", speech, "-o", corpus, "--language", voice.language, "--skip-bad")
    return corpus


def train(stage: Stage, corpora: list[Path], work: Path, overrides: list[str]) -> None:
    run = work / stage.run
    if (run / "run.json").is_file():
        goama("train", *corpora, "-o", run, "--resume")
        return
    encoder = stage.begins_with if stage.begins_with == SCRATCH else work / stage.begins_with / "best"
    settings = [word for override in overrides for word in ("-s", override)]
    goama("train", *corpora, "-o", run, "--encoder", encoder, "--recipe", HERE / stage.recipe, *settings)


def goama(*arguments: object) -> None:
    """Run one goama command; when it fails or is stopped, this script ends with its status."""
    command = [str(argument) for argument in arguments]
    print(f"\n$ {shlex.join(['goama', *command])}", flush=True)
    process = subprocess.Popen([sys.executable, "-m", "goama", *command])
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:  # the command got it too, and is saving
            continue
    if process.returncode:
        sys.exit(process.returncode)


def pack(work: Path, to: Path, results: Path | None) -> None:
    """Copy the last stage's best model in half precision, with its card and with what it was trained on.

    The copy is opened again and recognises the dev split of every corpus before it takes its place.
    """
    best = work / STAGES[-1].run / "best"
    if not (best / "model.safetensors").is_file():
        raise GoamaError(f"{best}: no model here yet; run this without --pack-only")
    partial = empty_partial(to)
    for file in best.iterdir():
        if file.name not in ("model.safetensors", "README.md"):
            shutil.copy(file, partial)
    weights = {name: value.half() for name, value in load_file(best / "model.safetensors").items()}
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise GoamaError(f"{best}: a weight does not fit into half precision")
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    (partial / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
    facts = training_facts(work, Recogniser.load(partial), sum(value.numel() for value in weights.values()))
    (partial / "training.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    table = results.read_text(encoding="utf-8") if results else "Not measured yet: `benchmarks/starter.py` does."
    (partial / "README.md").write_text(card(facts, table), encoding="utf-8")
    replace_folder(partial, to)
    print(f"\nwritten: {to} ({(to / 'model.safetensors').stat().st_size / 1e6:.1f} MB)")


def training_facts(work: Path, packed: Recogniser, parameters: int) -> dict[str, Any]:
    """What the runs recorded of what they heard and how they learnt, and what the packed model makes of dev."""
    runs = [json.loads((work / stage.run / "run.json").read_text(encoding="utf-8")) for stage in STAGES]
    heard = {corpus["fingerprint"]: corpus for run in runs for corpus in run["corpora"]}
    corpora = [corpus_facts(corpus, packed) for corpus in heard.values()]
    return {
        "languages": sorted({corpus["language"] for corpus in corpora}),
        "parameters": parameters,
        "frame_shift_ms": round(1000 * packed.frame_shift_s),
        "goama": runs[-1]["versions"]["goama"],
        "corpora": corpora,
        "stages": [stage_facts(stage, work / stage.run) for stage in STAGES],
    }


def corpus_facts(recorded: dict[str, Any], packed: Recogniser) -> dict[str, Any]:
    voice = find_voice(recorded["name"])
    corpus = Corpus.open(recorded["folder"])
    if corpus.fingerprint() != recorded["fingerprint"]:
        raise GoamaError(f"{corpus.folder} is not any more what was trained on; train again")
    clips: tuple[ClipScore, ...] = evaluate(packed, corpus, "dev").clips if corpus.clips("dev") else ()
    return {
        "voice": voice.name,
        "language": corpus.language,
        "fingerprint": recorded["fingerprint"],
        "minutes": {split: round(corpus.seconds(split) / 60, 1) for split in ("train", "dev")},
        "dev_cer": round(error_rates(clips).cer, 4) if clips else None,
        "licence": voice.licence,
        "attribution": voice.attribution,
        "packages": list(voice.packages),
    }


def stage_facts(stage: Stage, run: Path) -> dict[str, Any]:
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [line for line in metrics if "loss" in line]
    best = min((line for line in metrics if "dev_cer" in line), key=lambda line: line["dev_cer"])
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return {
        "begins_with": stage.begins_with,
        "steps": steps[-1]["step"],
        "best_step": best["step"],
        "minutes": round(steps[-1]["elapsed_s"] / 60, 1),
        "dev_cer": round(best["dev_cer"], 4),
        "dev_wer": round(best["dev_wer"], 4),
        "clips_left_out": len(facts["left_out"]),
        "recipe": read_recipe(run / "recipe.toml").model_dump(mode="json", exclude_none=True, exclude={"model"}),
    }


def card(facts: dict[str, Any], results: str) -> str:
    """README.md of the starter: a Hugging Face model card, from recipes/starter-card.md."""
    hours: dict[str, float] = {}
    for corpus in facts["corpora"]:
        hours[corpus["language"]] = hours.get(corpus["language"], 0.0) + corpus["minutes"]["train"] / 60
    longest_s = facts["stages"][-1]["recipe"]["data"].get("longest_s")
    template = Template((HERE / "starter-card.md").read_text(encoding="utf-8"))
    return template.substitute(
        language_list="\n".join(f'- "{language}"' for language in facts["languages"]),
        language_count=len(facts["languages"]),
        stride=facts["frame_shift_ms"] // 10,
        shift_ms=facts["frame_shift_ms"],
        million=f"{facts['parameters'] / 1e6:.1f}",
        hours=f"{sum(hours.values()):.1f}",
        by_language=", ".join(f"{name} {value:.2f}" for name, value in sorted(hours.items(), key=lambda i: -i[1])),
        longest=f"up to {longest_s:g} seconds" if longest_s else "any length",
        stages="\n".join(
            f"| {number} | {stage['begins_with']} | {stage['steps']} | {stage['best_step']} | {stage['minutes']:.0f} "
            f"| {percent(stage['dev_cer'])} | {percent(stage['dev_wer'])} |"
            for number, stage in enumerate(facts["stages"], start=1)
        ),
        sources="\n".join(
            f"| {corpus['voice']} | {corpus['language']} | {corpus['minutes']['train']:.0f} "
            f"| {percent(corpus['dev_cer'])} | {corpus['attribution']} | {corpus['licence']} "
            f"| {', '.join(corpus['packages'])} |"
            for corpus in facts["corpora"]
        ),
        results=results.strip(),
    )


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f} %"


if __name__ == "__main__":
    main()
