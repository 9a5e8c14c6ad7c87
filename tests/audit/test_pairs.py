"""The line between letters and seconds, and the room that CTC has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2BertConfig

from goama.audit.encoder_frames import encoder_frames, frames_of_config
from goama.audit.findings import ClipFacts
from goama.audit.pairs import check_pairs, fit_line, summary
from goama.errors import GoamaError
from goama.model.attention import pooled_length
from goama.sound.log_mel import LogMel

WAV2VEC2_BERT = frames_of_config(Wav2Vec2BertConfig())
STACKS_THREE = frames_of_config(Wav2Vec2BertConfig(feature_projection_input_dim=240))


@settings(deadline=None)
@given(samples=st.integers(400 + 160, 16_000 * 60))
def test_frames_are_those_the_encoder_makes(samples: int) -> None:
    stacked = LogMel(2).frames(samples)
    assert WAV2VEC2_BERT.with_adapter is not None
    assert WAV2VEC2_BERT.plain.of([samples / 16_000]).tolist() == [stacked]
    assert WAV2VEC2_BERT.with_adapter.of([samples / 16_000]).tolist() == [
        int(pooled_length(torch.tensor(stacked), 3, 2))
    ]


def test_nothing_at_all_has_no_frames() -> None:
    assert [count.of([0.0]).tolist() for count in WAV2VEC2_BERT.counts] == [[0], [0]]


def test_frames_are_counted_as_the_encoder_that_will_be_trained_makes_them(
    tmp_path: Path, waveform_encoders: dict[str, Path]
) -> None:
    Wav2Vec2BertConfig(feature_projection_input_dim=240).save_pretrained(tmp_path)
    slow, waves = encoder_frames(str(tmp_path)), encoder_frames(str(waveform_encoders["wav2vec2-base"]))
    assert slow.plain.label == "30 ms" and slow.with_adapter is None
    assert slow.plain.of([1.0]).tolist() == [LogMel(3).frames(16_000)]
    assert waves.plain.label == "20 ms" and waves.plain.of([1.0]).tolist() == [49]
    with pytest.raises(GoamaError, match="nowhere"):
        encoder_frames(str(tmp_path / "nowhere"))


@settings(max_examples=30, deadline=None)
@given(pause=st.floats(0, 1), rate=st.floats(5, 25), seed=st.integers(0, 99))
def test_the_line_does_not_bend_to_a_quarter_of_false_pairs(pause: float, rate: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    characters = generator.integers(5, 120, 200).astype(float)
    seconds = (pause + characters / rate) * np.exp(generator.normal(0, 0.1, 200))
    seconds[:50] = generator.uniform(0.1, 20, 50)
    assert fit_line(characters, seconds).seconds_per_character == pytest.approx(1 / rate, rel=0.25)


def clip(name: str, characters: int, seconds: float) -> ClipFacts:
    return ClipFacts(name, "", "", seconds=seconds, silence_share=0.0, characters=characters, labels=characters,
                     frames_needed=characters)  # fmt: skip


def test_clips_far_from_the_line_are_named_worst_first() -> None:
    generator = np.random.default_rng(0)
    good = [clip(f"good{n}", n, n / 12 * float(np.exp(generator.normal(0, 0.15)))) for n in range(10, 110)]
    bad = [clip("fast", 100, 3.5), clip("faster", 100, 2.2), clip("slow", 20, 9.0)]
    found = {finding.name: finding.clips for finding in check_pairs([*good, *bad], WAV2VEC2_BERT)}
    assert found["pair-too-much-text"] == ("faster", "fast")
    assert found["pair-too-little-text"] == ("slow",)


def test_what_has_no_room_at_40_ms_is_told_from_what_has_none_at_all() -> None:
    clips = [clip("tight", 40, 1.0), clip("none", 60, 1.0)]
    found = {f.name: (f.severity, f.clips) for f in check_pairs(clips, WAV2VEC2_BERT)}
    assert found == {"pair-no-room": ("error", ("none",)), "pair-no-room-at-40-ms": ("info", ("tight",))}


def test_an_encoder_with_longer_frames_has_no_room_for_what_fits_into_20_ms() -> None:
    clips = [clip("tight", 40, 1.0), clip("slow", 20, 1.0)]
    (finding,) = check_pairs(clips, STACKS_THREE)
    assert (finding.name, finding.clips) == ("pair-no-room", ("tight",)) and "even at 30 ms a frame" in finding.message
    facts = summary(clips, STACKS_THREE)
    assert list(facts["frames"]) == ["30 ms"] and facts["frames"]["30 ms"]["clips_without_room"] == 1
    assert facts["adapter"] is False
