"""The benchmarks' own code: portions of corpora, saved results, and tables with runs that the guard stopped."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from goama.corpus.corpus import Corpus
from goama.corpus.prepare import prepare
from goama.run.state import GuardState, RunState
from goama.sources.source import SourceClip
from goama.training.loop import Outcome
from goama.training.train import Trained

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CLIPS = [[1, 10, 1, 2], [2, 10, 2, 2]]
"""Character errors, characters, word errors, words of two clips."""


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A module of the benchmarks' folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_two_voices_of_one_language_have_separate_portions(benchmark, corpus, tmp_path):
    def voice(name: str) -> Corpus:
        """The shared corpus three times over, two minutes of training."""
        clips = [
            SourceClip(id, Path(c.recording.sources[0].source), c.supervisions[0].text, id, split=split)
            for split in ("train", "dev", "test")
            for c in corpus.cuts(split)
            for id in (f"{name}-{copy}-{c.id}" for copy in range(3))
        ]
        return prepare(clips, tmp_path / name, source=name, language="nl").corpus

    portions = benchmark("portions")
    first, second = (portions.portion(voice(name), tmp_path, 0.2) for name in ("one", "other"))
    assert {cut.id.split("-")[0] for cut in first.cuts("train")} == {"one"}
    assert {cut.id.split("-")[0] for cut in second.cuts("train")} == {"other"}


def test_a_voice_without_a_test_split_can_be_portioned(benchmark, corpus, tmp_path):
    clips = [
        SourceClip(f"{copy}-{c.id}", Path(c.recording.sources[0].source), c.supervisions[0].text, c.id, split=split)
        for split in ("train", "dev")
        for c in corpus.cuts(split)
        for copy in range(3)
    ]
    voice = prepare(clips, tmp_path / "voice", source="voice", language="ru").corpus
    part = benchmark("portions").portion(voice, tmp_path, 0.2)
    assert part.clips("test") == 0 and part.clips("dev") == voice.clips("dev")
    assert 12 <= part.seconds("train") < voice.seconds("train")


def test_a_run_that_the_guard_stopped_has_no_score_and_an_interrupted_one_ends_the_benchmark(
    benchmark, corpus, tmp_path
):
    def trained(*, interrupted: bool) -> Trained:
        state = RunState(step=40, finished=True, guard=GuardState(ended_by="guard", reason="the loss rose"))
        return Trained(tmp_path, tmp_path / "best", Outcome(state, interrupted))

    score_best = benchmark("portions").score_best
    assert score_best(trained(interrupted=False), corpus, "dev") is None
    with pytest.raises(SystemExit) as left:
        score_best(trained(interrupted=True), corpus, "dev")
    assert left.value.code == 130


def test_the_table_of_pieces_counts_runs_that_the_guard_stopped(benchmark):
    def run(piece: str, seed: int, clips: list[list[int]] | None) -> dict:
        return {"piece": piece, "seed": seed, "voice": "v", "speech_min": 10, "clips": clips}

    results = [run("plain", seed, CLIPS) for seed in (0, 1)]
    results += [run("tempo", 0, CLIPS), run("tempo", 1, None), run("rooms", 0, None)]
    rows = benchmark("recipe").markdown(results).splitlines()
    assert rows[3].endswith("+0.0 % (+0.0 to +0.0); 1 of 2 stopped by the guard |")
    assert rows[4] == "| rooms | 1 | 1 of 1 stopped by the guard |"


def test_the_starters_table_counts_runs_that_the_guard_stopped(benchmark):
    def run(encoder: str, clips: list[list[int]] | None) -> dict:
        return {"encoder": encoder, "speech_min": 5.0, "steps": 40, "cpu_min": 1.0, "clips": clips}

    table = benchmark("starter").markdown([run("scratch", None), run("starter", CLIPS), run("starter", None)])
    assert "| scratch | 1, 1 stopped by the guard | 40 | 1.0 |  |  |" in table
    assert "| starter | 2, 1 stopped by the guard | 40 | 1.0 | 15.0 %" in table


def test_accuracy_against_the_notebook_reuses_the_runs_that_were_saved(benchmark, corpus, tmp_path, capsys):
    trained_on, kept = corpus.fingerprint()[:8], tmp_path / "accuracy.json"
    sides = {"notebook": CLIPS, "notebook, warm-up of a tenth": CLIPS, "goama": None}
    results = {
        f"{side}, 9 min of {trained_on}, seed {seed}": {
            "steps": 75,
            "peak_learning_rate": 7.5e-6,
            "clips": clips if seed else CLIPS,
        }
        for side, clips in sides.items()
        for seed in (0, 1)
    }
    kept.write_text(json.dumps(results))
    summary = benchmark("against_notebook").accuracy(corpus.folder, 9.0, 2, list(sides), kept)
    assert summary["goama"]["stopped"] == 1 and summary["goama against: notebook"]["cer"].startswith("+0.0 %")
    told = capsys.readouterr().out
    assert "| goama; 1 stopped by the guard | 75 | 7.5e-06 | 15.0 %" in told
    assert "| goama against: notebook, warm-up of a tenth |  |  | +0.0 %" in told


@pytest.mark.parametrize("typed, steps", [([], 500), (["--warm-up", "0.1"], 8)])
def test_the_notebooks_warm_up_is_500_steps_or_a_share_of_the_steps(benchmark, tmp_path, monkeypatch, typed, steps):
    notebook = benchmark("notebook_recipe")
    monkeypatch.setattr(sys, "argv", ["notebook", "--train", "t", "--dev", "d", "--out", str(tmp_path), *typed])
    assert notebook.arguments(notebook.parse(), 75).get_warmup_steps(75) == steps
