"""`goama ngram`, `tune`, and decoding options of `transcribe`, on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A model folder of its own, to be changed; it babbles in great certainty, which is decoded quickly."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    state = load_file(folder / "model.safetensors")
    state["lm_head.weight"] *= 50
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_from_transcripts_to_a_tuned_model_that_transcribes(goama, corpus, model, speech, tmp_path):
    made = goama("ngram", corpus.folder, "-o", model / "ngram")
    assert made.status == 0, made.err
    assert "corpus: 16 transcripts of train" in made.out and "3-gram of words: 16 lines" in made.out
    assert "dev: perplexity" in made.out and f"next: goama tune {model} {corpus.folder}" in made.out
    assert sorted(file.name for file in (model / "ngram").iterdir()) == [
        "characters.arpa.gz",
        "ngram.json",
        "words.arpa.gz",
    ]
    tuned = goama("tune", model, corpus.folder)
    assert tuned.status == 0, tuned.err
    decoding = json.loads((model / "decoding.json").read_text(encoding="utf-8"))
    assert decoding["reason"] in tuned.out and set(decoding["weights"]) == {"words", "characters"}
    recording = next((speech / "audio").glob("*.ogg"))
    hot = tmp_path / "names.txt"
    hot.write_text("Bathyscaaf\n\nde Zwarte Parel\n", encoding="utf-8")
    for options in ((), ("--decoding", "greedy"), ("--decoding", "beam"), ("--hot-words", hot)):
        assert goama("transcribe", model, recording, *options).status == 0


def test_a_new_n_gram_takes_away_what_was_tuned_for_the_old_one(goama, corpus, model):
    (model / "decoding.json").write_text("{}")
    assert "decoding.json is removed" in goama("ngram", corpus.folder, "-o", model / "ngram").out
    assert not (model / "decoding.json").exists()


@pytest.mark.parametrize("split", ["test", "train"])
def test_tuning_on_test_or_train_is_refused(goama, corpus, model, split):
    refused = goama("tune", model, corpus.folder, "--split", split)
    assert refused.status == 2 and "tune on dev" in refused.err


def test_wrong_places_and_values_are_named(goama, corpus, model, speech, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    recording = next((speech / "audio").glob("*.ogg"))
    for command, message in (
        (("ngram", corpus.folder, "-o", tmp_path / "ngram"), "give MODEL/ngram"),
        (("ngram", corpus.folder, "-o", model / "ngram", "--units", "syllables"), "words, characters and both"),
        (("ngram", corpus.folder, "-o", model / "ngram", "--order", "7"), "possible are 2 to 6"),
        (("transcribe", model, recording, "--decoding", "magic"), "auto, greedy, beam"),
        (("transcribe", model, recording, "--hot-words", empty), "no hot words in it"),
        (("transcribe", model, recording, "--hot-words", empty, "--decoding", "greedy"), "need beam search"),
    ):
        outcome = goama(*command)
        assert outcome.status == 2 and message in outcome.err, outcome.err
    assert not (model / "ngram").exists()
