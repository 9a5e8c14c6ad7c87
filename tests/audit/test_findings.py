"""A finding: the same lines on the screen whether data or a training run is meant."""

from __future__ import annotations

import pytest

from goama.audit.findings import Finding


def test_a_finding_about_data_names_its_first_clips_with_their_evidence() -> None:
    clips = tuple(f"clip-{n}" for n in range(5))
    found = Finding("audio-noisy", "info", clips, "5 clips are noisy", "why", "Listen.", {"clip-0": "SNR 3 dB"})
    assert list(found.lines()) == [
        "info     5 clips are noisy  [audio-noisy]",
        "         clip-0 (SNR 3 dB)",
        "         clip-1",
        "         clip-2",
        "         and 2 more",
        "         → Listen.",
    ]


def test_a_finding_about_a_run_shows_its_evidence() -> None:
    found = Finding("over-fitting", "warning", (), "It overfits.", "why", "Stop.", evidence="loss 2 -> 1", step=40)
    assert str(found).split("\n") == [
        "warning  It overfits.  [over-fitting]",
        "         loss 2 -> 1",
        "         → Stop.",
    ]


def test_findings_of_one_name_differ_by_their_subject() -> None:
    awa = Finding("one-speaker-much-worse", "warning", (), "m", "w", "r", subject="Awa")
    assert awa.key == "one-speaker-much-worse: Awa"


def test_a_severity_that_does_not_exist_is_a_bug() -> None:
    with pytest.raises(ValueError, match="fatal"):
        Finding("x", "fatal", (), "m", "w", "r")
