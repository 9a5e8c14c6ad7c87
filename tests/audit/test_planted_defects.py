"""Every planted defect is found, and the clips without a defect are left in peace."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from goama.audit.audit import audit
from goama.audit.findings import Audit
from goama.sources.source import read_source


def test_every_defect_is_found_in_its_clip(planted, planted_audit: Audit) -> None:
    found = {finding.name: set(finding.clips) for finding in planted_audit.findings}
    missed = {name: ids - found.get(name, set()) for name, ids in planted.expected.items()}
    assert {name: ids for name, ids in missed.items() if ids} == {}
    assert len(planted.expected) >= 25


def test_no_clip_without_a_defect_is_named(planted, planted_audit: Audit) -> None:
    accused = {f.name: planted.clean & set(f.clips) for f in planted_audit.findings}
    assert {name: ids for name, ids in accused.items() if ids} == {}


def test_a_defect_is_said_once_and_nothing_untrue_beside_it(
    planting: ModuleType, planted, planted_audit: Audit
) -> None:
    said_too = {
        (clip, finding.name)
        for finding in planted_audit.findings
        for clip in finding.clips
        if clip not in planted.expected.get(finding.name, set())
    }
    assert said_too <= {(clip, name) for clip, names in planting.ALSO_TRUE.items() for name in names}


def test_defects_of_annotations_are_found_and_no_others(
    planting_annotations: ModuleType, speech: Path, tmp_path: Path
) -> None:
    for planted in planting_annotations.plant_annotations(speech, tmp_path):
        source = str(planted.folder)
        found = audit(read_source(source), source=source, language="nl")
        named = {finding.name: set(finding.clips) for finding in found.findings if finding.clips}
        assert named == planted.expected
        assert {clip.id for clip in found.clips} == planted.clean.union(*planted.expected.values())


def test_every_finding_says_why_and_what_to_do(planted_audit: Audit) -> None:
    ids = {clip.id for clip in planted_audit.clips}
    for finding in planted_audit.findings:
        assert finding.message and finding.why.endswith(".") and finding.remedy
        assert set(finding.clips) <= ids and set(finding.details) <= set(finding.clips)
        assert len(set(finding.clips)) == len(finding.clips)


def test_the_worst_findings_stand_first(planted_audit: Audit) -> None:
    severities = [finding.severity for finding in planted_audit.findings]
    assert severities == sorted(severities, key=("error", "warning", "info").index)
    assert planted_audit.has_errors


def test_the_facts_of_every_clip_are_there(planted, planted_audit: Audit) -> None:
    facts = {clip.id: clip for clip in planted_audit.clips}
    for clip_id in planted.clean:
        clip = facts[clip_id]
        assert clip.fault is None and clip.native_rate == 16_000 and clip.channels == 1
        assert clip.peak_db is not None and -7 < clip.peak_db < -5  # planted at half of full scale
        assert clip.noise_db is not None and clip.rms_db is not None and clip.noise_db < -55 < clip.rms_db < -10
        assert clip.speech_s is not None and clip.seconds is not None and 0.3 < clip.speech_s <= clip.seconds
        assert clip.labels >= clip.characters > 0 and clip.frames_needed >= clip.labels
    assert facts["outside"].fault and "does not lie within" in facts["outside"].fault
    assert facts["telephone"].native_rate == 8000
    assert facts["telephone-made-wide"].bandwidth_hz is not None
    assert 3500 < facts["telephone-made-wide"].bandwidth_hz < 4100


def test_silence_and_hum_are_not_counted_as_speech(planted_audit: Audit) -> None:
    facts = {clip.id: clip for clip in planted_audit.clips}
    assert [facts[clip_id].speech_s for clip_id in ("digital-silence", "faint-hiss", "hum", "loud-hiss")] == [0.0] * 4


def test_the_documentation_names_every_finding(planted_audit: Audit) -> None:
    documentation = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    assert [f.name for f in planted_audit.findings if f"`{f.name}`" not in documentation] == []
