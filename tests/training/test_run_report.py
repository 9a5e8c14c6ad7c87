"""The training keeps its page: what the best model wrote, while it trains and when it has ended."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from goama.data.mixture import Mixture
from goama.evaluation.scores import error_rates
from goama.reports.run_page import REPORT_FILE, RunPage
from goama.run.dev_clips import read_dev_clips
from goama.run.recipe import read_recipe
from goama.training.train import train


class Terminal(io.StringIO):
    """What a person at the terminal sees, and the page as it is then."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.page, self.pages = page, {}

    def write(self, text: str) -> int:
        if self.page.is_file():
            self.pages[text] = self.page.read_text(encoding="utf-8")
        return super().write(text)


def test_the_page_is_written_while_the_run_goes_and_when_it_ends(
    mixture: Mixture, tiny_encoder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    terminal = Terminal(run / "report.html")
    recipe = read_recipe(None, ["train.steps=6", "train.eval_every=3", "data.batch_seconds=20"])
    trained = train(
        mixture,
        run,
        encoder=str(tiny_encoder),
        recipe=recipe,
        console=Console(file=terminal, width=200),
        watchers=[RunPage(run, pytest.fail)],
    )
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = [line for line in lines if line.get("best")][-1]
    kept = read_dev_clips(run)
    assert kept.step == best["step"] == trained.outcome.state.best_step
    rates = error_rates(kept.clips)
    assert (rates.cer, rates.wer, rates.clips) == (best["dev_cer"], best["dev_wer"], best["dev_clips"])

    (going,) = [page for told, page in terminal.pages.items() if "step     6" in told]
    assert "Training, 50 % done" in going and 'http-equiv="refresh"' in going
    page = (run / REPORT_FILE).read_text(encoding="utf-8")
    assert "Finished: dev CER" in page and 'http-equiv="refresh"' not in page
    assert all(clip.id in page for clip in kept.clips)
    assert page.count('class="player pictured"') == len(kept.clips)
    assert f"goama evaluate {run}/best" in page
