"""Several causes of one finding: all of them are seen first."""

from __future__ import annotations

from pathlib import Path

from goama.audit.audit import audit
from goama.audit.faults import check_faults
from goama.sources.source import SourceClip


def missing(number: int) -> str:
    return f"its recording tape{number}.wav is not beside talk{number}.eaf; put it there"


def test_the_first_clips_named_have_different_reasons() -> None:
    faults = {f"tape{n}": ("row-faulty", missing(n)) for n in range(30)}
    faults |= {f"o{n}": ("row-faulty", f"overlaps the annotation from {n}.00 s to {n}.50 s") for n in range(3)}
    faults |= {"number": ("row-faulty", "the offset 'soon' is not a number of seconds")}
    found = next(finding for finding in check_faults(faults, 40) if finding)
    assert found.clips[:4] == ("tape0", "o0", "number", "tape1") and set(found.clips) == set(faults)
    assert "3 different reasons" in found.message and "34 of 40" in found.message
    assert found.details["tape0"] == f"{missing(0)}; 29 more for a reason like this"
    assert found.details["tape1"] == missing(1)
    assert found.details["o0"].endswith("2 more for a reason like this")
    assert "annotation" in found.remedy


def test_one_reason_is_not_counted() -> None:
    found = next(f for f in check_faults({"a": ("row-faulty", missing(1)), "b": ("row-faulty", missing(2))}, 2) if f)
    assert "reasons" not in found.message and "like this" not in found.details["a"]


def test_files_that_are_missing_and_rows_that_are_wrong_are_two_findings(tmp_path: Path) -> None:
    clips = [
        SourceClip("gone", tmp_path / "gone.wav", "een", "t:1"),
        SourceClip("wrong", tmp_path / "gone.wav", "twee", "t:2", fault="the clip would last 0.00 s"),
    ]
    found = {finding.name: finding for finding in audit(clips, source="s", language="nl").findings}
    assert found["audio-unreadable"].clips == ("gone",) and found["row-faulty"].clips == ("wrong",)
