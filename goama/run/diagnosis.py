"""`RUN/diagnosis.json`: the findings about a training run, and which of them the screen has shown already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from goama.audit.findings import SEVERITIES, Finding
from goama.files import write_beside

DIAGNOSIS_FILE = "diagnosis.json"


@dataclass(frozen=True)
class Diagnosis:
    """The content of diagnosis.json."""

    finished: bool = False
    reason: str = ""
    """Why the run ended before its planned end: the guard's or `train.patience`'s sentence; else empty."""
    findings: tuple[Finding, ...] = ()
    """The gravest first."""
    told: dict[str, int] = field(default_factory=dict)
    """Key of a finding to the step at which it was first true: everything shown so far, also what no longer holds."""


def read_diagnosis(run: Path) -> Diagnosis:
    """The diagnosis of a run, without entries that are no findings; empty where the file is missing or damaged."""
    try:
        content = json.loads((run / DIAGNOSIS_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return Diagnosis()
    if not isinstance(content, dict):
        return Diagnosis()
    entries, told = content.get("diagnoses"), content.get("told")
    return Diagnosis(
        bool(content.get("finished")),
        str(content.get("reason") or ""),
        tuple(_findings(entries if isinstance(entries, list) else ())),
        {str(key): int(step) for key, step in told.items() if isinstance(step, int)} if isinstance(told, dict) else {},
    )


def save_diagnosis(run: Path, findings: Sequence[Finding], *, finished: bool, reason: str) -> list[Finding]:
    """Write diagnosis.json; returns the findings that were not told before.

    A finding keeps the step at which it was first true. One that is no longer true is dropped, but counts as told.
    """
    told = read_diagnosis(run).told
    kept = [replace(finding, step=told.get(finding.key, finding.step)) for finding in findings]
    new = [finding for finding in kept if finding.key not in told]
    content = {
        "finished": finished,
        "reason": reason,
        "diagnoses": [finding.to_json() | {"sentence": finding.message} for finding in kept],
        "told": told | {finding.key: finding.step or 0 for finding in new},
    }
    write_beside(run / DIAGNOSIS_FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return new


def _findings(entries: Iterable[Any]) -> Iterable[Finding]:
    """Findings of goama 0.1 have a `sentence` as their message, and neither severity nor `why`."""
    for entry in entries:
        if not isinstance(entry, dict) or not (message := entry.get("message") or entry.get("sentence")):
            continue
        severity, clips, step = entry.get("severity"), entry.get("clips"), entry.get("step")
        name, why, remedy, evidence, subject = (
            str(entry.get(key) or "") for key in ("name", "why", "remedy", "evidence", "subject")
        )
        yield Finding(
            name,
            severity if severity in SEVERITIES else "warning",
            tuple(str(clip) for clip in clips) if isinstance(clips, list) else (),
            str(message),
            why,
            remedy,
            evidence=evidence,
            subject=subject,
            step=step if isinstance(step, int) else None,
        )
