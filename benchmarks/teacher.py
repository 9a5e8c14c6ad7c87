"""What a teacher's posteriors lose at other frame lengths, and what keeping them saves.

    python benchmarks/teacher.py MODEL CORPUS [--clips 24] [--layers 3]

MODEL is a model folder. First table: the greedy text of the posteriors of dev clips, resampled to frames of other
lengths by goama's formula and by plain averages, against the text at the teacher's own frames. Then the CPU time of
training steps of a student of MODEL's first layers, once while the teacher hears each clip for the first time and once
when it remembers them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line sets it
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch

from goama.corpus.corpus import Corpus
from goama.data.batches import Batch, DataPlace, TrainingBatches
from goama.evaluation.scores import score, score_clip
from goama.model.encoder import front_end
from goama.model.loading import load_for_training
from goama.model.precision import choose_precision
from goama.recognition.greedy import greedy_text
from goama.recognition.recogniser import Recogniser
from goama.run.recipe import DistilSection
from goama.training.distillation import (
    PROJECTION,
    Distillation,
    add_projection,
    averaged,
    frame_overlaps,
    resample_posteriors,
)
from goama.training.learner import Learner
from goama.training.optimiser import make_optimiser
from goama.training.student import student_from_config
from goama.training.teacher import Teacher, load_teacher

RATIOS = (0.5, 1.0, 1.5, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--layers", type=int, default=3)
    options = parser.parse_args()
    teacher, corpus = load_teacher(options.model), Corpus.open(options.corpus)
    print(resampling(teacher, corpus, options.clips))
    first, again, seconds = step_times(teacher, corpus, options.layers)
    print(f"CPU time of steps over {seconds:.0f} s of speech: {first:.2f} s, remembered {again:.2f} s")


def resampling(teacher: Teacher, corpus: Corpus, clips: int) -> str:
    """A Markdown table: length of a student's frame, and the CER of the resampled posteriors' text."""
    recogniser, vocabulary = Recogniser(teacher.model), teacher.model.vocabulary
    drawn = sorted(corpus.cuts("dev"), key=lambda cut: cut.id)[:clips]
    emissions = recogniser.emissions([cut.load_audio()[0] for cut in drawn])
    lines = ["| frame | goama | plain average |", "|---|---|---|"]
    for ratio in RATIOS:
        scores: tuple[list, list] = [], []
        for cut, emission in zip(drawn, emissions, strict=True):
            frames, ratios = max(1, round(len(emission) / ratio)), torch.tensor([ratio])
            overlaps = frame_overlaps(ratios, frames, torch.tensor([len(emission)]), len(emission))
            ours = resample_posteriors(emission[None], overlaps, ratios, vocabulary.blank_id)[0]
            plain = averaged(emission[None].exp(), overlaps)[0]
            for found, posteriors in zip(scores, (ours, plain), strict=True):
                text = greedy_text(posteriors.clamp_min(1e-12).log(), vocabulary)
                found.append(score_clip(cut.id, greedy_text(emission, vocabulary), text))
        frame_ms = 1000 * ratio * recogniser.frame_shift_s
        lines.append(
            f"| {frame_ms:.0f} ms | " + " | ".join(f"{100 * score(found).cer:.1f} %" for found in scores) + " |"
        )
    return "\n".join(lines) + "\n"


def step_times(teacher: Teacher, corpus: Corpus, layers: int) -> tuple[float, float, float]:
    """CPU seconds of the same steps, first and when the teacher remembers its clips; and the seconds of speech."""
    vocabulary, precision = teacher.model.vocabulary, choose_precision(torch.device("cpu"))[0]
    with TemporaryDirectory() as folder:
        file, student = Path(folder) / "student.json", Path(folder) / "student"
        file.write_text(json.dumps({"num_hidden_layers": layers}))
        student_from_config(file, teacher, student, seed=0)
        network = load_for_training(str(student), vocabulary, adapter=False).network.train()
        inputs = front_end(str(student), network.config)
    add_projection(network, teacher.states_width)
    section = DistilSection(ctc_weight=0.5, hidden_weight=1.0)
    distillation = Distillation(teacher, network, inputs, section, device=torch.device("cpu"), precision=precision)
    rates = {"learning_rate": 1e-4, "head_learning_rate": 1e-3, "betas": (0.9, 0.98), "weight_decay": 0.0}
    optimiser = make_optimiser(network, new_parameters=(PROJECTION,), **rates)  # type: ignore[arg-type]
    learner = Learner(network, optimiser, inputs, vocabulary, precision=precision, distillation=distillation)
    stream = TrainingBatches(corpus.cuts("train"), vocabulary, batch_s=24.0, seed=0).starting_at(DataPlace())
    warm_up, *batches = [batch for _, batch in islice(stream, 6)]
    learner.step([warm_up], seed=0, clip=1.0)
    first, again = (_cpu_s(learner, batches) for _ in range(2))
    return first, again, sum(batch.samples for batch in batches) / 16_000


def _cpu_s(learner: Learner, batches: list[Batch]) -> float:
    started = time.process_time()
    for batch in batches:
        learner.step([batch], seed=0, clip=1.0)
    return time.process_time() - started


if __name__ == "__main__":
    main()
