"""Whether the splits are apart, and large enough for what they are to tell."""

from __future__ import annotations

import numpy as np

from goama.audit.findings import ClipFacts, Finding
from goama.audit.sets import ASSUMED_WER, DESIGN_EFFECT, WORDS_NEEDED, check_sets, summary


def clip(name: str, split: str | None, text: str = "", speaker: str | None = None, words: int = 8) -> ClipFacts:
    text = text or f"a sentence that only {name} has"
    return ClipFacts(name, "", text, normalised=text, speaker=speaker, split=split, seconds=3.0, words=words)


def said(*clips: ClipFacts) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_sets(clips)}


def test_a_sentence_in_train_and_test_is_named_in_test() -> None:
    shared = "de kat zit op de mat"
    found = said(clip("a", "train", shared), clip("b", "test", shared), clip("c", "test"))["split-same-text"]
    assert found.clips == ("b",) and "a in train" in found.details["b"]


def test_a_greeting_in_two_splits_is_no_defect() -> None:
    assert "split-same-text" not in said(clip("a", "train", "ja", words=1), clip("b", "test", "ja", words=1))


def test_speakers_in_two_splits_are_a_warning_only_where_they_could_be_kept_apart() -> None:
    few = said(clip("a", "train", speaker="An"), clip("b", "test", speaker="An"))
    assert few["split-same-speaker"].severity == "info"
    many = [clip(f"t{n}", "train", speaker=f"S{n}") for n in range(9)]
    assert said(*many, clip("b", "test", speaker="S1"))["split-same-speaker"].severity == "warning"


def test_the_minutes_that_a_test_needs_are_said() -> None:
    found = said(clip("a", "train"), *(clip(f"b{n}", "test") for n in range(50)))["split-test-too-small"]
    minutes = WORDS_NEEDED / 8 * 3 / 60
    assert "400 words in 2.5 minutes" in found.message and f"about {minutes:.0f} minutes" in found.remedy


def test_that_many_words_give_three_points() -> None:
    """Clips whose errors come in clusters: the bootstrap of `goama evaluate` agrees with the rule."""
    from goama.evaluation.scores import bootstrap_interval

    generator = np.random.default_rng(0)
    words = np.full(WORDS_NEEDED // 8, 8)
    spread = 8 / (DESIGN_EFFECT - 1) - 1 / (DESIGN_EFFECT - 1) - 1  # of a beta-binomial with that design effect
    rate = generator.beta(ASSUMED_WER * spread, (1 - ASSUMED_WER) * spread, len(words))
    low, high = bootstrap_interval(np.stack([generator.binomial(words, rate), words], axis=1))
    assert 0.05 < high - low < 0.07


def test_large_splits_of_many_speakers_are_fine() -> None:
    clips = [
        clip(f"{split}{n}", split, speaker=f"{split}{n % 9}") for split in ("train", "dev", "test") for n in range(300)
    ]
    assert said(*clips) == {}


def test_a_source_without_a_test_split_is_told_so() -> None:
    assert "no test split" in said(clip("a", "train"), clip("b", "dev"))["split-missing"].message
    assert "split-missing" not in said(clip("a", "train"), clip("b", "train"))  # prepare splits these
    assert "split-missing" not in said(clip("a", None))


def test_one_voice_that_fills_the_corpus_is_named() -> None:
    clips = [clip(f"a{n}", "train", speaker="An") for n in range(30)]
    clips += [clip(f"b{n}", "train", speaker=f"B{n}") for n in range(5)]
    assert "86 % of the sound is An's" in said(*clips)["speakers-unbalanced"].message


def test_the_summary_counts_splits_and_speakers() -> None:
    counted = summary([clip("a", "train", speaker="An"), clip("b", "train", speaker="Bo"), clip("c", "test")])
    assert counted["splits"]["train"] == {"clips": 2, "seconds": 6.0, "words": 16, "speakers": 2}
    assert list(counted["speakers"]) == ["An", "Bo"]


def test_a_speaker_s_name_in_two_spellings_is_found() -> None:
    names = ["Ion", "Ion", "ION", "Ele\u0301na P.", "El\u00e9na P", "p225", "p226", "?", "!"]
    finding = said(*(clip(f"c{n}", "train", speaker=name) for n, name in enumerate(names)))["speaker-spelling"]
    assert finding.clips == ("c2", "c3")
    assert "Ion / ION" in finding.message
    assert "speaker-spelling" not in said(clip("a", "train", speaker="p1"), clip("b", "train", speaker="p11"))
