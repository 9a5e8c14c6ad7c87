"""What a teacher is worth: a small network distilled from a larger fine-tuned one, and trained by CTC alone.

    python benchmarks/distil.py --encoder ENCODER [-o FOLDER] [--voice fillets-nl] [--speech 64] [--minutes 9]
                                [--students 3 starter] [--seeds 3] [-s KEY=VALUE]

ENCODER (such as openai/whisper-base) is fine-tuned with all of its layers and becomes the teacher. A student is the
number of its first layers, or another encoder. Each is trained twice on the same speech for the same minutes, by
`goama distil` and by `goama train`; the time of the teacher's own training is not counted. Layers come from the
fine-tuned teacher in distillation, and in "its layers, CTC alone", which separates what the weights are worth from what
the posteriors are worth; in "CTC alone" they are as pretrained. Compared are the best models on the dev split. FOLDER
holds results.json: a benchmark that is started again continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
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
from goama.model.encoder import front_end, read_config
from goama.model.folder import SpeechModel
from goama.model.loading import load_for_training
from goama.run.folder import STUDENT_FOLDER, TeacherFacts
from goama.run.recipe import read_recipe
from goama.text.vocabulary import Vocabulary
from goama.training.student import student_from_config
from goama.training.teacher import Teacher
from goama.training.train import Trained, train

TEACHER, DISTILLED, ALONE, LAYERS_ALONE = "teacher", "distilled", "CTC alone", "its layers, CTC alone"


def main() -> None:
    options = parse()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    whole = corpus_of(options.voice, folder, options.corpus)
    corpus = portion(whole, folder, options.speech)
    for seed in range(options.seeds):
        runs = Runs(corpus, folder / f"{corpus.fingerprint()[:8]}-{options.minutes:g}min-seed{seed}", seed, options)
        for student in [TEACHER, *options.students]:
            for way in ways_of(student):
                name = f"{runs.folder.name}-{Path(options.encoder).name}-{student}-{way}-{' '.join(options.set)}"
                if name not in results:
                    results[name] = {"student": student, "way": way, "seed": seed, **runs.result(student, way)}
                    write_beside(kept, json.dumps(results) + "\n")
                clips = results[name]["clips"]
                said = STOPPED if clips is None else f"dev CER {rate(np.array([clips])[..., :2])}"
                print(f"{student}, {way}, seed {seed}: {said}, {results[name]['steps']} steps", flush=True)
    print("\n" + markdown(list(results.values())))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("distil-benchmark"))
    parser.add_argument("--voice", default="fillets-nl")
    parser.add_argument("--corpus", type=Path, help="an existing corpus of the voice")
    parser.add_argument("--speech", type=int, default=64, help="minutes to train on")
    parser.add_argument("--minutes", type=float, default=9.0, help="of each training")
    parser.add_argument("--students", nargs="+", default=["3", "starter"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-s", "--set", action="append", default=[], help="setting of every run")
    return parser.parse_args()


def ways_of(student: str) -> tuple[str, ...]:
    """How a student is trained."""
    if student == TEACHER:
        return (ALONE,)
    return (DISTILLED, ALONE, LAYERS_ALONE) if student.isdigit() else (DISTILLED, ALONE)


class Runs:
    """The runs of one seed; all stay in `folder`, since students need the teacher."""

    def __init__(self, corpus: Corpus, folder: Path, seed: int, options: argparse.Namespace):
        self.corpus, self.folder, self.encoder = corpus, folder, options.encoder
        self.recipe = read_recipe(None, [f"train.minutes={options.minutes}", f"train.seed={seed}", *options.set])

    def result(self, student: str, way: str) -> dict[str, Any]:
        """Steps, and the dev clips' errors and lengths."""
        trained = self._trained(student, way)
        clips = score_best(trained, self.corpus, "dev")
        steps = trained.outcome.state.step
        return {"steps": steps, "clips": None if clips is None else [counts(clip) for clip in clips]}

    def _trained(self, student: str, way: str) -> Trained:
        run, teacher = self.folder / f"{student}-{way.replace(' ', '-')}", None
        shutil.rmtree(run, ignore_errors=True)
        encoder = self.encoder if student == TEACHER else student
        if way == DISTILLED:
            teacher = self.folder / f"{TEACHER}-{ALONE.replace(' ', '-')}" / "best"
            encoder = str(self._configuration(student)) if student.isdigit() else student
        elif student.isdigit():
            layers_of_teacher = self.folder / f"{student}-{DISTILLED}" / STUDENT_FOLDER
            encoder = str(layers_of_teacher if way == LAYERS_ALONE else self._first_layers(student))
        return train(Mixture((self.corpus,)), run, encoder=encoder, teacher=teacher, recipe=self.recipe)

    def _configuration(self, layers: str) -> Path:
        file = self.folder / f"{layers}-layers.json"
        file.write_text(json.dumps({"num_hidden_layers": int(layers)}))
        return file

    def _first_layers(self, layers: str) -> Path:
        """A folder with the pretrained encoder's first layers, without a head that `goama train` would carry over."""
        folder, config = self.folder / f"{layers}-layers", read_config(self.encoder)
        vocabulary, _ = Vocabulary.from_texts(cut.supervisions[0].text for cut in self.corpus.cuts("train"))
        network = load_for_training(self.encoder, vocabulary, adapter=False).network
        model = SpeechModel(network, front_end(self.encoder, config), vocabulary, self.corpus.normaliser)
        student_from_config(self._configuration(layers), Teacher(TeacherFacts(self.encoder, ""), model), folder, seed=0)
        (folder / "vocab.json").unlink()
        return folder


def markdown(results: list[dict[str, Any]]) -> str:
    """A table with a row for each student and way; the change is against CTC alone, over the seeds of both."""
    lines = ["| student | way | seeds | dev CER (95 % interval) | change against CTC alone |", "|---" * 5 + "|"]
    for student, way in dict.fromkeys((r["student"], r["way"]) for r in results):
        ours, base = (
            {r["seed"]: r["clips"] for r in results if (r["student"], r["way"]) == (student, one) and r["clips"]}
            for one in (way, ALONE)
        )
        common = sorted(ours.keys() & base.keys())
        score = rate(np.array([ours[seed] for seed in sorted(ours)])[..., :2]) if ours else STOPPED
        against = ""
        if common and way != ALONE:
            against = change(*(np.array([one[seed] for seed in common])[..., :2] for one in (ours, base)))
        name = f"{student} layers" if student.isdigit() else student
        lines.append(f"| {name} | {way} | {len(ours)} | {score} | {against} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
