"""metrics.jsonl: what is written can be read, however the file ends and whatever was not finite."""

from __future__ import annotations

import json
import math
from pathlib import Path

from goama.evaluation.scores import error_rates, score_clip
from goama.run.metrics import METRICS_FILE, append_metrics, evaluation_line, forget_after, read_metrics


def test_a_run_without_metrics_has_none(tmp_path: Path) -> None:
    assert read_metrics(tmp_path).lines == () and read_metrics(tmp_path).step == 0
    forget_after(tmp_path, 10)
    assert not (tmp_path / METRICS_FILE).exists()


def test_lines_are_read_back_by_kind_and_what_is_not_finite_is_null(tmp_path: Path) -> None:
    append_metrics(tmp_path, 10, {"loss": 2.5, "gradient_norm": math.inf})
    append_metrics(tmp_path, 20, {"loss": math.nan, "gradient_norm": 3.0})
    append_metrics(tmp_path, 20, {"dev_cer": 0.5})
    append_metrics(tmp_path, 25, {"event": "skipped"})
    metrics = read_metrics(tmp_path)
    assert [line["step"] for line in metrics.steps] == [10, 20]
    assert metrics.steps[1]["loss"] is None and metrics.steps[0]["gradient_norm"] is None
    assert (len(metrics.evaluations), len(metrics.events), metrics.step) == (1, 1, 25)
    assert metrics.last("loss") == 2.5, "the newest finite value"


def test_a_resumed_run_forgets_later_steps_and_half_a_line(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        append_metrics(tmp_path, step, {"loss": 1.0})
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 40, "lo')
    assert read_metrics(tmp_path).unreadable == 1
    forget_after(tmp_path, 20)
    append_metrics(tmp_path, 30, {"loss": 0.5})
    metrics = read_metrics(tmp_path)
    assert [(line["step"], line["loss"]) for line in metrics.steps] == [(10, 1.0), (20, 1.0), (30, 0.5)]
    assert metrics.unreadable == 0


def test_the_line_of_an_evaluation_counts_errors_by_speaker_and_by_corpus() -> None:
    clips = [
        score_clip("nl/a", "de zee", "de see", seconds=1.0, speaker="Awa"),
        score_clip("nl/b", "ja", "ja", seconds=1.0, speaker="Musa"),
        score_clip("fy/c", "it wetter", "", seconds=2.0, speaker="Musa"),
    ]
    line = evaluation_line(clips, error_rates(clips), best=True, sane=True, corpora=("nl", "fy"))
    assert line["speakers"] == {"Awa": [1, 6, 1], "Musa": [9, 11, 2]}
    assert line["corpora"] == {"fy": [9, 9, 1], "nl": [1, 8, 2]}
    assert [clip["id"] for clip in line["worst_clips"]] == ["fy/c", "nl/a", "nl/b"]
    assert line["best_clips"][0]["id"] == "nl/b" and json.loads(json.dumps(line)) == line
    alone = evaluation_line(clips[:1], error_rates(clips[:1]), best=False, sane=True)
    assert "speakers" not in alone and "corpora" not in alone
