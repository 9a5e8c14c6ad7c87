"""What is wrong with a run, and what to do about it: metrics and facts in, sentences with their evidence out.

Pure functions; each says nothing unless its evidence is there. The thresholds come from goama's own runs. `curves` has
the checks on the training, `speech` those on what it hears, `history` what both work on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from goama.files import write_beside
from goama.training.diagnosis import curves, speech
from goama.training.diagnosis.history import Diagnosis, History
from goama.training.facts import Facts

__all__ = ["Diagnosis", "diagnose", "save_diagnoses"]

DIAGNOSIS_FILE = "diagnosis.json"

_CHECKS: tuple[Callable[[History], Iterable[Diagnosis]], ...] = (
    curves.stopped,
    curves.not_finite,
    curves.rate,
    curves.plateau,
    curves.over_fitting,
    curves.under_training,
    speech.frames,
    speech.odd_batches,
    speech.one_corpus,
    speech.one_speaker,
    speech.dev_unlike_train,
)


def diagnose(lines: Iterable[Mapping[str, Any]], facts: Facts, *, at_end: bool = False) -> list[Diagnosis]:
    """Everything that is true of a run now, the gravest first; `lines` are metrics.jsonl's, oldest first.

    `at_end` adds what can only be said of a whole run.
    """
    lines = list(lines)
    history = History(
        [line for line in lines if "loss" in line],
        [line for line in lines if "dev_cer" in line],
        [line for line in lines if "event" in line],
        facts,
        at_end,
    )
    found = [diagnosis for check in _CHECKS for diagnosis in check(history)]
    return [Diagnosis(**{**asdict(one), "step": history.step}) for one in found]


def save_diagnoses(run: Path, found: Sequence[Diagnosis], *, finished: bool, reason: str) -> list[Diagnosis]:
    """Write RUN/diagnosis.json and return what was not in it before: what a person has not been told yet.

    A finding keeps the step at which it was first true; one that is no longer true is no longer there, but
    stays told.
    """
    before = _read(run / DIAGNOSIS_FILE)
    told: dict[str, int] = before.get("told", {})
    kept = [Diagnosis(**{**asdict(one), "step": told.get(one.key, one.step)}) for one in found]
    new = [one for one in kept if one.key not in told]
    content = {
        "finished": finished,
        "reason": reason,
        "diagnoses": [asdict(one) for one in kept],
        "told": told | {one.key: one.step for one in new},
    }
    write_beside(run / DIAGNOSIS_FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return new


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
