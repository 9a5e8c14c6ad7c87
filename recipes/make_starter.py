"""The whole way from Debian packages to the starter: `make starter` runs this. Stopped anywhere, it goes on there.

    python recipes/make_starter.py -o starter              fetch, prepare, train twice, pack
    python recipes/make_starter.py -o starter --pack-only  write goama/model/starter again from the finished run

Each step is a goama command, printed before it runs. Dutch is not among the voices, so that the
demonstration language stays unheard.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from goama.corpus.mixture import Mixture
from goama.corpus.voices import VOICES
from goama.corpus.voices.catalogue import Voice
from goama.model.encoder import starter_folder
from goama.training.recipe import read_recipe

RECIPES = Path(__file__).parent
HELD_OUT = "nl"
STAGES = (("listen", "starter-listen.toml", "scratch"), ("learn", "starter.toml", "listen/best"))
"""Run folder, recipe, encoder: first short clips and a flat start, then everything."""

SHIPPED = ("config.json", "vocab.json", "tokenizer_config.json", "preprocessor_config.json", "normaliser.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("starter"), help="folder to work in")
    parser.add_argument("--to", type=Path, default=starter_folder(), help="where the checkpoint goes")
    parser.add_argument("--pack-only", action="store_true", help="the runs are finished already")
    arguments = parser.parse_args()
    work: Path = arguments.output
    voices = [voice for voice in VOICES if voice.language != HELD_OUT]
    corpora = [work / "corpora" / voice.name for voice in voices]
    if not arguments.pack_only:
        for voice, corpus in zip(voices, corpora, strict=True):
            speech = work / "voices" / voice.name
            if not (speech / "metadata.jsonl").is_file():
                goama("voices", "get", voice.name, "-o", speech)
            if not (corpus / "corpus.json").is_file():
                goama("prepare", speech, "-o", corpus, "--language", voice.language, "--skip-bad")
        for run, recipe, encoder in STAGES:
            encoder = str(work / encoder) if "/" in encoder else encoder
            start = ["--resume"] if (work / run / "run.json").is_file() else []
            goama("train", *corpora, "-o", work / run, "--encoder", encoder, "--recipe", RECIPES / recipe, *start)
    pack(work / STAGES[-1][0] / "best", Mixture.open(corpora), voices, work, arguments.to)


def goama(*arguments: object) -> None:
    """Run one goama command; its failure ends this script with its message."""
    command = [str(argument) for argument in arguments]
    print("$ goama " + " ".join(command), flush=True)
    status = subprocess.run([sys.executable, "-m", "goama", *command], check=False).returncode
    if status:
        sys.exit(status)


def pack(best: Path, corpora: Mixture, voices: list[Voice], work: Path, to: Path) -> None:
    """Copy the model folder in half precision, with what it was trained on and a card that says so."""
    partial = to.with_name(to.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in SHIPPED:
        if (best / name).is_file():
            shutil.copy(best / name, partial / name)
    weights = {name: value.half() for name, value in load_file(best / "model.safetensors").items()}
    if not all(torch.isfinite(value).all() for value in weights.values()):
        sys.exit(f"{best}: a weight does not fit into half precision")
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    (partial / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
    facts = training_facts(corpora, voices, work, sum(value.numel() for value in weights.values()))
    (partial / "training.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (partial / "README.md").write_text(card(facts), encoding="utf-8")
    shutil.rmtree(to, ignore_errors=True)
    partial.rename(to)
    print(f"written: {to} ({(to / 'model.safetensors').stat().st_size / 1e6:.1f} MB)")


def training_facts(corpora: Mixture, voices: list[Voice], work: Path, parameters: int) -> dict:
    """What the starter heard and how it learnt: the manifests' hashes, hours, recipes, scores."""
    stages = []
    for run, _, encoder in STAGES:
        metrics = [json.loads(line) for line in (work / run / "metrics.jsonl").read_text("utf-8").splitlines()]
        scores = [line for line in metrics if "dev_cer" in line]
        best = min(scores, key=lambda line: line["dev_cer"])
        losses = [line for line in metrics if "loss" in line]
        recipe = read_recipe(work / run / "recipe.toml")
        stages.append(
            {
                "encoder": encoder,
                "steps": losses[-1]["step"],
                "best_step": best["step"],
                "minutes": round(losses[-1]["elapsed_s"] / 60, 1),
                "dev_cer": round(best["dev_cer"], 4),
                "dev_wer": round(best["dev_wer"], 4),
                "recipe": recipe.model_dump(mode="json", exclude_none=True),
            }
        )
    named = zip(corpora.names, corpora.corpora, voices, strict=True)
    return {
        "languages": list(corpora.languages),
        "parameters": parameters,
        "corpora": [
            {
                "voice": voice.name,
                "language": one.language,
                "minutes": {split: round(one.seconds(split) / 60, 1) for split in ("train", "dev")},
                "fingerprint": one.fingerprint(),
                "licence": voice.licence,
                "attribution": voice.attribution,
                "packages": list(voice.packages),
            }
            for _, one, voice in named
        ],
        "stages": stages,
    }


def card(facts: dict) -> str:
    """README.md of the checkpoint: a Hugging Face model card."""
    hours: dict[str, float] = {}
    for one in facts["corpora"]:
        hours[one["language"]] = hours.get(one["language"], 0.0) + one["minutes"]["train"] / 60
    by_language = ", ".join(f"{code} {value:.2f}" for code, value in sorted(hours.items(), key=lambda i: -i[1]))
    sources = "\n".join(
        f"| {one['voice']} | {one['language']} | {one['minutes']['train']:.0f} | {one['attribution']} "
        f"| {one['licence']} | {', '.join(one['packages'])} |"
        for one in facts["corpora"]
    )
    stages = "\n".join(
        f"| {number} | {stage['steps']} | {stage['best_step']} | {stage['minutes']:.0f} "
        f"| {100 * stage['dev_cer']:.1f} % | {100 * stage['dev_wer']:.1f} % |"
        for number, stage in enumerate(facts["stages"], start=1)
    )
    text = (RECIPES / "starter-card.md").read_text(encoding="utf-8")
    for name, value in {
        "language_list": "\n".join(f"- {code}" for code in facts["languages"]),
        "language_count": len(facts["languages"]),
        "million": f"{facts['parameters'] / 1e6:.1f}",
        "hours": f"{sum(hours.values()):.1f}",
        "by_language": by_language,
        "sources": sources,
        "stages": stages,
    }.items():
        text = text.replace("{" + name + "}", str(value))
    return text


if __name__ == "__main__":
    main()
