"""What the audit has seen can be heard again for its page."""

from pathlib import Path

import numpy as np
import pytest

from goama.audit.audit import audit
from goama.audit.sounds import Sounds
from goama.reports.audit_page import write_audit_report
from goama.sound.audio import read_audio
from goama.sources.source import SourceClip

SPEECH = Path(__file__).parent.parent / "fixtures" / "nl" / "audio"
WHOLE = SPEECH / "airplane__let-m-divna.ogg"


def test_a_clip_is_heard_from_its_file_its_bytes_or_its_place_in_a_recording(tmp_path: Path) -> None:
    clips = Sounds(
        iter(
            [
                SourceClip("file", WHOLE, "wat is dit", "a:1"),
                SourceClip("bytes", WHOLE.read_bytes(), "voor raar", "a:2"),
                SourceClip("piece", WHOLE, "schip", "a:3", offset=0.5, duration=1.0),
                SourceClip("gone", tmp_path / "gone.wav", "weg", "a:4"),
            ]
        )
    )
    found = audit(clips, source="a", language="nl")
    heard = {clip.id: clips(clip) for clip in found.clips}
    assert heard["file"] == heard["bytes"] == WHOLE.read_bytes()
    assert heard["gone"] is None
    piece, whole = read_audio(heard["piece"]).samples, read_audio(WHOLE).samples
    inside = slice(100, -100)  # at its ends the resampler hears what lies beside it
    assert piece[inside] == pytest.approx(whole[8000:24000][inside], abs=1e-3)
    assert np.abs(piece).max() > 0.01

    write_audit_report(found, tmp_path / "report.html", sound=clips)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "audio/mpeg" in page
